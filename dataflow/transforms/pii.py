"""Personal data out of text: each address or number becomes a typed placeholder or a keyed pseudonym.

One kernel tells which lines could hold which kinds; only those are searched, and only candidates meet the
validators of ``pii_kinds``. Where spans overlap the first of ``KINDS`` wins. A scrubbed text is
searched again until nothing is found, so that stored text holds no valid span and scrubbing twice is
scrubbing once. The audit table holds places and salted hashes, never the plain value.
"""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

from dataflow.config import Config
from dataflow.kernels.arrow import buffers

if TYPE_CHECKING:  # the validators load phone metadata: only where something is scrubbed
    from dataflow.transforms.pii_kinds import Found

VERSION = 2

Kind = Literal["email", "iban", "card", "ip", "phone"]
Action = Literal["placeholder", "pseudonym"]

KINDS: tuple[Kind, ...] = ("email", "iban", "card", "ip", "phone")
"""All kinds, in order of priority where spans overlap: the one with the strongest check first."""

SPANS = pa.schema(
    {
        "row": pa.int64(),
        "kind": pa.string(),
        "start": pa.int64(),  # characters, in the text before scrubbing
        "length": pa.int64(),
        "new_start": pa.int64(),  # characters, in the scrubbed text
        "new_length": pa.int64(),
        "hash": pa.string(),  # of the normalised value, keyed by the salt
        "action": pa.string(),
    }
)


class Pii(Config):
    """Which personal data is taken out of texts, urls and metadata, and what stands there afterwards."""

    kinds: tuple[Kind, ...] = ("email", "ip", "phone", "card", "iban")
    """Kinds that are looked for; an empty list turns scrubbing off."""
    action: Action = "placeholder"
    """``placeholder``: ``<EMAIL>``; ``pseudonym``: a fake value, the same for the same value and salt."""
    salt: str = ""
    """Secret key of hashes and pseudonyms. Left empty, whoever guesses a value can check the guess."""
    regions: tuple[str, ...] = ("US",)
    """Countries (ISO 3166) whose national phone formats are looked for; international numbers always are."""


@dataclass(frozen=True)
class Scrubbed:
    """Texts without personal data, and what was replaced: one row of ``SPANS`` a span, in text order."""

    texts: pa.LargeStringArray
    spans: pa.Table


@dataclass(frozen=True)
class _Span:
    """A replaced piece of a text, in bytes of the text before scrubbing."""

    start: int
    end: int
    kind: str
    value: str  # normalised
    replacement: bytes


def scrub(texts: pa.LargeStringArray, config: Pii) -> Scrubbed:
    """Replace personal data in each text."""
    key = _key(config)
    changed: dict[int, bytes] = {}
    rows: list[tuple[object, ...]] = []
    for row, data, spans in _scan(texts, config, key):
        changed[row] = _replace(data, spans)
        rows.extend((row, *place, config.action) for place in _places(data, spans, key))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SPANS)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SPANS, strict=True)]
    return Scrubbed(_with(texts, changed), pa.Table.from_arrays(arrays, schema=SPANS))


def scrub_strings(strings: pa.StringArray, config: Pii) -> pa.StringArray:
    """The same for short fields such as urls, without spans; nulls stay null."""
    key = _key(config)
    return _with(strings, {row: _replace(data, spans) for row, data, spans in _scan(strings, config, key)})


def _scan(texts: pa.Array, config: Pii, key: bytes) -> Iterator[tuple[int, bytes, list[_Span]]]:
    """Row, UTF-8 and spans of each text in which something is found."""
    if not config.kinds:
        return
    from dataflow.transforms.pii_kinds import detector

    detect = detector(tuple(kind for kind in KINDS if kind in config.kinds), config.regions)
    for row, lines in detect.candidates(*buffers(texts.cast(pa.large_string()))):
        data = texts[row].as_buffer().to_pybytes()
        if found := detect.find(data, lines):
            yield row, data, _until_clean(data, found, detect.find, config, key)


def _until_clean(
    data: bytes, found: list[Found], find: Callable[[bytes], list[Found]], config: Pii, key: bytes
) -> list[_Span]:
    """All spans of a text, sorted: those found at once, then those that show once others are replaced.

    A find that reaches into a pseudonym is the same data continued (``a@b.org`` in ``a@b.org@c.org``): one
    span then covers both, so that what is left holds nothing. Each round covers more text, so it ends.
    """
    spans: list[_Span] = []
    while found:
        places = _new_places(spans)
        fresh: list[_Span] = []
        gone: set[int] = set()
        for one in found:
            first = bisect(
                places, one.start, key=lambda place: place[1]
            )  # the first that ends after it begins
            last = bisect_left(
                places, one.end, key=lambda place: place[0]
            )  # after the last that begins before
            touched = set(range(first, last))
            inside = len(touched) == 1 and places[first][0] <= one.start and one.end <= places[first][1]
            if inside or touched & gone:
                continue  # our own fake value; or for the next round to see
            gone |= touched
            start, end = one.start - _shift(first, spans, places), one.end - _shift(last, spans, places)
            if touched:
                start, end = min(start, spans[first].start), max(end, spans[last - 1].end)
            replacement = _replacement(one, config.action, key)
            fresh.append(_Span(start, end, one.kind, one.value, replacement))
        if not fresh:
            break
        kept = [span for index, span in enumerate(spans) if index not in gone]
        spans = sorted([*kept, *fresh], key=lambda span: span.start)
        found = find(_replace(data, spans))
    return spans


def _shift(index: int, spans: list[_Span], places: list[tuple[int, int]]) -> int:
    """How far the text after the first ``index`` spans has moved."""
    return places[index - 1][1] - spans[index - 1].end if index else 0


def _replace(data: bytes, spans: list[_Span]) -> bytes:
    pieces, end = [], 0
    for span in spans:
        pieces += [data[end : span.start], span.replacement]
        end = span.end
    return b"".join([*pieces, data[end:]])


def _new_places(spans: list[_Span]) -> list[tuple[int, int]]:
    """Start and end of each replacement in the scrubbed text, in bytes."""
    places, shift = [], 0
    for span in spans:
        start = span.start + shift
        places.append((start, start + len(span.replacement)))
        shift += len(span.replacement) - (span.end - span.start)
    return places


def _places(data: bytes, spans: list[_Span], key: bytes) -> Iterator[tuple[str, int, int, int, int, str]]:
    """The audit rows of a text: offsets turned from bytes into characters."""
    end = characters = new_characters = 0
    for span in spans:
        between = len(data[end : span.start].decode())
        length, new_length = len(data[span.start : span.end].decode()), len(span.replacement)  # ASCII
        start, new_start = characters + between, new_characters + between
        yield (
            span.kind,
            start,
            length,
            new_start,
            new_length,
            _digest(span.kind, span.value, key, b"audit").hex(),
        )
        end, characters, new_characters = span.end, start + length, new_start + new_length


def _replacement(found: Found, action: Action, key: bytes) -> bytes:
    if action == "placeholder":
        return f"<{found.kind.upper()}>".encode()
    from dataflow.transforms.pii_kinds import pseudonym

    return pseudonym(found, _digest(found.kind, found.value, key, b"pseudonym")).encode()


def _digest(kind: str, value: str, key: bytes, purpose: bytes) -> bytes:
    return blake2b(f"{kind}:{value}".encode(), digest_size=16, key=key, person=purpose).digest()


def _key(config: Pii) -> bytes:
    """The salt as a key of fixed size, whatever its length."""
    return blake2b(config.salt.encode(), digest_size=32).digest()


def _with(texts: pa.Array, changed: dict[int, bytes]) -> pa.Array:
    """The column with some rows replaced."""
    if not changed:
        return texts
    mask = [False] * len(texts)
    for row in changed:
        mask[row] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(list(changed.values()), texts.type))

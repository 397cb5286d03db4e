"""Phone numbers: candidates by RE2, then Google's phonenumbers decides whether such a number can exist.

International numbers (``+``) are found for every country, national ones for the regions asked for. The
library costs some 100 microseconds a candidate, so the patterns are narrow: a national number needs its
prefix or, in North America, its 3-3-4 form. Ten bare digits are more often an id than a phone: they count
only after a word such as *tel* or *call*.
"""

import re
from collections.abc import Iterator
from functools import cache

import phonenumbers
import re2
from phonenumbers import Leniency, PhoneMetadata, PhoneNumberMatcher

from dataflow.config import nearest
from dataflow.errors import RecipeError

_GAP = r"[ ().\-/\x{a0}\x{2010}-\x{2013}]"
_INTERNATIONAL = rf"\(?\+[ ]?\(?[1-9](?:{_GAP}{{0,3}}[0-9]){{6,16}}"
_NORTH_AMERICA = (
    r"(?:1[ .\-])?(?:\([2-9][0-9]{2}\)[ .\-]?|[2-9][0-9]{2}[ .\-/]{1,2})[2-9][0-9]{2}[ .\-][0-9]{4}"
    r"|1?[2-9][0-9]{2}[2-9][0-9]{6}"
)
_EXTENSION = re.compile(
    rb"[ ,;]{0,2}(?:x|ext\.?|extension)[ .:]{0,2}[0-9]{1,6}(?![0-9A-Za-z])", re.IGNORECASE
)
_SPOKEN_OF = re.compile(
    rb"phone|\btel\b|\btel[.:]|call|fax|mobile|\bcell|contact|whatsapp|\bsms|dial|hotline", re.IGNORECASE
)
_LAST_GROUP = re.compile(rb"[^0-9+]+[0-9]*\Z")
_DIGIT_RUN = re.compile(rb"[0-9]*")
_DOTTED_QUAD = re.compile(rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}\Z")
_MIXED_JOINTS = re.compile(rb"[0-9]+\.[0-9]+-[0-9]+\Z")
"""``252.227-7013`` is a clause of a regulation: nobody writes a number with a dot first and a dash then."""
_FICTION = re.compile(r"\+1\d{3}55501\d\d")
"""555-0100 to 555-0199 belong to nobody: films use them, and our pseudonyms."""


def find_phones(
    data: bytes, first: int, last: int, regions: tuple[str, ...]
) -> Iterator[tuple[int, int, str]]:
    """Start, end (bytes) and E.164 form of each number in a line that is valid in its country."""
    at = first
    pattern = _compiled(regions)
    while match := pattern.search(data, at, last):
        start, end = match.span()
        if data[start:end].count(b"+") and data[end : end + 1].isdigit():  # it swallowed half the next number
            end = start + len(_LAST_GROUP.sub(b"", data[start:end]))
        place = _validated(data, start, end, regions) if _stands_free(data, start, end) else None
        if place is not None:
            yield place
            at = place[1]
        else:
            run = _DIGIT_RUN.match(data, start)
            at = max(start + 1, run.end() if run else 0)


@cache
def phone_pattern(regions: tuple[str, ...]) -> str:
    """One RE2 pattern for international numbers and the national ones of some regions."""
    patterns = [_INTERNATIONAL]
    for region in regions:
        metadata = PhoneMetadata.metadata_for_region(region.upper(), None)
        if metadata is None:
            known = sorted(phonenumbers.SUPPORTED_REGIONS)
            raise RecipeError(f'unknown region "{region}"', "pii.regions", nearest(region.upper(), known))
        prefix = metadata.national_prefix or ""
        national = (
            rf"\(?{prefix}(?:{_GAP}{{0,3}}[0-9]){{6,14}}"
            if prefix
            else rf"\(?[0-9](?:{_GAP}{{0,3}}[0-9]){{5,14}}"
        )
        patterns.append(_NORTH_AMERICA if metadata.country_code == 1 else national)
    return "|".join(dict.fromkeys(patterns))


@cache
def _compiled(regions: tuple[str, ...]) -> re2._Regexp:
    return re2.compile(phone_pattern(regions))


def _stands_free(data: bytes, start: int, end: int) -> bool:
    """Neither part of a word or a longer number, nor one of a row of numbers (``233 377 610 9871 ...``)."""
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    if before[-1:] in _WORD_BYTES or (after[:1] in _WORD_BYTES and not _EXTENSION.match(data, end)):
        return False
    joints = b".,-/ " if b" " in data[start:end] else b".,-/"
    glued_before = before[-1:] in _single(joints) and before[:1].isdigit() and b"+" not in data[start:end]
    return not glued_before and not (after[:1] in _single(joints.replace(b",", b"")) and after[1:].isdigit())


@cache
def _single(characters: bytes) -> frozenset[bytes]:
    return frozenset(bytes([byte]) for byte in characters)


_WORD_BYTES = _single(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


def _validated(data: bytes, start: int, end: int, regions: tuple[str, ...]) -> tuple[int, int, str] | None:
    candidate = data[start:end]
    if _DOTTED_QUAD.match(candidate):
        return None
    if _MIXED_JOINTS.match(candidate):
        return None
    if candidate.strip(b"()").isdigit() and not _SPOKEN_OF.search(data, max(0, start - 24), start):
        return None
    if extension := _EXTENSION.match(data, end):
        candidate = data[start : extension.end()]
    text = candidate.decode()
    for region in ("ZZ",) if b"+" in candidate else regions:
        matcher = PhoneNumberMatcher(text, region.upper(), leniency=Leniency.VALID, max_tries=3)
        if not matcher.has_next():
            continue
        found = matcher.next()
        value = phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164)
        if not _FICTION.fullmatch(value):
            first = start + len(text[: found.start].encode())
            return first, first + len(text[found.start : found.end].encode()), value
    return None

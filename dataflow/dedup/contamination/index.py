"""The index of evaluation sets: the n-grams of every item, built once, looked up by every document.

An item is read into words as documents are (``kernels.word_runs``), after the same cleaning and scrubbing, and gives
two parts, each a set of n-grams: its prompt, and prompt and answer together. An n-gram has ``ngram`` words; where most
of a part is in a script without spaces it has as many characters as so many words have there (``CHARACTERS_PER_WORD``:
13 words are 21 Chinese characters, 52 Thai ones), since 13 characters are a phrase and no sentence. A part shorter
than that is one n-gram, all of it, if it has ``min_words``; a shorter one is no evidence.

Nor is an n-gram that more than ``max_shared`` different prompts of a set have: instructions, templates, a passage that
hangs below many questions. An item left with none is not looked for, and counted.

On disk: ``decontaminate/items.parquet``, an item a row with what became of it (no texts: sets may be secret), and
``decontaminate/ngrams.parquet``, 64-bit keys with the items they are of.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.dedup.contamination.config import Decontaminate, EvaluationSet
from dataflow.dedup.contamination.sets import FoundSet, Item, described, read_items
from dataflow.kernels import characters
from dataflow.kernels.word_runs import Hashes, Integers, Runs, compile_runs, read_words, run_keys
from dataflow.signals.basic import CHARACTERS_PER_WORD
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage
from dataflow.transforms.pii import Pii, scrub
from dataflow.transforms.unicode import clean_unicode

VERSION = 1
"""Raised when the same sets and settings would give another index."""

ITEMS_PATH, NGRAMS_PATH = "decontaminate/items.parquet", "decontaminate/ngrams.parquet"

FATES = ("used", "short", "shared", "repeated", "unreadable")
"""What becomes of an item: looked for; too short; nothing but shared phrases; as another of its set; no text."""

PROMPT, WHOLE = 1, 2
"""Bits of the parts of an item: its prompt; prompt and answer."""

ITEMS = pa.schema(
    {
        "set": pa.string(),
        "item": pa.string(),
        "fate": pa.string(),
        "n_words": pa.int64(),  # of prompt and answer; in scripts without spaces, characters
        "n_prompt": pa.int64(),  # n-grams of the prompt; 0: it is no evidence
        "n_whole": pa.int64(),  # of prompt and answer
    }
)
NGRAMS = pa.schema(
    {
        "key": pa.uint64(),
        "beginning": pa.uint64(),  # key of its first words, as many as the shortest n-gram of the index has
        "size": pa.int32(),  # words
        "item": pa.int32(),  # row of the items
        "parts": pa.int8(),
    }
)

_BEGIN, _FIELDS = "beginning_words", "fields"
_COST = np.array([*map(float, CHARACTERS_PER_WORD.values())])


@dataclass(frozen=True)
class Index:
    """N-grams ready to be found, and the items they are of."""

    runs: Runs
    first: Integers
    """Where the entries of each run begin below, one more at the end."""
    item: npt.NDArray[np.int32]
    parts: npt.NDArray[np.int8]
    sets: pa.Array
    """Name of the set of each item."""
    names: pa.Array
    """Name of each item."""
    n_prompt: Integers
    n_whole: Integers


def build_index(store: Storage, sets: Sequence[FoundSet], config: Decontaminate, pii: Pii) -> Made:
    """Write the index.

    Counts: ``items`` and ``ngrams``; for each set ``items:<set>``, and ``<fate>:<set>`` of those that are not used.
    """
    items, grams = [ITEMS.empty_table()], [NGRAMS.empty_table()]
    fields: dict[str, EvaluationSet] = {}
    n_items = 0
    counts: Counter[str] = Counter()
    for found in sets:
        read, fields[found.name] = read_items(found)
        rows, entries = _of_set(_parts(read, config, pii), config)
        names = {"set": pa.repeat(found.name, len(read)), "item": pa.array([one.name for one in read])}
        items.append(pa.table({**names, **rows}, schema=ITEMS))
        own = entries["item"].to_numpy() + n_items
        grams.append(entries.set_column(3, "item", pa.array(own, pa.int32())))
        n_items += len(read)
        counts[f"items:{found.name}"] = len(read)
        counts.update(f"{fate}:{found.name}" for fate in rows["fate"].to_pylist() if fate != "used")
    ngrams = pa.concat_tables(grams).sort_by([("key", "ascending"), ("item", "ascending")])
    taken = {name: described(one) for name, one in fields.items()}
    with store.parquet_writer(ITEMS_PATH, ITEMS, {_FIELDS: json.dumps(taken, ensure_ascii=False)}) as writer:
        writer.write_table(pa.concat_tables(items).combine_chunks())
    with store.parquet_writer(NGRAMS_PATH, NGRAMS, {_BEGIN: str(_beginning(config))}) as writer:
        writer.write_table(ngrams)
    return Made((ITEMS_PATH, NGRAMS_PATH), {"items": n_items, "ngrams": len(ngrams), **counts})


@lru_cache(maxsize=1)
def load_index(store: Storage, digest: str) -> Index:
    """The index of a folder; ``digest`` is of its content, so that another one is read anew."""
    items, grams = store.read_table(ITEMS_PATH), store.read_table(NGRAMS_PATH)
    keys, first = np.unique(grams["key"].to_numpy(), return_index=True)
    beginnings, sizes = (grams[name].to_numpy()[first] for name in ("beginning", "size"))
    begin = int(grams.schema.metadata[_BEGIN.encode()])
    return Index(
        runs=compile_runs(keys, beginnings, sizes, begin),
        first=np.append(first, len(grams)).astype(np.int64),
        item=grams["item"].to_numpy(),
        parts=grams["parts"].to_numpy(),
        sets=items["set"].combine_chunks(),
        names=items["item"].combine_chunks(),
        n_prompt=items["n_prompt"].to_numpy(),
        n_whole=items["n_whole"].to_numpy(),
    )


def fields_taken(store: Storage) -> dict[str, str]:
    """Which fields the items of each set were taken from, as ``described``."""
    with store.open(ITEMS_PATH) as stream:
        taken: dict[str, str] = json.loads(pq.read_schema(stream).metadata[_FIELDS.encode()])
    return taken


def words_of(texts: pa.LargeStringArray) -> npt.NDArray[np.float64]:
    """Words of each text; characters of scripts without spaces count as parts of a word."""
    _, first = read_words(texts)
    spaceless = _spaceless(texts)
    found: npt.NDArray[np.float64] = np.diff(first) - spaceless.sum(axis=1) + (spaceless / _COST).sum(axis=1)
    return found


class _Part(NamedTuple):
    """The prompt of an item, or its prompt and answer."""

    hashes: Hashes  # of its words
    size: int  # words of its n-grams; 0 where it is too short


class _Entries(NamedTuple):
    """A part that gives n-grams."""

    part: _Part
    item: int
    bit: int


def _parts(items: Sequence[Item], config: Decontaminate, pii: Pii) -> list[tuple[_Part, _Part]]:
    """Prompt, and prompt and answer, of each item; the latter without words where there is no answer."""
    prompts = [item.prompt for item in items]
    wholes = [f"{item.prompt}\n{item.answer}" if item.prompt and item.answer else "" for item in items]
    texts, _ = clean_unicode(pa.array([*prompts, *wholes], pa.large_string()))
    texts = scrub(texts, pii).texts
    hashes, first = read_words(texts)
    spaceless = _spaceless(texts)
    found = [
        _Part(hashes[start:end], _size(end - start, counted, config))
        for start, end, counted in zip(first[:-1].tolist(), first[1:].tolist(), spaceless, strict=True)
    ]
    return list(zip(found[: len(items)], found[len(items) :], strict=True))


def _size(n_words: int, spaceless: npt.NDArray[np.int64], config: Decontaminate) -> int:
    """Words of the n-grams of a part with so many words, of them so many characters in each script."""
    written = spaceless / _COST
    spaced = n_words - int(spaceless.sum())
    cost = float(_COST[written.argmax()]) if written.sum() > spaced else 1.0
    size = round(config.ngram * cost)
    if n_words >= size:
        return size
    return n_words if n_words and spaced + float(written.sum()) >= config.min_words else 0


def _of_set(
    items: Sequence[tuple[_Part, _Part]], config: Decontaminate
) -> tuple[dict[str, pa.Array], pa.Table]:
    """What becomes of each item of a set, and the n-grams that are evidence (schema ``NGRAMS``)."""
    seen: set[tuple[bytes, bytes]] = set()
    asked: dict[bytes, int] = {}  # different prompts
    fates, prompts = [], []
    entries: list[_Entries] = []
    for number, (prompt, whole) in enumerate(items):
        same = prompt.hashes.tobytes(), whole.hashes.tobytes()
        prompts.append(asked.setdefault(same[0], len(asked)))
        if not len(prompt.hashes):
            fates.append("unreadable")
        elif same in seen:
            fates.append("repeated")
        elif not prompt.size and not whole.size:
            fates.append("short")
        else:
            fates.append("used")
            entries += [
                _Entries(part, number, bit) for part, bit in ((prompt, PROMPT), (whole, WHOLE)) if part.size
            ]
        seen.add(same)
    ngrams = _evidence(entries, np.array(prompts), config)
    item, parts = ngrams["item"].to_numpy(), ngrams["parts"].to_numpy()
    n_prompt, n_whole = (np.bincount(item[parts & bit > 0], minlength=len(items)) for bit in (PROMPT, WHOLE))
    found = (n_prompt + n_whole > 0).tolist()
    rows = {
        "fate": pa.array(
            ["shared" if one == "used" and not any_ else one for one, any_ in zip(fates, found, strict=True)],
            pa.string(),
        ),
        "n_words": pa.array([max(len(one.hashes) for one in parts) for parts in items], pa.int64()),
        "n_prompt": pa.array(n_prompt, pa.int64()),
        "n_whole": pa.array(n_whole, pa.int64()),
    }
    return rows, ngrams


def _evidence(entries: Sequence[_Entries], prompts: Integers, config: Decontaminate) -> pa.Table:
    """Each n-gram of each item once, without those that more than ``max_shared`` different prompts have."""
    if not entries:
        return NGRAMS.empty_table()
    keys = [run_keys(one.part.hashes, one.part.size) for one in entries]
    begin = _beginning(config)
    beginnings = [
        run_keys(one.part.hashes, begin)[: len(own)] for one, own in zip(entries, keys, strict=True)
    ]
    lengths = [len(own) for own in keys]
    key, beginning = np.concatenate(keys), np.concatenate(beginnings)
    size = np.repeat([one.part.size for one in entries], lengths)
    item = np.repeat([one.item for one in entries], lengths)
    bit = np.repeat([one.bit for one in entries], lengths)

    _, run = np.unique(key, return_inverse=True)
    pairs = np.unique(run * len(prompts) + prompts[item])
    shared = np.bincount(pairs // len(prompts))[run] > config.max_shared
    key, beginning, size, item, bit = (column[~shared] for column in (key, beginning, size, item, bit))

    order = np.lexsort((item, key))
    key, item = key[order], item[order]
    opens = np.flatnonzero(np.r_[True, (key[1:] != key[:-1]) | (item[1:] != item[:-1])][: len(key)])
    columns = {
        "key": key[opens],
        "beginning": beginning[order][opens],
        "size": size[order][opens].astype(np.int32),
        "item": item[opens].astype(np.int32),
        "parts": (np.bitwise_or.reduceat(bit[order], opens) if len(opens) else bit).astype(np.int8),
    }
    return pa.table(columns, schema=NGRAMS)


def _beginning(config: Decontaminate) -> int:
    """Words of the beginning of an n-gram: no n-gram has fewer."""
    return min(config.ngram, config.min_words)


def _spaceless(texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    """Characters of each script without spaces, a row a text."""
    table = characters.table()
    counts = np.zeros((len(texts), len(_COST)), np.int64)
    for row, text in enumerate(texts.to_pylist()):
        if text and not text.isascii():
            entries = table[np.frombuffer(text.encode("utf-32-le"), np.uint32)]
            scripts = entries >> characters.SCRIPT_SHIFT & characters.SCRIPT
            spaceless = entries & characters.KIND == characters.SPACELESS
            counts[row] = np.bincount(scripts[spaceless], minlength=len(_COST))
    return counts

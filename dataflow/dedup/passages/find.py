"""The rounds that say of each passage whether it stands in several places, and which document keeps it."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.dedup.batched import lists, offsets_and_members, read_batch, write_batches
from dataflow.dedup.config import Dedup
from dataflow.dedup.texts import read_texts
from dataflow.store.manifest import Made
from dataflow.store.standing import standing
from dataflow.store.storage import Storage

if TYPE_CHECKING:
    from dataflow.kernels.passages import Wanted

VERSION = 1
"""Raise when the bytes of decisions/cuts change for the same documents and configuration."""

ROUNDS = 8
"""Rounds after which what was removed stays removed."""

LISTED = pa.schema({"row": pa.int32(), "rank": pa.int64(), "hashes": pa.large_list(pa.uint64())})
"""A row for each document that has passages in the partition."""
GROUPED = pa.schema({"row": pa.int32(), "number": pa.int32(), "rank": pa.int64(), "group": pa.int64()})
"""Passages that occur in several places: the document, which of its passages in the partition, and which text."""
DECIDED = pa.schema({"row": pa.int32(), "number": pa.int32(), "keeper": pa.int64()})
"""The rank of the document that keeps the passage; -1 where this one keeps it."""

_BYTES_OF_PASSAGE = 80  # of memory while a partition is grouped: as read, sorted, and those that repeat

Part = tuple[str, str]
"""Source and shard."""


def asks_for_passages(config: Dedup) -> bool:
    """Whether passages of any kind are to be cut."""
    return any((config.lines, config.paragraphs, config.sentences, config.substrings))


def count_partitions(n_bytes: int, config: Dedup) -> int:
    """Into how many partitions (a power of two) the passages of so many bytes of text go, to fit when sorted.

    An upper bound: words are never nearer to each other than two bytes.
    """
    per_word = 0.0
    for kind in (config.lines, config.paragraphs):
        per_word += 1 / kind.min_words if kind else 0
    per_word += 1 if config.sentences else 0
    per_word += 1 if config.substrings else 0
    n_passages = n_bytes / 2 * per_word
    return 1 << max(0, math.ceil(math.log2(max(1, n_passages * _BYTES_OF_PASSAGE / config.memory_limit))))


def listed_path(part: Part) -> str:
    """Where the hashes of a shard's passages lie."""
    return f"dedup/passages/listed/{part[0]}/{part[1]}.arrow"


def grouped_path(partition: int) -> str:
    """Where the repeated passages of a partition lie."""
    return f"dedup/passages/grouped/{partition:05d}.arrow"


def decided_path(number: int, partition: int) -> str:
    """Where round ``number`` says who keeps the passages of a partition."""
    return f"dedup/passages/decided-{number}/{partition:05d}.arrow"


def removed_path(number: int, part: Part) -> str:
    """Where round ``number`` says which documents of a shard have too little left."""
    return f"dedup/passages/removed-{number}/{part[0]}/{part[1]}.parquet"


def shift_of(n_partitions: int) -> int:
    """By how many bits a hash is shifted to give its partition."""
    return 64 - (n_partitions - 1).bit_length()


def list_passages(store: Storage, source: str, shard: str, config: Dedup, n_partitions: int) -> Made:
    """Write the hashes of the passages of a shard, a batch for each partition.

    Memory: those of the shard twice; with ``substrings`` every word has one.
    """
    from dataflow.kernels.passage_groups import by_partition
    from dataflow.kernels.passages import hashes_of, passages

    path = f"{source}/{shard}.parquet"
    rows = np.flatnonzero(standing(store, source, shard, "semantic")).astype(np.int64)
    ranks = store.read_table(f"dedup/ranks/{path}", ["rank"])["rank"].to_numpy()
    wanted = wanted_of(config)
    hashes, counts = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for _, texts in read_texts(store, f"documents/{path}", rows):
        for group in passages(texts, wanted):
            some, numbers = hashes_of(group, wanted.words)
            hashes.append(some)
            counts.append(numbers)
    laid, batches = by_partition(
        np.concatenate(hashes), np.concatenate(counts), n_partitions, shift_of(n_partitions)
    )
    filled = [number for number, (documents, _) in enumerate(batches) if len(documents)]

    def batch(number: int) -> pa.RecordBatch:
        documents, offsets = batches[number]
        columns = [
            rows[documents].astype(np.int32),
            ranks[rows[documents]],
            lists(offsets - offsets[0], laid[offsets[0] : offsets[-1]]),
        ]
        return pa.record_batch(columns, schema=LISTED)

    write_batches(
        store, listed_path((source, shard)), LISTED, ((number, batch(number)) for number in filled), filled
    )
    return Made((listed_path((source, shard)),), {"passages": len(laid)})


def group_passages(store: Storage, parts: Sequence[Part], partition: int) -> Made:
    """Write which passages of a partition occur more than once, a batch for each shard that has any."""
    batches = [(number, read_batch(store, listed_path(part), partition)) for number, part in enumerate(parts)]
    found = [(number, batch) for number, batch in batches if batch is not None]
    members = [offsets_and_members(batch.column("hashes")) for _, batch in found]
    hashes = np.concatenate([np.empty(0, np.uint64), *(values for _, values in members)])
    places, groups = _repeated(hashes)
    ends = np.cumsum([0, *(len(values) for _, values in members)])
    bounds = np.searchsorted(places, ends)
    filled = [number for number, _ in found]

    def batch_of(i: int) -> pa.RecordBatch:
        own = slice(bounds[i], bounds[i + 1])
        offsets, listed = members[i][0], found[i][1]
        place = places[own] - ends[i]
        document = np.searchsorted(offsets, place, side="right") - 1
        columns = [
            listed.column("row").to_numpy()[document],
            (place - offsets[document]).astype(np.int32),
            listed.column("rank").to_numpy()[document],
            groups[own],
        ]
        return pa.record_batch(columns, schema=GROUPED)

    write_batches(
        store, grouped_path(partition), GROUPED, ((n, batch_of(i)) for i, n in enumerate(filled)), filled
    )
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    return Made((grouped_path(partition),), {"repeated": n_groups, "places": len(places)})


def decide_passages(
    store: Storage, n_parts: int, partition: int, number: int, removed: Sequence[str]
) -> Made:
    """Round ``number``: write who keeps each place of a repeated passage, a batch for each shard.

    ``removed`` are paths of the ranks (column ``rank``) of documents that keep nothing for others. Memory: those of the
    whole corpus at once, 8 bytes each, beside the partition.
    """
    from dataflow.kernels.passage_groups import decide, note_first

    gone = np.sort(
        np.concatenate(
            [np.empty(0, np.int64), *(store.read_table(path)["rank"].to_numpy() for path in removed)]
        )
    )
    path = grouped_path(partition)
    batches = [(index, batch) for index in range(n_parts) if (batch := read_batch(store, path, index))]
    n_groups = max(
        (int(batch.column("group").to_numpy().max(initial=-1)) + 1 for _, batch in batches), default=0
    )
    first, last = np.full(n_groups, np.iinfo(np.int64).max), np.full(n_groups, -1)
    for _, batch in batches:
        ranks = batch.column("rank").to_numpy()
        note_first(batch.column("group").to_numpy(), ranks, _in(ranks, gone), first)
    filled = [index for index, _ in batches]

    def decided() -> Iterator[tuple[int, pa.RecordBatch]]:
        for index, batch in batches:
            ranks = batch.column("rank").to_numpy()
            keeper = np.empty(len(ranks), np.int64)
            decide(batch.column("group").to_numpy(), ranks, first, last, keeper)
            columns = [batch.column("row"), batch.column("number"), keeper]
            yield index, pa.record_batch(columns, schema=DECIDED)

    write_batches(store, decided_path(number, partition), DECIDED, decided(), filled)
    return Made((decided_path(number, partition),))


def wanted_of(config: Dedup) -> "Wanted":
    """Which passages the kernels list."""
    from dataflow.kernels.passages import Wanted

    return Wanted(
        line_words=config.lines.min_words if config.lines else 0,
        paragraph_words=config.paragraphs.min_words if config.paragraphs else 0,
        sentence_words=config.sentences.min_words if config.sentences else 0,
        span=config.sentences.span if config.sentences else 1,
        words=config.substrings.words if config.substrings else 0,
    )


def _repeated(hashes: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places (ascending) of hashes that occur twice or more, and a number for each hash."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    same = ordered[1:] == ordered[:-1]
    del ordered
    shared = np.zeros(len(hashes), np.bool_)
    shared[1:] |= same
    shared[:-1] |= same
    opens = np.ones(len(hashes), np.bool_)
    opens[1:] = ~same
    groups = np.cumsum(opens[shared], dtype=np.int64) - 1
    places = order[shared]
    del order, same, opens, shared
    again = np.argsort(places)
    return places[again], groups[again]


def _in(values: npt.NDArray[np.int64], ordered: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of ``values`` are among the ``ordered`` ones."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.asarray(ordered[places] == values, np.bool_)

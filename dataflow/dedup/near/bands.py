"""Round 1 of near-duplicates: the signatures of a part become entries (band key, rank), laid out by partition.

Documents that stand for others by text or URL take part alone, and documents of less than a shingle not at all:
those are compared exactly. A part's entries are in one file, from which the next round reads a partition at a time;
how many partitions there are follows from the number of documents and the memory that a task may hold.

Memory: the entries of one part, twice.
"""

import math

import numpy as np
import pyarrow as pa

from dataflow.dedup.batched import write_batches
from dataflow.dedup.config import Near
from dataflow.dedup.parts import DedupPart
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 1
"""Raise when the bytes of dedup/bands change."""

ENTRIES = pa.schema({"key": pa.uint64(), "rank": pa.int64()})

_BYTES_OF_ENTRY = (
    64  # of memory while a partition is joined: as read, laid out in chunks, and buckets as written
)


def bands_path(part: DedupPart) -> str:
    """Where the entries of a part lie."""
    return f"dedup/bands/{part.name}.arrow"


def count_partitions(n_documents: int, near: Near, memory_limit: int) -> int:
    """Into how many partitions the entries of so many documents go, for each to fit in memory when it is joined."""
    return max(1, math.ceil(n_documents * near.bands * _BYTES_OF_ENTRY / memory_limit))


def write_bands(store: Storage, part: DedupPart, near: Near, n_partitions: int) -> Made:
    """Write ``dedup/bands`` of a part, a batch for each partition."""
    from dataflow.kernels.bands import band_keys, by_partition

    table = store.read_table(part.ranks, ["rank", "first"])
    rank, first = table["rank"].to_numpy(), table["first"].to_numpy()
    wanted = (rank >= 0) & (rank == first)
    if wanted.any():
        wanted &= part.is_long(store, near)
    keys, ranks = [np.empty((0, near.bands), np.uint64)], [np.empty(0, np.int64)]
    for rows, signatures in part.signatures(store, near, wanted):
        keys.append(band_keys(signatures, near.bands, near.rows))
        ranks.append(rank[rows])
    starts, laid_keys, laid_ranks = by_partition(np.concatenate(keys), np.concatenate(ranks), n_partitions)
    numbers = np.flatnonzero(np.diff(starts)).tolist()
    batches = (
        (
            number,
            pa.record_batch(
                [
                    laid_keys[starts[number] : starts[number + 1]],
                    laid_ranks[starts[number] : starts[number + 1]],
                ],
                schema=ENTRIES,
            ),
        )
        for number in numbers
    )
    write_batches(store, bands_path(part), ENTRIES, batches, numbers)
    return Made((bands_path(part),), {"signed": sum(map(len, ranks)), "entries": len(laid_keys)})

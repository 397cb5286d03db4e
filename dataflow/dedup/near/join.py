"""Round 2 of near-duplicates: the entries of one partition, from all parts, become buckets.

A bucket is the ranks of two or more documents with a band key in common, ascending. Memory is that of one
partition; the buckets go to disk some at a time, since the next round streams them.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.dedup.batched import lists, read_batches, write_batches
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 1
"""Raise when the bytes of dedup/buckets change."""

BUCKETS = pa.schema({"ranks": pa.large_list(pa.int64())})

_MEMBERS_AT_ONCE = 1 << 20


def buckets_path(partition: int) -> str:
    """Where the buckets of a partition lie."""
    return f"dedup/buckets/{partition:05d}.arrow"


def join(store: Storage, bands: Sequence[str], partition: int) -> Made:
    """Write ``dedup/buckets`` of a partition of the entries in the files ``bands``."""
    keys, ranks, starts = _laid_out(store, bands, partition)
    from dataflow.kernels.buckets import find_buckets

    n_buckets, n_members = find_buckets(keys, ranks, starts)
    offsets = np.zeros(n_buckets + 1, np.int64)
    np.cumsum(keys[:n_buckets], out=offsets[1:])
    cuts = _cuts(offsets)
    batches = (
        (
            number,
            pa.record_batch(
                [
                    lists(
                        offsets[cuts[number] : cuts[number + 1] + 1] - offsets[cuts[number]],
                        ranks[offsets[cuts[number]] : offsets[cuts[number + 1]]],
                    )
                ],
                schema=BUCKETS,
            ),
        )
        for number in range(len(cuts) - 1)
    )
    write_batches(store, buckets_path(partition), BUCKETS, batches, list(range(len(cuts) - 1)))
    return Made(
        (buckets_path(partition),), {"entries": len(keys), "buckets": n_buckets, "members": n_members}
    )


def _laid_out(
    store: Storage, bands: Sequence[str], partition: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Keys and ranks by chunk, and where each chunk begins; what was read is let go as it is laid out."""
    from dataflow.kernels.buckets import ENTRIES_OF_CHUNK, count_chunks, lay_in_chunks

    batches = list(read_batches(store, bands, partition))
    n_entries = sum(len(batch) for batch in batches)
    counts = np.zeros(max(1, n_entries * 4 // (3 * ENTRIES_OF_CHUNK)), np.int64)
    for batch in batches:
        count_chunks(batch.column(0).to_numpy(), counts)
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    keys, ranks = np.empty(n_entries, np.uint64), np.empty(n_entries, np.int64)
    place = starts[:-1].copy()
    batches.reverse()
    while batches:
        batch = batches.pop()
        lay_in_chunks(batch.column(0).to_numpy(), batch.column(1).to_numpy(), place, keys, ranks)
    return keys, ranks, starts


def _cuts(offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Buckets at which the batches of a file begin, and the end: some million members in each."""
    n_buckets = len(offsets) - 1
    if n_buckets == 0:
        return np.zeros(1, np.int64)
    marks = np.arange(0, offsets[-1], _MEMBERS_AT_ONCE)
    return np.unique(np.append(np.searchsorted(offsets[:-1], marks), n_buckets))

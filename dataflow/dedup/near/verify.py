"""Round 5 of near-duplicates: the pairs of one group are compared, and its documents decided.

What was gathered of a group is brought into place, wherever it comes from, and buckets that several bands gave are
taken once. A row is written for every member of a cluster of two or more.

Memory: signatures of one group and its buckets. A group of one huge component, which cannot be divided, goes to a
temporary file where it is larger than the limit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.dedup.batched import offsets_and_members, read_batches
from dataflow.dedup.config import Near
from dataflow.dedup.near.alike import Group, decide
from dataflow.dedup.near.candidates import grouped_path
from dataflow.dedup.near.gather import gathered_path
from dataflow.dedup.near.room import Room
from dataflow.errors import DataflowError
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 1
"""Raise when the bytes of dedup/verified change."""

VERIFIED = pa.schema(
    {
        "rank": pa.int64(),
        "survivor": pa.int64(),  # rank of the document that it repeats; its own where it stays
        "cluster": pa.int64(),  # rank of the first of those alike
        "equal": pa.int32(),  # values in common with the survivor: of signatures, or of sets of shingles
        "similarity": pa.float32(),  # to the survivor
        "levels": pa.int64(),  # bit k: goes if the similarity asked for is k hundredths higher
    }
)
"""A row for each member of a cluster of two or more, by place in the group."""

_MOST_BUCKETS = np.iinfo(np.int32).max  # of a group; kernels number them in 32 bits
_BYTES_OF_CANDIDATE = 500  # beside its signature: members of buckets in several copies, and decisions
_BYTES_OF_SHINGLES = 16_000  # of a document, to plan with; what is more goes to disk


def verified_path(group: int) -> str:
    """Where the decisions of a group lie."""
    return f"dedup/verified/{group:05d}.parquet"


def largest_group(near: Near, memory_limit: int) -> int:
    """How many documents a group may have to be verified in memory."""
    each = 4 * near.permutations + _BYTES_OF_CANDIDATE
    return memory_limit // (each + (_BYTES_OF_SHINGLES if near.verify == "exact" else 0))


def verify(
    store: Storage,
    names: Sequence[str],
    n_partitions: int,
    group: int,
    n_documents: int,
    near: Near,
    greedy: bool,
    memory_limit: int,
) -> Made:
    """Write ``dedup/verified`` of a group.

    Args:
        store: the folder of this run.
        names: of the parts whose candidates were gathered.
        n_partitions: of the buckets.
        group: its number.
        n_documents: of it.
        near: parameters.
        greedy: whether only what resembles a survivor goes; else all but the first of a cluster.
        memory_limit: bytes that may be held.
    """
    with Room(memory_limit) as room:
        buckets = _read_buckets(store, n_partitions, group, n_documents)
        read = _read_group(store, names, group, n_documents, near, room)
        decided = decide(read, *buckets, near, greedy)
        members = np.flatnonzero(np.bincount(decided.first, minlength=n_documents)[decided.first] > 1)
        table = pa.table(
            {
                "rank": read.rank[members],
                "survivor": read.rank[decided.survivor[members]],
                "cluster": read.rank[decided.first[members]],
                "equal": decided.equal[members],
                "similarity": (decided.equal[members] / decided.every[members]).astype(np.float32),
                "levels": decided.gone[members],
            },
            schema=VERIFIED,
        )
    store.write_table(verified_path(group), table)
    return Made((verified_path(group),), {"candidates": n_documents, **decided.counts})


# What was gathered -----------------------------------------------------------------------------------------


def _read_buckets(
    store: Storage, n_partitions: int, group: int, n_documents: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """The buckets of the group, no two the same, in an order that depends on them alone."""
    from dataflow.kernels.buckets import drop_repeated, reorder

    paths = [grouped_path(partition) for partition in range(n_partitions)]
    read = [offsets_and_members(batch.column(0)) for batch in read_batches(store, paths, group)]
    sizes = [np.diff(offsets) for offsets, _ in read]
    members: npt.NDArray[Any] = np.concatenate([np.empty(0, np.int32), *(members for _, members in read)])
    del read
    offsets = np.concatenate(
        [np.zeros(1, np.int64), np.cumsum(np.concatenate([np.empty(0, np.int64), *sizes]))]
    )
    if len(offsets) > _MOST_BUCKETS:
        raise DataflowError(
            f"{n_documents:,} documents hang together by {len(offsets) - 1:,} buckets, more than the"
            f" {_MOST_BUCKETS:,} that are counted",
            f"dedup.near, group {group}",
            "Ask for more rows in a band: fewer documents then share one by chance.",
        )
    hashes = np.empty(len(offsets) - 1, np.uint64)
    n_buckets = drop_repeated(offsets, members, hashes)
    offsets, hashes = offsets[: n_buckets + 1], hashes[:n_buckets]
    order = np.lexsort((hashes, members[offsets[:-1]]))
    return reorder(offsets, members, order)  # type: ignore[no-any-return]


def _read_group(
    store: Storage, names: Sequence[str], group: int, n_documents: int, near: Near, room: Room
) -> Group:
    """The documents of a group, each at its place, wherever it was gathered."""
    paths = [gathered_path(name) for name in names]
    rank, earlier = np.full(n_documents, -1, np.int64), np.zeros(n_documents, np.bool_)
    signatures = room.zeros((n_documents, near.permutations), np.uint32)
    sizes = np.zeros(n_documents, np.int64)
    for batch in read_batches(store, paths, group):
        place = batch["place"].to_numpy()
        rank[place] = batch["rank"].to_numpy()
        earlier[place] = batch["earlier"].to_numpy(zero_copy_only=False)
        column = batch["signature"]
        values = np.frombuffer(column.buffers()[1], np.uint32).reshape(-1, near.permutations)
        signatures[place] = values[column.offset : column.offset + len(column)]
        if near.verify == "exact":
            sizes[place] = np.diff(_bounds(batch["shingles"])) // 8
    if (rank < 0).any():
        raise DataflowError(
            f"{int((rank < 0).sum())} documents of group {group} were not gathered",
            store.path("dedup"),
            "Remove this folder and run `dataflow dedup` again.",
        )
    if near.verify != "exact":
        return Group(rank, earlier, (signatures, np.empty(0, np.uint64), np.empty(0, np.int64)))
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    hashes = room.zeros((int(bounds[-1]),), np.uint64)
    for batch in read_batches(store, paths, group):
        _place_shingles(batch, bounds, hashes)
    return Group(rank, earlier, (signatures, hashes, bounds))


def _bounds(column: pa.LargeBinaryArray) -> npt.NDArray[np.int64]:
    return np.frombuffer(column.buffers()[1], np.int64)[column.offset : column.offset + len(column) + 1]


def _place_shingles(
    batch: pa.RecordBatch, bounds: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64]
) -> None:
    from dataflow.kernels.likeness import place_sets

    data = batch["shingles"].buffers()[2]
    found = np.frombuffer(data, np.uint64) if data is not None and data.size else np.empty(0, np.uint64)
    place_sets(found, _bounds(batch["shingles"]) // 8, batch["place"].to_numpy(), bounds, hashes)

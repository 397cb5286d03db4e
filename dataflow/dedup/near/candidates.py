"""Round 3 of near-duplicates: documents that may be compared are brought together, in groups that fit in memory.

One task. The buckets of all partitions are streamed through a union-find; each of its components is a set of
documents whose decisions depend on each other and on no one else. Components line up by their first document, and
the line is cut into groups. Then every part is told which of its rows go where (its routes), and every bucket is
written under the group of its members.

Memory: two integers a document, in a sparse file where they exceed the limit; the links between documents, many
times as many, are never in memory together.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.dedup.batched import lists, offsets_and_members, opened, write_batches
from dataflow.dedup.near.join import buckets_path
from dataflow.dedup.near.room import Room
from dataflow.dedup.parts import DedupPart
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 1
"""Raise when the bytes of dedup/routes or dedup/grouped change."""

ROUTES = pa.schema(
    {
        "row": pa.int64(),  # of the part
        "rank": pa.int64(),
        "group": pa.int32(),
        "place": pa.int32(),  # in the group, where components stand one after another, each by rank
    }
)
GROUPED = pa.schema({"places": pa.large_list(pa.int32())})
GROUPS = pa.schema({"candidates": pa.int64()})

GROUPS_PATH = "dedup/groups.arrow"
"""A row for each group, with the number of its documents."""

_GROUPS = 32  # enough for many workers to share; more only where memory asks for it
_LEAST = 1 << 16  # documents of a group: fewer are not worth a task


def routes_path(part: DedupPart) -> str:
    """Where the routes of a part lie."""
    return f"dedup/routes/{part.name}.arrow"


def grouped_path(partition: int) -> str:
    """Where the buckets of a partition lie by group."""
    return f"dedup/grouped/{partition:05d}.arrow"


def group(
    store: Storage,
    parts: Sequence[DedupPart],
    n_documents: int,
    n_partitions: int,
    largest: int,
    memory_limit: int,
    least: int = _LEAST,
) -> Made:
    """Write routes, buckets by group and the list of groups.

    Args:
        store: the folder of this run.
        parts: all parts; those without candidates get no routes.
        n_documents: all ranks are less.
        n_partitions: of the buckets.
        largest: candidates that a group may hold, unless they are of one component.
        memory_limit: bytes that may be held.
        least: candidates that make a group where there are few.
    """
    from dataflow.kernels.forest import flatten, join_buckets, line_up

    node = np.int32 if n_documents < np.iinfo(np.int32).max else np.int64
    with Room(memory_limit * 3 // 4) as room:
        forest = room.zeros((n_documents,), node)
        for partition in range(n_partitions):
            for offsets, ranks in _read_buckets(store, partition):
                join_buckets(forest, offsets, ranks)
        sizes = room.zeros((n_documents,), node)
        n_candidates = int(flatten(forest, sizes))
        begins = line_up(forest, sizes, max(1, min(largest, max(least, -(-n_candidates // _GROUPS)))))
        del sizes
        outputs = [GROUPS_PATH]
        counts = {"candidates": n_candidates, "groups": len(begins) - 1, "buckets": 0}
        _write_groups(store, begins)
        for partition in range(n_partitions):
            counts["buckets"] += _write_grouped(store, partition, forest, begins)
            outputs.append(grouped_path(partition))
        for part in parts:
            if _write_routes(store, part, forest, begins):
                outputs.append(routes_path(part))
    return Made(tuple(outputs), counts)


def read_groups(store: Storage) -> npt.NDArray[np.int64]:
    """The number of documents of each group."""
    with opened(store, GROUPS_PATH) as file:
        sizes: npt.NDArray[np.int64] = file.read_all()["candidates"].to_numpy()
    return sizes


def _read_buckets(
    store: Storage, partition: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.generic]]]:
    with opened(store, buckets_path(partition)) as file:
        for number in range(file.num_record_batches):
            yield offsets_and_members(file.get_batch(number).column(0))


def _write_groups(store: Storage, begins: npt.NDArray[np.int64]) -> None:
    sizes = np.diff(begins) if begins[-1] else np.empty(0, np.int64)
    with store.create(GROUPS_PATH) as stream, pa.ipc.new_file(stream, GROUPS) as writer:
        writer.write_batch(pa.record_batch([sizes], schema=GROUPS))


def _write_grouped(
    store: Storage, partition: int, line: npt.NDArray[np.generic], begins: npt.NDArray[np.int64]
) -> int:
    """The buckets of a partition under their groups, members as places there; how many there are."""
    from dataflow.kernels.forest import by_group

    read = list(_read_buckets(store, partition))
    parts = [by_group(offsets, ranks, line, begins) for offsets, ranks in read]
    del read
    numbers = sorted({int(number) for _, _, found in parts for number in np.flatnonzero(np.diff(found))})

    def batches() -> Iterator[tuple[int, pa.RecordBatch]]:
        for number in numbers:
            sizes, places = [], []
            for offsets, members, found in parts:
                first, last = found[number], found[number + 1]
                sizes.append(np.diff(offsets[first : last + 1]))
                places.append(members[offsets[first] : offsets[last]])
            bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes), dtype=np.int64)])
            yield number, pa.record_batch([lists(bounds, np.concatenate(places))], schema=GROUPED)

    write_batches(store, grouped_path(partition), GROUPED, batches(), numbers)
    return sum(len(offsets) - 1 for offsets, _, _ in parts)


def _write_routes(
    store: Storage, part: DedupPart, line: npt.NDArray[np.generic], begins: npt.NDArray[np.int64]
) -> bool:
    """The rows of a part that are candidates; whether there are any."""
    rank = store.read_table(part.ranks, ["rank"])["rank"].to_numpy()
    rows = np.flatnonzero(rank >= 0)
    position = line[rank[rows]].astype(np.int64) - 1
    rows, position = rows[position >= 0], position[position >= 0]
    if not len(rows):
        return False
    number = np.searchsorted(begins, position, side="right") - 1
    columns = [rows, rank[rows], number.astype(np.int32), (position - begins[number]).astype(np.int32)]
    with store.create(routes_path(part)) as stream, pa.ipc.new_file(stream, ROUTES) as writer:
        writer.write_batch(pa.record_batch(columns, schema=ROUTES))
    return True

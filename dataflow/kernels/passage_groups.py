"""Who keeps a passage that stands in several places: the first that may, the others lose it.

A place is an entry: the number of its passage, and the rank of its document; entries come document by document,
those of a document in the order of its text. Two walks over them with a number or two for each passage in memory.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

Integers = npt.NDArray[np.int64]


@njit(nogil=True, cache=True)
def note_first(group: Integers, rank: Integers, gone: npt.NDArray[np.bool_], first: Integers) -> None:
    """Lower ``first`` of each passage to the least rank of an entry that is not ``gone``."""
    for i in range(group.shape[0]):
        if not gone[i]:
            first[group[i]] = min(first[group[i]], rank[i])


@njit(nogil=True, cache=True)
def decide(group: Integers, rank: Integers, first: Integers, last: Integers, keeper: Integers) -> None:
    """The rank of the document that keeps the passage of each entry, or -1 where it is the entry's own place.

    A document keeps one place of what it repeats itself. ``last`` is the rank of the document in which each passage
    was met last, and goes from call to call.
    """
    for i in range(group.shape[0]):
        g = group[i]
        if first[g] < rank[i]:
            keeper[i] = first[g]
        elif last[g] == rank[i]:
            keeper[i] = rank[i]
        else:
            keeper[i] = -1
        last[g] = rank[i]


@njit(nogil=True, cache=True)
def lay_out(
    hashes: npt.NDArray[np.uint64],
    counts: Integers,
    shift: np.uint64,
    starts: Integers,
    laid: npt.NDArray[np.uint64],
    run_starts: Integers,
    run_document: Integers,
    run_offset: Integers,
) -> None:
    """Hashes by partition, in each as they came; and by partition the documents that have any, with their first.

    ``starts`` and ``run_starts`` are where the hashes and the documents of each partition begin; both are moved on.
    """
    i = 0
    last = np.full(starts.shape[0], -1, np.int64)
    for document in range(counts.shape[0]):
        for _ in range(counts[document]):
            p = np.int64(hashes[i] >> shift) if shift < np.uint64(64) else np.int64(0)
            if last[p] != document:
                last[p] = document
                run_document[run_starts[p]] = document
                run_offset[run_starts[p]] = starts[p]
                run_starts[p] += 1
            laid[starts[p]] = hashes[i]
            starts[p] += 1
            i += 1


@njit(nogil=True, cache=True)
def count(
    hashes: npt.NDArray[np.uint64], counts: Integers, shift: np.uint64, sizes: Integers, runs: Integers
) -> None:
    """How many hashes each partition gets, and of how many documents."""
    i = 0
    last = np.full(sizes.shape[0], -1, np.int64)
    for document in range(counts.shape[0]):
        for _ in range(counts[document]):
            p = np.int64(hashes[i] >> shift) if shift < np.uint64(64) else np.int64(0)
            if last[p] != document:
                last[p] = document
                runs[p] += 1
            sizes[p] += 1
            i += 1


def by_partition(
    hashes: npt.NDArray[np.uint64], counts: Integers, n_partitions: int, shift: int
) -> tuple[npt.NDArray[np.uint64], list[tuple[Integers, Integers]]]:
    """The hashes of documents (``counts`` of each) laid out by their bits above ``shift``.

    Returns:
        The hashes, and for each partition its documents and the offsets of their hashes, one more than documents.
    """
    sizes, runs = np.zeros(n_partitions, np.int64), np.zeros(n_partitions, np.int64)
    count(hashes, counts, np.uint64(shift), sizes, runs)
    ends, run_ends = np.cumsum(sizes), np.cumsum(runs)
    laid = np.empty(len(hashes), np.uint64)
    document, offset = np.empty(runs.sum(), np.int64), np.empty(runs.sum(), np.int64)
    lay_out(hashes, counts, np.uint64(shift), ends - sizes, laid, run_ends - runs, document, offset)
    return laid, [
        (document[first:last], np.append(offset[first:last], end))
        for first, last, end in zip(run_ends - runs, run_ends, ends, strict=True)
    ]

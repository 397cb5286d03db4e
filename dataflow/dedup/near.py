"""Locality-sensitive hashing: from signatures to buckets of documents that may resemble each other.

A signature is cut into bands of rows; documents that agree on all rows of some band share a bucket (Leskovec,
Rajaraman, Ullman: Mining of Massive Datasets, section 3.4). Only documents of a common bucket are ever
compared.

A band is reduced to a 64-bit key that mixes in its number, so that buckets of all bands stand in one sorted
list. A chance collision of keys (one in 10^5 for 10^7 documents) only adds a candidate, which verification
refuses. Keys are written to partitions by their upper bits and each partition is sorted by itself: memory is
bounded by the partition, at the price of writing 12 bytes for each document and band to disk once.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

Signatures = npt.NDArray[np.uint64]
"""One row a document, one column a permutation."""
Ranks = npt.NDArray[np.int32]
"""Documents by their place in the order of survivors, from 0."""

EMPTY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
"""Every value of the signature of a text without words."""

_ENTRY = np.dtype([("key", np.uint64), ("rank", np.int32)])
_SORTING = (
    5  # bytes held for each byte of a partition while it is sorted: entries, keys, order, sorted keys, marks
)


@dataclass(frozen=True)
class Buckets:
    """Groups of two or more documents: bucket i holds ``members[starts[i]:starts[i + 1]]``, ascending."""

    starts: npt.NDArray[np.int64]
    members: Ranks

    def __len__(self) -> int:
        return len(self.starts) - 1


def values_needed(similarity: float, permutations: int) -> int:
    """The least number of equal values that is a share of at least ``similarity``, the figure as written."""
    return math.ceil(Fraction(str(similarity)) * permutations)


def band_keys(signatures: Signatures, bands: int, rows: int) -> npt.NDArray[np.uint64]:
    """A key for each document (row) and band (column): equal where all rows of the band are."""
    keys: npt.NDArray[np.uint64] = _band_keys(signatures, bands, rows)
    return keys


class BucketFiles:
    """Band keys on disk, in partitions that are small enough to be sorted in memory one at a time."""

    def __init__(self, folder: Path, n_documents: int, bands: int, memory_limit: int) -> None:
        partitions = max(1, math.ceil(n_documents * bands * _ENTRY.itemsize * _SORTING / memory_limit))
        self._shift = np.uint64(64 - max(1, math.ceil(math.log2(partitions)))) if partitions > 1 else None
        count = 1 if self._shift is None else 1 << int(np.uint64(64) - self._shift)
        self._paths = [folder / f"keys-{number:05d}" for number in range(count)]

    def add(self, keys: npt.NDArray[np.uint64], ranks: Ranks) -> None:
        """Keys of some documents (rows of ``keys``) under their ranks."""
        entries = np.empty(keys.size, _ENTRY)
        entries["key"] = keys.ravel()
        entries["rank"] = np.repeat(ranks, keys.shape[1])
        if self._shift is None:
            _append(self._paths[0], entries)
            return
        partition = (entries["key"] >> self._shift).astype(np.int64)
        order = np.argsort(partition, kind="stable")
        ends = np.searchsorted(partition[order], np.arange(len(self._paths) + 1))
        for number, path in enumerate(self._paths):
            if ends[number] < ends[number + 1]:
                _append(path, entries[order[ends[number] : ends[number + 1]]])

    def buckets(self) -> Iterator[Buckets]:
        """The buckets of two or more documents, partition by partition."""
        for path in self._paths:
            if path.exists():
                yield _buckets(np.fromfile(path, _ENTRY))
                path.unlink()


def join(parts: list[Buckets]) -> Buckets:
    """Buckets of all partitions in one."""
    sizes = np.concatenate([np.diff(part.starts) for part in parts]) if parts else np.empty(0, np.int64)
    members = np.concatenate([part.members for part in parts]) if parts else np.empty(0, np.int32)
    return Buckets(_starts(sizes), members)


def _append(path: Path, entries: npt.NDArray[np.void]) -> None:
    with path.open("ab") as stream:
        entries.tofile(stream)


def _buckets(entries: npt.NDArray[np.void]) -> Buckets:
    """Runs of two and more equal keys; neither order nor content depends on the order of ``entries``."""
    keys = np.ascontiguousarray(entries["key"])
    order = np.argsort(keys)
    keys = keys[order]
    same = keys[1:] == keys[:-1]
    shared = np.zeros(len(keys), np.bool_)
    shared[1:] |= same
    shared[:-1] |= same
    keys, ranks = keys[shared], entries["rank"][order[shared]]
    members = ranks[np.lexsort((ranks, keys))]
    _, sizes = np.unique(keys, return_counts=True)
    return Buckets(_starts(sizes), members)


def _starts(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


@njit(nogil=True, cache=True)
def _band_keys(signatures, bands, rows):  # type: ignore[no-untyped-def]
    keys = np.empty((signatures.shape[0], bands), np.uint64)
    for document in range(signatures.shape[0]):
        for band in range(bands):
            key = uint64(band + 1) * uint64(0x9E3779B97F4A7C15)
            for row in range(rows):
                # The finaliser of splitmix64 (Steele et al. 2014): every bit of a value reaches every other.
                key ^= signatures[document, band * rows + row]
                key = (key ^ (key >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
                key = (key ^ (key >> uint64(27))) * uint64(0x94D049BB133111EB)
                key ^= key >> uint64(31)
            keys[document, band] = key
    return keys

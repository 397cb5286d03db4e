"""The set of shingle hashes of every document: what a signature is a sample of, for exact Jaccard similarity.

The hashes are those that ``minhash.sign`` permutes, so the two measures are about the same sets. Memory is eight
bytes for each shingle, beside what reading the documents takes.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from dataflow.kernels import characters
from dataflow.kernels.arrow import Offsets, buffers
from dataflow.kernels.text import STATISTICS, read_documents

Hashes = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9FB21C651E98DF25)  # as in minhash
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)


def word_shingles(texts: pa.LargeStringArray, shingle: int) -> tuple[Hashes, Offsets]:
    """Sorted distinct hashes of the word shingles of each document, and where those of each begin."""
    data, offsets = buffers(texts)
    table = characters.table()
    n = int(offsets[-1] - offsets[0]) // 2 + len(texts) + 1  # two words, or two lines, are never nearer
    word_start, line_start = np.zeros(len(texts) + 1, np.int64), np.zeros(len(texts) + 1, np.int64)
    word_hash, line_hash = np.empty(n, np.uint64), np.empty(n, np.uint64)
    word_length, line_length = np.empty(n, np.int32), np.empty(n, np.int32)
    read_documents(
        data, offsets, table, word_start, word_hash, word_length, np.empty(n, np.uint8), line_start, line_hash,
        line_length, np.empty(n, np.bool_), np.zeros((len(texts), len(STATISTICS)), np.int64),
    )  # fmt: skip
    bounds = np.zeros(len(texts) + 1, np.int64)
    hashes = np.empty(int(word_start[-1]), np.uint64)
    n_hashes = _shingle_sets(word_hash, word_start, shingle, hashes, bounds)
    return hashes[:n_hashes], bounds


@njit(nogil=True, cache=True)
def _shingle_sets(word_hash, word_start, shingle, hashes, bounds):  # type: ignore[no-untyped-def]
    n = 0
    for document in range(word_start.shape[0] - 1):
        first, last = word_start[document], word_start[document + 1]
        bounds[document + 1] = n
        if first == last:
            continue
        size = min(shingle, last - first)
        begin = n
        for word in range(first, last - size + 1):
            x = np.uint64(0)
            for part in range(size):
                x = x * _STEP + word_hash[word + part]
            x = (x ^ (x >> _SHIFT)) * _MIX_1
            x = (x ^ (x >> _SHIFT)) * _MIX_2
            hashes[n] = x ^ (x >> _SHIFT)
            n += 1
        hashes[begin:n].sort()
        end = n
        n = begin
        for i in range(begin, end):
            if n == begin or hashes[i] != hashes[n - 1]:
                hashes[n] = hashes[i]
                n += 1
        bounds[document + 1] = n
    return n


@njit(nogil=True, cache=True)
def place_sets(found, found_bounds, place, bounds, hashes):  # type: ignore[no-untyped-def]
    """Copy set i of ``found`` to the room of document ``place[i]`` in ``hashes``."""
    for i in range(place.shape[0]):
        to = bounds[place[i]]
        for j in range(found_bounds[i], found_bounds[i + 1]):
            hashes[to + j - found_bounds[i]] = found[j]

"""Repeated lines and paragraphs of each document: how many there are, and how many characters they hold.

A line is known by the 64-bit hash of its text without outer white space, a paragraph by the hashes of its
lines. The second and later copies count as duplicates, the first does not.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Offsets

_STEP = np.uint64(0x9FB21C651E98DF25)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_FOLD = np.uint64(29)
_DROP = np.uint64(24)

N_COUNTS = 5
"""Columns: paragraphs, duplicate lines and their characters, duplicate paragraphs and their characters."""


@njit(nogil=True, cache=True)
def _is_repeated(key, keys, index, table, mask):  # type: ignore[no-untyped-def]
    """Whether ``key`` was met before among ``keys[table[...]]``; if not, it is noted as ``keys[index]``."""
    slot = np.int64((key * _SPREAD) >> _DROP) & mask
    while table[slot] >= 0:
        if keys[table[slot]] == key:
            return True
        slot = (slot + 1) & mask
    keys[index] = key
    table[slot] = index
    return False


@njit(nogil=True, cache=True)
def count_repetition(
    line_hash: npt.NDArray[np.uint64],
    line_length: npt.NDArray[np.int32],
    opens_paragraph: npt.NDArray[np.bool_],
    line_start: Offsets,
    table: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
) -> None:
    """Fill one row of ``counts`` (columns as in N_COUNTS) for each document; ``line_hash`` is overwritten."""
    for document in range(line_start.shape[0] - 1):
        first, last = line_start[document], line_start[document + 1]
        row = counts[document]
        row[:] = 0
        n = last - first
        if n == 0:
            continue
        lengths, opens = line_length[first:last], opens_paragraph[first:last]
        hashes = line_hash[first:last]
        capacity = 16
        while 2 * capacity < 3 * n:
            capacity *= 2
        n_paragraphs = 0
        for line in range(n):
            if opens[line]:
                n_paragraphs += 1
        row[0] = n_paragraphs
        if n == 1:
            continue

        table[:capacity] = -1
        for line in range(n):
            if _is_repeated(hashes[line], hashes, line, table, capacity - 1):
                row[1] += 1
                row[2] += lengths[line]
        if row[1] == 0:
            continue  # no paragraph can repeat where no line does

        table[:capacity] = -1
        line = 0
        n_paragraphs = 0
        while line < n:
            key, length = hashes[line], np.int64(lengths[line])
            line += 1
            while line < n and not opens[line]:
                key = (key ^ (key >> _FOLD)) * _STEP + hashes[line]
                length += lengths[line]
                line += 1
            key ^= key >> _FOLD
            if _is_repeated(key, hashes, n_paragraphs, table, capacity - 1):
                row[3] += 1
                row[4] += length
            n_paragraphs += 1

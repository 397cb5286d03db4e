"""How rich a document is: distinct words and their entropy; a count of its bytes, and their entropy.

Entropies are kept as whole millionths, so that all statistics are integers and equal on every machine.
"""

from math import log

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets
from dataflow.kernels.ngrams import find_firsts

BYTE_STATISTICS = (
    "byte_entropy_millionths",  # of a bit
    "ascii_uppercase",
    "ascii_digits",
    "ascii_spaces",
)
"""What ``count_bytes`` counts."""

WORD_STATISTICS = (
    "distinct_words",
    "word_entropy_millionths",  # of a nat
)
"""What ``count_words`` counts."""

_LOG_2 = log(2)
_MILLION = 1e6


@njit(nogil=True, cache=True)
def count_words(
    word_hash: npt.NDArray[np.uint64],
    word_start: Offsets,
    first: npt.NDArray[np.int32],
    copies: npt.NDArray[np.int32],
    table: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
) -> None:
    """Fill one row of ``counts`` (columns as WORD_STATISTICS) for each document; scratch as for the n-grams."""
    for document in range(word_start.shape[0] - 1):
        start, end = word_start[document], word_start[document + 1]
        n = end - start
        counts[document, 0] = n - find_firsts(word_hash[start:end], n, first, copies, table)
        counts[document, 1] = _entropy(copies, n)


@njit(nogil=True, cache=True)
def count_bytes(data: Bytes, offsets: Offsets, counts: npt.NDArray[np.int64]) -> None:
    """Fill one row of ``counts`` (columns as BYTE_STATISTICS) for each document."""
    histogram = np.empty((4, 256), np.int64)  # four, as equal neighbours would wait for one another
    for document in range(offsets.shape[0] - 1):
        row = counts[document]
        histogram[:] = 0
        i, end = offsets[document], offsets[document + 1]
        while i + 4 <= end:
            histogram[0, data[i]] += 1
            histogram[1, data[i + 1]] += 1
            histogram[2, data[i + 2]] += 1
            histogram[3, data[i + 3]] += 1
            i += 4
        while i < end:
            histogram[0, data[i]] += 1
            i += 1
        for byte in range(256):
            histogram[0, byte] += histogram[1, byte] + histogram[2, byte] + histogram[3, byte]
        row[0] = np.int64(_entropy(histogram[0], 256) / _LOG_2 + 0.5)
        row[1:] = 0
        for byte in range(65, 91):
            row[1] += histogram[0, byte]
        for byte in range(48, 58):
            row[2] += histogram[0, byte]
        for byte in (9, 10, 11, 12, 13, 28, 29, 30, 31, 32):  # as str.isspace
            row[3] += histogram[0, byte]


@njit(nogil=True, cache=True)
def _entropy(copies, n):  # type: ignore[no-untyped-def]
    """Shannon entropy in millionths of a nat, given how often each of n things stands."""
    total = np.int64(0)
    weighted = 0.0
    for i in range(n):
        c = np.int64(copies[i])
        total += c
        if c > 1:
            weighted += c * np.log(c)
    if total == 0:
        return np.int64(0)
    return np.int64(max(np.log(total) - weighted / total, 0.0) * _MILLION + 0.5)

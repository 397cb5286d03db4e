"""Runs of encoded data in a text: base64 and long hexadecimal strings, found by their alphabet alone."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets, buffers

RUN = 64
"""Bytes from which a run counts (StarCoder2, Lozhkov et al. 2024)."""

_ALPHABET = np.zeros(256, np.bool_)
for _byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n":
    _ALPHABET[_byte] = True


def encoded_runs(texts: pa.LargeStringArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Bytes in runs of ``RUN`` or more of base64's alphabet and line feeds in each text, and in the longest run."""
    data, offsets = buffers(texts)
    counts = np.zeros((2, len(texts)), np.int64)
    _measure(data, offsets, _ALPHABET, counts)
    return counts[0], counts[1]


@njit(nogil=True, cache=True)
def _measure(
    data: Bytes, offsets: Offsets, alphabet: npt.NDArray[np.bool_], counts: npt.NDArray[np.int64]
) -> None:
    for document in range(offsets.shape[0] - 1):
        end = offsets[document + 1]
        start = offsets[document]  # of the run being read
        for i in range(start, end + 1):
            if i < end and alphabet[data[i]]:
                continue
            if i - start >= RUN:
                counts[0, document] += i - start
                counts[1, document] = max(counts[1, document], i - start)
            start = i + 1

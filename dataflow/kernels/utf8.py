"""One character out of UTF-8 bytes, for every kernel that reads characters beyond ASCII."""

import numpy as np
from numba import njit

from dataflow.kernels.arrow import Bytes

NOT_UTF8 = np.int64(0xFFFD)
"""Stands for a byte that begins no character."""


@njit(nogil=True, cache=True)
def decode(data: Bytes, i: int | np.int64, end: int | np.int64) -> tuple[np.int64, int]:
    """The code point that begins with the byte ``i`` (0x80 or more) and its bytes; else ``NOT_UTF8`` and one.

    Bytes from ``end`` on are not read; whether those that follow are continuation bytes is not looked at.
    """
    point = np.int64(data[i])
    if 0xC2 <= point < 0xE0 and i + 1 < end:
        return (point & 0x1F) << 6 | (np.int64(data[i + 1]) & 0x3F), 2
    if 0xE0 <= point < 0xF0 and i + 2 < end:
        second, third = np.int64(data[i + 1]) & 0x3F, np.int64(data[i + 2]) & 0x3F
        return (point & 0x0F) << 12 | second << 6 | third, 3
    if 0xF0 <= point < 0xF5 and i + 3 < end:
        second, third = np.int64(data[i + 1]) & 0x3F, np.int64(data[i + 2]) & 0x3F
        point = (point & 0x07) << 18 | second << 12 | third << 6 | (np.int64(data[i + 3]) & 0x3F)
        if point < 0x110000:
            return point, 4
    return NOT_UTF8, 1

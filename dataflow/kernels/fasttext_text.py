"""Text as words for fastText: lower case, marks apart, one space between words; only the beginning is read.

One table says of each character whether it is white space, part of a word (letter, mark, digit) or stands alone,
and what its lower case is: as Arrow's own functions have it, one character to one, asked once a process. NUL,
which fastText takes for white space, counts as such.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from dataflow.kernels.arrow import buffers

_SPACE, _PART, _ALONE = range(3)
_KIND_SHIFT = 24
_POINT = (1 << _KIND_SHIFT) - 1
_PARTS = r"[\pL\pM\pN]"
_SPACES = r"[\pZ\t-\r\x1c-\x1f\x{85}\x00]"


def words_apart(texts: pa.LargeStringArray, characters: int) -> pa.LargeStringArray:
    """The words and marks of the first ``characters`` characters of each text; empty where there are none."""
    data, offsets = buffers(texts)
    longest = np.minimum(np.diff(offsets), 4 * characters)
    out = np.empty(2 * int(longest.sum()) + 8, np.uint8)  # a character becomes at most twice as long
    ends = np.zeros(len(texts) + 1, np.int64)
    _write(data, offsets, _table(), characters, out, ends)
    return pa.Array.from_buffers(
        pa.large_string(), len(texts), [None, pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]])]
    )


@cache
def _table() -> npt.NDArray[np.uint32]:
    """Kind and lower case of every code point; surrogates, which no text holds, are white space."""
    points = np.delete(np.arange(0x110000, dtype="<u4"), np.s_[0xD800:0xE000])
    everything = pa.scalar(points.tobytes().decode("utf-32-le"), pa.large_string())
    kind = np.full(len(points), _ALONE, np.uint32)
    for value, pattern in ((_PART, _PARTS), (_SPACE, _SPACES)):
        changed = _points(pc.replace_substring_regex(everything, pattern, "\x01"))
        kind[(changed == 1) & (points != 1)] = value
    table = np.zeros(0x110000, np.uint32)
    table[points] = _points(pc.utf8_lower(everything)) | kind << np.uint32(_KIND_SHIFT)
    table.flags.writeable = False
    return table


def _points(text: pa.LargeStringScalar) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.as_py().encode("utf-32-le"), "<u4")


@njit(nogil=True, cache=True)
def _write(data, offsets, table, characters, out, ends):  # type: ignore[no-untyped-def]
    n = 0
    for document in range(offsets.shape[0] - 1):
        begin = n
        i, end = offsets[document], offsets[document + 1]
        left = characters
        gap = False  # whether what comes next needs a space before it
        while i < end and left:
            left -= 1
            point = np.uint32(data[i])
            i += 1
            if point >= 0x80:  # the bytes that follow are there: Arrow's strings are UTF-8
                n_more = 1 if point < 0xE0 else 2 if point < 0xF0 else 3
                point &= np.uint32(0x3F >> n_more)
                for _ in range(min(n_more, end - i)):
                    point = (point << np.uint32(6)) | np.uint32(data[i] & 0x3F)
                    i += 1
            entry = table[point] if point < table.shape[0] else np.uint32(0)
            kind = entry >> np.uint32(_KIND_SHIFT)
            if kind == _SPACE:
                gap = n > begin
                continue
            if gap or (kind == _ALONE and n > begin):
                out[n] = 32
                n += 1
            gap = kind == _ALONE
            lower = entry & np.uint32(_POINT)
            if lower < 0x80:
                out[n] = lower
                n += 1
            elif lower < 0x800:
                out[n] = 0xC0 | lower >> 6
                out[n + 1] = 0x80 | lower & 0x3F
                n += 2
            elif lower < 0x10000:
                out[n] = 0xE0 | lower >> 12
                out[n + 1] = 0x80 | lower >> 6 & 0x3F
                out[n + 2] = 0x80 | lower & 0x3F
                n += 3
            else:
                out[n] = 0xF0 | lower >> 18
                out[n + 1] = 0x80 | lower >> 12 & 0x3F
                out[n + 2] = 0x80 | lower >> 6 & 0x3F
                out[n + 3] = 0x80 | lower & 0x3F
                n += 4
        ends[document + 1] = n

"""The raw buffers of an Arrow string array, as numpy sees them, without a copy.

A kernel gets one run of bytes and one run of offsets into it. A slice of an array shares the bytes of the
whole and only moves along the offsets, so document ``i`` is always ``data[offsets[i]:offsets[i + 1]]``.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


def buffers(texts: pa.LargeStringArray) -> tuple[Bytes, Offsets]:
    """UTF-8 bytes and the ``len(texts) + 1`` offsets of an array or of a slice of one; a null reads as empty.

    Both come out read-only, so that a kernel is compiled for one kind of array only.
    """
    if not isinstance(texts, pa.Array) or not pa.types.is_large_string(texts.type):
        raise TypeError(f"expected an array of large_string, found {getattr(texts, 'type', type(texts))}")
    if texts.null_count:
        texts = texts.fill_null("")
    if len(texts) == 0:
        return _frozen(np.zeros(0, np.uint8)), _frozen(np.zeros(1, np.int64))
    _, offset_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64, len(texts) + 1, texts.offset * 8)
    if data_buffer is None or data_buffer.size == 0:
        return _frozen(np.zeros(0, np.uint8)), _frozen(offsets)
    return _frozen(np.frombuffer(data_buffer, np.uint8)), _frozen(offsets)


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array


def column(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> pa.LargeStringArray:
    """The array of texts that a kernel wrote: valid UTF-8, and ``n + 1`` offsets into it from 0."""
    used = data[: offsets[-1]]
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(used))

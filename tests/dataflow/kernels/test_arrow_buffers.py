"""Buffers of string arrays: what document i is, however the array was made."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from dataflow.kernels.arrow import buffers


def documents(texts: pa.LargeStringArray) -> list[str]:
    data, offsets = buffers(texts)
    assert not data.flags.writeable
    assert not offsets.flags.writeable
    return [bytes(data[a:b]).decode() for a, b in pairwise(offsets)]


WHOLE = pa.array(["one", "", "zwölf", "三"], pa.large_string())


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (WHOLE, ["one", "", "zwölf", "三"]),
        (WHOLE[2:], ["zwölf", "三"]),
        (WHOLE[1:2], [""]),
        (WHOLE[4:], []),
        (pa.array([], pa.large_string()), []),
        (pa.array(["", ""], pa.large_string()), ["", ""]),
        (pa.array([None, "a", None], pa.large_string())[1:], ["a", ""]),
        (WHOLE.take(pa.array([3, 0])), ["三", "one"]),
    ],
)
def test_documents_of_an_array(texts, expected):
    assert documents(texts) == expected


def test_bytes_under_a_null_are_not_a_text():
    validity, offsets = pa.py_buffer(b"\x02"), pa.py_buffer(np.array([0, 6, 9], np.int64))
    texts = pa.LargeStringArray.from_buffers(2, offsets, pa.py_buffer(b"hiddenone"), validity, 1)
    assert documents(texts) == ["", "one"]


def test_no_byte_is_copied():
    data, _ = buffers(WHOLE[1:])
    assert data.ctypes.data == WHOLE.buffers()[2].address

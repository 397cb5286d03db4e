"""No kernel reads beyond its buffers, whatever the bytes: at a page's end, and with numba's bounds checks."""

import ctypes
import mmap
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataflow.dedup.exact import exact_hashes
from dataflow.kernels.encoded import encoded_runs
from dataflow.kernels.scan import analyse

PIECES = [
    b"word ",
    b"don't ",
    b"\xc3\xa9t\xc3\xa9",
    b"\xe4\xbd\xa0",
    b"\xf0\x9f\x98\x80",
    b"\n",
    b"...",
    b"-",
    b"A" * 9,
]
TAILS = [
    b"",
    b"\xc3",
    b"\xe4",
    b"\xe4\xbd",
    b"\xf0",
    b"\xf0\x9f",
    b"\xf0\x9f\x98",
    b"\x80",
    b"\xff",
    b"-",
    b"abcdefg",
    b"abcdefgh",
]


def damaged_documents(seed: int, n: int) -> list[bytes]:
    """Bytes that may be cut or mixed up anywhere."""
    choose = random.Random(seed)
    documents = []
    for _ in range(n):
        data = bytearray(b"".join(choose.choices(PIECES, k=choose.randrange(12))))
        for _ in range(choose.randrange(3)):
            if data:
                data[choose.randrange(len(data))] = choose.randrange(256)
        documents.append(bytes(data) + choose.choice(TAILS))
    return documents


def array_of(documents: list[bytes], data: pa.Buffer) -> pa.LargeStringArray:
    offsets = np.cumsum([0, *map(len, documents)]).astype(np.int64)
    return pa.LargeStringArray.from_buffers(len(documents), pa.py_buffer(offsets), data)


def test_texts_at_the_end_of_a_page_are_read_to_their_end():
    """The page behind is not to be touched: a read beyond ends the process, so this one runs in its own."""
    code = "import test_buffers_end as t; t.read_before_a_forbidden_page()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()[-500:]


def read_before_a_forbidden_page() -> None:
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(start + page), page, 0) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    for seed in range(150):
        documents = damaged_documents(seed, 6)
        joined = b"".join(documents)
        if not joined:
            continue
        memory[page - len(joined) : page] = joined
        texts = array_of(documents, pa.foreign_buffer(start + page - len(joined), len(joined), memory))
        copied = array_of(documents, pa.py_buffer(joined + b"more behind"))
        here, there = analyse(texts, 4, 2), analyse(copied, 4, 2)
        assert here.signatures.tolist() == there.signatures.tolist()
        assert all(
            here.statistics[name].tolist() == there.statistics[name].tolist() for name in here.statistics
        )
        assert encoded_runs(texts)[0].tolist() == encoded_runs(copied)[0].tolist()
    os._exit(0)  # the memory is not to be tidied up


@pytest.mark.slow
def test_no_index_is_beyond_its_array(tmp_path):
    code = "import test_buffers_end as t; t.count_damaged_documents()"
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env=environment,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]


def count_damaged_documents() -> None:
    for seed in range(300):
        documents = damaged_documents(seed, 8)
        joined = b"".join(documents)
        analyse(array_of(documents, pa.py_buffer(joined)), 4, 2)
    texts = pa.array(
        ["word " * 3000, "中" * 5000, "a\n" * 4000, "", "x" * 9999, "é ü\n\n" * 2000], pa.large_string()
    )
    analyse(texts, 4, 2)
    exact_hashes(texts)
    encoded_runs(texts)

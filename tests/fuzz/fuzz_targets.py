"""What is fuzzed, and the laws that must hold for any bytes: readers by format, then everything that reads text.

A target takes bytes and raises if a law is broken. A file may be refused whole by ``DataflowError``; any other
exception is a finding.
"""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa

from dataflow.dedup.exact import exact_hashes
from dataflow.errors import DataflowError
from dataflow.kernels.scan import analyse
from dataflow.readers.open import find_files, read, split
from dataflow.readers.source import Extract, Format, Source
from dataflow.signals import table
from dataflow.signals.language import find_model
from dataflow.signals.options import SignalOptions
from dataflow.transforms.pii import Pii, scrub
from dataflow.transforms.table import TRANSFORMS

FORMATS: tuple[str, ...] = tuple(name for name in get_args(Format) if name != "hf")
"""``hf`` is a folder of the format ``arrow``."""

TINY_SHARD = 64
RAW_BYTES = 4096


def read_file(data: bytes, kind: str) -> None:
    """Any bytes as a file of a format, whole and in the smallest pieces."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "file").write_bytes(data)
        for engine in ("resiliparse", "trafilatura") if kind == "html" else ("resiliparse",):
            source = Source(name="s", path=f"{folder}/file", format=kind)  # type: ignore[arg-type]
            try:
                whole = _rows(source, 1 << 30, engine)
                pieces = _rows(source, TINY_SHARD, engine)
            except DataflowError:
                continue
            _check_rows(whole)
            assert pieces == whole, "pieces give other rows than the whole"


def _rows(source: Source, shard_bytes: int, engine: str) -> list[dict[str, Any]]:
    rows = []
    for file in find_files(source):
        for piece in split(file, source, shard_bytes):
            for batch in read(piece, source, Extract(engine=engine)):  # type: ignore[arg-type]
                for part in (batch.documents, batch.rejects):
                    part.validate(full=True)
                    rows += part.to_pylist()
    return sorted(rows, key=lambda row: row["record"])


def _check_rows(rows: list[dict[str, Any]]) -> None:
    numbers = [row["record"] for row in rows]
    assert len(set(numbers)) == len(numbers), "a record has two rows"
    for row in rows:
        assert row["record"] >= 0
        assert row["bytes_in"] >= 0
        if "text" in row:
            assert row["text"], "a document without text"
        else:
            assert row["fate"] in ("quarantined", "skipped")
            assert row["reason"], "a reject without a reason"
            assert len(row["raw"]) <= RAW_BYTES


def measure_text(data: bytes) -> None:
    """Any text through transforms, PII, signals and hashes, as one document and beside others."""
    texts = [part.decode("utf-8", "replace") for part in data.split(b"\xff\xfe")]
    documents = pa.array(texts, pa.large_string())
    for name, transform in TRANSFORMS.items():
        once, changes = transform(documents)
        once.validate(full=True)
        assert len(once) == len(changes) == len(documents)
        twice, again = transform(once)
        assert twice.equals(once), f"{name} is not idempotent"
        assert not again.any(), f"{name} reports changes where nothing changed"
    scrubbed = scrub(documents, Pii()).texts
    scrubbed.validate(full=True)
    together = _measured(documents)
    alone = [_measured(documents.slice(row, 1)) for row in range(len(documents))]
    assert together == [row for rows in alone for row in rows], (
        "a document's signals depend on its neighbours"
    )


def _measured(texts: pa.LargeStringArray) -> list[dict[str, Any]]:
    analysis = analyse(texts, 16, 5)
    urls = pa.nulls(len(texts), pa.string())
    options = SignalOptions(language_model=find_model(None))
    families = ("language", "gopher", "c4", "fineweb")
    columns = table.compute(table.Documents(texts, urls, "web", analysis), families, options)
    for name, column in columns.items():
        for value in column.to_pylist() if pa.types.is_floating(column.type) else ():
            assert math.isfinite(value), name
            if name.endswith("_share"):
                assert 0 <= value <= 1, name
    rows = pa.table({**columns, "hash": exact_hashes(texts)}).to_pylist()
    for row, signature in zip(rows, analysis.signatures.tolist(), strict=True):
        row["signature"] = signature
    return rows


def scan_raw_bytes(data: bytes) -> None:
    """Bytes that are no UTF-8 at the very end of a buffer: kernels give some answer and read nothing beyond."""
    offsets = np.array([0, len(data) // 2, len(data)], np.int64)
    texts = pa.LargeStringArray.from_buffers(2, pa.py_buffer(offsets), pa.py_buffer(data))
    analysis = analyse(texts, 16, 5)
    assert all((column >= 0).all() for column in analysis.statistics.values())


TARGETS: dict[str, Callable[[bytes], None]] = {
    **{kind: lambda data, kind=kind: read_file(data, kind) for kind in FORMATS},  # type: ignore[misc]
    "text-of-documents": measure_text,
    "raw-bytes": scan_raw_bytes,
}
"""By name; a case is kept as ``cases/<target>-<digest>``."""

"""Parts on disk from short descriptions of documents."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataflow.dedup.exact import exact_hashes
from dataflow.store.documents import FILTER
from dataflow.store.storage import Storage

BANDS, ROWS = 4, 2
WIDTH = BANDS * ROWS


@dataclass(frozen=True)
class Document:
    """``signature`` is a few letters, one a value: documents agree where the letters do."""

    id: str
    signature: str
    text: str = ""
    n_bytes: int = 100
    n_words: int = 100
    passed: bool = True
    url: str | None = None
    columns: Mapping[str, object] = field(default_factory=dict)


def signature_bytes(letters: str) -> bytes:
    """All ones for the empty signature, that of a text without words."""
    values = [ord(letter) for letter in letters] if letters else [2**64 - 1] * WIDTH
    return np.array(values, "<u8").tobytes()


def write_part(
    store: Storage, part: str, documents: Iterable[Document], source: str = "s"
) -> tuple[str, str]:
    """A part as curate and filter leave it; by default a document's text is no other's."""
    chosen = list(documents)
    ids = [document.id for document in chosen]
    texts = pa.array([document.text or f"text of {document.id}" for document in chosen], pa.large_string())
    signatures = pa.array([signature_bytes(document.signature) for document in chosen], pa.binary())
    path = f"{source}/{part}.parquet"
    stored = {
        "id": pa.array(ids, pa.string()),
        "url": pa.array([document.url for document in chosen], pa.string()),
        "exact_hash": exact_hashes(texts),
    }
    store.write_table(f"documents/{path}", pa.table({**stored, "signature": signatures}))
    extra = sorted({name for document in chosen for name in document.columns})
    signals = {
        "id": pa.array(ids, pa.string()),
        "n_bytes": pa.array([document.n_bytes for document in chosen], pa.int64()),
        "n_words": pa.array([document.n_words for document in chosen], pa.int64()),
        **{name: [document.columns.get(name) for document in chosen] for name in extra},
    }
    store.write_table(f"signals/{path}", pa.table(signals))
    passed = [document.passed for document in chosen]
    reasons = [[] if document.passed else ["rule"] for document in chosen]
    store.write_table(
        f"decisions/filter/{path}", pa.table({"id": ids, "passed": passed, "reasons": reasons}, schema=FILTER)
    )
    return source, part


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "out"))


@pytest.fixture(scope="session")
def write() -> Callable[..., tuple[str, str]]:
    return write_part


@pytest.fixture(scope="session")
def document() -> type[Document]:
    return Document

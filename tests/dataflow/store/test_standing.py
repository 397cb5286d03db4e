"""What still stands of a part after each step."""

from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.store.documents import CONTAMINATION, CUTS, DEDUP, FILTER
from dataflow.store.standing import standing
from dataflow.store.storage import Storage


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    """Six documents, of which the steps in their order remove b, c, d, e; the last stays."""
    store = Storage(str(tmp_path))
    filtered = [{"id": name, "passed": name != "b", "reasons": []} for name in "abcdef"]
    tables = {
        "filter": pa.Table.from_pylist(filtered, FILTER),
        "dedup": pa.Table.from_pylist(
            [{"id": "a", "removed": False}, {"id": "c", "removed": True}],
            DEDUP,
        ),
        "cuts": pa.Table.from_pylist([{"id": "d", "removed": True}, {"id": "a", "removed": False}], CUTS),
        "contamination": pa.Table.from_pylist(
            [{"id": "e", "action": "drop"}, {"id": "e", "action": "drop"}, {"id": "f", "action": "cut"}],
            CONTAMINATION,
        ),
    }
    for step, table in tables.items():
        store.write_table(f"decisions/{step}/s/p.parquet", table)
    return store


@pytest.mark.parametrize(
    ("after", "left"),
    [("filter", "acdef"), ("dedup", "adef"), ("semantic", "adef"), ("cuts", "aef"), ("contamination", "af")],
)
def test_each_step_takes_out_what_it_removes(store: Storage, after: str, left: str) -> None:
    stands = standing(store, "s", "p", after)  # type: ignore[arg-type]
    assert "".join(name for name, stays in zip("abcdef", stands, strict=True) if stays) == left


def test_a_step_that_has_not_run_removes_nothing(store: Storage) -> None:
    store.remove("decisions/dedup")
    store.remove("decisions/cuts")
    assert standing(store, "s", "p", "cuts").tolist() == [True, False, True, True, True, True]

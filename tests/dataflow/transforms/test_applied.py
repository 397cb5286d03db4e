"""What the steps decided to cut, as ranges of the documents of a part."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataflow.errors import DataflowError
from dataflow.store.documents import CONTAMINATION, CUTS
from dataflow.store.storage import Storage
from dataflow.transforms.applied import applied_cuts

IDS = pa.array(["web/a#0", "web/a#1", "web/a#2"])


def span(start: int, length: int) -> dict[str, Any]:
    return {"start": start, "length": length}


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    cuts = [
        {"id": "web/a#2", "applied": True, "spans": [span(5, 2), span(9, 1)]},
        {"id": "web/a#0", "applied": False, "spans": [span(0, 3)]},
        {"id": "web/a#7", "applied": True, "spans": [span(1, 1)]},
    ]
    hits = [
        {"id": "web/a#2", "action": "cut", "spans": [span(6, 2)]},
        {"id": "web/a#1", "action": "drop", "spans": [span(6, 2)]},
        {"id": "web/a#1", "action": "annotate", "spans": [span(6, 2)]},
        {"id": "web/a#2", "action": "cut", "spans": [span(0, 1)]},
    ]
    made = Storage(str(tmp_path))
    made.write_table("decisions/cuts/web/a.parquet", pa.Table.from_pylist(cuts, CUTS))
    made.write_table("decisions/contamination/web/a.parquet", pa.Table.from_pylist(hits, CONTAMINATION))
    return made


def ranges(spans: Any) -> list[tuple[int, ...]]:
    return list(zip(*(one.tolist() for one in spans), strict=True))


def test_what_is_cut_is_what_both_steps_cut_and_nothing_that_is_only_annotated(store: Storage) -> None:
    assert ranges(applied_cuts(store, "web", "a", IDS)) == [(2, 0, 1), (2, 5, 7), (2, 6, 8), (2, 9, 10)]


def test_before_decontamination_only_deduplication_has_cut(store: Storage) -> None:
    assert ranges(applied_cuts(store, "web", "a", IDS, after="cuts")) == [(2, 5, 7), (2, 9, 10)]


def test_rows_are_places_among_the_ids_asked_for(store: Storage) -> None:
    some = pa.chunked_array([["web/a#2"], ["web/a#0"]])
    assert {row for row, *_ in ranges(applied_cuts(store, "web", "a", some))} == {0}


def test_a_part_of_which_nothing_was_said_is_cut_nowhere(store: Storage) -> None:
    assert ranges(applied_cuts(store, "web", "b", IDS)) == []


def test_a_decision_without_spans_is_refused(tmp_path: Path) -> None:
    store = Storage(str(tmp_path))
    rows = [{"id": "web/a#0", "applied": True}]
    store.write_table("decisions/cuts/web/a.parquet", pa.Table.from_pylist(rows, CUTS))
    with pytest.raises(DataflowError, match=r"decisions/cuts/web/a.parquet: a decision to cut says not what"):
        applied_cuts(store, "web", "a", IDS)

"""The catalog's tables over a folder written by hand."""

import subprocess
import sys
from pathlib import Path

import duckdb
import fsspec
import pyarrow as pa
import pytest
from made_folder import (
    EVERY_FATE,
    EVERY_UNREAD,
    STEPS,
    Doc,
    Unread,
    write_folder,
    write_instructions,
    write_metrics,
)

import dataflow
from dataflow.catalog.views import VIEWS, refresh_if_moved, write_catalog
from dataflow.errors import DataflowError
from dataflow.store.storage import Storage


@pytest.fixture(scope="module")
def every_fate(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return write_folder(str(tmp_path_factory.mktemp("out")), EVERY_FATE, EVERY_UNREAD)


LEDGER = "SELECT fate, stage, reasons, duplicate_of, similarity, phase, epochs FROM ledger WHERE id = ?"


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("web/a.jsonl#0", ("train", "mix", [], None, None, "main", 3)),
        ("web/a.jsonl#1", ("dropped", "filter", ["min_words", "end_mark"], None, None, None, 0)),
        ("web/a.jsonl#2", ("duplicate", "dedup", ["near"], "web/a.jsonl#0", 0.75, None, 0)),
        ("web/a.jsonl#3", ("contaminated", "decontaminate", ["quiz: 3", "quiz: 7"], None, None, None, 0)),
        ("web/a.jsonl#4", ("validation", "mix", [], None, None, "validation", 1)),
        ("web/a.jsonl#5", ("unused", "mix", [], None, None, None, 0)),
        ("web/a.jsonl#6", ("quarantined", "curate", ["not JSON"], None, None, None, 0)),
        ("web/a.jsonl#7", ("skipped", "curate", ["image"], None, None, None, 0)),
    ],
)
def test_the_first_step_that_takes_a_record_out_gives_its_fate(
    every_fate: Storage, name: str, row: tuple[object, ...]
):
    assert dataflow.connect(every_fate).execute(LEDGER, [name]).fetchall() == [row]


@pytest.mark.parametrize(
    ("n_steps", "last"), enumerate(["curate", "filter", "dedup", "decontaminate", "mix"], 1)
)
def test_before_the_last_step_has_run_a_live_document_is_unused_and_stage_tells_how_far(
    tmp_path: Path, n_steps: int, last: str
):
    write_folder(str(tmp_path), EVERY_FATE, EVERY_UNREAD, steps=STEPS[:n_steps])
    ledger = dataflow.connect(tmp_path).execute(LEDGER, ["web/a.jsonl#5"]).fetchall()
    assert [row[:2] for row in ledger] == [("unused", last)]


def test_input_and_record_come_from_the_id_even_where_the_path_holds_the_separator(every_fate: Storage):
    rows = (
        dataflow.connect(every_fate).sql("SELECT input, record FROM ledger WHERE source = 'books'").fetchall()
    )
    assert rows == [("part #2/b#1.txt", 0)]


def test_every_table_of_a_folder_where_nothing_has_run_is_empty_and_typed(tmp_path: Path):
    con = dataflow.connect(tmp_path)
    for view in (*VIEWS, "ledger"):
        assert con.sql(f"SELECT count(*) FROM {view}").fetchall() == [(0,)]
        assert len(con.table(view).columns) > 1
    assert str(con.sql("SELECT len(tokens), loss_spans FROM tokens").types[0]) == "BIGINT"


def test_a_view_has_the_same_columns_before_and_after_its_step_has_run(tmp_path: Path, every_fate: Storage):
    before = dataflow.connect(tmp_path)
    after = dataflow.connect(every_fate)
    for view in (
        "documents",
        "ledger",
        "duplicates",
        "contamination",
        "quarantine",
        "plan",
        "corpus",
        "tokens",
    ):
        assert before.table(view).columns == after.table(view).columns
        assert before.table(view).types == after.table(view).types


def test_documents_are_shown_without_what_only_deduplication_needs(every_fate: Storage):
    assert not {"signature", "exact_hash"} & set(dataflow.connect(every_fate).table("documents").columns)


def test_sources_may_have_different_signals(tmp_path: Path):
    write_folder(str(tmp_path), [Doc("web/a#0")])
    write_folder(
        str(tmp_path), [Doc("code/a#0", signals={"quality": 0.5})], signals={"quality": pa.float32()}
    )
    rows = dataflow.connect(tmp_path).sql("SELECT id, n_words, quality FROM signals ORDER BY id").fetchall()
    assert rows == [("code/a#0", None, 0.5), ("web/a#0", 4, None)]


def test_tokens_carry_their_phase(every_fate: Storage):
    rows = (
        dataflow.connect(every_fate)
        .sql("SELECT phase, sum(len(tokens)) FROM tokens GROUP BY 1 ORDER BY 1")
        .fetchall()
    )
    assert rows == [("anneal", 14), ("main", 50), ("validation", 13)]


def test_instructions_have_their_fates_in_the_same_ledger(tmp_path: Path):
    store = write_folder(str(tmp_path), EVERY_FATE)
    kept = [Doc(f"chat/c#{n}", phases=(phase,)) for n, phase in enumerate(("train", "validation", "test"))]
    write_instructions(store, [*kept, Doc("chat/c#3", failed=("no_answer",))], [Unread("chat/c#4")])
    rows = dataflow.connect(store).sql(
        "SELECT record, fate, stage, phase FROM ledger WHERE source = 'chat' ORDER BY id"
    )
    assert [row[1:] for row in rows.fetchall()] == [
        ("train", "instruct", "sft/train"),
        ("validation", "instruct", "sft/validation"),
        ("validation", "instruct", "sft/test"),
        ("dropped", "instruct", None),
        ("quarantined", "instruct", None),
    ]


def test_metrics_are_read_up_to_a_torn_last_line(tmp_path: Path):
    store = Storage(str(tmp_path))
    write_metrics(store, "base", [{"step": 1, "loss": 3.5}, {"step": 2, "loss": 3.0}], torn='{"step": 3, "lo')
    write_metrics(store, "sft", [])
    con = dataflow.connect(store)
    assert con.sql("SELECT run, step, loss FROM metrics ORDER BY step").fetchall() == [
        ("base", 1, 3.5),
        ("base", 2, 3.0),
    ]
    store.write_json("runs/sft/config.json", {"lr": 0.1})
    runs = dataflow.connect(store).sql("SELECT run, last_step, config->>'lr' FROM runs ORDER BY run")
    assert runs.fetchall() == [("base", 2, None), ("sft", None, "0.1")]


@pytest.mark.parametrize("name", ["lr=1", "a[b]*c?d", "it's", "köln"])
def test_any_folder_name_will_do(tmp_path: Path, name: str):
    store = write_folder(str(tmp_path / name / "out"), EVERY_FATE)
    con = dataflow.connect(store)
    assert con.sql("SELECT count(*) FROM ledger").fetchall() == [(len(EVERY_FATE),)]
    assert "lr" not in con.table("documents").columns


def test_a_remote_folder_is_read_through_its_own_filesystem():
    fsspec.filesystem("memory").store.clear()
    write_folder("memory://bucket/out", EVERY_FATE, EVERY_UNREAD)
    con = dataflow.connect("memory://bucket/out")
    assert con.sql("SELECT count(*) FROM ledger").fetchall() == [(len(EVERY_FATE) + len(EVERY_UNREAD),)]


def test_a_folder_that_is_not_there_is_an_error_and_not_an_empty_catalog(tmp_path: Path):
    with pytest.raises(DataflowError, match="no output folder"):
        dataflow.connect(tmp_path / "typo")


def test_importing_dataflow_does_not_import_duckdb():
    code = "import dataflow, sys; raise SystemExit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def rows_in_catalog(folder: Path) -> int:
    with duckdb.connect(str(folder / "catalog.duckdb"), read_only=True) as con:
        return int(con.sql("SELECT count(*) FROM ledger").fetchall()[0][0])


def test_the_catalog_file_answers_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_catalog(write_folder("out", EVERY_FATE))
    monkeypatch.chdir("/")
    assert rows_in_catalog(tmp_path / "out") == len(EVERY_FATE)
    assert not [path for path in (tmp_path / "out").iterdir() if "partial" in path.name]


def test_the_catalog_file_is_written_anew_when_the_folder_moved_or_a_step_has_run_since(tmp_path: Path):
    old = write_folder(str(tmp_path / "old"), EVERY_FATE, steps=STEPS[:1])
    assert [refresh_if_moved(old), refresh_if_moved(old)] == [True, False]
    write_folder(str(tmp_path / "old"), EVERY_FATE)
    assert [refresh_if_moved(old), refresh_if_moved(old)] == [True, False]
    write_metrics(old, "base", [{"step": 1}])
    assert [refresh_if_moved(old), refresh_if_moved(old)] == [True, False]
    (tmp_path / "old").rename(tmp_path / "new")
    new = Storage(str(tmp_path / "new"))
    assert [refresh_if_moved(new), refresh_if_moved(new)] == [True, False]
    assert rows_in_catalog(tmp_path / "new") == len(EVERY_FATE)


def test_a_damaged_catalog_file_is_replaced(tmp_path: Path):
    store = write_folder(str(tmp_path), EVERY_FATE)
    store.write_bytes("catalog.duckdb", b"not a database")
    assert refresh_if_moved(store)
    assert rows_in_catalog(tmp_path) == len(EVERY_FATE)

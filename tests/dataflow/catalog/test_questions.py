"""stats, explain, sample and whatif on a folder written by hand."""

import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from made_folder import EVERY_FATE, EVERY_UNREAD, Doc, rows, write_folder, write_instructions

from dataflow import connect
from dataflow.catalog import stats
from dataflow.catalog.excerpt import Line
from dataflow.catalog.explain import explain
from dataflow.catalog.recipe import rules_of_run
from dataflow.catalog.render import cell, show
from dataflow.catalog.sample import escaped, sample, verdict
from dataflow.catalog.table import Table, query
from dataflow.catalog.whatif import whatif
from dataflow.errors import DataflowError, RecipeError
from dataflow.store.documents import tokens_schema
from dataflow.store.storage import Storage

RECIPE = {"rules": {"sets": [], "custom": {"min_words": "n_words >= 2", "end_mark": "mean_word_length > 1"}}}


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    store = write_folder(str(tmp_path_factory.mktemp("out")), EVERY_FATE, EVERY_UNREAD, recipe=RECIPE)
    write_instructions(store, [Doc("chat/a#0", "an answer", phases=("train",))])
    return connect(store)


# stats


def test_the_funnel_narrows_from_records_to_the_corpus(con: duckdb.DuckDBPyConnection):
    rows = {row["source"]: row for row in stats.funnel_by_source(con).dicts()}
    web = rows["web"]
    assert [web[step] for step in ("records", "documents", "passed", "unique", "train")] == [8, 6, 5, 4, 1]
    assert [rows["all"]["records"], rows["all"]["train"], rows["all"]["validation"]] == [10, 3, 1]
    assert list(rows)[-1] == "all"


def test_the_funnel_by_language_is_of_documents(con: duckdb.DuckDBPyConnection):
    rows = {row["language"]: row["records"] for row in stats.funnel_by_language(con).dicts()}
    assert rows == {"en": 6, "de": 1, "all": 7}


def test_languages_beyond_the_largest_share_a_row(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stats, "LANGUAGES_SHOWN", 1)
    rows = [(row["language"], row["records"]) for row in stats.funnel_by_language(con).dicts()]
    assert rows == [("en", 6), ("other", 1), ("all", 7)]
    rules = rules_of_run(con)
    compared = whatif(con, rules, rules).by_language.dicts()
    assert [row["language"] for row in compared] == ["en", "other", "all"]


def test_reasons_tell_how_many_fail_a_rule_and_that_rule_alone(tmp_path: Path):
    docs = [Doc("web/a#0", failed=("x", "y")), Doc("web/a#1", failed=("x",)), Doc("web/a#2"), Doc("web/a#3")]
    con = connect(write_folder(str(tmp_path), docs))
    assert stats.reasons(con).rows == (("x", 4, 2, 1, 0.5), ("y", 4, 1, 0, 0.25))


def test_the_share_that_fails_a_rule_is_of_the_documents_it_is_about(tmp_path: Path):
    docs = [Doc("web/a#0", failed=("x",)), Doc("web/a#1"), Doc("web/a#2")]
    store = write_folder(str(tmp_path), docs)
    manifest = store.read_json("manifests/filter/web/part.json")
    store.write_json(
        "manifests/filter/web/part.json", manifest | {"counts": {"applied:x": 2, "applied:never": 3}}
    )
    assert stats.reasons(connect(store)).rows == (("x", 2, 1, 1, 0.5), ("never", 3, 0, 0, 0.0))


def test_tokens_by_source_and_phase(con: duckdb.DuckDBPyConnection):
    rows = {(row["phase"], row["source"]): row["tokens"] for row in stats.tokens(con).dicts()}
    assert rows == {
        ("anneal", "web"): 14,
        ("main", "books"): 22,
        ("main", "web"): 28,
        ("validation", "web"): 13,
    }


def test_bytes_a_token_of_instructions_are_of_what_is_trained_on(tmp_path: Path):
    store = Storage(str(tmp_path))
    write_instructions(store, [Doc("chat/a#0", "an answer", phases=("train",))])
    row = {"id": "chat/a#0", "source": "chat", "tokens": [1] * 9, "n_bytes": 6, "loss_spans": [(5, 8)]}
    schema = tokens_schema(wide=False, spans=True)
    store.write_table("instructions/tokens/train/part-00000.parquet", rows(schema, [row]))
    counted = stats.tokens(connect(store)).dicts()[0]
    assert [counted[name] for name in ("tokens", "trained_tokens", "bytes_per_token")] == [9, 3, 2.0]


def test_a_folder_where_nothing_has_run_has_no_tables(tmp_path: Path):
    assert stats.standard(connect(tmp_path)) == []


def test_columns_of_a_query_are_headed_as_the_user_wrote_them(con: duckdb.DuckDBPyConnection):
    out = io.StringIO()
    show([query(con, "SELECT count(*), max(n_bytes) AS most_bytes FROM documents")], file=out)
    assert out.getvalue().split()[:2] == ["count(*)", "most_bytes"]


def test_a_wrong_query_is_explained(con: duckdb.DuckDBPyConnection):
    assert query(con, "SELECT count(*) AS n FROM documents").rows == ((7,),)
    with pytest.raises(DataflowError, match="Tables: documents"):
        query(con, "SELECT * FROM nonsense")


# render


def test_tables_in_a_pipe_are_whole_plain_and_readable(con: duckdb.DuckDBPyConnection):
    out = io.StringIO()
    long = "word " * 100
    show([Table("T", ("n", "kept_share", "text"), ((1234567, 0.25, f"[red]{long}\x1b[2J"),))], file=out)
    printed = out.getvalue()
    assert "1,234,567" in printed
    assert "25.0%" in printed
    assert f"[red]{long}" in printed
    assert "\x1b" not in printed


def test_a_cell_with_records_shows_their_values():
    assert cell([{"label": "en", "score": 0.96118}, {"label": "de", "score": None}]) == "en 0.9612, de "


# explain


def test_explain_a_dropped_document_shows_the_value_beside_the_threshold(con: duckdb.DuckDBPyConnection):
    story = explain(con, "web/a.jsonl#1")
    assert [(one.rule, one.keep, one.values) for one in story.rules if one.fails] == [
        ("min_words", "n_words >= 2", {"n_words": 1})
    ]
    assert story.ledger["fate"] == "dropped"


@pytest.mark.parametrize(
    ("name", "step", "said"),
    [
        ("web/a.jsonl#0", "mix", "in main, 3 times"),
        ("web/a.jsonl#1", "rules", "dropped: fails min_words, end_mark"),
        ("web/a.jsonl#2", "dedup", "near duplicate of web/a.jsonl#0, similarity 0.750"),
        ("web/a.jsonl#3", "decontaminate", "contaminated by quiz: 7 (prompt), 90% of its n-grams"),
        ("web/a.jsonl#5", "mix", "kept; beyond the budget"),
        ("web/a.jsonl#7", "curate", "skipped: image"),
        ("chat/a#0", "mix", "in sft/train"),
    ],
)
def test_the_story_of_a_record_ends_with_the_step_that_decided_its_fate(
    con: duckdb.DuckDBPyConnection, name: str, step: str, said: str
):
    story = explain(con, name).story.rows
    assert story[0][0] == "read"
    assert story[-1] == (step, said)


def test_explain_a_duplicate_shows_its_survivor_and_the_difference(con: duckdb.DuckDBPyConnection):
    story = explain(con, "web/a.jsonl#2")
    assert story.ledger["duplicate_of"] == "web/a.jsonl#0"
    assert [row["id"] for row in story.duplicates.dicts()] == ["web/a.jsonl#2", "web/a.jsonl#0"]
    assert story.difference is not None
    assert [line.text for line in story.difference.lines] == ["the first text {+again+}"]


def test_explain_a_trained_document_shows_where_it_lies_in_the_corpus(con: duckdb.DuckDBPyConnection):
    story = explain(con, "web/a.jsonl#0")
    assert story.plan.rows == (("main", 0, 0), ("main", 2, 1), ("anneal", 0, 2))
    assert story.tokens.rows == (("anneal", 14, 14), ("main", 14, 14))
    assert [line.text for line in story.lines] == ["the first text"]


@pytest.mark.parametrize("name", [item.id for item in (*EVERY_FATE, *EVERY_UNREAD)] + ["chat/a#0"])
def test_every_record_can_be_explained_and_shown(con: duckdb.DuckDBPyConnection, name: str):
    out = io.StringIO()
    show(explain(con, name).tables, file=out)
    assert name in out.getvalue()


def test_an_unknown_id_names_the_nearest(con: duckdb.DuckDBPyConnection):
    with pytest.raises(DataflowError, match=r"Nearest: web/a\.jsonl#"):
        explain(con, "web/a.json#3")


# sample


def test_a_sample_of_what_a_rule_drops(con: duckdb.DuckDBPyConnection):
    (found,) = sample(con, rule="min_words")
    assert (found.id, [line.text for line in found.lines]) == ("web/a.jsonl#1", ["short"])
    assert found.notes == ["also fails end_mark"]
    assert [verdict(one) for one in found.judgements] == ["min_words: n_words = 1, keep n_words >= 2"]


def test_a_sample_of_a_fate(con: duckdb.DuckDBPyConnection):
    assert [one.id for one in sample(con, fate="validation")] == ["web/a.jsonl#4"]


def test_samples_are_the_same_for_a_seed(tmp_path: Path):
    con = connect(write_folder(str(tmp_path), [Doc(f"web/a#{n}") for n in range(50)]))
    drawn = [[one.id for one in sample(con, n=3, seed=seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_lines_that_a_rule_speaks_against_are_marked(tmp_path: Path):
    text = "A title\n- one\nNo bullet here.\n" + "- again\n" * 3
    doc = Doc("web/a#0", text, failed=("bullets", "tiny"), signals={"bullet_line_share": 2 / 3})
    custom = {"bullets": "bullet_line_share <= 0.5 OR n_words > 100", "tiny": "n_words > 20"}
    recipe = {"rules": {"sets": [], "custom": custom}}
    types = {"bullet_line_share": pa.float32(), "n_words": pa.int64()}
    con = connect(write_folder(str(tmp_path), [doc], signals=types, recipe=recipe))
    (found,) = sample(con, rule="bullets")
    assert found.marked == ["lines that begin with a bullet"]
    assert [line.text for line in found.lines if line.marks] == ["- one"] + ["- again"] * 3
    (found,) = sample(con, rule="tiny")
    assert (found.marked, found.lines[0].text) == ([], "A title")


def test_what_could_not_be_read_is_shown_with_its_place_and_its_bytes_as_escapes(
    con: duckdb.DuckDBPyConnection,
):
    (found,) = sample(con, fate="quarantined")
    assert found.notes == ["not JSON", "file a.jsonl, record 6", "10 bytes, which begin:"]
    assert found.lines == [Line("?")]
    assert escaped(b'{"a\x1b[2J\xff\n\xc3\xa4' + b"x" * 500).startswith(r'{"a\x1b[2J\xff\nä')


def test_a_sampled_duplicate_names_its_survivor(con: duckdb.DuckDBPyConnection):
    (found,) = sample(con, fate="duplicate")
    assert found.notes == [
        "near duplicate of web/a.jsonl#0, similarity 0.750",
        "3 words in both; 0 only in the survivor (-), 1 only in this document (+)",
    ]
    assert found.difference is not None


@pytest.mark.parametrize(
    ("question", "said"), [({"rule": "min_word"}, '"min_words"'), ({"fate": "droped"}, '"dropped"')]
)
def test_an_unknown_rule_or_fate_names_the_nearest(
    con: duckdb.DuckDBPyConnection, question: dict[str, str], said: str
):
    with pytest.raises(RecipeError, match=f"Did you mean {said}"):
        sample(con, **question)

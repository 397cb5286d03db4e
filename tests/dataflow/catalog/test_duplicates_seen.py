"""What a person sees of duplicates, cuts and contamination: explain, sample and the tables, on a folder by hand."""

import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from made_folder import Doc, write_folder, write_instructions

from dataflow import connect
from dataflow.catalog import duplicates
from dataflow.catalog.explain import Explanation, explain
from dataflow.catalog.passages import places
from dataflow.catalog.render import show
from dataflow.catalog.sample import sample
from dataflow.store.documents import CONTAMINATION
from dataflow.store.storage import Storage

TEXT = "Über allem Ruh.\nThe committee met on Monday.\nWhat is the capital of France? Paris.\n"
LINE = "The committee met on Monday.\n"
DOCS = (
    Doc("web/a#0", TEXT, phases=("main",)),
    Doc("web/a#1", TEXT.replace("Monday", "Tuesday"), duplicate_of="web/a#0", similarity=0.92),
    Doc("web/a#2", TEXT.lower(), duplicate_of="web/a#0", similarity=1.0, kind="exact"),
    Doc("books/b#3", f"More. {TEXT}", duplicate_of="web/a#0", earlier="crawl-2024", similarity=0.7),
    Doc("web/a#4", "Another text.", duplicate_of="web/a#0", kind="url", similarity=None),
    Doc("web/a#5", f"Ä Before.\n{LINE}After.", cut=((LINE, "line"), ("Before", "substring")), cut_from="web/a#0"),
    Doc("web/a#6", LINE, cut=((LINE, "paragraph"),), cut_from="web/a#0", too_little_left=True),
    Doc("web/a#7", f"Ä quiz: {TEXT}", hits=(
        {"item": "17", "overlap": 0.83, "spans": [{"start": 9, "length": 4}]},
        {"item": "18", "overlap": 0.5, "action": "annotate", "part": "prompt+answer"},
    )),
    Doc("web/a#8", "Alone.", cluster="web/a#0"),
)  # fmt: skip
RECIPE = {"rules": {"sets": []}, "dedup": {"against": {"crawl-2024": "/data/crawl-2024"}}}


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    store = write_folder(str(tmp_path_factory.mktemp("out")), DOCS, recipe=RECIPE)
    manifest = store.read_json("manifests/dedup/all.json")
    counts = {"compared": 40, "verified": 30}
    store.write_json("manifests/dedup/all.json", manifest | {"counts": counts})
    return connect(store)


def said(story: Explanation, step: str) -> list[str]:
    return [what for name, what in story.story.rows if name == step]


# explain


@pytest.mark.parametrize(
    ("name", "step", "what"),
    [
        ("web/a#0", "dedup", ["stays, and stands for 3 others (1 exact, 1 near, 1 url)"]),
        ("web/a#1", "dedup", ["near duplicate of web/a#0, similarity 0.920"]),
        ("web/a#2", "dedup", ["exact duplicate of web/a#0, similarity 1.000"]),
        ("books/b#3", "dedup", [
            "near duplicate of web/a#0, similarity 0.700; that one is in the earlier corpus crawl-2024 "
            "(/data/crawl-2024), so its text is not here"]),
        ("web/a#4", "dedup", ["duplicate of web/a#0 by its URL; the texts were not compared"]),
        ("web/a#5", "dedup", [
            "2 passages (1 line, 1 substring), 35 bytes, cut: most of them stand in web/a#0"]),
        ("web/a#6", "dedup", [
            "1 passage (1 paragraph), 29 bytes, cut: it stands in web/a#0; too little was left: 0 bytes"]),
        ("web/a#7", "decontaminate", [
            "contaminated by quiz: 17 (prompt), 83% of its n-grams",
            "annotated only, though it has quiz: 18 (prompt+answer), 50% of its n-grams"]),
        ("web/a#8", "dedup", ["stays: it is in a cluster of 5, but none of them repeats it"]),
    ],
)  # fmt: skip
def test_the_story_names_what_a_document_repeats_and_how_that_is_known(
    con: duckdb.DuckDBPyConnection, name: str, step: str, what: list[str]
):
    assert said(explain(con, name), step) == what


def test_a_copy_of_a_near_duplicate_is_not_called_a_copy_of_the_survivor(tmp_path: Path):
    docs = [
        Doc("web/a#0"),
        Doc("web/a#1", duplicate_of="web/a#0", similarity=0.8),
        Doc("web/a#2", duplicate_of="web/a#0", similarity=0.8, kind="exact"),
    ]
    con = connect(write_folder(str(tmp_path), docs))
    assert said(explain(con, "web/a#2"), "dedup") == ["copy of a near duplicate of web/a#0, similarity 0.800"]


def test_a_cluster_lists_the_document_then_what_it_repeats_then_others_that_stay(
    con: duckdb.DuckDBPyConnection,
):
    cluster = explain(con, "web/a#2").duplicates
    assert cluster.title == "Its cluster of duplicates: 5 documents, 2 stay"
    assert [(row["id"], row["fate"], row["repeats"]) for row in cluster.dicts()] == [
        ("web/a#2", "removed", "web/a#0"),
        ("web/a#0", "stays", None),
        ("web/a#8", "stays", None),
        ("web/a#1", "removed", "web/a#0"),
        ("web/a#4", "removed", "web/a#0"),
    ]
    assert cluster.rows[0][-1].startswith("über allem ruh. the committee met on monday. what is")


def test_of_a_large_cluster_the_first_are_shown(tmp_path: Path):
    docs = [Doc("web/a#0"), *(Doc(f"web/a#{n}", duplicate_of="web/a#0") for n in range(1, 30))]
    cluster = explain(connect(write_folder(str(tmp_path), docs)), "web/a#17").duplicates
    assert cluster.title == "Its cluster of duplicates: 30 documents, 1 stays (10 shown)"
    assert [row["id"] for row in cluster.dicts()][:3] == ["web/a#17", "web/a#0", "web/a#1"]
    assert len(cluster.rows) == 10


def test_the_difference_is_from_the_survivor_and_none_where_its_text_is_elsewhere(
    con: duckdb.DuckDBPyConnection,
):
    found = explain(con, "web/a#1").difference
    assert found is not None
    assert [line.text for line in found.lines if line.side == "~"] == [
        "The committee met on [-Monday-] {+Tuesday+}."
    ]
    assert explain(con, "web/a#2").difference.only_case  # type: ignore[union-attr]
    assert explain(con, "books/b#3").difference is None  # though web/a#0 here has the same id
    assert explain(con, "web/a#0").difference is None


def test_what_is_cut_is_listed_and_marked_in_the_text(con: duckdb.DuckDBPyConnection):
    story = explain(con, "web/a#5")
    assert story.cuts.rows == (("line", 29, LINE.strip()), ("substring", 6, "Before"))
    assert story.marked == ["what is cut"]
    assert [line.text[mark.start : mark.end] for line in story.lines for mark in line.marks] == [
        "Before", LINE.strip(),
    ]  # fmt: skip
    assert said(story, "stored") == ["100 bytes read, 46 stored"]  # the text as it is, before cuts


def test_a_document_that_keeps_what_others_lose_says_so(con: duckdb.DuckDBPyConnection):
    story = explain(con, "web/a#0")
    assert story.keeps.title == "Keeps passages cut from 2 other documents"
    assert [row["id"] for row in story.keeps.dicts()] == ["web/a#5", "web/a#6"]


def test_the_passage_of_an_evaluation_set_is_marked(con: duckdb.DuckDBPyConnection):
    story = explain(con, "web/a#7")
    assert story.contamination.rows == (
        ("quiz", "17", "prompt", pytest.approx(0.83), 9, "drop"),
        ("quiz", "18", "prompt+answer", 0.5, 9, "annotate"),
    )
    assert story.marked == ["what it has of quiz"]
    assert [line.text[mark.start : mark.end] for line in story.lines for mark in line.marks] == ["Über"[:3]]


def test_the_passage_is_marked_in_a_conversation_as_it_was_searched(tmp_path: Path):
    store = Storage(str(tmp_path))
    write_instructions(
        store, [Doc("chat/a#0", "So it is Paris, said he.")]
    )  # after a question mark of its own
    row = {"id": "chat/a#0", "set": "quiz", "item": "1", "overlap": 1.0, "n_grams": 3, "action": "drop"}
    span = {"start": len("?\nSo it is "), "length": len("Paris")}
    hits = pa.Table.from_pylist([row | {"spans": [span]}], CONTAMINATION)
    store.write_table("instructions/decisions/contamination/chat/part.parquet", hits)
    story = explain(connect(store), "chat/a#0")
    assert [line.text[mark.start : mark.end] for line in story.lines for mark in line.marks] == ["Paris"]


def test_places_in_bytes_become_places_in_characters_and_touching_ones_one():
    spans = [
        {"start": 5, "length": 2},
        {"start": 0, "length": 3},
        {"start": 3, "length": 2},
        {"start": 99, "length": 1},
    ]
    assert [(place.start, place.end) for place in places("äb東cd", spans)] == [(0, 4)]
    assert [(place.start, place.end) for place in places("äb東cd", spans[:1])] == [(3, 4)]


def test_where_duplicates_are_only_annotated_it_is_said(tmp_path: Path):
    con = connect(write_folder(str(tmp_path), DOCS, annotate=True))
    assert said(explain(con, "web/a#1"), "dedup") == [
        "near duplicate of web/a#0, similarity 0.920; only annotated, so it stays"
    ]
    assert "repeated, only annotated" in said(explain(con, "web/a#5"), "dedup")[0]
    assert [row["removed"] for row in duplicates.duplicates(con).dicts()] == [0] * 5
    assert duplicates.cuts(con).title == "Passages repeated (only annotated)"


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.id)
def test_every_document_can_be_shown(con: duckdb.DuckDBPyConnection, doc: Doc):
    out = io.StringIO()
    show(explain(con, doc.id).tables, file=out)
    assert doc.id in out.getvalue()


# sample


def test_sampled_duplicates_are_shown_beside_what_they_repeat(con: duckdb.DuckDBPyConnection):
    found = {one.id: one for one in sample(con, fate="duplicate", n=9)}
    assert sorted(found) == ["books/b#3", "web/a#1", "web/a#2", "web/a#4", "web/a#6"]
    assert found["web/a#1"].notes[0] == "near duplicate of web/a#0, similarity 0.920"
    assert found["web/a#1"].difference is not None
    assert found["books/b#3"].notes[0].endswith("similarity 0.700, in the earlier corpus crawl-2024")
    assert (
        found["web/a#6"].notes[0].startswith("1 passage (1 paragraph), 29 bytes, cut: it stands in web/a#0")
    )
    assert found["web/a#6"].marked == ["what is cut"]


def test_sampled_contaminated_documents_have_the_passage_marked(con: duckdb.DuckDBPyConnection):
    (found,) = sample(con, fate="contaminated")
    assert found.notes[0] == "quiz: 17 (prompt), 83% of its n-grams"
    assert any(line.marks for line in found.lines)


# tables


def test_duplicates_are_counted_by_source_and_kind(con: duckdb.DuckDBPyConnection):
    rows = {(row["source"], row["kind"]): row for row in duplicates.duplicates(con).dicts()}
    assert {key: row["documents"] for key, row in rows.items()} == {
        ("books", "near"): 1, ("web", "exact"): 1, ("web", "near"): 1, ("web", "url"): 1, ("all", None): 4,
    }  # fmt: skip
    assert rows[("books", "near")]["of_earlier_corpora"] == 1
    assert rows[("web", "url")]["bytes_removed"] == len("Another text.")
    assert list(rows)[-1] == ("all", None)


def test_the_largest_clusters_name_their_first_document_and_how_it_begins(con: duckdb.DuckDBPyConnection):
    first, second = duplicates.largest_clusters(con).dicts()
    assert (first["documents"], first["kept"], first["kinds"]) == (5, 2, ["exact", "near", "url"])
    assert first["begins"].startswith("Über allem Ruh.")
    assert (second["first_document"], second["sources"]) == ("books/b#3", ["books"])
    assert len(duplicates.largest_clusters(con, most=1).rows) == 1


@pytest.mark.parametrize(
    ("similarity", "bucket"),
    [(0.7, "0.70 to 0.75"), (0.7499, "0.70 to 0.75"), (0.75, "0.75 to 0.80"), (0.8, "0.80 to 0.85"),
     (0.95, "0.95 to 1.00"), (1.0, "0.95 to 1.00")],
)  # fmt: skip
def test_a_similarity_is_counted_in_its_bucket(tmp_path: Path, similarity: float, bucket: str):
    docs = [Doc("web/a#0"), Doc("web/a#1", duplicate_of="web/a#0", similarity=similarity)]
    table = duplicates.similarities(connect(write_folder(str(tmp_path), docs)))
    assert [row["similarity"] for row in table.dicts() if row["documents"]] == [bucket]
    assert table.rows[-1][0] == "0.95 to 1.00"


def test_bars_are_as_long_as_their_counts_and_what_is_rare_is_seen(tmp_path: Path):
    docs = [Doc("web/a#0")]
    docs += [Doc(f"web/a#{n}", duplicate_of="web/a#0", similarity=0.97) for n in range(1, 1001)]
    docs += [Doc(f"web/b#{n}", duplicate_of="web/a#0", similarity=0.92) for n in range(500)]
    docs += [Doc("web/c#0", duplicate_of="web/a#0", similarity=0.81)]
    rows = duplicates.similarities(connect(write_folder(str(tmp_path), docs, steps=["dedup"]))).dicts()
    assert [row["histogram"] for row in rows] == ["▏", "", "█" * 20, "█" * 40]


def test_cuts_are_counted_by_kind(con: duckdb.DuckDBPyConnection):
    assert duplicates.cuts(con).rows == (
        ("line", 1, 1, 29, 0), ("paragraph", 1, 1, 29, 1), ("substring", 1, 1, 6, 0), ("all", 2, 3, 64, 1),
    )  # fmt: skip


def test_the_share_of_candidate_pairs_that_were_none_is_told(con: duckdb.DuckDBPyConnection):
    assert duplicates.candidates(con).rows == ((40, 30, 0.25),)


def test_where_nothing_is_a_duplicate_there_is_no_table(tmp_path: Path):
    con = connect(write_folder(str(tmp_path), [Doc("web/a#0")]))
    assert [table.rows for table in duplicates.tables(con)] == [()] * 5

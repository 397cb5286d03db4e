"""Fates of documents that repeat others, in whole or in part, and the laws of the tables that say so."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_folder import STEPS, Doc, make, write_folder

from dataflow import connect
from dataflow.catalog.check import check
from dataflow.catalog.conservation import violations
from dataflow.catalog.duplicates import duplicates, largest_clusters
from dataflow.store.documents import CONTAMINATION, CUTS, DEDUP, DOCUMENTS
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

TEXT = "a line of its own\na line that many have\nthe answer is 42"
DOCS = (
    Doc("web/a#0", TEXT, phases=("main",)),
    Doc("web/a#1", TEXT + "!", duplicate_of="web/a#0", similarity=0.97),
    Doc("web/a#2", "of last year", duplicate_of="web/a#0", earlier="2024", kind="exact"),
    Doc("web/a#3", "the same URL", duplicate_of="web/a#0", kind="url", similarity=None),
    Doc("web/a#4", "one\na line that many have\ntwo", cut=(("a line that many have\n", "line"),),
        cut_from="web/a#0", phases=("main",)),
    Doc("web/a#5", "a line that many have\nI", cut=(("a line that many have\n", "substring"),),
        cut_from="web/a#0", too_little_left=True),
    Doc("web/a#6", "what is it? the answer is 42, is it?", phases=("validation",),
        hits=({"item": "1", "action": "cut", "spans": [{"start": 12, "length": 17}]},)),
    Doc("web/a#7", "only named", phases=("main",), hits=({"item": "2", "action": "annotate"},)),
    Doc("web/a#8", "in other words", duplicate_of=None),
)  # fmt: skip
CUT_BYTES = {"web/a#4": len("a line that many have\n"), "web/a#6": 17}


def semantic_rows(**changes: Any) -> list[dict[str, Any]]:
    known = {"survivor": "web/a#0", "cluster": "web/a#0", "cluster_size": 2, "kind": "semantic"}
    stays = {**known, "id": "web/a#0", "similarity": 1.0, "removed": False}
    return [stays, {**known, "id": "web/a#8", "similarity": 0.92, "removed": True, **changes}]


def write_semantic(store: Storage) -> Made:
    rel = "decisions/semantic/web/part.parquet"
    store.write_table(rel, pa.Table.from_pylist(semantic_rows(), DEDUP))
    return Made((rel,))


def shorten(store: Storage, n_bytes: dict[str, int]) -> None:
    """What the plan and the corpus say of documents of which passages were cut."""
    for path in (*store.list("plan"), *store.list("corpus")):
        table = store.read_table(path)
        left = [row["n_bytes"] - n_bytes.get(row["id"], 0) for row in table.to_pylist()]
        place = table.schema.get_field_index("n_bytes")
        store.write_table(path, table.set_column(place, "n_bytes", pa.array(left, pa.int64())))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    store = write_folder(str(tmp_path_factory.mktemp("duplicates")), DOCS, steps=STEPS[:5])
    make(store, "semantic", "all", lambda: write_semantic(store))
    shorten(store, CUT_BYTES)
    return store


@pytest.fixture
def store(whole: Storage, tmp_path: Path) -> Storage:
    """A copy to change."""
    shutil.copytree(whole.root, tmp_path / "out")
    return Storage(str(tmp_path / "out"))


def found(store: Storage, step: str | None = None) -> str:
    return "\n".join(map(str, violations(store, connect(store), step)))


# The ledger


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("web/a#0", ("train", "mix", [], None, None)),
        ("web/a#1", ("duplicate", "dedup", ["near"], "web/a#0", 0.97)),
        ("web/a#2", ("duplicate", "dedup", ["exact"], "2024:web/a#0", 0.9)),
        ("web/a#3", ("duplicate", "dedup", ["url"], "web/a#0", None)),
        ("web/a#4", ("train", "mix", [], None, None)),
        ("web/a#5", ("duplicate", "dedup", ["substring"], "web/a#0", 22 / 23)),
        ("web/a#6", ("validation", "mix", [], None, None)),
        ("web/a#7", ("train", "mix", [], None, None)),
        ("web/a#8", ("duplicate", "dedup", ["semantic"], "web/a#0", 0.92)),
    ],
)
def test_a_duplicate_of_any_kind_names_what_it_repeats(
    whole: Storage, name: str, row: tuple[Any, ...]
) -> None:
    sql = "SELECT fate, stage, reasons, duplicate_of, similarity FROM ledger WHERE id = ?"
    [(*said, similarity)] = connect(whole).execute(sql, [name]).fetchall()
    assert tuple(said) == row[:-1]
    assert similarity == (None if row[-1] is None else pytest.approx(row[-1]))


def test_bytes_out_are_those_that_stand_in_the_corpus(whole: Storage) -> None:
    con = connect(whole)
    rows = con.sql("SELECT id, bytes_out FROM ledger").fetchall()
    assert dict(rows) == {doc.id: doc.n_bytes - CUT_BYTES.get(doc.id, 0) for doc in DOCS}


def test_all_duplicates_of_documents_are_in_one_view(whole: Storage) -> None:
    table = connect(whole).table("duplicates")
    assert "levels" not in table.columns
    kinds = table.filter("removed").order("id").project("kind").fetchall()
    assert [kind for (kind,) in kinds] == ["near", "exact", "url", "semantic"]
    assert connect(whole).sql("SELECT id FROM cuts").fetchall() == [("web/a#4",), ("web/a#5",)]


def test_clusters_of_the_same_first_document_by_likeness_and_by_meaning_are_two(whole: Storage) -> None:
    con = connect(whole)
    clusters = [row for row in largest_clusters(con).dicts() if row["first_document"] == "web/a#0"]
    assert [(row["kinds"], row["kept"]) for row in clusters] == [(["near", "url"], 1), (["semantic"], 1)]
    assert duplicates(con).dicts()[-1]["clusters"] == 3  # and that of a document of last year


def test_duplicates_that_are_only_annotated_stay_whole(tmp_path: Path) -> None:
    docs = [
        Doc("web/a#0", TEXT),
        Doc("web/a#1", TEXT, duplicate_of="web/a#0"),
        Doc("web/a#2", TEXT, cut=(("a line that many have\n", "line"),), cut_from="web/a#0"),
    ]
    store = write_folder(str(tmp_path), docs, steps=STEPS[:3], annotate=True)
    assert found(store) == ""
    rows = connect(store).sql("SELECT fate, bytes_out, duplicate_of FROM ledger").fetchall()
    assert rows == [("unused", len(TEXT), None)] * 3


def test_a_folder_of_before_it_was_said_who_is_removed_reads_as_it_did(tmp_path: Path) -> None:
    store = write_folder(str(tmp_path), DOCS[:2], steps=STEPS[:3])
    before = store.read_table("decisions/dedup/web/part.parquet").drop_columns(
        ["removed", "earlier", "levels"]
    )
    store.remove("decisions/dedup/web/part.parquet")
    store.write_table("decisions/dedup/part-00000.parquet", before)
    fates = connect(store).sql("SELECT fate FROM ledger ORDER BY id").fetchall()
    assert fates == [("unused",), ("duplicate",)]
    assert found(store) == ""


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=6)


@settings(max_examples=30, deadline=None)
@given(by_dedup=SPANS, by_sets=st.lists(SPANS, max_size=3))
def test_bytes_cut_by_both_steps_are_those_of_the_union(
    tmp_path_factory: pytest.TempPathFactory, by_dedup: list[tuple[int, int]], by_sets: list[Any]
) -> None:
    store = Storage(str(tmp_path_factory.mktemp("union")))
    disjoint = {at for start, length in by_dedup for at in range(start, start + length)}
    gone = disjoint | {
        at for spans in by_sets for start, length in spans for at in range(start, start + length)
    }
    document = {"id": "w/a#0", "source": "w", "text": "x" * 50, "n_bytes": 50}
    cut = {
        "id": "w/a#0",
        "spans": [{"start": at, "length": 1, "kind": "line"} for at in sorted(disjoint)],
        "bytes_cut": len(disjoint),
        "applied": True,
        "removed": False,
    }
    hits = [
        {
            "id": "w/a#0",
            "action": "cut",
            "spans": [{"start": start, "length": length} for start, length in spans],
        }
        for spans in by_sets
    ]
    store.write_table("documents/w/a.parquet", pa.Table.from_pylist([document], DOCUMENTS))
    if disjoint:
        store.write_table("decisions/cuts/w/a.parquet", pa.Table.from_pylist([cut], CUTS))
    store.write_table("decisions/contamination/w/a.parquet", pa.Table.from_pylist(hits, CONTAMINATION))
    assert connect(store).sql("SELECT bytes_out FROM ledger").fetchall() == [(50 - len(gone),)]


# The laws


def test_a_folder_as_the_steps_wrote_it_breaks_no_law(whole: Storage) -> None:
    assert found(whole) == ""


def change(table: str, name: str, **values: Any) -> Callable[[Storage], None]:
    """Other values in the row of a document."""

    def apply(store: Storage) -> None:
        path = f"{table}/web/part.parquet" if table.startswith("decisions") else table
        before = store.read_table(path)
        rows = [{**row, **values} if row["id"] == name else row for row in before.to_pylist()]
        store.write_table(path, pa.Table.from_pylist(rows, before.schema))

    return apply


def span(start: int, length: int) -> dict[str, Any]:
    return {"start": start, "length": length, "kind": "line"}


DEDUPED, MEANT, CUT, HIT = (f"decisions/{step}" for step in ("dedup", "semantic", "cuts", "contamination"))


@pytest.mark.parametrize(
    ("step", "damage", "said"),
    [
        ("dedup", change(DEDUPED, "web/a#1", survivor="web/a#3"), "is itself a duplicate of another: web/a#3"),
        ("dedup", change(DEDUPED, "web/a#1", survivor="web/a#2"), "is itself a duplicate of another: web/a#2"),
        ("dedup", change(DEDUPED, "web/a#2", earlier=None, survivor="old/a#0"), "is no document: old/a#0"),
        ("dedup", change(DEDUPED, "web/a#0", removed=True), "survivor of duplicates is removed: web/a#0"),
        ("dedup", change(DEDUPED, "web/a#3", removed=False), "stays although others are removed: web/a#3"),
        ("dedup", change(DEDUPED, "web/a#2", removed=False), "stays although others are removed: web/a#2"),
        ("dedup", change(MEANT, "web/a#8", id="web/a#1"), "in deduplication although it is a duplicate: web/a#1"),
        ("dedup", change(MEANT, "web/a#8", id="web/a#0"), "document is among duplicates more than once: web/a#0"),
        ("dedup", change(MEANT, "web/a#8", survivor="web/x#8"), "decisions/semantic: survivor of duplicates is no"),
        ("dedup", change(CUT, "web/a#4", id="web/a#9"), "document that was cut is no document: web/a#9"),
        ("dedup", change(CUT, "web/a#4", id="web/a#5"), "document was cut more than once: web/a#5"),
        ("dedup", change(CUT, "web/a#4", id="web/a#1"), "was cut although it is a duplicate: web/a#1"),
        ("dedup", change(CUT, "web/a#4", id="web/a#8"), "was cut although it is a duplicate by meaning: web/a#8"),
        ("dedup", change(CUT, "web/a#4", spans=[span(4, 26)]), "cut is not inside its text"),
        ("dedup", change(CUT, "web/a#4", spans=[span(-1, 22)]), "cut is not inside its text"),
        ("dedup", change(CUT, "web/a#4", spans=[span(4, 11), span(14, 11)]), "overlaps the one before it: web/a#4"),
        ("dedup", change(CUT, "web/a#4", spans=[span(14, 11), span(3, 11)]), "overlaps the one before it: web/a#4"),
        ("dedup", change(CUT, "web/a#4", spans=[span(4, 22), span(26, 0)]), "cut is not inside its text"),
        ("dedup", change(CUT, "web/a#4", bytes_cut=21), "bytes that were cut and that are left do not add up"),
        ("dedup", change(CUT, "web/a#4", bytes_left=8), "bytes that were cut and that are left do not add up"),
        ("dedup", change(CUT, "web/a#4", survivor="web/a#5"), "what was cut from others does not stay: web/a#5"),
        ("dedup", change(CUT, "web/a#4", survivor="web/a#1"), "what was cut from others does not stay: web/a#1"),
        ("dedup", change(CUT, "web/a#4", survivor="web/x#1"), "what was cut from others does not stay: web/x#1"),
        ("dedup", change(CUT, "web/a#5", applied=False), "although nothing was cut: web/a#5"),
        ("decontaminate", change(HIT, "web/a#7", id="web/a#1"), "contaminated although it is a duplicate: web/a#1"),
        ("decontaminate", change(HIT, "web/a#7", id="web/a#5"), "although too little was left of it: web/a#5"),
        ("decontaminate", change(HIT, "web/a#6", spans=[{"start": 30, "length": 7}]), "passage is not inside"),
        ("mix", change(CUT, "web/a#4", spans=[], bytes_cut=0, bytes_left=29), "has not the bytes that are stored"),
        ("mix", change(HIT, "web/a#6", action="annotate"), "has not the bytes that are stored"),
        ("mix", change(HIT, "web/a#7", action="drop"), "planned document is not kept: web/a#7"),
        ("mix", change(CUT, "web/a#4", removed=True), "planned document is not kept: web/a#4"),
        ("mix", change(MEANT, "web/a#8", id="web/a#4"), "planned document is not kept: web/a#4"),
    ],
)  # fmt: skip
def test_what_breaks_a_law_is_named_by_its_step(
    store: Storage, step: str, damage: Callable[[Storage], None], said: str
) -> None:
    damage(store)
    assert said in found(store, step)
    before = {"dedup": "filter", "decontaminate": "dedup", "mix": "decontaminate"}[step]
    if step != "mix":
        assert found(store, before) == ""


def test_clusters_by_meaning_are_not_both_trained_on_and_held_out(store: Storage) -> None:
    change(MEANT, "web/a#8", id="web/a#6", survivor="web/a#6", removed=False)(store)
    assert "cluster of duplicates is both trained on and held out: web/a#0" in found(store, "mix")


def test_check_knows_the_files_of_the_new_tables(store: Storage) -> None:
    assert not [one for one in check(store) if "no manifest names" in one.what]
    store.write_table("decisions/cuts/web/other.parquet", pa.Table.from_pylist([], CUTS))
    assert [one.where for one in check(store) if "no manifest names" in one.what] == [
        "decisions/cuts/web/other.parquet"
    ]

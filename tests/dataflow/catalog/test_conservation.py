"""Every record read has one fate."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_folder import EVERY_FATE, EVERY_UNREAD, STEPS, Doc, Unread, write_folder, write_instructions

from dataflow import connect
from dataflow.catalog.conservation import check_conservation, conservation, violations
from dataflow.catalog.ledger import FATES
from dataflow.errors import DataflowError
from dataflow.store.storage import Storage

PHASES = st.sampled_from([(), ("main",), ("main", "main"), ("anneal",), ("validation",)])


@st.composite
def folders(draw: st.DrawFn) -> tuple[list[Doc], list[Unread]]:
    """Records of two sources, each with any decisions at all: also such as no run would make."""
    docs: list[Doc] = []
    for n in range(draw(st.integers(0, 12))):
        source = draw(st.sampled_from(["web", "books"]))
        other = draw(st.sampled_from([None, *(doc.id for doc in docs)]))
        docs.append(
            Doc(
                f"{source}/{draw(st.sampled_from(['a', 'b#1', 'c/d.gz']))}#{n}",
                failed=draw(st.sampled_from([(), ("one",), ("one", "two")])),
                duplicate_of=other,
                contaminated_by=draw(st.sampled_from([(), ("item",), ("item", "other")])),
                phases=draw(PHASES),
            )
        )
    fates = draw(st.lists(st.sampled_from(["quarantined", "skipped"]), max_size=4))
    return docs, [Unread(f"web/z#{n}", fate) for n, fate in enumerate(fates)]


@settings(max_examples=6, deadline=None)
@given(folder=folders(), n_steps=st.integers(1, len(STEPS)))
def test_the_fates_partition_the_records(folder: tuple[list[Doc], list[Unread]], n_steps: int):
    docs, unread = folder
    with TemporaryDirectory() as url:
        store = write_folder(url, docs, unread, steps=STEPS[:n_steps])
        check_conservation(store, "curate")  # such decisions break the laws of later steps
        con = connect(store)
        assert sorted(con.sql("SELECT id FROM ledger").fetchall()) == sorted(
            (item.id,) for item in (*docs, *unread)
        )
        assert {fate for (fate,) in con.sql("SELECT fate FROM ledger").fetchall()} <= set(FATES)
        for row in conservation(con).dicts():
            assert sum(row[fate] for fate in FATES) == row["records"]


def test_conservation_counts_records_by_source_and_fate(tmp_path: Path):
    table = conservation(connect(write_folder(str(tmp_path), EVERY_FATE, EVERY_UNREAD)))
    assert {row["source"]: row["records"] for row in table.dicts()} == {"books": 1, "web": 8}
    assert all(table.dicts()[1][fate] == 1 for fate in FATES)


def test_instruction_records_are_conserved_too(tmp_path: Path):
    store = write_folder(str(tmp_path), EVERY_FATE)
    write_instructions(store, [Doc("chat/a#0", phases=("train",)), Doc("chat/a#1")], [Unread("chat/a#2")])
    check_conservation(store)
    store.remove("instructions/documents/chat/part.parquet")
    found = [str(problem) for problem in violations(store, connect(store))]
    assert any("source chat: 2 documents were read but the ledger has 0" in one for one in found)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    store = write_folder(str(tmp_path_factory.mktemp("sound")), EVERY_FATE, EVERY_UNREAD)
    check_conservation(store)
    return store


def replace(store: Storage, rel: str, change: Callable[[pa.Table], pa.Table]) -> None:
    store.write_table(rel, change(store.read_table(rel)))


def set_value(column: str, row: int, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value
        place = table.schema.get_field_index(column)
        return table.set_column(place, column, pa.array(values, table.schema.field(column).type))

    return change


def first_out(table: pa.Table) -> pa.Table:
    return table.slice(1)


DEDUP, PLAN, CORPUS = (
    "decisions/dedup/web/part.parquet",
    "plan/main.parquet",
    "corpus/main/part-00000.parquet",
)


@pytest.mark.parametrize(
    ("step", "rel", "change", "said"),
    [
        (
            "curate",
            "documents/web/part.parquet",
            first_out,
            "documents/web/part.parquet: 5 rows, but 6 were counted",
        ),
        (
            "curate",
            "quarantine/web/part.parquet",
            first_out,
            "quarantine/web/part.parquet: 1 rows, but 2 were",
        ),
        (
            "curate",
            "quarantine/web/part.parquet",
            set_value("fate", 0, "skipped"),
            "source web: 1 quarantined were read but the ledger has 0",
        ),
        (
            "filter",
            "decisions/filter/web/part.parquet",
            first_out,
            "web/part.parquet: 6 documents but 5 decisions",
        ),
        (
            "dedup",
            DEDUP,
            set_value("id", 1, "web/gone#0"),
            "member of a cluster of duplicates is no document: web/gone",
        ),
        ("dedup", DEDUP, set_value("id", 1, "web/a.jsonl#1"), "although rules drop it: web/a.jsonl#1"),
        (
            "dedup",
            DEDUP,
            set_value("survivor", 1, "web/gone#0"),
            "survivor of duplicates is no document: web/gone#0",
        ),
        (
            "dedup",
            DEDUP,
            first_out,
            "cluster of duplicates has not as many members as it says: web/a.jsonl#0",
        ),
        (
            "decontaminate",
            "decisions/contamination/web/part.parquet",
            set_value("id", 0, "web/gone#0"),
            "contaminated document is no document: web/gone#0",
        ),
        ("mix", PLAN, set_value("id", 0, "web/a.jsonl#2"), "planned document is not kept: web/a.jsonl#2"),
        (
            "mix",
            PLAN,
            set_value("position", 0, 7),
            "phase has positions that are missing or taken twice: main",
        ),
        ("mix", CORPUS, first_out, "row is in only one of plan and corpus"),
    ],
)
def test_what_a_step_loses_or_makes_up_is_a_violation_of_that_step(
    sound: Storage, tmp_path: Path, step: str, rel: str, change: Callable[[pa.Table], pa.Table], said: str
):
    shutil.copytree(sound.root, tmp_path / "out")
    store = Storage(str(tmp_path / "out"))
    replace(store, rel, change)
    found = [str(problem) for problem in violations(store, connect(store), step)]
    assert any(said in one for one in found), found
    before = STEPS[max(0, STEPS.index(step) - 1)]
    if step not in ("curate", "filter"):  # which is looked at before what it decided is known to be current
        check_conservation(store, before)


def test_an_id_that_occurs_twice_is_a_violation(tmp_path: Path):
    store = write_folder(str(tmp_path), [Doc("web/a#0"), Doc("web/a#1")], steps=["curate"])
    documents = store.read_table("documents/web/part.parquet")
    store.write_table("documents/web/part.parquet", pa.concat_tables([documents.slice(0, 1)] * 2))
    with pytest.raises(DataflowError, match="web/a#0: the id occurs 2 times"):
        check_conservation(store)


def test_a_document_without_a_decision_is_a_violation_unless_filter_has_yet_to_run_again(tmp_path: Path):
    store = write_folder(str(tmp_path), [Doc("web/a#0"), Doc("web/a#1")], steps=["curate", "filter"])
    decisions = store.read_table("decisions/filter/web/part.parquet")
    store.write_table("decisions/filter/web/part.parquet", decisions.slice(1))
    check_conservation(store, step="curate")
    with pytest.raises(DataflowError, match="2 documents but 1 decisions"):
        check_conservation(store, step="filter")

"""What ``check`` says of folders that were damaged after they were written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from made_folder import EVERY_FATE, EVERY_UNREAD, Doc, write_folder, write_instructions

from dataflow.catalog.check import check
from dataflow.store.storage import Storage


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    made = write_folder(str(tmp_path_factory.mktemp("whole")), EVERY_FATE, EVERY_UNREAD)
    write_instructions(made, [Doc("chat/a#0", phases=("train",)), Doc("chat/a#1", phases=("test",))])
    return made


@pytest.fixture
def store(whole: Storage, tmp_path: Path) -> Storage:
    """A copy to damage."""
    shutil.copytree(whole.root, tmp_path / "out")
    return Storage(str(tmp_path / "out"))


def test_a_folder_as_the_steps_wrote_it_has_no_problems(store: Storage):
    assert check(store) == []


def flip_a_byte(store: Storage, rel: str) -> None:
    content = bytearray(store.read_bytes(rel))
    content[6] ^= 1
    store.write_bytes(rel, bytes(content))


def rewrite(rel: str, change: Callable[[pa.Table], pa.Table]) -> Callable[[Storage], None]:
    return lambda store: store.write_table(rel, change(store.read_table(rel)))


def rename(column: str, before: str, after: str) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = [after if value == before else value for value in table[column].to_pylist()]
        return table.set_column(table.schema.get_field_index(column), column, pa.array(values, pa.string()))

    return change


def swapped_survivors(table: pa.Table) -> pa.Table:
    swapped = pa.array(["web/a.jsonl#2", "web/a.jsonl#0"], pa.string())
    return table.set_column(table.schema.get_field_index("survivor"), "survivor", swapped)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda store: store.remove("signals/web/part.parquet"),
            "signals/web/part.parquet: the file is missing",
        ),
        (
            lambda store: store.write_bytes("plan/main.parquet", b"cut"),
            "plan/main.parquet: 3 bytes, where the manifest",
        ),
        (
            lambda store: flip_a_byte(store, "documents/web/part.parquet"),
            "documents/web/part.parquet: the content is",
        ),
        (lambda store: store.write_bytes("manifests/filter/web/part.json", b"{"), "not a manifest"),
        (
            lambda store: store.write_bytes("pii/web/other.parquet", b""),
            "pii/web/other.parquet: no manifest names",
        ),
        (
            lambda store: Path(store.path("plan/main.parquet.7-8.partial")).touch(),
            "plan/main.parquet.7-8.partial: left behind by a killed run",
        ),
        (
            rewrite("documents/web/part.parquet", lambda t: t.slice(1)),
            "source web: 6 documents were read but",
        ),
        (
            rewrite("signals/web/part.parquet", lambda t: t.take(pa.array([1, 0, 2, 3, 4, 5]))),
            "signals: rows stand in another order than in documents, from web/a.jsonl#",
        ),
        (
            rewrite("decisions/dedup/web/part.parquet", rename("survivor", "web/a.jsonl#0", "web/gone#0")),
            "survivor of duplicates is no document: web/gone#0",
        ),
        (
            rewrite("decisions/dedup/web/part.parquet", swapped_survivors),
            "survivor of duplicates is itself a duplicate",
        ),
        (
            rewrite("decisions/dedup/web/part.parquet", rename("id", "web/a.jsonl#2", "web/a.jsonl#1")),
            "took part in deduplication although rules drop it: web/a.jsonl#1",
        ),
        (
            rewrite("plan/main.parquet", rename("id", "web/a.jsonl#0", "web/a.jsonl#1")),
            "planned document is not kept: web/a.jsonl#1",
        ),
        (
            rewrite("plan/main.parquet", rename("id", "web/a.jsonl#0", "web/a.jsonl#4")),
            "document is both trained on and held out: web/a.jsonl#4",
        ),
        (
            rewrite("plan/main.parquet", lambda t: t.slice(1)),
            "phase has positions that are missing or taken twice: main",
        ),
        (
            rewrite("corpus/main/part-00000.parquet", lambda t: t.slice(0, 2)),
            "row is in only one of plan and corpus",
        ),
        (
            rewrite("tokens/main/part-00000.parquet", lambda t: t.slice(1)),
            "document is not as often in tokens as in corpus",
        ),
        (
            rewrite("instructions/plan/part-00000.parquet", rename("id", "chat/a#0", "chat/a#1")),
            "instructions/plan: document is both trained on and held out: chat/a#1",
        ),
    ],
)
def test_damage_is_named(store: Storage, damage: Callable[[Storage], None], said: str):
    damage(store)
    assert said in "\n".join(map(str, check(store)))


def test_all_problems_are_reported_and_not_only_the_first(store: Storage):
    store.remove("quarantine/web/part.parquet")
    flip_a_byte(store, "corpus/main/part-00000.parquet")
    assert {"quarantine/web/part.parquet", "corpus/main/part-00000.parquet"} <= {
        problem.where for problem in check(store)
    }

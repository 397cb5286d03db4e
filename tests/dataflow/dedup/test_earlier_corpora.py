"""A new corpus against the index of an old one: as if both had been deduplicated at once, the old one first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.dedup.config import Dedup, Near
from dataflow.dedup.index import open_indexes, write_index, write_manifest
from dataflow.dedup.parts import DedupPart
from dataflow.dedup.whole import deduplicate
from dataflow.store.manifest import Made, content_hash
from dataflow.store.storage import Storage

Write = Callable[..., tuple[str, str]]
NEAR = Near(bands=4, rows=2, similarity=0.75)


def finished(store: Storage, parts: list[tuple[str, str]], config: Dedup) -> Made:
    """Decisions and index of a run."""
    own = [DedupPart(*part) for part in parts]
    made = deduplicate(store, [*open_indexes(config), *own], config)
    files = [path for part in own for path in write_index(store, part, config).outputs]
    write_manifest(store, {path: content_hash(store, path) for path in files}, config)
    return made


def rows(store: Storage) -> dict[str, dict[str, Any]]:
    """All decisions, by id."""
    found = [row for path in store.list("decisions/dedup") for row in store.read_table(path).to_pylist()]
    return {row["id"]: row for row in found}


def test_a_document_that_an_earlier_corpus_has_names_it_and_the_document_there(
    tmp_path: Path, write: Write, document: type
) -> None:
    old, new = Storage(str(tmp_path / "old")), Storage(str(tmp_path / "new"))
    config = Dedup(near=NEAR, url=True)
    before = [
        document("x", "aabbccdd", n_bytes=1),
        document("y", "qqqqqqqq", n_bytes=200, url="http://y.org"),
        document("z", "qqqqqqqq", text="text of y"),
    ]
    finished(old, [write(old, "p", before)], config)
    own = [
        document("x", "aabbccxy", text="new", n_bytes=100),  # like the old x, under the same id
        document("same", "aabbccdd", text="text of x", n_bytes=90),
        document("place", "zzzzzzzz", n_bytes=80, url="HTTP://y.org/"),
        document("alone", "llllllll", n_bytes=70),
        document("mine", "mmmmmmmm", n_bytes=60),
        document("mine too", "mmmmmmmm", n_bytes=50, text="text of mine"),
    ]
    made = finished(new, [write(new, "p", own)], config.model_copy(update={"against": {"old": old.root}}))
    said = ("survivor", "earlier", "cluster", "cluster_size", "similarity", "kind", "removed")
    assert {name: tuple(row[key] for key in said) for name, row in rows(new).items()} == {
        "x": ("x", "old", "x", 2, 0.75, "near", True),
        "same": ("x", "old", "x", 2, 1.0, "exact", True),
        "place": ("y", "old", "place", 1, None, "url", True),
        "mine": ("mine", None, "mine", 2, 1.0, "exact", False),
        "mine too": ("mine", None, "mine", 2, 1.0, "exact", True),
    }
    assert made.counts["earlier"] == 3
    assert made.counts["kept"] == 2
    index = [row["id"] for path in new.list("index") for row in new.read_table(path).to_pylist()]
    assert index == ["alone", "mine"]


def test_documents_of_earlier_corpora_are_never_compared_with_each_other(
    tmp_path: Path, write: Write, document: type
) -> None:
    config = Dedup(near=NEAR)
    folders = {}
    for name in ("b", "a"):
        store = Storage(str(tmp_path / name))
        finished(store, [write(store, "p", [document(f"of {name}", "aabbccdd", text="same")])], config)
        folders[name] = store.root
    new = Storage(str(tmp_path / "new"))
    own = [document("copy", "aabbccdd", text="same"), document("other", "zzzzzzzz")]
    made = finished(new, [write(new, "p", own)], config.model_copy(update={"against": folders}))
    assert made.counts["earlier"] == made.counts["duplicates"] == made.counts["exact"] == 1
    assert rows(new)["copy"]["survivor"] == "of b"  # the first in the recipe's order
    assert rows(new)["copy"]["earlier"] == "b"
    assert new.list("dedup/ranks") == [
        "dedup/ranks/@a/s/p.parquet",
        "dedup/ranks/@b/s/p.parquet",
        "dedup/ranks/s/p.parquet",
    ]


letters = st.text("ab", min_size=8, max_size=8)
corpora = st.lists(st.tuples(letters, st.integers(1, 3)), max_size=10)


@settings(max_examples=6, deadline=None)
@given(old=corpora, new=corpora, short=st.sets(letters, max_size=3))
def test_the_same_documents_go_as_from_both_corpora_at_once(
    tmp_path_factory: pytest.TempPathFactory,
    write: Write,
    document: type,
    old: list[tuple[str, int]],
    new: list[tuple[str, int]],
    short: set[str],
) -> None:
    """With greedy clusters and without URLs: of what was removed an index has neither signature nor URL."""
    folder = tmp_path_factory.mktemp("corpora")
    a, b, both = (Storage(str(folder / name)) for name in ("a", "b", "both"))

    def documents(corpus: list[tuple[str, int]], name: str) -> list[Any]:
        return [
            document(
                f"{name}{number}", signature, text=f"text {signature}", n_bytes=size,
                n_words=3 if signature in short else 9,
            )
            for number, (signature, size) in enumerate(corpus)
        ]  # fmt: skip

    config = Dedup(near=NEAR, survivor="n_bytes DESC")
    finished(a, [write(a, "p", documents(old, "a")[::2]), write(a, "q", documents(old, "a")[1::2])], config)
    against = config.model_copy(update={"against": {"a": a.root}})
    made = finished(b, [write(b, "p", documents(new, "b"))], against)
    parts = [write(both, "p", documents(new, "b")), write(both, "q", documents(old, "a"))]
    finished(both, parts, Dedup(near=NEAR, survivor="starts_with(id, 'a') DESC, n_bytes DESC"))

    removed = {name: row["survivor"] for name, row in rows(b).items() if row["removed"]}
    at_once = {name: row["survivor"] for name, row in rows(both).items() if row["removed"]}
    assert removed == {name: survivor for name, survivor in at_once.items() if name.startswith("b")}
    assert made.counts["kept"] == len(new) - len(removed)
    assert all((row["earlier"] == "a") == row["survivor"].startswith("a") for row in rows(b).values())

"""The corpus on disk: every planned row with its text, in plan order, the same bytes however it was made."""

import hashlib
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mixture_corpora import Corpus, rows, text_of

from dataflow.errors import DataflowError
from dataflow.mixture import write
from dataflow.mixture.config import Mixture, Phase, Validation
from dataflow.mixture.plan import make_plan
from dataflow.mixture.write import corpus_parts, gather, scatter
from dataflow.store.documents import CORPUS
from dataflow.store.storage import Storage

Parts = list[tuple[str, str]]


def planned(folder: Path) -> tuple[Storage, Parts]:
    """A store with a plan of three corpus parts in two phases, where books are read more than once."""
    sizes = random.Random(1)
    corpus = Corpus(
        {
            "web": [rows(*(sizes.randint(10, 900) for _ in range(1500))) for _ in range(2)],
            "books": [rows(*(sizes.randint(500, 2000) for _ in range(40)))],
            "unread": [rows(10, 10)],
        }
    )
    store, parts = corpus.write(folder)
    phases = [
        Phase(name="main", share=0.7, weights={"web": 0.7, "books": 0.3}),
        Phase(name="anneal", share=0.3, weights={"books": 1}),
    ]
    mixture = Mixture(budget="200k", phases=phases)
    make_plan(store, parts, mixture, Validation(share=0.01), 1, part_bytes=60_000)
    return store, parts


def written(store: Storage, parts: Parts, shuffle: int = 0) -> dict[str, bytes]:
    """The corpus, its steps run in some order."""
    order = random.Random(shuffle)
    for source, part in order.sample(parts, len(parts)):
        scatter(store, source, part)
    targets = corpus_parts(store)
    for phase, index in order.sample(targets, len(targets)):
        gather(store, phase, index, order.sample(parts, len(parts)))
    return {path: store.read_bytes(path) for path in store.list("corpus")}


def test_the_corpus_is_the_plan_with_its_texts(tmp_path: Path) -> None:
    store, parts = planned(tmp_path)
    written(store, parts)
    for phase in ("main", "anneal", "validation"):
        plan = store.read_table(f"plan/{phase}.parquet")
        corpus = pa.concat_tables(store.read_table(path) for path in store.list(f"corpus/{phase}"))
        assert corpus.schema.equals(CORPUS)
        common = ["id", "source", "phase", "position", "epoch", "n_bytes"]
        assert corpus.select(common).to_pylist() == plan.select(common).to_pylist()
        for row in corpus.to_pylist():
            assert row["text"] == text_of(row["id"], row["n_bytes"])
    ids = [row["id"] for row in corpus.to_pylist()]
    assert ids


def test_a_document_of_two_epochs_is_written_twice(tmp_path: Path) -> None:
    store, parts = planned(tmp_path)
    written(store, parts)
    corpus = pa.concat_tables(store.read_table(path) for path in store.list("corpus/anneal"))
    assert len(set(corpus["id"].to_pylist())) == 40 < len(corpus)
    assert len({(row["id"], row["epoch"]) for row in corpus.to_pylist()}) == len(corpus)


def test_the_bytes_do_not_depend_on_the_order_of_work(tmp_path: Path) -> None:
    store, parts = planned(tmp_path)
    assert written(store, parts, shuffle=1) == written(store, parts, shuffle=2)


def test_version_1_of_the_corpus_has_these_rows(tmp_path: Path) -> None:
    assert write.VERSION == 1, "a new version has a new hash: write it here"
    store, parts = planned(tmp_path)
    digest = hashlib.sha256()
    for path in written(store, parts):
        with store.open(path) as stream:
            file = pq.ParquetFile(stream)
            for group in range(file.num_row_groups):
                digest.update(f"{path} {group}".encode())
                digest.update(repr(file.read_row_group(group).to_pylist()).encode())
    assert digest.hexdigest()[:16] == "1a28af49e276a381"


def test_counts_of_the_parts_are_those_of_the_corpus(tmp_path: Path) -> None:
    store, parts = planned(tmp_path)
    for part in parts:
        scatter(store, *part)
    made = [gather(store, phase, index, parts) for phase, index in corpus_parts(store)]
    for one in made:
        [path] = one.outputs
        corpus = store.read_table(path)
        assert one.counts["documents"] == len(corpus)
        assert one.counts["bytes"] == sum(len(text.encode()) for text in corpus["text"].to_pylist())
        by_source = [count for name, count in one.counts.items() if name.startswith("bytes:")]
        assert sum(by_source) == one.counts["bytes"]
        assert "tokens" not in one.counts


def test_row_groups_are_small_enough_to_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "ROW_GROUP_BYTES", 10_000)
    store, parts = planned(tmp_path)
    written(store, parts)
    with store.open("corpus/main/part-00000.parquet") as stream:
        file = pq.ParquetFile(stream)
        groups = [
            sum(file.read_row_group(group)["n_bytes"].to_pylist()) for group in range(file.num_row_groups)
        ]
    assert len(groups) >= 6
    assert all(size <= 12_000 for size in groups)


def test_corpus_parts_are_those_of_the_plan_validation_last(tmp_path: Path) -> None:
    store, _ = planned(tmp_path)
    expected = [("main", 0), ("main", 1), ("main", 2), ("anneal", 0), ("validation", 0)]
    assert corpus_parts(store) == expected


def test_a_shard_that_was_not_scattered_is_named(tmp_path: Path) -> None:
    store, parts = planned(tmp_path)
    scatter(store, *parts[0])
    with pytest.raises(
        DataflowError, match=r"plan/scatter/books/shard-0.arrow: the shard has not been scattered"
    ):
        gather(store, "main", 0, parts)


def test_a_planned_document_that_is_not_found_fails_the_part(tmp_path: Path) -> None:
    store, parts = planned(tmp_path)
    for part in parts:
        scatter(store, *part)
    with pytest.raises(DataflowError, match=r"planned documents were not found, the first books/shard-0#"):
        gather(store, "main", 0, [part for part in parts if part[0] != "books"])
    assert not store.list("corpus")


def test_documents_that_changed_since_the_plan_fail(tmp_path: Path) -> None:
    store, parts = planned(tmp_path)
    documents = store.read_table("documents/books/shard-0.parquet")
    store.write_table("documents/books/shard-0.parquet", documents.slice(0, 3))
    with pytest.raises(DataflowError, match=r"the plan asks for row \d+ of 3"):
        scatter(store, "books", "shard-0")
    store.write_table("documents/books/shard-0.parquet", documents.take(list(range(39, -1, -1))))
    for part in parts:
        scatter(store, *part)
    with pytest.raises(DataflowError, match="documents, cuts or plan have changed since"):
        gather(store, "main", 0, parts)

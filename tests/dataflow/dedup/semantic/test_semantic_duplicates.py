"""Duplicates by meaning: a small real model2vec model, and embeddings that the user brings."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.dedup.config import Dedup, Semantic
from dataflow.dedup.parts import RANKS, DedupPart
from dataflow.dedup.semantic import buckets
from dataflow.dedup.semantic.embeddings import embed
from dataflow.errors import DataflowError, RecipeError
from dataflow.store.documents import DEDUP, FILTER
from dataflow.store.storage import Storage

Vector = list[float]
WORDS = {"big": (1, 0, 0), "large": (0.98, 0.1, 0), "dog": (0, 1, 0), "hound": (0.05, 1, 0), "tax": (0, 0, 1)}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a model that knows five words, of which two pairs are near in meaning."""
    model2vec, tokenizers = pytest.importorskip("model2vec"), pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0, **{word: number + 1 for number, word in enumerate(WORDS)}}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    vectors = np.array([(0, 0, 0), *WORDS.values()], np.float32)
    folder = tmp_path_factory.mktemp("model")
    model2vec.StaticModel(vectors, tokenizer).save_pretrained(folder)
    return str(folder)


def write(store: Storage, shard: str, texts: dict[str, str], ranks: list[int]) -> None:
    """A shard of documents that all passed, with their ranks."""
    ids = list(texts)
    store.write_table(
        f"documents/s/{shard}.parquet",
        pa.table({"id": ids, "text": pa.array(texts.values(), pa.large_string())}),
    )
    passed = pa.table({"id": ids, "passed": [True] * len(ids), "reasons": [[]] * len(ids)}, schema=FILTER)
    store.write_table(f"decisions/filter/s/{shard}.parquet", passed)
    ranked = pa.table({"rank": ranks, "first": ranks, "kind": [None] * len(ids)}, schema=RANKS)
    store.write_table(f"dedup/ranks/s/{shard}.parquet", ranked)


def run(store: Storage, shards: list[str], config: Dedup) -> list[dict[str, object]]:
    """All rounds; the decisions of all shards."""
    pytest.importorskip("semhash")
    wanted = config.semantic
    assert wanted is not None
    parts = [("s", shard) for shard in shards]
    for part in parts:
        embed(store, *part, wanted)
    n_buckets = buckets.centres(store, parts, wanted, seed=1).counts["buckets"]
    for part in parts:
        buckets.assign(store, *part)
    found = [buckets.compare(store, bucket, parts, wanted).outputs[0] for bucket in range(n_buckets)]
    made = buckets.decide(store, [DedupPart(*part) for part in parts], found, config)
    tables = [store.read_table(path) for path in made.outputs]
    assert all(table.schema.equals(DEDUP) for table in tables)
    return [row for table in tables for row in table.to_pylist()]


def test_the_first_of_documents_that_mean_the_same_stays(tmp_path: Path, model: str) -> None:
    store = Storage(str(tmp_path))
    write(store, "a", {"a0": "large hound", "a1": "tax", "a2": ""}, [1, 2, 3])
    write(store, "b", {"b0": "big dog", "b1": "", "b2": "unknown words"}, [0, 4, 5])
    rows = run(store, ["a", "b"], Dedup(semantic=Semantic(model=model)))
    assert [(row["id"], row["survivor"], row["removed"], row["cluster_size"]) for row in rows] == [
        ("a0", "b0", True, 2),
        ("b0", "b0", False, 2),
    ], "empty texts and unknown words have no meaning to compare"
    assert rows[0]["similarity"] == pytest.approx(0.997, abs=0.003)
    assert {row["kind"] for row in rows} == {"semantic"}


def test_annotate_removes_nothing(tmp_path: Path, model: str) -> None:
    store = Storage(str(tmp_path))
    write(store, "a", {"a0": "large hound", "a1": "big dog"}, [0, 1])
    rows = run(store, ["a"], Dedup(semantic=Semantic(model=model), mode="annotate"))
    assert [(row["survivor"], row["removed"]) for row in rows] == [("a0", False), ("a0", False)]


def test_what_dedup_removed_takes_no_part(tmp_path: Path, model: str) -> None:
    store = Storage(str(tmp_path))
    write(store, "a", {"a0": "big dog", "a1": "big dog", "a2": "large dog"}, [0, 1, 2])
    gone = pa.Table.from_pylist([{"id": "a0", "survivor": "x", "removed": True}], DEDUP)
    store.write_table("decisions/dedup/s/a.parquet", gone)
    rows = run(store, ["a"], Dedup(semantic=Semantic(model=model)))
    assert [(row["id"], row["survivor"]) for row in rows] == [("a1", "a1"), ("a2", "a1")]


def bring(folder: Path, shard: str, vectors: dict[str, Vector]) -> None:
    Storage(str(folder)).write_table(
        f"s/{shard}.parquet", pa.table({"id": list(vectors), "embedding": list(vectors.values())})
    )


def test_embeddings_of_ones_own_go_by_id(tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "out"))
    write(store, "a", {"a0": "x", "a1": "y", "a2": "z"}, [2, 0, 1])
    bring(tmp_path / "mine", "a", {"a2": [0.0, 5.0], "a0": [0.0, 1.0]})  # in another order, one left out
    rows = run(store, ["a"], Dedup(semantic=Semantic(embeddings=str(tmp_path / "mine"))))
    assert [(row["id"], row["survivor"]) for row in rows] == [("a0", "a2"), ("a2", "a2")]


def test_documents_without_an_embedding_take_no_part(tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "out"))
    write(store, "a", {"a0": "x", "a1": "y", "a2": "z"}, [0, 1, 2])
    mine = pa.table({"id": ["a0", "a1", "a2"], "embedding": [[1.0, 0.0], None, [1.0, 0.0]]})
    Storage(str(tmp_path / "mine")).write_table("s/a.parquet", mine)
    rows = run(store, ["a"], Dedup(semantic=Semantic(embeddings=str(tmp_path / "mine"))))
    assert [(row["id"], row["survivor"]) for row in rows] == [("a0", "a0"), ("a2", "a0")]


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (None, "no embeddings for a part"),
        ({"a0": [1.0, float("nan")]}, "not finite"),
        ({"a0": [1.0], "a1": [1.0, 2.0]}, "several lengths: 1, 2"),
    ],
)
def test_embeddings_that_cannot_be_used(tmp_path: Path, vectors: dict[str, Vector] | None, says: str) -> None:
    store = Storage(str(tmp_path / "out"))
    write(store, "a", {"a0": "x", "a1": "y"}, [0, 1])
    if vectors is not None:
        bring(tmp_path / "mine", "a", vectors)
    with pytest.raises(DataflowError, match=says) as caught:
        run(store, ["a"], Dedup(semantic=Semantic(embeddings=str(tmp_path / "mine"))))
    assert "s/a.parquet" in str(caught.value)


def test_parts_with_embeddings_of_two_models(tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "out"))
    for number, shard in enumerate("ab"):
        write(store, shard, {f"{shard}0": "x"}, [number])
        bring(tmp_path / "mine", shard, {f"{shard}0": [1.0] * (number + 2)})
    with pytest.raises(DataflowError, match="several lengths: 2, 3"):
        run(store, ["a", "b"], Dedup(semantic=Semantic(embeddings=str(tmp_path / "mine"))))


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    store = Storage(str(tmp_path))
    write(store, "a", {"a0": "x"}, [0])
    with pytest.raises(RecipeError, match="cannot be loaded"):
        run(store, ["a"], Dedup(semantic=Semantic(model=str(tmp_path / "none"))))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 300), max_size=3),
    bucket=st.sampled_from([100, 1000]),
)
def test_every_duplicate_names_an_earlier_one_that_stays(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: list[int], bucket: int
) -> None:
    """And all in one bucket: nothing that stays is alike to an earlier one that stays."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(12, 4))
    vectors = points[random.integers(0, 12, 300)] + random.normal(scale=0.15, size=(300, 4))
    folder = tmp_path_factory.mktemp("semantic")
    store = Storage(str(folder / "out"))
    ranks = random.permutation(300)
    bounds = [0, *sorted(cuts), 300]
    for number, (first, last) in enumerate(pairwise(bounds)):
        names = [f"d{row:03d}" for row in range(first, last)]
        write(store, str(number), dict.fromkeys(names, "x"), ranks[first:last].tolist())
        table = pa.table(
            {"id": names, "embedding": pa.array(list(vectors[first:last]), pa.list_(pa.float64()))}
        )
        Storage(str(folder / "mine")).write_table(f"s/{number}.parquet", table)
    shards = [str(number) for number in range(len(bounds) - 1)]
    config = Dedup(semantic=Semantic(embeddings=str(folder / "mine"), similarity=0.95, bucket=bucket))
    rows = run(store, shards, config)

    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = units @ units.T
    rank = {f"d{row:03d}": int(ranks[row]) for row in range(300)}
    gone = {row["id"]: row["survivor"] for row in rows if row["removed"]}
    for name, survivor in gone.items():
        assert survivor not in gone
        assert rank[str(survivor)] < rank[str(name)]
        assert cosine[int(str(name)[1:]), int(str(survivor)[1:])] >= 0.95 - 1e-5
    if bucket == 1000:
        stay = [row for row in range(300) if f"d{row:03d}" not in gone]
        alike = np.triu(cosine[np.ix_(stay, stay)], 1)
        assert alike.max() < 0.95 + 1e-5

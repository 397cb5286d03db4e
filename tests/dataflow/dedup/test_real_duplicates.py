"""The whole way from texts to decisions: planted edits, articles with known pairs."""

import gzip
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataflow.dedup.config import Dedup
from dataflow.dedup.exact import exact_hashes
from dataflow.dedup.parts import DedupPart
from dataflow.dedup.whole import deduplicate
from dataflow.kernels.signatures import sign
from dataflow.store.storage import Storage

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared"


def kept_and_survivors(
    store: Storage, texts: dict[str, str], config: Dedup | None = None
) -> tuple[set[str], dict[str, str]]:
    """Ids that stay, and the survivor of each that goes, under the default parameters."""
    ids = pa.array(list(texts), pa.string())
    column = pa.array(list(texts.values()), pa.large_string())
    signatures = pa.array([row.tobytes() for row in sign(column, 112, 5)], pa.binary())
    hashes = exact_hashes(column)
    store.write_table(
        "documents/s/p.parquet", pa.table({"id": ids, "exact_hash": hashes, "signature": signatures})
    )
    n_bytes = pa.array([len(text.encode()) for text in texts.values()], pa.int64())
    n_words = pa.array([len(text.split()) for text in texts.values()], pa.int64())
    store.write_table("signals/s/p.parquet", pa.table({"id": ids, "n_bytes": n_bytes, "n_words": n_words}))
    passed = pa.array(np.ones(len(ids), np.bool_))
    store.write_table("decisions/filter/s/p.parquet", pa.table({"id": ids, "passed": passed}))
    deduplicate(store, [DedupPart("s", "p")], config or Dedup())
    rows = store.read_table("decisions/dedup/s/p.parquet").to_pylist()
    dropped = {row["id"]: row["survivor"] for row in rows if row["removed"]}
    return texts.keys() - dropped.keys(), dropped


def shingles(words: list[str]) -> set[tuple[str, ...]]:
    return set(zip(*(words[i:] for i in range(5)), strict=False))


def test_planted_edits_are_found_as_their_similarity_says(store: Storage) -> None:
    random = np.random.default_rng(7)
    vocabulary = np.array([f"word{i}" for i in range(5_000)])
    texts, jaccard = {}, {}
    for number in range(400):
        words = vocabulary[random.integers(0, 5_000, 300)].tolist()
        edited = list(words)
        for place in random.choice(300, int(random.integers(1, 40)), replace=False):
            edited[place] = "edited"
        texts[f"{number}-a"], texts[f"{number}-b"] = " ".join(words) + " end", " ".join(edited)
        one, other = shingles([*words, "end"]), shingles(edited)
        jaccard[number] = len(one & other) / len(one | other)
    _, dropped = kept_and_survivors(store, texts)
    assert {name.split("-")[0] for name in dropped} == {name.split("-")[0] for name in dropped.values()}
    found = {int(name.split("-")[0]) for name in dropped}
    near = [number for number, value in jaccard.items() if value >= 0.8]
    far = [number for number, value in jaccard.items() if value < 0.55]
    assert len(near) > 50
    assert len(far) > 50
    assert len(found & set(near)) >= 0.95 * len(near)  # a band agrees with probability .92 at .8, .99 at .85
    assert not found & set(far)  # an estimate of .7 is more than three standard errors (.047) from .55


def test_news_articles_with_planted_duplicates(store: Storage) -> None:
    articles, pairs = SHARED / "data/neardup/news_plagiarism_2500.jsonl.gz", []
    if not articles.exists():
        pytest.skip(f"needs {articles}")
    with gzip.open(articles, "rt") as stream:
        texts = {entry["id"]: entry["text"] for entry in map(json.loads, stream)}
    with (SHARED / "data/neardup/news_plagiarism_2500.truth.jsonl").open() as stream:
        pairs = [frozenset(json.loads(line).values()) for line in stream]
    _, dropped = kept_and_survivors(store, texts)
    found = {frozenset(pair) for pair in dropped.items()}
    assert found >= set(pairs)
    words = {name: shingles(text.lower().split()) for name, text in texts.items()}
    for one, other in found - set(pairs):  # what the truth does not list must be alike all the same
        assert len(words[one] & words[other]) > 0.5 * len(words[one] | words[other])


def test_a_series_of_small_edits_keeps_no_two_that_are_alike(store: Storage) -> None:
    words = [f"w{i}" for i in range(200)]
    texts = {}
    for step in range(30):
        words = ["new" + word if place == step * 6 else word for place, word in enumerate(words)]
        texts[f"{step:02d}"] = " ".join(words)
    kept, dropped = kept_and_survivors(store, texts, Dedup(survivor="id"))
    assert 1 < len(kept) < 15
    assert set(dropped.values()) <= kept
    for one, other in pairwise(sorted(kept)):
        a, b = shingles(texts[one].split()), shingles(texts[other].split())
        assert len(a & b) / len(a | b) < 0.85
    alone, _ = kept_and_survivors(store, texts, Dedup(survivor="id", cluster="components"))
    assert alone == {"00"}

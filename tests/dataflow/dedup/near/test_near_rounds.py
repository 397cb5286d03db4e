"""The rounds of near-duplicates on disk: decisions follow from the documents, however they are divided."""

from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st
from near_on_disk import Signed, run_rounds, write_parts

from dataflow.dedup.batched import offsets_and_members
from dataflow.dedup.config import Near
from dataflow.dedup.near import bands, candidates, join, verify
from dataflow.dedup.near.verify import VERIFIED
from dataflow.dedup.parts import RANKS, DedupPart
from dataflow.errors import DataflowError
from dataflow.store.storage import Storage

NEAR = Near(bands=4, rows=2, similarity=0.7)


def around(random: np.random.Generator, n: int, width: int = 8) -> np.ndarray:
    """Signatures at all distances around a few documents."""
    signatures = random.integers(0, 2**64, (max(1, n // 4), width), dtype=np.uint64)
    signatures = signatures[random.integers(0, len(signatures), n)]
    other = random.random((n, width)) < random.random((n, 1)) * 0.8
    signatures[other] = random.integers(0, 2**64, int(other.sum()), dtype=np.uint64)
    return signatures


def plain_greedy(signatures: np.ndarray, near: Near, n_earlier: int = 0) -> list[int]:
    """Who repeats whom, by rank, as SIGNALS defines it."""
    keys = signatures[:, : near.bands * near.rows].reshape(len(signatures), near.bands, near.rows)
    survivor = list(range(len(signatures)))
    for x in range(n_earlier, len(signatures)):
        for y in range(x):
            share = Fraction(int((signatures[x] == signatures[y]).sum()), signatures.shape[1])
            in_bucket = (keys[x] == keys[y]).all(axis=1).any()
            if survivor[y] == y and in_bucket and share >= Fraction(str(near.similarity)):
                survivor[x] = y
                break
    return survivor


def survivors(verified: pa.Table, n: int) -> list[int]:
    found = list(range(n))
    for row in verified.to_pylist():
        found[row["rank"]] = row["survivor"]
    return found


@settings(max_examples=8, deadline=None)
@given(
    n=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    n_parts=st.integers(1, 4),
    n_partitions=st.integers(1, 7),
    largest=st.integers(1, 40),
    memory_limit=st.sampled_from([0, 3_000, 10**9]),
    greedy=st.booleans(),
)
def test_nothing_depends_on_parts_partitions_groups_or_memory(
    tmp_path_factory: pytest.TempPathFactory,
    n: int,
    seed: int,
    n_parts: int,
    n_partitions: int,
    largest: int,
    memory_limit: int,
    greedy: bool,
) -> None:
    random = np.random.default_rng(seed)
    documents = Signed(around(random, n))
    one = Storage(str(tmp_path_factory.mktemp("one")))
    parts = write_parts(one, documents, np.zeros(n, np.int64))
    expected, counts = run_rounds(one, parts, NEAR, n, greedy=greedy)
    other = Storage(str(tmp_path_factory.mktemp("other")))
    parts = write_parts(other, documents, random.integers(0, n_parts, n))
    found, others = run_rounds(
        other, parts, NEAR, n, n_partitions, largest, memory_limit=memory_limit, greedy=greedy
    )
    assert found.equals(expected)
    assert others == counts
    if greedy:
        assert survivors(found, n) == plain_greedy(documents.signatures, NEAR)


def test_a_row_says_whom_a_document_repeats_and_how_alike_they_are(tmp_path: Path) -> None:
    store = Storage(str(tmp_path))
    rows = ["aabbccdd", "qqqqqqqq", "aabbccxy", "aabbzzxy", "aabbzqqq"]
    documents = Signed(np.array([[ord(letter) for letter in row] for row in rows], np.uint64))
    near = Near(bands=4, rows=2, similarity=0.75)
    found, counts = run_rounds(store, write_parts(store, documents, np.zeros(5, int)), near, 5)
    assert found.schema.equals(VERIFIED)
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        (0, 0, 0, 8, 1.0, 0),
        (2, 0, 0, 6, 0.75, 1),  # it would stay at .76
        (3, 3, 0, 8, 1.0, 0),  # alike only to the one before, which goes
    ]
    assert counts == {"candidates": 5, "compared": 7, "verified": 2, "capped": 0}


def test_documents_of_earlier_corpora_stay(tmp_path: Path) -> None:
    earlier, own = Storage(str(tmp_path / "earlier")), Storage(str(tmp_path / "own"))
    random = np.random.default_rng(5)
    signatures = around(random, 40)
    part = write_earlier(earlier, own, signatures[:15])
    parts = [part, *write_parts(own, Signed(signatures, n_earlier=15), random.integers(0, 2, 40))]
    found, _ = run_rounds(own, parts, NEAR, 40, n_partitions=3, largest=5)
    assert survivors(found, 40) == plain_greedy(signatures, NEAR, 15)
    assert any(row["survivor"] < 15 <= row["rank"] for row in found.to_pylist())
    assert not any(row["levels"] for row in found.to_pylist() if row["rank"] < 15)


def write_earlier(earlier: Storage, own: Storage, signatures: np.ndarray) -> DedupPart:
    from dataflow.dedup.parts import EarlierPart

    part = DedupPart("s", "000", EarlierPart("old", earlier.url, "hash"))
    ranks = np.arange(len(signatures))
    rows = pa.array([row.tobytes() for row in signatures], pa.binary())
    earlier.write_table(part.table, pa.table({"id": [f"{rank}" for rank in ranks], "signature": rows}))
    columns = {"rank": ranks, "first": ranks, "kind": pa.nulls(len(ranks), pa.string())}
    own.write_table(part.ranks, pa.table(columns, schema=RANKS))
    return part


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_exact_similarity_is_that_of_the_shingles(tmp_path: Path, unit: str) -> None:
    random = np.random.default_rng(3)
    vocabulary = [f"w{i}" for i in range(500)]
    texts = []
    for _ in range(8):
        words = [vocabulary[i] for i in random.integers(0, 500, 120)]
        for edits in (0, 2, 6):
            edited = list(words)
            for place in random.choice(120, edits, replace=False):
                edited[place] = "new"
            texts.append(" ".join(edited))
    near = Near(similarity=0.7, shingle=5, unit=unit, verify="exact")
    signatures = sign(texts, near)
    store = Storage(str(tmp_path))
    parts = write_parts(store, Signed(signatures, texts=texts), random.integers(0, 3, len(texts)))
    found, counts = run_rounds(store, parts, near, len(texts), n_partitions=2, largest=4)
    rows = [row for row in found.to_pylist() if row["rank"] != row["survivor"]]
    sets = [set(zip(*(units(text, unit)[i:] for i in range(5)), strict=False)) for text in texts]
    assert len(rows) >= 8
    for row in rows:
        a, b = sets[row["rank"]], sets[row["survivor"]]
        assert row["equal"] == len(a & b)
        assert row["similarity"] == np.float32(len(a & b) / len(a | b))
        assert row["similarity"] >= np.float32(0.7)
    assert counts["verified"] <= counts["compared"]


def units(text: str, unit: str) -> list[str]:
    return text.split() if unit == "words" else list(text)


def sign(texts: list[str], near: Near) -> np.ndarray:
    from dataflow.kernels import signatures

    return signatures.sign(pa.array(texts, pa.large_string()), near.permutations, near.shingle, near.unit)


def test_exact_similarity_of_a_document_whose_text_is_elsewhere_is_estimated(tmp_path: Path) -> None:
    earlier, own = Storage(str(tmp_path / "earlier")), Storage(str(tmp_path / "own"))
    near = Near(similarity=0.7, verify="exact")
    texts = [" ".join(f"w{i}" for i in range(100)), " ".join(f"w{i}" for i in range(102))]
    signatures = sign(texts, near)
    part = write_earlier(earlier, own, signatures[:1])
    parts = [part, *write_parts(own, Signed(signatures, 1, texts), np.zeros(2, int))]
    found, _ = run_rounds(own, parts, near, 2)
    equal = int((signatures[0] == signatures[1]).sum())
    assert found["survivor"].to_pylist() == [0, 0]
    assert found["equal"].to_pylist() == [112, equal]
    assert found["similarity"].to_pylist()[1] == np.float32(equal / 112)


# Buckets ---------------------------------------------------------------------------------------------------


def bucketed(store: Storage, signatures: np.ndarray, near: Near, n_partitions: int) -> list[list[int]]:
    parts = write_parts(store, Signed(signatures), np.arange(len(signatures)) % 3)
    for part in parts:
        bands.write_bands(store, part, near, n_partitions)
    found = []
    for partition in range(n_partitions):
        join.join(store, [bands.bands_path(part) for part in parts], partition)
        with store.open(join.buckets_path(partition)) as stream:
            file = pa.ipc.open_file(stream)
            for number in range(file.num_record_batches):
                offsets, members = offsets_and_members(file.get_batch(number).column(0))
                found += [members[a:b].tolist() for a, b in pairwise(offsets)]
    return sorted(found)


def by_dictionary(signatures: np.ndarray, near: Near) -> list[list[int]]:
    shared = defaultdict(list)
    for rank, signature in enumerate(signatures.tolist()):
        for band in range(near.bands):
            shared[band, tuple(signature[band * near.rows : (band + 1) * near.rows])].append(rank)
    return sorted(members for members in shared.values() if len(members) > 1)


@settings(max_examples=8, deadline=None)
@given(
    n=st.integers(1, 200),
    n_bands=st.integers(1, 5),
    rows=st.integers(1, 3),
    n_partitions=st.integers(1, 9),
    values=st.sampled_from([1, 3, 30]),
    seed=st.integers(0, 2**32 - 1),
)
def test_documents_share_a_bucket_just_where_all_rows_of_a_band_agree(
    tmp_path_factory: pytest.TempPathFactory,
    n: int,
    n_bands: int,
    rows: int,
    n_partitions: int,
    values: int,
    seed: int,
) -> None:
    signatures = np.random.default_rng(seed).integers(0, values, (n, n_bands * rows), dtype=np.uint64)
    near = Near(bands=n_bands, rows=rows)
    store = Storage(str(tmp_path_factory.mktemp("buckets")))
    assert bucketed(store, signatures, near, n_partitions) == by_dictionary(signatures, near)


def test_candidate_pairs_are_those_of_datasketch(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    signatures = random.integers(0, 2**32, (120, 112), dtype=np.uint64)
    for copy in range(60, 120):  # near-duplicates of the first 60 at all similarities
        agree = random.random(112) < random.random()
        signatures[copy, agree] = signatures[copy - 60, agree]
    index = MinHashLSH(num_perm=112, params=(14, 8))
    hashed = [MinHash(num_perm=112, hashvalues=row, scheme="legacy") for row in signatures]
    for number, value in enumerate(hashed):
        index.insert(number, value)
    theirs = {(a, b) for a, value in enumerate(hashed) for b in index.query(value) if a < b}
    buckets = bucketed(Storage(str(tmp_path)), signatures, Near(), 2)
    ours = {(a, b) for members in buckets for a in members for b in members if a < b}
    assert ours == theirs
    assert 10 < len(ours) < 60


@pytest.mark.parametrize("n_partitions", [1, 3])
def test_a_bucket_of_very_many_is_found_in_linear_time(tmp_path: Path, n_partitions: int) -> None:
    import time

    store, n = Storage(str(tmp_path)), 300_000
    part = DedupPart("s", "000")
    signatures = np.ones((1, 8), np.uint64).tobytes()
    store.write_table(part.table, pa.table({"signature": pa.array([signatures] * n, pa.binary())}))
    store.write_table(f"signals/{part.name}.parquet", pa.table({"n_words": np.full(n, 9)}))
    ranks = np.random.default_rng(0).permutation(n)
    columns = {"rank": ranks, "first": ranks, "kind": pa.nulls(n, pa.string())}
    store.write_table(part.ranks, pa.table(columns, schema=RANKS))
    started = time.process_time()
    found, counts = run_rounds(store, [part], NEAR, n, n_partitions, largest=1000)
    assert time.process_time() - started < 30
    assert not np.asarray(found["survivor"]).any()
    assert (counts["candidates"], counts["compared"]) == (n, n - 1)


def test_groups_are_bounded_and_a_large_component_is_alone(tmp_path: Path) -> None:
    store = Storage(str(tmp_path))
    clusters = np.repeat(np.arange(6), [3, 2, 20, 2, 2, 4])
    documents = Signed(np.repeat(clusters[:, None] + 1, 8, axis=1).astype(np.uint64))
    n = len(clusters)
    run_rounds(store, write_parts(store, documents, np.zeros(n, int)), NEAR, n, largest=5)
    assert candidates.read_groups(store).tolist() == [5, 20, 4, 4]


def test_more_buckets_than_can_be_numbered_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_MOST_BUCKETS", 7)
    store = Storage(str(tmp_path))
    documents = Signed(np.repeat(np.arange(2, dtype=np.uint64), 2)[:, None].repeat(8, axis=1) + np.uint64(1))
    with pytest.raises(DataflowError, match="hang together by 8 buckets"):
        run_rounds(store, write_parts(store, documents, np.zeros(4, int)), NEAR, 4)


def test_no_candidates_are_no_groups(tmp_path: Path) -> None:
    store = Storage(str(tmp_path))
    documents = Signed(np.arange(24, dtype=np.uint64).reshape(3, 8))
    found, _ = run_rounds(store, write_parts(store, documents, np.zeros(3, int)), NEAR, 3)
    assert found.num_rows == 0
    assert candidates.read_groups(store).tolist() == []
    assert run_rounds(Storage(str(tmp_path / "empty")), [], NEAR, 0)[0].num_rows == 0

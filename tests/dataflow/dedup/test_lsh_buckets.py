"""From signatures to buckets, against a dictionary and against datasketch."""

from collections import defaultdict
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.dedup.near import BucketFiles, Buckets, band_keys, join, values_needed


@pytest.mark.parametrize(
    ("similarity", "permutations", "needed"),
    [
        (0.7, 112, 79),  # 78.4
        (0.75, 112, 84),  # just 84: the bound keeps
        (0.7, 10, 7),
        (0.29, 100, 29),  # 0.29 * 100 is 28.999999999999996 in floating point
        (0.07, 100, 7),  # and 0.07 * 100 is 7.000000000000001
        (1.0, 112, 112),
        (0.001, 112, 1),
    ],
)
def test_similarity_as_written_becomes_a_number_of_equal_values(
    similarity: float, permutations: int, needed: int
) -> None:
    assert values_needed(similarity, permutations) == needed


def groups(buckets: Buckets) -> list[list[int]]:
    starts = buckets.starts.tolist()
    return [buckets.members[b:e].tolist() for b, e in pairwise(starts)]


def bucketed(
    folder: Path, signatures: np.ndarray, ranks: np.ndarray, bands: int, rows: int, limit: int
) -> list[list[int]]:
    files = BucketFiles(folder, len(ranks), bands, limit)
    for some in np.array_split(np.arange(len(ranks)), 3):
        files.add(band_keys(signatures[some], bands, rows), ranks[some])
    return sorted(groups(join(list(files.buckets()))))


def by_dictionary(signatures: np.ndarray, ranks: np.ndarray, bands: int, rows: int) -> list[list[int]]:
    shared = defaultdict(list)
    for signature, rank in zip(signatures.tolist(), ranks.tolist(), strict=True):
        for band in range(bands):
            shared[band, tuple(signature[band * rows : (band + 1) * rows])].append(rank)
    return sorted(sorted(members) for members in shared.values() if len(members) > 1)


@settings(deadline=None)
@given(n=st.integers(0, 60), bands=st.integers(1, 5), rows=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_documents_share_a_bucket_just_where_all_rows_of_a_band_agree(
    tmp_path_factory: pytest.TempPathFactory, n: int, bands: int, rows: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    signatures = random.integers(0, 3, (n, bands * rows), dtype=np.uint64)
    ranks = random.permutation(n).astype(np.int32)
    folder = tmp_path_factory.mktemp("keys")
    assert bucketed(folder, signatures, ranks, bands, rows, 10**9) == by_dictionary(
        signatures, ranks, bands, rows
    )


def test_buckets_are_the_same_in_one_partition_and_in_many(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    signatures, ranks = random.integers(0, 3, (500, 8), dtype=np.uint64), np.arange(500, dtype=np.int32)
    whole = bucketed(tmp_path, signatures, ranks, 4, 2, 10**9)
    assert bucketed(tmp_path, signatures, ranks, 4, 2, 2_000) == whole
    assert whole
    assert not list(tmp_path.iterdir())  # every partition is removed once it is read


def test_the_same_values_in_another_band_are_another_key() -> None:
    keys = band_keys(np.array([[5, 6, 5, 6]], np.uint64), 2, 2)
    assert keys[0, 0] != keys[0, 1]


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
    found = bucketed(tmp_path, signatures, np.arange(120, dtype=np.int32), 14, 8, 10**9)
    ours = {pair for members in found for pair in combinations(members, 2)}
    assert ours == theirs
    assert 10 < len(ours) < 60

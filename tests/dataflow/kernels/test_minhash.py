"""MinHash: its estimate of the Jaccard similarity, against the exact one and against datasketch."""

import gzip
import itertools
import json
import random
from functools import cache
from pathlib import Path

import numpy as np
import plain_definition as plain
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.kernels.minhash import EMPTY, sign_shingles
from dataflow.kernels.scan import analyse
from dataflow.kernels.signatures import shingle_sets

PERMUTATIONS, SHINGLE = 112, 5
HELP_PAGES = (
    Path(__file__).resolve().parents[3] / ".." / "shared" / "data/neardup/lo_help_en_US_en_GB.jsonl.gz"
)


def signatures(*texts: str, permutations: int = PERMUTATIONS, shingle: int = SHINGLE) -> np.ndarray:
    return analyse(pa.array(texts, pa.large_string()), permutations, shingle).signatures


@cache
def shingles(text: str) -> set[tuple[str, ...]]:
    words = [word.text for word in plain.words(text)]
    return (
        {tuple(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1))} if words else set()
    )


def jaccard(a: set, b: set) -> float:
    return len(a & b) / len(a | b)


def edited_pairs(n: int, n_words: int) -> list[tuple[str, str]]:
    """Texts and copies with a few to many words replaced."""
    choose = random.Random(5)
    vocabulary = [f"word{i}" for i in range(2000)]
    pairs = []
    for number in range(n):
        words = choose.choices(vocabulary, k=n_words)
        copy = [choose.choice(vocabulary) if choose.random() < 0.12 * number / n else word for word in words]
        pairs.append((" ".join(words), ", ".join(copy).upper()))
    return pairs


def estimates(pairs: list[tuple[str, str]]) -> np.ndarray:
    found = signatures(*itertools.chain.from_iterable(pairs))
    return (found[0::2] == found[1::2]).mean(axis=1)


def theory(exact: np.ndarray) -> float:
    """Root mean square error of ideal MinHash (Broder 1997)."""
    return float(np.sqrt((exact * (1 - exact) / PERMUTATIONS).mean()))


def test_the_estimate_is_as_good_as_theory_and_datasketch():
    pairs = edited_pairs(200, 120)
    exact = np.array([jaccard(shingles(a), shingles(b)) for a, b in pairs])
    assert exact.min() < 0.5 < 0.95 < exact.max()

    def reference(text: str) -> np.ndarray:
        sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update_batch([" ".join(shingle).encode() for shingle in shingles(text)])
        return sketch.hashvalues

    errors = estimates(pairs) - exact
    reference_errors = np.array([(reference(a) == reference(b)).mean() for a, b in pairs]) - exact
    rmse, reference_rmse = np.sqrt((errors**2).mean()), np.sqrt((reference_errors**2).mean())
    assert rmse < 0.85 * theory(exact), "values are not drawn independently: better than that"
    assert rmse < 0.9 * reference_rmse
    assert abs(errors.mean()) < 0.005, "no bias"


@pytest.mark.skipif(
    not HELP_PAGES.exists(), reason="needs the developer data beside the project: shared/data/neardup"
)
def test_real_near_duplicates_are_estimated_as_well():
    with gzip.open(HELP_PAGES, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    pairs = [(row["text_a"], row["text_b"]) for row in rows]
    hashes, bounds = shingle_sets(pa.array(itertools.chain.from_iterable(pairs), pa.large_string()), SHINGLE)
    sets = [set(hashes[a:b].tolist()) for a, b in itertools.pairwise(bounds)]
    exact = np.array([jaccard(*sets[i : i + 2]) for i in range(0, len(sets), 2)])
    assert exact[:20].tolist() == [jaccard(shingles(a), shingles(b)) for a, b in pairs[:20]]
    assert np.sqrt(((estimates(pairs) - exact) ** 2).mean()) < 1.05 * theory(exact)
    published = np.array([row["jaccard_w5"] for row in rows])  # words by \w+ there
    assert np.abs(exact - published).mean() < 0.02


@given(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=30), st.integers(1, 7))
@settings(max_examples=50, deadline=None)
def test_equal_sets_of_shingles_give_equal_signatures(words, shingle):
    text, again = " ".join(words), " - ".join(words).upper() + " !"
    one, two = signatures(text, again, permutations=16, shingle=shingle)
    assert one.tolist() == two.tolist()


def test_order_and_copies_of_shingles_do_not_matter():
    one, two, three = signatures("a b c", "c b a b c b", "a b d", permutations=64, shingle=1)
    assert one.tolist() == two.tolist() != three.tolist()


def test_fewer_words_than_a_shingle_are_one_shingle_and_no_words_are_all_ones():
    short, same, other, empty, symbols = signatures("to be", "To be!", "be to", "", "?!\n…")
    assert short.tolist() == same.tolist() != other.tolist()
    assert (empty == EMPTY).all()
    assert (symbols == EMPTY).all()


def test_a_long_text_keeps_its_least_values_across_blocks():
    words = [f"w{i}" for i in range(5000)]
    whole = signatures(" ".join(words), permutations=16, shingle=1)[0]
    parts = signatures(
        *(" ".join(words[i : i + 700]) for i in range(0, 5000, 700)), permutations=16, shingle=1
    )
    assert whole.tolist() == parts.min(axis=0).tolist()


@pytest.mark.parametrize("union", [5, 20, 60, 112, 300, 1500])
@pytest.mark.parametrize("similarity", [0.6, 0.8])
def test_values_are_unbiased_and_bands_meet_as_often_as_in_theory(union, similarity):
    """14 bands of 8 rows over sets of random hashes, smaller and larger than a signature has values."""
    rounds, common = 60_000 // union + 200, round(union * similarity)
    hashes = np.random.default_rng(union).integers(0, 2**64, (rounds, union), dtype=np.uint64)
    middle = (union + common) // 2
    one, other = hashes[:, :middle], np.delete(hashes, np.s_[common:middle], axis=1)
    rows = []
    for sets in (one, other):
        found = np.empty((rounds, PERMUTATIONS), np.uint64)
        sign_shingles(sets.ravel(), np.arange(rounds + 1) * sets.shape[1], found)
        rows.append(found)
    equal, exact = rows[0] == rows[1], common / union
    variance = exact * (1 - exact) / PERMUTATIONS
    errors = equal.mean(axis=1) - exact
    assert abs(errors.mean()) < 4 * np.sqrt(variance / rounds)
    assert (errors**2).mean() < 1.15 * variance, "at most that of independent permutations"
    theory = 1 - (1 - exact**8) ** 14
    found = equal.reshape(rounds, 14, 8).all(axis=2).any(axis=1).mean()
    assert found > theory - 4 * np.sqrt(theory * (1 - theory) / rounds) - 0.01

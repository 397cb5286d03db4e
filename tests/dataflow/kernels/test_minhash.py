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

from dataflow.kernels.minhash import EMPTY
from dataflow.kernels.scan import analyse

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
    pairs = edited_pairs(400, 120)
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
    exact = np.array([jaccard(shingles(a), shingles(b)) for a, b in pairs])
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

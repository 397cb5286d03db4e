"""The sample of text a vocabulary is learned from."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.store.storage import Storage
from tokenizer_training.sample import sample, take


def n_bytes(texts):
    return sum(len(text.encode()) for text in texts)


@pytest.fixture
def two_phases(tmp_path, write_corpus):
    store = Storage(str(tmp_path))
    write_corpus(store, "main", [f"main text number {n} " * 5 for n in range(300)])
    write_corpus(store, "anneal", [f"anneal text number {n} " * 5 for n in range(100)])
    write_corpus(store, "validation", ["unseen"])
    return store


def test_everything_is_taken_where_it_fits(two_phases):
    taken = [text for part in sample(two_phases, 10**9, seed=1) for text in part]
    assert len(taken) == 400
    assert "unseen" not in taken


def test_each_part_gives_its_share(two_phases):
    anneal, main = sample(two_phases, 10_000, seed=1)
    assert n_bytes(anneal) + n_bytes(main) == 10_000
    assert 2.5 < n_bytes(main) / n_bytes(anneal) < 3.1
    assert all(text.startswith("main") for text in main)


def test_the_seed_and_only_the_seed_chooses(two_phases):
    once = [list(part) for part in sample(two_phases, 10_000, seed=1)]
    assert once == [list(part) for part in sample(two_phases, 10_000, seed=1)]
    assert once != [list(part) for part in sample(two_phases, 10_000, seed=2)]


@given(
    texts=st.lists(st.text(min_size=1, max_size=20), unique=True), budget=st.integers(0, 200), data=st.data()
)
def test_the_order_of_rows_does_not_choose(texts, budget, data):
    texts = [text for text in texts if text.isprintable()]
    shuffled = data.draw(st.permutations(texts))
    one = take(pa.array(texts, pa.large_string()), budget, seed=1)
    other = take(pa.array(shuffled, pa.large_string()), budget, seed=1)
    assert sorted(one) == sorted(other)
    due = min(budget, n_bytes(texts))
    assert due - 3 <= n_bytes(one) <= due  # a character is not cut

"""Drawing without replacement within an epoch, and over phases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.mixture.draw import Integers, Pool, shuffle, stir

SIZES = st.lists(st.integers(1, 1000), min_size=1, max_size=40)


def pool(sizes: list[int], max_epochs: float = 4) -> Pool:
    keys = np.arange(len(sizes), dtype=np.uint64)
    return Pool.of(np.array(sizes, dtype=np.int64), keys, max_epochs)


def everything(of: Pool) -> Integers:
    return np.arange(len(of.sizes))


def test_the_second_phase_goes_on_where_the_first_ended() -> None:
    source = pool([10] * 6)
    first, first_epochs = source.draw(everything(source), 40)
    second, second_epochs = source.draw(everything(source), 40)
    assert sorted([*first, *second[:2]]) == list(range(6))
    assert [*first_epochs, *second_epochs] == [0, 0, 0, 0, 0, 0, 1, 1]


def test_a_restricted_phase_prefers_what_is_not_used_yet() -> None:
    source = pool([10] * 6)
    first, _ = source.draw(everything(source), 30)
    good = np.array([0, 1, 2, 3])
    documents, epochs = source.draw(good, 40)
    unused = set(good) - set(first)
    assert set(documents[: len(unused)]) == unused
    assert epochs.tolist() == [0] * len(unused) + [1] * (4 - len(unused))


def test_each_epoch_is_shuffled_anew() -> None:
    source = pool([1] * 50)
    documents, _ = source.draw(everything(source), 100)
    assert documents[:50].tolist() != documents[50:].tolist()
    assert sorted(documents[:50]) == sorted(documents[50:]) == list(range(50))


@pytest.mark.parametrize(("max_epochs", "documents"), [(0.5, 5), (1, 10), (2.3, 23), (4, 40)])
def test_a_fraction_of_an_epoch_is_that_part_of_the_source(max_epochs: float, documents: int) -> None:
    source = pool([7] * 10, max_epochs)
    assert source.capacity(everything(source)) == documents * 7
    assert len(source.draw(everything(source), 10_000)[0]) == documents


@given(SIZES, st.lists(st.integers(0, 3000), max_size=5))
def test_what_is_drawn_reaches_the_amount_within_the_last_document(
    sizes: list[int], amounts: list[int]
) -> None:
    source = pool(sizes)
    for amount in amounts:
        have = source.capacity(everything(source))
        documents, _ = source.draw(everything(source), amount)
        drawn = int(source.sizes[documents].sum())
        if amount <= have:
            assert amount <= drawn < amount + max(sizes)
            assert len(documents) == 0 or drawn - source.sizes[documents[-1]] < amount
        else:
            assert drawn == have


@given(SIZES, st.lists(st.integers(0, 3000), max_size=5))
def test_documents_of_a_source_are_never_more_than_an_epoch_apart(
    sizes: list[int], amounts: list[int]
) -> None:
    source, times = pool(sizes), np.zeros(len(sizes), dtype=np.int64)
    for amount in amounts:
        for document, epoch in zip(*source.draw(everything(source), amount), strict=True):
            assert epoch == times[document] == times.min()
            times[document] += 1


@given(SIZES, st.data())
def test_no_document_is_drawn_beyond_the_cap(sizes: list[int], data: st.DataObject) -> None:
    source = pool(sizes, data.draw(st.floats(0.1, 5)))
    for _ in range(4):
        eligible = np.flatnonzero(
            data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
        )
        source.draw(eligible, data.draw(st.integers(0, 5000)))
    assert (source.used <= source.limits).all()


def test_shuffles_are_the_same_on_every_machine() -> None:
    assert stir(np.array([0, 1], dtype=np.uint64), 0).tolist() == [0xE220A8397B1DCDAF, 0x910A2DEC89025CC1]
    assert (
        shuffle(np.arange(8, dtype=np.uint64), 3).tolist()
        == shuffle(np.arange(8, dtype=np.uint64), 3).tolist()
    )

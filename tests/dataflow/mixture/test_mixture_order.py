"""The interleaving of sources: the law that every prefix of a phase holds its proportions."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflow.mixture.order import interleave

SOURCES = st.lists(st.lists(st.integers(1, 10_000), max_size=60), min_size=1, max_size=6)


def taken(sizes: list[list[int]]) -> list[tuple[int, int]]:
    """(source, size) in the order of the interleaving."""
    owner = [(source, size) for source, each in enumerate(sizes) for size in each]
    return [owner[index] for index in interleave([np.array(each, dtype=np.int64) for each in sizes])]


def test_equal_sources_alternate_the_first_named_first() -> None:
    assert taken([[5, 5, 5], [5, 5, 5]]) == [(0, 5), (1, 5)] * 3


def test_a_source_of_twice_the_size_comes_twice_as_often() -> None:
    assert "".join(str(source) for source, _ in taken([[1] * 6, [1] * 3])) == "010010010"


def test_a_heavy_source_does_not_run_ahead() -> None:
    # Earliest end alone (WFQ) would begin with ten documents of source 0: the case of the paper's figure 2.
    order = [source for source, _ in taken([[1] * 10, *[[1]] * 10])]
    assert max(sum(1 for source in order[i : i + 2] if source == 0) for i in range(19)) == 1


def test_nothing_gives_nothing() -> None:
    assert len(interleave([])) == 0
    assert len(interleave([np.zeros(0, np.int64)])) == 0


@given(SOURCES)
def test_every_document_comes_once_and_each_source_keeps_its_order(sizes: list[list[int]]) -> None:
    order = interleave([np.array(each, dtype=np.int64) for each in sizes])
    assert sorted(order) == list(range(sum(map(len, sizes))))
    ends = np.cumsum([len(each) for each in sizes])
    for start, end in zip(ends - [len(each) for each in sizes], ends, strict=True):
        own = [index for index in order if start <= index < end]
        assert own == sorted(own)


@given(SOURCES)
def test_every_prefix_is_within_the_largest_document_of_its_proportions(sizes: list[list[int]]) -> None:
    total, largest = sum(map(sum, sizes)), max((size for each in sizes for size in each), default=0)
    given_, passed = [0] * len(sizes), 0
    for source, size in taken(sizes):
        given_[source] += size
        passed += size
        for own, each in zip(given_, sizes, strict=True):
            assert abs(own - Fraction(passed * sum(each), total)) <= largest


@given(SOURCES)
def test_no_source_is_ahead_of_its_proportion_by_more_than_its_own_largest_document(
    sizes: list[list[int]],
) -> None:
    total, passed, given_ = sum(map(sum, sizes)), 0, [0] * len(sizes)
    for source, size in taken(sizes):
        given_[source] += size
        passed += size
        for own, each in zip(given_, sizes, strict=True):
            assert own - Fraction(passed * sum(each), total) <= max(each, default=0)

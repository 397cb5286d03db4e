"""Texts without what is cut from them, and places in them traced back to the stored text."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import DataflowError
from dataflow.transforms.cut import Spans, bytes_cut, cut_texts, merged, stored_offsets

Ranges = list[tuple[int, int, int]]
LETTERS = st.text("ab\nßя語😀", max_size=12)


def spans(ranges: Ranges) -> Spans:
    return Spans(*np.array(ranges, np.int64).reshape(-1, 3).T)


def column(*texts: str) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


@st.composite
def cuts(draw: st.DrawFn) -> tuple[list[str], Ranges]:
    """Texts, and ranges between characters of them: sorted, overlapping as they like."""
    texts = draw(st.lists(LETTERS, min_size=1, max_size=5))
    ranges = []
    for row, text in enumerate(texts):
        borders = [len(text[:n].encode()) for n in range(len(text) + 1)]
        places = st.lists(st.sampled_from(borders), min_size=2, max_size=2)
        ranges += [(row, *sorted(pair)) for pair in draw(st.lists(places, max_size=4))]
    return texts, sorted(ranges)


def kept(text: str, row: int, ranges: Ranges) -> list[int]:
    """The bytes of a text that stay, by their offsets."""
    gone = {at for r, start, end in ranges if r == row for at in range(start, end)}
    return [at for at in range(len(text.encode())) if at not in gone]


@pytest.mark.parametrize(
    ("texts", "ranges", "left"),
    [
        (["one two three"], [(0, 4, 8)], ["one three"]),
        (["one", "two", "three"], [(1, 0, 3)], ["one", "", "three"]),
        (["grüße", "語文"], [(0, 2, 6), (1, 3, 6)], ["gre", "語"]),
        (["overlap and touch"], [(0, 0, 4), (0, 2, 8), (0, 8, 12)], ["touch"]),
        (["nothing", ""], [(0, 3, 3), (1, 0, 0)], ["nothing", ""]),
        (["nothing"], [], ["nothing"]),
    ],
)
def test_examples(texts: list[str], ranges: Ranges, left: list[str]) -> None:
    assert cut_texts(column(*texts), *spans(ranges)).to_pylist() == left


@given(cuts())
def test_what_is_left_is_every_byte_that_no_range_holds(case: tuple[list[str], Ranges]) -> None:
    texts, ranges = case
    left = cut_texts(column(*texts), *spans(ranges))
    left.validate(full=True)
    expected = [
        bytes(text.encode()[at] for at in kept(text, row, ranges)).decode() for row, text in enumerate(texts)
    ]
    assert left.to_pylist() == expected
    lost = bytes_cut(*spans(ranges), len(texts))
    assert lost.tolist() == [
        len(text.encode()) - len(one.encode()) for text, one in zip(texts, expected, strict=True)
    ]


@given(cuts())
def test_every_byte_that_is_left_is_traced_to_where_it_came_from(case: tuple[list[str], Ranges]) -> None:
    texts, ranges = case
    for row, text in enumerate(texts):
        stay = np.array(kept(text, row, ranges), np.int64)
        places = np.arange(len(stay))
        rows = np.full(len(stay), row)
        assert stored_offsets(spans(ranges), rows, places).tolist() == stay.tolist()
        ends = stored_offsets(spans(ranges), rows, places + 1, ends=True)
        assert ends.tolist() == (stay + 1).tolist()


@given(cuts())
def test_merged_ranges_are_apart_and_cut_the_same(case: tuple[list[str], Ranges]) -> None:
    texts, ranges = case
    rows, starts, ends = merged(*spans(ranges))
    assert (starts < ends).all()
    assert all(r < s or e < b for r, s, e, b in zip(rows, rows[1:], ends, starts[1:], strict=False))
    assert cut_texts(column(*texts), rows, starts, ends).equals(cut_texts(column(*texts), *spans(ranges)))


def test_a_slice_of_a_column_is_cut_as_the_whole() -> None:
    whole = column("first", "second", "third", "fourth")
    assert cut_texts(whole.slice(1, 2), *spans([(0, 0, 3), (1, 4, 5)])).to_pylist() == ["ond", "thir"]


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ([(2, 0, 1)], "there are 2 texts, and a cut in number 2"),
        ([(0, 0, 10)], "bytes 0 to 10, of text 0, which has 7"),
        ([(0, 3, 2)], "outside its text"),
        ([(0, -1, 2)], "outside its text"),
        ([(0, 3, 5)], "parts a character at byte 3 of text 0"),
        ([(1, 0, 2)], "parts a character at byte 2 of text 1"),
        ([(0, 4, 5), (0, 0, 1)], "not sorted"),
        ([(1, 0, 3), (0, 0, 1)], "not sorted"),
    ],
)
def test_ranges_of_other_texts_are_refused(ranges: Ranges, said: str) -> None:
    with pytest.raises(DataflowError, match=said) as caught:
        cut_texts(column("grüße", "語"), *spans(ranges), where="decisions/cuts/web/a.parquet")
    assert str(caught.value).startswith("decisions/cuts/web/a.parquet: ")

"""Texts without the passages that were cut from them, and the way back from a place in such a text.

What is cut is a list of byte ranges ``[start, end)``: which text, from where, to where, sorted by text and start.
Ranges may overlap, touch or be empty: what counts is their union. Stored texts are never rewritten: whoever reads
one as it stands in the corpus cuts it on the way. Everything here is arithmetic over whole columns; the price is
a byte of mask for each byte of text.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.errors import DataflowError
from dataflow.kernels.arrow import buffers, column

VERSION = 1
"""Raise when texts come out otherwise."""

Integers = npt.NDArray[np.int64]

_CONTINUES = (0x80, 0xC0)
"""First byte that continues a UTF-8 character, and the first after those that does not."""


class Spans(NamedTuple):
    """Byte ranges of texts, sorted by row and start."""

    rows: Integers
    starts: Integers
    ends: Integers


def cut_texts(
    texts: pa.LargeStringArray, rows: Integers, starts: Integers, ends: Integers, where: str = "decisions"
) -> pa.LargeStringArray:
    """The texts without the byte ranges ``[start, end)`` of the given rows; ``where`` is the place an error names.

    Ranges that do not lie in their text, or that begin or end inside a character, are of other texts than these:
    a DataflowError.
    """
    if len(rows) == 0:
        return texts
    data, offsets = buffers(texts)
    _refuse_misplaced(data, offsets, Spans(rows, starts, ends), where)
    cut = merged(*_along(offsets, rows, starts, ends))
    first, last = int(offsets[0]), int(offsets[-1])
    # Kept and cut stretches in turn, beginning and ending with a kept one that may be empty.
    borders = np.concatenate([[first], np.stack([cut.starts, cut.ends], axis=1).ravel(), [last]])
    kept = np.repeat(np.arange(len(borders) - 1) % 2 == 0, np.diff(borders))
    lengths = np.diff(offsets) - _lengths_by_row(*merged(rows, starts, ends), len(texts))
    return column(data[first:last][kept], np.concatenate([[0], np.cumsum(lengths)]))


def bytes_cut(rows: Integers, starts: Integers, ends: Integers, n_texts: int) -> Integers:
    """Bytes that each of ``n_texts`` texts loses: the length of the union of its ranges."""
    return _lengths_by_row(*merged(rows, starts, ends), n_texts)


def merged(rows: Integers, starts: Integers, ends: Integers) -> Spans:
    """The same bytes in ranges that are disjoint and apart; empty ranges are left out."""
    some = ends > starts
    rows, starts, ends = rows[some], starts[some], ends[some]
    if len(rows) == 0:
        return Spans(rows, starts, ends)
    width = int(ends.max()) + 1  # apart in one row of numbers: what ends one text is never beside the next
    reached = np.maximum.accumulate(rows * width + ends)
    opens = np.flatnonzero(np.r_[True, rows[1:] * width + starts[1:] > reached[:-1]])
    closes = np.r_[opens[1:], len(rows)] - 1
    return Spans(rows[opens], starts[opens], reached[closes] - rows[opens] * width)


def stored_offsets(
    spans: Spans, rows: Integers, offsets: Integers, *, ends: bool = False
) -> npt.NDArray[np.int64]:
    """Byte offsets in the stored texts of ``offsets`` in the texts of ``rows`` after ``spans`` were cut.

    An offset just where something was cut stands after the cut, as the beginning of what follows; with ``ends``
    it stands before it, as the end of what went before.
    """
    cut = merged(*spans)
    if len(cut.rows) == 0:
        return offsets.astype(np.int64)
    lengths = cut.ends - cut.starts
    before = np.cumsum(lengths) - lengths  # bytes cut before each range, in all texts
    firsts = np.searchsorted(cut.rows, cut.rows, side="left")
    here = cut.starts - (before - before[firsts])  # where each range was, in the text after the cuts
    width = max(int(here.max()), int(offsets.max(initial=0))) + 1
    passed = np.searchsorted(
        cut.rows * width + here, rows * width + offsets, side="left" if ends else "right"
    )
    total = np.concatenate([[0], np.cumsum(lengths)])
    found: Integers = offsets + total[passed] - total[np.searchsorted(cut.rows, rows, side="left")]
    return found


def _along(offsets: Integers, rows: Integers, starts: Integers, ends: Integers) -> Spans:
    """The ranges as places in the bytes of all texts end to end."""
    return Spans(np.zeros(len(rows), np.int64), offsets[rows] + starts, offsets[rows] + ends)


def _lengths_by_row(rows: Integers, starts: Integers, ends: Integers, n_texts: int) -> Integers:
    lengths = np.zeros(n_texts, np.int64)
    np.add.at(lengths, rows, ends - starts)
    return lengths


def _refuse_misplaced(data: npt.NDArray[np.uint8], offsets: Integers, spans: Spans, where: str) -> None:
    rows, starts, ends = spans
    n_texts = len(offsets) - 1
    if rows.min() < 0 or rows.max() >= n_texts:
        raise _misplaced(f"there are {n_texts:,} texts, and a cut in number {rows.max():,}", where)
    if (np.diff(rows) < 0).any() or ((np.diff(rows) == 0) & (np.diff(starts) < 0)).any():
        raise _misplaced("the cuts are not sorted", where)
    lengths = np.diff(offsets)[rows]
    outside = (starts < 0) | (ends < starts) | (ends > lengths)
    if outside.any():
        one = int(np.flatnonzero(outside)[0])
        place = f"bytes {starts[one]:,} to {ends[one]:,}, of text {rows[one]:,}, which has {lengths[one]:,}"
        raise _misplaced(f"a cut lies outside its text: {place}", where)
    for places in (starts, ends):
        inside = places < lengths
        at = data[(offsets[rows] + places)[inside]]
        split = (at >= _CONTINUES[0]) & (at < _CONTINUES[1])
        if split.any():
            one = int(np.flatnonzero(inside)[np.flatnonzero(split)[0]])
            what = f"a cut parts a character at byte {places[one]:,} of text {rows[one]:,}"
            raise _misplaced(what, where)


def _misplaced(what: str, where: str) -> DataflowError:
    return DataflowError(what, where, "It is of other documents than these: run its step again.")

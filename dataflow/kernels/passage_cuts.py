"""Which bytes of a document are cut, once it is known which of its passages an earlier one keeps.

A passage is *lost* where another place keeps it, and *kept* where this place keeps it for others. Cut are the lost
passages that have no word in common with a kept one: so what is cut from one document stands whole in another, even
where passages overlap in chains, and nothing shorter than a passage is ever cut. (Lee et al. 2022 cut all that is
lost: of a chain of overlapping passages no document may be left with the whole. What is cut here is nine tenths of
that on licences, where chains are long, and 94 % on web pages.)

White space on both sides of a cut would pile up. Of the two runs the one with more line feeds stays; of equal ones
the second, which ends in the indentation of the line that follows, or without line feeds the first. At the beginning
and the end of a text what was outermost stays. So a line goes with its line feed.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets
from dataflow.kernels.characters import KIND, SPACE
from dataflow.kernels.passages import Hashes, Integers
from dataflow.kernels.utf8 import decode

SUBSTRING = 3
"""The kind of a run of words."""

KEPT = -1
"""Stands for the keeper of a passage that is kept here."""


@njit(nogil=True, cache=True)
def find_decided(
    rows: Integers,
    listed_of: Offsets,
    listed: Hashes,
    word_of: Offsets,
    word_hash: Hashes,
    words: int,
    shift: np.uint64,
    decided_row: npt.NDArray[np.int32],
    decided_number: npt.NDArray[np.int32],
    decided_keeper: Integers,
    next_decided: Integers,
    last_decided: Integers,
    found_of: Integers,
    found: Integers,
    keeper: Integers,
) -> None:
    """Fill ``found`` with the passages of each document (its row in ``rows``) that something was decided of.

    ``decided_...`` are, one partition of hashes after the other, sorted by row and number: the passage of that
    number among those of its document whose hashes are of the partition (all above ``shift`` bits). What partition
    p has left is from ``next_decided[p]`` to ``last_decided[p]``.
    """
    met = np.zeros(next_decided.shape[0], np.int32)
    met_row = np.full(next_decided.shape[0], -1, np.int64)
    n = 0
    for document in range(rows.shape[0]):
        row = rows[document]
        n_listed = listed_of[document + 1] - listed_of[document]
        runs = 0
        if words > 0:
            runs = max(word_of[document + 1] - word_of[document] - words + 1, 0)
        for passage in range(n_listed + runs):
            if passage < n_listed:
                h = listed[listed_of[document] + passage]
            else:
                h = word_hash[word_of[document] + passage - n_listed]
            p = np.int64(h >> shift) if shift < np.uint64(64) else np.int64(0)
            if met_row[p] != row:
                met_row[p], met[p] = row, 0
            place = next_decided[p]
            if place < last_decided[p] and decided_row[place] == row and decided_number[place] == met[p]:
                found[n], keeper[n] = passage, decided_keeper[place]
                n += 1
                next_decided[p] += 1
            met[p] += 1
        found_of[document + 1] = n


@njit(nogil=True, cache=True)
def cut_documents(
    data: Bytes,
    offsets: Offsets,
    table: npt.NDArray[np.uint32],
    ranks: Integers,
    listed_of: Offsets,
    kind: npt.NDArray[np.uint8],
    listed: Integers,
    word_of: Offsets,
    word_start: Integers,
    word_length: npt.NDArray[np.int32],
    words: int,
    found_of: Integers,
    found: Integers,
    keeper: Integers,
    spans_of: Integers,
    spans: Integers,
    words_cut: Integers,
    survivor: Integers,
) -> None:
    """The spans (start and end in the text, kind) cut from each document, how many words go, and who keeps most.

    Rows of ``listed`` are start, end, first word and words of each listed passage. Where the document repeats
    nothing but itself, it is its own survivor; of several that keep as much, the first.
    """
    n_spans = 0
    most_words = 0
    for document in range(ranks.shape[0]):
        most_words = max(most_words, word_of[document + 1] - word_of[document])
    kept_before = np.zeros(most_words + 1, np.int64)
    keeper_of = np.empty(most_words, np.int64)
    for document in range(ranks.shape[0]):
        first_word = word_of[document]
        n_words = word_of[document + 1] - first_word
        n_listed = listed_of[document + 1] - listed_of[document]
        begin, end = offsets[document], offsets[document + 1]

        # words of passages that are kept: how often each is in one, then how many of them stand before a word
        kept_before[: n_words + 1] = 0
        for i in range(found_of[document], found_of[document + 1]):
            if keeper[i] == KEPT:
                passage = found[i]
                if passage < n_listed:
                    word = listed[2, listed_of[document] + passage] - first_word
                    size = listed[3, listed_of[document] + passage]
                else:
                    word, size = passage - n_listed, np.int64(words)
                kept_before[word] += 1
                kept_before[word + size] -= 1
        inside = before = np.int64(0)
        for word in range(n_words + 1):
            inside += kept_before[word]
            kept_before[word] = before
            before += inside > 0

        # what is cut, in stretches of one kind
        keeper_of[:n_words] = -1
        first_span = n_spans
        last_kind, filled = np.int64(-1), np.int64(0)
        for i in range(found_of[document], found_of[document + 1]):
            if keeper[i] == KEPT:
                continue
            passage = found[i]
            if passage < n_listed:
                j = listed_of[document] + passage
                word, size = listed[2, j] - first_word, listed[3, j]
                start, stop, this_kind = listed[0, j], listed[1, j], np.int64(kind[j])
            else:
                word, size = passage - n_listed, np.int64(words)
                last = first_word + word + size - 1
                start, stop = word_start[first_word + word], word_start[last] + word_length[last]
                this_kind = np.int64(SUBSTRING)
            if kept_before[word + size] > kept_before[word]:
                continue
            if this_kind == last_kind and start <= spans[1, n_spans - 1]:
                spans[1, n_spans - 1] = max(stop, spans[1, n_spans - 1])
            else:
                spans[0, n_spans], spans[1, n_spans], spans[2, n_spans] = start, stop, this_kind
                n_spans += 1
                if this_kind != last_kind:
                    last_kind, filled = this_kind, np.int64(0)
            for w in range(max(word, filled), word + size):
                if keeper_of[w] < 0:
                    keeper_of[w] = keeper[i]
            filled = word + size

        n_spans = _join(data, table, begin, end, spans, first_span, n_spans)
        for i in range(first_span, n_spans):
            spans[0, i] -= begin
            spans[1, i] -= begin
        spans_of[document + 1] = n_spans
        words_cut[document], survivor[document] = _most(keeper_of[:n_words], ranks[document])


@njit(nogil=True, cache=True)
def _most(keepers, own):  # type: ignore[no-untyped-def]
    """How many of ``keepers`` are not negative, and the most frequent one of these, ``own`` only if alone."""
    found = np.sort(keepers[keepers >= 0])
    best, most = np.int64(-1), 0
    first = 0
    for i in range(1, found.shape[0] + 1):
        if i == found.shape[0] or found[i] != found[first]:
            if found[first] != own and i - first > most:
                best, most = found[first], i - first
            first = i
    if found.shape[0] and best < 0:
        best = own
    return found.shape[0], best


@njit(nogil=True, cache=True)
def _join(data, table, begin, end, spans, first, last):  # type: ignore[no-untyped-def]
    """Sort and join the spans from ``first``, those too that only white space parts; the new ``last``."""
    if first == last:
        return last
    order = np.argsort(spans[0, first:last], kind="mergesort")
    sorted_spans = spans[:, first:last][:, order]
    n = first
    for i in range(order.shape[0]):
        start, stop = sorted_spans[0, i], sorted_spans[1, i]
        if n > first and (
            start <= spans[1, n - 1] or _space_after(data, table, spans[1, n - 1], start)[0] == start
        ):
            spans[1, n - 1] = max(stop, spans[1, n - 1])
        else:
            spans[0, n], spans[1, n], spans[2, n] = start, stop, sorted_spans[2, i]
            n += 1
    for i in range(first, n):
        before, feeds_before = _space_before(data, table, begin, spans[0, i])
        after, feeds_after = _space_after(data, table, spans[1, i], end)
        if before == begin and after == end:
            spans[0, i], spans[1, i] = begin, end
        elif before == begin:
            spans[1, i] = after
        elif (
            after == end
            or before == spans[0, i]
            or feeds_after > feeds_before
            or feeds_before == feeds_after > 0
        ):
            spans[0, i] = before
        else:
            spans[1, i] = after
    return n


@njit(nogil=True, cache=True)
def _space_after(data, table, i, end):  # type: ignore[no-untyped-def]
    """Where the white space that begins at ``i`` ends, and its line feeds."""
    feeds = 0
    while i < end:
        point, size = np.int64(data[i]), 1
        if point >= 0x80:
            point, size = decode(data, i, end)
        if np.int64(table[point]) & KIND != SPACE:
            break
        feeds += point == 10
        i += size
    return i, feeds


@njit(nogil=True, cache=True)
def _space_before(data, table, begin, i):  # type: ignore[no-untyped-def]
    """Where the white space that ends at ``i`` begins, and its line feeds."""
    feeds = 0
    while i > begin:
        start = i - 1
        while start > begin and 0x80 <= data[start] < 0xC0:
            start -= 1
        point = np.int64(data[start])
        if point >= 0x80:
            point, _ = decode(data, start, i)
        if np.int64(table[point]) & KIND != SPACE:
            break
        feeds += point == 10
        i = start
    return i, feeds

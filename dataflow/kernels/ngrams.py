"""Repetition of word n-grams, n = 2..10: characters under the most frequent one, and under repeated ones.

An (n+1)-gram can only repeat where both n-grams inside it do, so each length looks at the places that
survived the one before: after the bigrams, a text without much repetition costs next to nothing. Places are
counted in an open-addressed table of 32-bit positions, 4 bytes an entry. n-grams are known by 64-bit hashes
(Rae et al. 2021, section A1.1).
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from dataflow.kernels.arrow import Offsets

TOP = (2, 3, 4)
"""Lengths whose most frequent n-gram is measured."""

DUPLICATE = (5, 6, 7, 8, 9, 10)
"""Lengths whose second and later copies are measured."""

STATISTICS = (
    *(f"top_{n}gram_characters" for n in TOP),
    *(f"duplicate_{n}gram_characters" for n in DUPLICATE),
)
"""What the kernel counts."""

N_COUNTS = len(STATISTICS)

_STEP = np.uint64(0x9FB21C651E98DF25)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_FOLD = np.uint64(32)
_DROP = np.uint64(24)


@njit(nogil=True, cache=True)
def _find_firsts(keys, n, first, copies, table):  # type: ignore[no-untyped-def]
    """For each of n keys the index of its first copy, and at that index how many copies there are."""
    capacity = 16
    while 2 * capacity < 3 * n:
        capacity *= 2
    mask = capacity - 1
    table[:capacity] = -1
    repeated = False
    for i in range(n):
        key = keys[i]
        slot = np.int64((key * _SPREAD) >> _DROP) & mask
        while table[slot] >= 0 and keys[table[slot]] != key:
            slot = (slot + 1) & mask
        if table[slot] < 0:
            table[slot] = i
            first[i] = i
            copies[i] = 1
        else:
            first[i] = table[slot]
            copies[table[slot]] += 1
            repeated = True
    return repeated


@njit(nogil=True, cache=True)
def _characters_under_top(places, n_places, first, copies, lengths, n):  # type: ignore[no-untyped-def]
    """Characters of the words under the most frequent n-gram; of equals the longest, of those the first."""
    top, most, longest = -1, 1, 0
    for i in range(n_places):
        if first[i] == i and copies[i] > 1 and copies[i] >= most:
            length = 0
            for word in range(places[i], places[i] + n):
                length += lengths[word]
            if copies[i] > most or length > longest:
                top, most, longest = i, copies[i], length
    characters = np.int64(0)
    covered = 0
    for i in range(n_places):
        if first[i] == top:
            for word in range(max(covered, places[i]), places[i] + n):
                characters += lengths[word]
            covered = places[i] + n
    return characters


@njit(nogil=True, cache=True)
def _characters_under_copies(places, n_places, first, lengths, n):  # type: ignore[no-untyped-def]
    """Characters of the words under second and later copies, each word once."""
    characters = np.int64(0)
    covered = 0
    for i in range(n_places):
        if first[i] != i:
            for word in range(max(covered, places[i]), places[i] + n):
                characters += lengths[word]
            covered = places[i] + n
    return characters


@njit(nogil=True, cache=True)
def count_repetition(
    word_hash: npt.NDArray[np.uint64],
    word_length: npt.NDArray[np.int32],
    word_start: Offsets,
    keys: npt.NDArray[np.uint64],
    places: npt.NDArray[np.int32],
    first: npt.NDArray[np.int32],
    copies: npt.NDArray[np.int32],
    table: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
) -> None:
    """Fill one row of ``counts`` for each document: characters for each length of TOP, then of DUPLICATE.

    ``keys``, ``places``, ``first`` and ``copies`` are scratch of at least the words of the longest document,
    ``table`` of the next power of two from 1.5 times that, at least 16.
    """
    for document in range(word_start.shape[0] - 1):
        start, end = word_start[document], word_start[document + 1]
        row = counts[document]
        row[:] = 0
        hashes, lengths = word_hash[start:end], word_length[start:end]
        n_places = end - start - 1
        for i in range(n_places):
            key = hashes[i] * _STEP + hashes[i + 1]
            keys[i] = key ^ (key >> _FOLD)
            places[i] = i
        for n in range(2, 11):
            if n_places < 2 or not _find_firsts(keys, n_places, first, copies, table):
                break
            if n <= 4:
                row[n - 2] = _characters_under_top(places, n_places, first, copies, lengths, n)
            else:
                row[n - 2] = _characters_under_copies(places, n_places, first, lengths, n)
            kept = 0
            for i in range(n_places - 1):
                if places[i + 1] == places[i] + 1 and copies[first[i]] > 1 and copies[first[i + 1]] > 1:
                    key = keys[i] * _STEP + hashes[places[i] + n]
                    places[kept] = places[i]
                    keys[kept] = key ^ (key >> _FOLD)
                    kept += 1
            n_places = kept


def repetition_of_words(words: pa.LargeListArray) -> dict[str, npt.NDArray[np.int64]]:
    """The statistics of given words instead of our own, to compare with tools that split texts otherwise.

    Args:
        words: the words of each document, a large list of large_string; compared as they are, letter case
            included, symbols too where they are given as words. A null document has none.

    Returns:
        Characters under repeated n-grams by the names of ``STATISTICS``, one of each for every document.
    """
    if not isinstance(words, pa.LargeListArray) or not pa.types.is_large_string(words.type.value_type):
        raise TypeError(f"expected large lists of large_string, found {getattr(words, 'type', type(words))}")
    bounds = np.concatenate([[0], np.cumsum(pc.fill_null(pc.list_value_length(words), 0).to_numpy())])
    flat = words.flatten().fill_null("")
    number = flat.dictionary_encode().indices.to_numpy().astype(np.uint64)
    number = (number + np.uint64(1)) * _SPREAD  # equal words, and no others, have equal hashes
    counts = np.zeros((len(words), N_COUNTS), np.int64)
    n = int(np.diff(bounds).max(initial=0))
    capacity = 16
    while 2 * capacity < 3 * n:
        capacity *= 2
    count_repetition(
        number ^ (number >> _FOLD),
        pc.utf8_length(flat).to_numpy().astype(np.int32),
        bounds.astype(np.int64),
        np.empty(n, np.uint64),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(capacity, np.int32),
        counts,
    )
    return dict(zip(STATISTICS, np.ascontiguousarray(counts.T), strict=True))

"""Repetition of word n-grams, n = 2..10: characters under the most frequent one, and under repeated ones.

An (n+1)-gram can only repeat where both n-grams inside it do, so each length looks at the places that
survived the one before: after the bigrams, a text without much repetition costs next to nothing. A first look
drops most n-grams that stand once, without a branch: each marks a byte by its hash, and those alone in theirs
go. The rest are counted exactly in an open-addressed table of 32-bit positions, 4 bytes an entry. n-grams are
known by 64-bit hashes (Rae et al. 2021, section A1.1).
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

_MANY = 1 << 21
"""Of more keys the tables are kept small: they are out of every cache anyway, and of a 50 MB document memory counts."""

_STEP = np.uint64(0x9FB21C651E98DF25)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_FOLD = np.uint64(32)


@njit(nogil=True, cache=True)
def _keep_likely(keys, places, n, seen):  # type: ignore[no-untyped-def]
    """Drop n-grams that certainly stand once: alone in their slot of ``seen``. Returns how many stay."""
    bits = 6
    while (1 << bits) < (4 * n if n < _MANY else n):
        bits += 1
    shift = np.uint64(64 - bits)
    seen[: 1 << bits] = 0
    for i in range(n):
        slot = np.int64((keys[i] * _SPREAD) >> shift)
        seen[slot] = seen[slot] << 1 | 1
    kept = 0
    for i in range(n):
        slot = np.int64((keys[i] * _SPREAD) >> shift)
        keys[kept], places[kept] = keys[i], places[i]
        kept += seen[slot] > 1
    return kept


@njit(nogil=True, cache=True)
def find_firsts(keys, n, first, copies, table):  # type: ignore[no-untyped-def]
    """For each of n keys the index of its first copy, and there how many copies it has (elsewhere 0).

    Returns how many are second and later copies. ``table`` has room for the next power of two from 2 n, and
    for 16.
    """
    bits = 4
    while (1 << bits) < (2 * n if n < _MANY else n + n // 4):
        bits += 1
    shift, mask = np.uint64(64 - bits), (1 << bits) - 1
    table[: mask + 1] = -1
    repeats = 0
    for i in range(n):
        key = keys[i]
        slot = np.int64((key * _SPREAD) >> shift)
        at = table[slot]
        while (at >= 0) & (keys[max(at, 0)] != key):
            slot = (slot + 1) & mask
            at = table[slot]
        met = at >= 0
        at = at if met else np.int32(i)
        table[slot] = at
        first[i] = at
        copies[i] = 0
        copies[at] += 1
        repeats += met
    return repeats


@njit(nogil=True, cache=True)
def _characters_under_top(places, n_places, first, copies, ends, n):  # type: ignore[no-untyped-def]
    """Characters of the words under the most frequent n-gram; of equals the longest, of those the first."""
    top, most, longest = -1, np.int32(2), np.int64(-1)
    for i in range(n_places):
        if copies[i] >= most:
            length = np.int64(np.uint32(ends[places[i] + n] - ends[places[i]]))
            if copies[i] > most or length > longest:
                top, most, longest = i, copies[i], length
    characters = np.int64(0)
    covered = 0
    for i in range(n_places):
        if first[i] == top:
            characters += np.int64(np.uint32(ends[places[i] + n] - ends[max(covered, places[i])]))
            covered = places[i] + n
    return characters


@njit(nogil=True, cache=True)
def _characters_under_copies(places, n_places, first, ends, n):  # type: ignore[no-untyped-def]
    """Characters of the words under second and later copies, each word once."""
    characters = np.int64(0)
    covered = 0
    for i in range(n_places):
        end = places[i] + n
        new = np.int64(np.uint32(ends[end] - ends[max(covered, places[i])]))
        characters += new if first[i] != i else 0
        covered = end if first[i] != i else covered
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
    ends: npt.NDArray[np.uint32],
    seen: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.int64],
) -> None:
    """Fill one row of ``counts`` for each document: characters for each length of TOP, then of DUPLICATE.

    ``keys``, ``places``, ``first`` and ``copies`` are scratch of at least the words of the longest document,
    ``ends`` of one more, ``table`` of the next power of two from twice that (at least 16), ``seen`` from four
    times that (at least 64). ``ends`` are sums modulo 2^32: their differences are right all the same.
    """
    for document in range(word_start.shape[0] - 1):
        start, end = word_start[document], word_start[document + 1]
        row = counts[document]
        row[:] = 0
        hashes, lengths = word_hash[start:end], word_length[start:end]
        n_words = end - start
        ends[0] = 0
        for i in range(n_words):
            ends[i + 1] = np.uint32(ends[i] + np.uint32(lengths[i]))
        n_places = n_words - 1
        for i in range(n_places):
            key = hashes[i] * _STEP + hashes[i + 1]
            keys[i] = key ^ (key >> _FOLD)
            places[i] = i
        for n in range(2, 11):
            n_places = _keep_likely(keys, places, max(n_places, 0), seen)
            if n_places < 2 or find_firsts(keys, n_places, first, copies, table) == 0:
                break
            if n <= 4:
                row[n - 2] = _characters_under_top(places, n_places, first, copies, ends, n)
            else:
                row[n - 2] = _characters_under_copies(places, n_places, first, ends, n)
            kept = 0
            repeats = copies[first[0]] > 1
            for i in range(n_places - 1):
                place = places[i]
                key = keys[i] * _STEP + hashes[min(place + n, n_words - 1)]
                places[kept] = place
                keys[kept] = key ^ (key >> _FOLD)
                next_repeats = copies[first[i + 1]] > 1
                kept += (places[i + 1] == place + 1) & repeats & next_repeats
                repeats = next_repeats
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
    count_repetition(
        number ^ (number >> _FOLD),
        pc.utf8_length(flat).to_numpy().astype(np.int32),
        bounds.astype(np.int64),
        np.empty(n, np.uint64),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(4 * n + 16, np.int32),
        np.empty(n + 1, np.uint32),
        np.empty(8 * n + 64, np.uint8),
        counts,
    )
    return dict(zip(STATISTICS, np.ascontiguousarray(counts.T), strict=True))

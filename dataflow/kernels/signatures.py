"""From texts to MinHash signatures, and to the sets of shingles they stand for, without any other count.

``sign`` gives the bits that ``scan.analyse`` gives, in a fraction of the time; it also signs shingles of characters.
Texts are read through a buffer of some thousand words, so memory does not grow with the length of a document.

Shingles are runs of ``shingle`` units. Unit ``words``: the words of ``scan``; in scripts without spaces every letter,
mark and digit is one. Unit ``characters``: code points, lower-cased one by one, each run of white space one space and
none at the ends. A document of fewer units than a shingle is one shingle of all of them, and one without any has a
signature of all ones. Who compares documents leaves short ones to the exact hash: by ``n_words``, which is never more
than the words here, or by ``n_characters``, which counts white space unfolded, so that a document may pass for long
that is one shingle: then it resembles its equals only.
"""

from typing import Literal

import numpy as np
import pyarrow as pa
from numba import njit

from dataflow.kernels import characters
from dataflow.kernels.arrow import Bytes, Offsets, buffers
from dataflow.kernels.minhash import (
    BLOCK,
    EMPTY,
    MOST,
    Hashes,
    has_empty,
    hash_shingles,
    sign_units,
    throw,
    throw_again,
)
from dataflow.kernels.units import SPARE, Table, read_characters, read_words

Unit = Literal["words", "characters"]

_ROOM = 4096  # units read at a time


def sign(texts: pa.LargeStringArray, permutations: int, shingle: int, unit: Unit = "words") -> Hashes:
    """One signature of ``permutations`` values for each text; a null is an empty text."""
    if not 1 <= permutations <= MOST or shingle < 1:
        raise ValueError(
            f"permutations must be 1 to {MOST} and shingle >= 1, found {permutations} and {shingle}"
        )
    data, offsets = buffers(texts)
    signatures = np.empty((len(texts), permutations), np.uint64)
    units = np.empty(_ROOM + shingle + SPARE, np.uint64)
    block = np.empty(max(BLOCK, 4 * permutations), np.uint64)
    _sign(data, offsets, characters.table(), unit == "characters", shingle, units, block, signatures)
    return signatures


def shingle_sets(texts: pa.LargeStringArray, shingle: int, unit: Unit = "words") -> tuple[Hashes, Offsets]:
    """Sorted distinct shingle hashes of each text, and where those of each begin (one more at the end)."""
    if shingle < 1:
        raise ValueError(f"shingle must be >= 1, found {shingle}")
    data, offsets = buffers(texts)
    by_characters = unit == "characters"
    longest = int(np.diff(offsets).max()) if len(texts) else 0
    units = np.empty(longest // (1 if by_characters else 2) + 2 + SPARE, np.uint64)
    bounds = np.zeros(len(texts) + 1, np.int64)
    hashes = np.empty(
        int(offsets[-1] - offsets[0]) // (1 if by_characters else 2) + len(texts) + 1, np.uint64
    )
    n = _shingle_sets(data, offsets, characters.table(), by_characters, shingle, units, hashes, bounds)
    return hashes[:n].copy(), bounds


@njit(nogil=True, cache=True)
def _read(data, i, end, table, by_characters, units, n):  # type: ignore[no-untyped-def]
    if by_characters:
        return read_characters(data, i, end, table, units, n)
    return read_words(data, i, end, table, units, n)


@njit(nogil=True, cache=True)
def _sign(
    data: Bytes,
    offsets: Offsets,
    table: Table,
    by_characters: bool,
    shingle: int,
    units: Hashes,
    block: Hashes,
    signatures: Hashes,
) -> None:
    for document in range(offsets.shape[0] - 1):
        begin, end = offsets[document], offsets[document + 1]
        i, n = _read(data, begin, end, table, by_characters, units, 0)
        if i >= end:
            sign_units(units, 0, n, shingle, block, signatures[document])
        else:
            _sign_long(data, begin, end, table, by_characters, shingle, units, block, signatures[document])


@njit(nogil=True, cache=True)
def _sign_long(data, begin, end, table, by_characters, shingle, units, block, signature):  # type: ignore[no-untyped-def]
    """A document of more units than fit in memory: read once, and again if it repeats a few shingles over and over."""
    signature[:] = EMPTY
    different = np.empty(0, np.uint64)
    for again in range(2):
        i, n = begin, 0
        while i < end:
            i, n = _read(data, i, end, table, by_characters, units, n)
            n_shingles = n - shingle + 1
            for start in range(0, n_shingles, block.shape[0]):
                part = min(block.shape[0], n_shingles - start)
                hash_shingles(units, start, part, shingle, block)
                if again:
                    different = np.unique(np.concatenate((different, block[:part])))
                else:
                    throw(block, part, signature)
            kept = min(n, max(shingle - 1, 1))  # one at least: that the text has begun is known by it
            units[:kept] = units[n - kept : n].copy()
            n = kept
        if not has_empty(signature):
            return
    throw_again(different, different.shape[0], signature)


@njit(nogil=True, cache=True)
def _shingle_sets(data, offsets, table, by_characters, shingle, units, hashes, bounds):  # type: ignore[no-untyped-def]
    n = 0
    for document in range(offsets.shape[0] - 1):
        begin = n
        _, n_units = _read(data, offsets[document], offsets[document + 1], table, by_characters, units, 0)
        if n_units > 0:
            size = min(shingle, n_units)
            end = begin + n_units - size + 1
            hash_shingles(units, 0, n_units - size + 1, size, hashes[begin:])
            hashes[begin:end].sort()
            for i in range(begin, end):
                if n == begin or hashes[i] != hashes[n - 1]:
                    hashes[n] = hashes[i]
                    n += 1
        bounds[document + 1] = n
    return n

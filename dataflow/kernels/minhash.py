"""MinHash signatures (Broder 1997): how alike two documents are, kept in a few hundred bytes each.

A shingle is a run of words (or characters), hashed to 64 bits from their hashes; a document with fewer is one shingle
of all of them. The share of equal values of two signatures estimates the Jaccard similarity of their shingle sets.

Values are filled as Dahlgaard, Knudsen and Thorup do ("Fast Similarity Sketching", FOCS 2017): each shingle is thrown
into one value at random, which keeps the least hash; while values are empty, all are thrown again under another hash,
and after as many rounds as there are values, into each one in turn. Every value is still the least of a random order of
the shingles, so the estimate has no bias, but a shingle costs one throw, not one multiplication for each value, and
values are not drawn independently: the squared error is half of ``J (1 - J) / permutations``, which independent
permutations have, for documents of some hundred shingles, and never more.

The upper 16 bits of a value hold the round: a later round never wins over an earlier one, so the least of the values
of two signatures is the signature of both documents together.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Offsets
from dataflow.kernels.words import mix

Hashes = npt.NDArray[np.uint64]

EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
"""Every value of the signature of a document without words."""

MOST = 32767
"""Values of the longest signature: twice as many rounds are told by 16 bits."""

BLOCK = 1024  # shingles hashed at a time: they stay in the first-level cache

_STEP = np.uint64(0x9FB21C651E98DF25)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HALF, _ROUND_SHIFT, _DROPPED = np.uint64(32), np.uint64(48), np.uint64(16)
_ROLLED = 8  # words from which on a shingle's hash is cheaper to come by from the one before
_PATIENCE = (
    8  # rounds after which a document with more shingles than values, and values empty, repeats itself
)


@njit(nogil=True, cache=True)
def hash_shingles(units: Hashes, first: Any, n: Any, size: Any, out: Hashes) -> None:
    """Hashes of the ``n`` shingles of ``size`` units that begin at ``first`` and after it."""
    if size < _ROLLED:
        out[:n] = 0
        for part in range(size):
            for i in range(n):
                out[i] = out[i] * _STEP + units[first + part + i]
    elif n > 0:
        power = np.uint64(1)
        h = np.uint64(0)
        for part in range(size):
            h = h * _STEP + units[first + part]
            power *= _STEP
        out[0] = h
        for i in range(1, n):
            h = h * _STEP + (units[first + i + size - 1] - units[first + i - 1] * power)
            out[i] = h
    for i in range(n):
        out[i] = mix(out[i])


@njit(nogil=True, cache=True)
def throw(shingles: Hashes, n: Any, signature: Hashes) -> None:
    """The first round: the hash itself says where a shingle falls and what it counts there."""
    size = np.uint64(signature.shape[0])
    for i in range(n):
        x = shingles[i]
        place = ((x >> _HALF) * size) >> _HALF
        signature[place] = min(signature[place], x >> _DROPPED)


@njit(nogil=True, cache=True)
def throw_again(shingles: Hashes, n: Any, signature: Hashes) -> None:
    """All further rounds, until no value is empty. ``n`` must not be zero; copies of a shingle only take time."""
    values = signature.shape[0]
    size = np.uint64(values)
    empty = 0
    for value in signature:
        empty += value == EMPTY
    turn = 0
    while empty:
        turn += 1
        if turn == _PATIENCE and n > values:
            shingles = np.unique(shingles[:n])
            n = shingles.shape[0]
        if turn >= values and signature[turn - values] != EMPTY:
            continue
        salt = mix(np.uint64(turn) * _GOLDEN)
        mark = np.uint64(turn) << _ROUND_SHIFT
        for i in range(n):
            x = mix(shingles[i] ^ salt)
            place = np.int64(((x >> _HALF) * size) >> _HALF) if turn < values else turn - values
            value = mark | x >> _DROPPED
            empty -= signature[place] == EMPTY
            signature[place] = min(signature[place], value)


@njit(nogil=True, cache=True)
def sign_units(units: Hashes, first: Any, last: Any, size: Any, block: Hashes, signature: Hashes) -> None:
    """The signature of a document whose units stand from ``first`` to ``last`` in memory."""
    signature[:] = EMPTY
    if first == last:
        return
    size = min(size, last - first)
    n_shingles = last - first - size + 1
    for start in range(0, n_shingles, block.shape[0]):
        n = min(block.shape[0], n_shingles - start)
        hash_shingles(units, first + start, n, size, block)
        throw(block, n, signature)
    if not has_empty(signature):
        return
    if n_shingles <= block.shape[0]:
        throw_again(block, n_shingles, signature)
        return
    different = np.empty(0, np.uint64)
    for start in range(0, n_shingles, block.shape[0]):
        n = min(block.shape[0], n_shingles - start)
        hash_shingles(units, first + start, n, size, block)
        different = np.unique(np.concatenate((different, block[:n])))
    throw_again(different, different.shape[0], signature)


@njit(nogil=True, cache=True)
def has_empty(signature: Hashes) -> bool:
    """Whether a value of a document with shingles is still to be filled."""
    return bool((signature == EMPTY).any())


@njit(nogil=True, cache=True)
def sign(word_hash: Hashes, word_start: Offsets, shingle: int, signatures: Hashes) -> None:
    """Fill one row of ``signatures`` for each document, words ``word_start[i]:word_start[i + 1]``."""
    block = np.empty(max(BLOCK, 4 * signatures.shape[1]), np.uint64)
    for document in range(word_start.shape[0] - 1):
        sign_units(
            word_hash, word_start[document], word_start[document + 1], shingle, block, signatures[document]
        )


@njit(nogil=True, cache=True)
def sign_shingles(shingles: Hashes, bounds: Offsets, signatures: Hashes) -> None:
    """The same from hashes of shingles, those of document i from ``bounds[i]`` to ``bounds[i + 1]``."""
    for document in range(bounds.shape[0] - 1):
        first, last = bounds[document], bounds[document + 1]
        signatures[document][:] = EMPTY
        if first < last:
            throw(shingles[first:last], last - first, signatures[document])
            throw_again(shingles[first:last], last - first, signatures[document])

"""MinHash signatures (Broder 1997): how alike two documents are, kept in a few hundred bytes each.

A shingle is a run of ``shingle`` words, hashed to 64 bits from the words' own hashes; a document with fewer
words is one shingle of all of them. Permutation ``k`` is the bijection ``x -> a[k] * x + b[k]`` modulo 2^64
with ``a`` odd: the shingle hashes are already well mixed, so the cheap multiply-add estimates as well as one
modulo the prime 2^61 - 1 and needs no 128-bit product. The share of equal positions of two signatures
estimates the Jaccard similarity of their shingle sets, with standard error ``sqrt(J (1 - J) /
permutations)``.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Offsets

Hashes = npt.NDArray[np.uint64]

EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
"""Every position of the signature of a document without words."""

BLOCK = 1024  # shingles permuted at a time: they stay in the first-level cache

_STEP = np.uint64(0x9FB21C651E98DF25)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)  # the finaliser of MurmurHash3
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)


@cache
def permutation_parameters(permutations: int, seed: int = 1) -> tuple[Hashes, Hashes]:
    """``a`` (odd) and ``b`` of each permutation, drawn by SplitMix64; the first ones of any longer draw."""
    draws = [_splitmix64(seed, index) for index in range(2 * permutations)]
    parameters = np.array(draws, np.uint64).reshape(permutations, 2)
    return np.ascontiguousarray(parameters[:, 0] | np.uint64(1)), np.ascontiguousarray(parameters[:, 1])


def _splitmix64(seed: int, index: int) -> int:
    """Draw number ``index`` of SplitMix64 (Steele, Lea and Flood 2014)."""
    mask = 2**64 - 1
    z = (seed + (index + 1) * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


@njit(nogil=True, cache=True)
def sign(
    word_hash: Hashes,
    word_start: Offsets,
    shingle: int,
    a: Hashes,
    b: Hashes,
    signatures: npt.NDArray[np.uint64],
) -> None:
    """Fill one row of ``signatures`` for each document, words ``word_start[i]:word_start[i + 1]``."""
    block = np.empty(BLOCK, np.uint64)
    for document in range(word_start.shape[0] - 1):
        first, last = word_start[document], word_start[document + 1]
        signature = signatures[document]
        signature[:] = EMPTY
        if first == last:
            continue
        size = min(shingle, last - first)
        n_shingles = last - first - size + 1
        for block_start in range(0, n_shingles, BLOCK):
            n = min(BLOCK, n_shingles - block_start)
            block[:n] = 0
            for part in range(size):
                word = first + block_start + part
                for i in range(n):
                    block[i] = block[i] * _STEP + word_hash[word + i]
            for i in range(n):
                x = block[i]
                x = (x ^ (x >> _SHIFT)) * _MIX_1
                x = (x ^ (x >> _SHIFT)) * _MIX_2
                block[i] = x ^ (x >> _SHIFT)
            for k in range(a.shape[0]):
                multiplier, increment, least = a[k], b[k], signature[k]
                for i in range(n):
                    least = min(least, multiplier * block[i] + increment)
                signature[k] = least

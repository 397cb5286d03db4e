"""What the hash of a word is: one step of FNV-1a for each character in lower case, then a finaliser.

Several kernels read words: ``text`` counts much besides, ``units`` does nothing else and is faster, ``passages`` and
``word_runs`` note where they stand. All must give a word the same hash, so what a hash is stands here.
"""

import numpy as np
from numba import njit

from dataflow.kernels.eight import CASE

_BASIS = 0xCBF29CE484222325
_PRIME = 0x100000001B3
OFFSET, STEP = np.uint64(_BASIS), np.uint64(_PRIME)
"""FNV-1a: where a hash begins, and what it is multiplied by after each character."""

MIX_1, MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
SHIFT = np.uint64(33)
_MASK = 2**64 - 1


def hash_word(word: str) -> int:
    """The hash that kernels give to a lower-case word."""
    h = _BASIS
    for character in word:
        h = ((h ^ ord(character)) * _PRIME) & _MASK
    h = ((h ^ (h >> 33)) * int(MIX_1)) & _MASK
    h = ((h ^ (h >> 33)) * int(MIX_2)) & _MASK
    return h ^ (h >> 33)


@njit(nogil=True, cache=True, forceinline=True)
def mix(h):  # type: ignore[no-untyped-def]
    """The finaliser of MurmurHash3: every bit of a number reaches every other."""
    h = (h ^ (h >> SHIFT)) * MIX_1
    h = (h ^ (h >> SHIFT)) * MIX_2
    return h ^ (h >> SHIFT)


@njit(nogil=True, cache=True)
def hash_spaceless(point):  # type: ignore[no-untyped-def]
    """The hash of a character that is a word of its own."""
    return mix((OFFSET ^ np.uint64(point)) * STEP)


@njit(nogil=True, cache=True, forceinline=True)
def hash_eight(h, eight, n):  # type: ignore[no-untyped-def]
    """``h`` after the first ``n`` of eight bytes: ASCII letters of either case, digits, joiners."""
    lower = eight | CASE  # joiners have this bit too
    for k in range(8):
        step = (h ^ (lower & np.uint64(0xFF))) * STEP
        lower >>= np.uint64(8)
        h = step if k < n else h
    return h

"""The words or characters of a text as hashes, and nothing else about it: what shingles are made of.

Words are those that ``text`` finds, with the same hashes. ASCII is read 64 bytes at a time: one mask says which bytes
belong to words, another where words begin, so that no branch depends on a single character. A word that touches a
character beyond ASCII is read character by character. Reading stops where the room for units ends and goes on from
there, so a text of any length is read through one small array.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes
from dataflow.kernels.characters import DIGIT, JOINER, KIND, LETTER, LOWER_SHIFT, MARK, SPACE, SPACELESS
from dataflow.kernels.eight import HIGH, digits, equal_bytes, letters, load_eight, packed, trailing_zeros
from dataflow.kernels.utf8 import decode
from dataflow.kernels.words import OFFSET, STEP, hash_eight, hash_spaceless, mix

Hashes = npt.NDArray[np.uint64]
Table = npt.NDArray[np.uint32]

SPARE = 64
"""Units that one step may write: reading stops where fewer would fit."""

_ONE, _ALL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
_NEAR = HIGH & np.uint64(0xFFFFFFFF)
_APOSTROPHE, _HYPHEN = np.uint64(0x2727272727272727), np.uint64(0x2D2D2D2D2D2D2D2D)
_BLANK = mix(OFFSET ^ np.uint64(32))


@njit(nogil=True, cache=True)
def read_words(data: Bytes, i: Any, end: Any, table: Table, units: Hashes, n: int) -> tuple[Any, int]:
    """Append hashes of the words from byte ``i``; the byte to go on from (``end`` when done) and how many there are."""
    room = units.shape[0] - SPARE
    last_window = data.shape[0] - 72
    while i < end and n <= room:
        if i <= last_window and load_eight(data, i) & _NEAR == 0:
            before = i
            i, n = _read_window(data, i, end, units, n)
            if i > before:
                continue
        point, size = np.int64(data[i]), 1
        if point >= 0x80:
            point, size = decode(data, i, end)
        kind = np.int64(table[point]) & KIND
        if DIGIT <= kind <= LETTER:
            units[n], i = _read_word(data, i, end, table)
            n += 1
        else:
            if kind == SPACELESS:
                units[n] = hash_spaceless(point)
                n += 1
            i += size
    return i, n


@njit(nogil=True, cache=True)
def _read_window(data, i, end, units, n):  # type: ignore[no-untyped-def]
    """The words that certainly end within the next 64 bytes, up to the first one beyond ASCII."""
    words = joiners = beyond = np.uint64(0)
    for k in range(8):
        eight = load_eight(data, i + 8 * k)
        place = np.uint64(8 * k)
        words |= packed(letters(eight) | digits(eight)) << place
        joiners |= packed(equal_bytes(eight, _APOSTROPHE) | equal_bytes(eight, _HYPHEN)) << place
        beyond |= packed(eight & HIGH) << place
    limit = min(np.int64(64), end - i)
    closed = end - i <= 64  # whatever stands last ends there
    valid = _ALL >> np.uint64(64 - limit)
    if beyond & valid:
        limit, closed = trailing_zeros(beyond), False
        valid = (_ONE << np.uint64(limit)) - _ONE
    words &= valid
    joiners &= valid
    words |= joiners & (words << _ONE) & (words >> _ONE)
    begins = words & ~(words << _ONE)
    ends = ~words & (words << _ONE)
    after = i + limit
    if not closed and begins:
        last = _ONE << np.uint64(limit - 1)
        if words & last or (joiners & last and words & (last >> _ONE)):  # a joiner may yet turn out to join
            top = _highest(begins)
            after = i + top
            begins ^= _ONE << np.uint64(top)
    while begins:
        start = trailing_zeros(begins)
        length = trailing_zeros(ends) - start
        begins &= begins - _ONE
        ends &= ends - _ONE
        at = i + start
        h = OFFSET
        while length > 0:
            h = hash_eight(h, load_eight(data, at), length)
            at += 8
            length -= 8
        units[n] = mix(h)
        n += 1
    return after, n


@njit(nogil=True, cache=True)
def _highest(bits):  # type: ignore[no-untyped-def]
    """The place of the highest bit that is set."""
    place = np.int64(0)
    for step in (32, 16, 8, 4, 2, 1):
        if bits >> np.uint64(step):
            bits >>= np.uint64(step)
            place += step
    return place


@njit(nogil=True, cache=True)
def _read_word(data, i, end, table):  # type: ignore[no-untyped-def]
    """The hash of the word that begins at ``i``, and the byte after it."""
    h = OFFSET
    while i < end:
        point, size = np.int64(data[i]), 1
        if point >= 0x80:
            point, size = decode(data, i, end)
        entry = np.int64(table[point])
        kind = entry & KIND
        if kind == JOINER and i + size < end:
            following = np.int64(data[i + size])
            if following >= 0x80:
                following, _ = decode(data, i + size, end)
            if not DIGIT <= np.int64(table[following]) & KIND <= LETTER:
                break
            h = (h ^ np.uint64(point)) * STEP
        elif MARK <= kind <= LETTER:
            h = (h ^ np.uint64(point ^ entry >> LOWER_SHIFT)) * STEP
        else:
            break
        i += size
    return mix(h), i


@njit(nogil=True, cache=True)
def read_characters(data: Bytes, i: Any, end: Any, table: Table, units: Hashes, n: int) -> tuple[Any, int]:
    """Append hashes of the lower-cased characters from byte ``i``, a run of white space being one space.

    There is none at either end of the text. That the text has begun is known by ``n``: of what was read before, a unit
    must be left.
    """
    room = units.shape[0] - SPARE
    blank = False
    while i < end and n <= room:
        point, size = np.int64(data[i]), 1
        if point >= 0x80:
            point, size = decode(data, i, end)
        entry = np.int64(table[point])
        i += size
        if entry & KIND == SPACE:
            blank = n > 0
            continue
        if blank:
            units[n] = _BLANK
            n += 1
            blank = False
        units[n] = mix(OFFSET ^ np.uint64(point ^ entry >> LOWER_SHIFT))
        n += 1
    return i, n

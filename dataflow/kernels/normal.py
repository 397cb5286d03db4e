"""Texts in one letter case, with single spaces, where that takes no more than a table: nearly all of them.

A text is done here if every character of it is in Unicode's composed form (NFC) by itself and beside any
other, and has one lower-case form whatever stands around it; the kernel finds that out as it goes, by NFC's quick
check (Unicode Standard Annex 15, section 9). Combining marks that might compose, a capital sigma and their kin
are left to whoever asks. What is done here is byte for byte what Python's own functions make of the text.
"""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets, buffers
from dataflow.kernels.utf8 import decode

_CLASS = 0xFF  # canonical combining class
_SPACE = 1 << 8
_HARD = 1 << 9
_LOWER_SHIFT = 15  # above: code point XOR lower-case code point

# Where a character may be anything but itself, by its block; elsewhere are Han, private and unassigned ones.
_LISTED = (
    (0x0000, 0x33FF), (0x4DC0, 0x4DFF), (0xA000, 0xABFF), (0xD7A4, 0xD7FF), (0xF900, 0x1FFFF),
    (0x2F800, 0x2FA1F), (0xE0000, 0xE01FF),
)  # fmt: skip
_JAMO = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}  # compose with what stands before


def folded(texts: pa.LargeStringArray) -> tuple[Bytes, Offsets, npt.NDArray[np.bool_]]:
    """NFC, lower case, every run of white space one space and none at the ends, of each text.

    Returns:
        Bytes, offsets into them, and which texts were done; the others are empty. A null is an empty text.
    """
    data, offsets = buffers(texts)
    out = np.empty(int(offsets[-1] - offsets[0]) + 1, np.uint8)
    bounds, done = np.zeros(len(offsets), np.int64), np.zeros(len(texts), np.bool_)
    _fold(data, offsets, _table(), out, bounds, done)
    return out, bounds, done


@cache
def _table() -> npt.NDArray[np.uint32]:
    """The entry of every code point."""
    entries = np.zeros(0x110000, np.uint32)
    second = set(_JAMO)
    for first, last in _LISTED:
        for point in range(first, last + 1):
            parts = unicodedata.decomposition(chr(point)).split()
            if len(parts) == 2 and not parts[0].startswith("<"):
                second.add(int(parts[1], 16))
    for first, last in _LISTED:
        entries[first : last + 1] = [_entry(chr(point), second) for point in range(first, last + 1)]
    entries.flags.writeable = False
    return entries


def _entry(character: str, second: set[int]) -> int:
    if 0xD800 <= ord(character) < 0xE000:
        return _HARD
    lower = character.lower()
    combining = unicodedata.combining(character)
    simple = (
        len(lower) == 1
        and character != "Σ"  # lower-cased by what stands around it
        and len(lower.encode()) <= len(character.encode())  # so that no text grows
        and unicodedata.combining(lower) == combining
        and all(unicodedata.is_normalized("NFC", c) and ord(c) not in second for c in (character, lower))
    )
    if not simple:
        return _HARD
    return combining | _SPACE * character.isspace() | (ord(lower) ^ ord(character)) << _LOWER_SHIFT


@njit(nogil=True, cache=True)
def _fold(
    data: Bytes,
    offsets: Offsets,
    table: npt.NDArray[np.uint32],
    out: npt.NDArray[np.uint8],
    bounds: npt.NDArray[np.int64],
    done: npt.NDArray[np.bool_],
) -> None:
    n = 0
    for document in range(offsets.shape[0] - 1):
        i, end = offsets[document], offsets[document + 1]
        start = n
        after_space = np.int64(1)  # none at the beginning
        last_class = np.int64(0)
        hard = False
        while i < end:
            point = np.int64(data[i])
            if point < 0x80:
                entry = np.int64(table[point])
                space = entry >> 8 & 1
                out[n] = 32 if space else point ^ entry >> _LOWER_SHIFT
                n += int(1 - (space & after_space))
                after_space = space
                last_class = np.int64(0)
                i += 1
                continue
            point, size = decode(data, i, end)
            entry = np.int64(table[point])
            combining = entry & _CLASS
            if entry & _HARD or 0 < combining < last_class:
                hard = True
                break
            last_class = combining
            i += size
            if entry & _SPACE:
                out[n] = 32
                n += int(1 - after_space)
                after_space = np.int64(1)
                continue
            after_space = np.int64(0)
            point ^= entry >> _LOWER_SHIFT
            if point < 0x80:
                out[n] = point
                n += 1
            elif point < 0x800:
                out[n], out[n + 1] = 0xC0 | point >> 6, 0x80 | point & 0x3F
                n += 2
            elif point < 0x10000:
                out[n], out[n + 1] = 0xE0 | point >> 12, 0x80 | point >> 6 & 0x3F
                out[n + 2] = 0x80 | point & 0x3F
                n += 3
            else:
                out[n], out[n + 1] = 0xF0 | point >> 18, 0x80 | point >> 12 & 0x3F
                out[n + 2], out[n + 3] = 0x80 | point >> 6 & 0x3F, 0x80 | point & 0x3F
                n += 4
        if hard:
            n = start
        elif n > start and after_space:
            n -= 1
        bounds[document + 1] = n
        done[document] = not hard

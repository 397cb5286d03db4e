"""Which texts need their Unicode repaired, and the repairs that are only white space, at memory speed.

``suspect`` reads every byte once and says of each text what could be wrong with it; a clean text, the common
case, costs nothing more. ``tidy`` rewrites a text in one pass: line breaks, control characters, odd spaces,
runs of blanks, blank lines. Both are exact about white space; about NFC ``suspect`` may cry wolf (a mark after a
letter that composes with some other mark), never the reverse.
"""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets
from dataflow.kernels.utf8 import decode

WHITE, COMPOSE, HARD, MOJIBAKE, FOREIGN = 1, 2, 4, 8, 16
"""What a text may need: ``tidy``; a check of its NFC; fewer marks in a row; a look for mojibake; the
last only says that it is not all ASCII."""
_MARKS = 32

_WINDOW = 8  # bytes: more than any look ahead below

MAX_MARKS = 30
"""Combining marks in a row that are kept: the stream-safe limit of UAX #15, which also keeps NFC linear."""

BREAKS = "\x0b\x0c\r\x85\u2028\u2029"
SPACES = "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f"
CONTROLS = ((0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F), (0xAD, 0xAD), (0xFEFF, 0xFEFF),
            (0xFFF9, 0xFFFB), (0xFFFE, 0xFFFF))  # fmt: skip
"""First and last code point of each run of what is removed."""

# An entry of the table: what a character is as white space, then how it may break NFC, then its class.
_WHITE, _BREAK, _SPACE, _CONTROL = 3, 1, 2, 3
_NOT_NFC = 1 << 2
_JOINS = 1 << 3  # may compose with what stands before it
_BASE = 1 << 4  # may compose with what follows, or is itself composed
_MARK = 1 << 5
_CLASS_SHIFT = 8

# All that unicodedata has something to say about; Hangul syllables are filled whole.
_LISTED = (
    (0x0, 0x33FF),
    (0xA000, 0xABFF),
    (0xD7B0, 0xD7FF),
    (0xF900, 0x1FFFF),
    (0x2F800, 0x2FA1F),
    (0xE0000, 0xE01FF),
)
_HANGUL = (0xAC00, 0xD7A3)
_JAMO_LEADS, _JAMO_FOLLOWS = range(0x1100, 0x1113), (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))


@cache
def table() -> npt.NDArray[np.uint16]:
    """The entry of every code point. Read-only."""
    entries = np.zeros(0x110000, np.uint16)
    for first, last in _LISTED:
        for point in range(first, last + 1):
            character = chr(point)
            order = unicodedata.combining(character)
            entry = order << _CLASS_SHIFT
            # Unassigned ones too: a newer Unicode than ours may call them marks.
            if order or unicodedata.category(character) in ("Mn", "Mc", "Me", "Cn"):
                entry |= _MARK
            parts = unicodedata.decomposition(character)
            if parts and parts[0] != "<":
                entry |= _BASE
                if unicodedata.normalize("NFC", character) != character:
                    entry |= _NOT_NFC
                else:
                    before, after = (int(part, 16) for part in parts.split())
                    entries[before] |= _BASE
                    entries[after] |= _JOINS
            entries[point] |= entry
    entries[_HANGUL[0] : _HANGUL[1] + 1] = _BASE
    entries[[*_JAMO_LEADS]] |= _BASE
    entries[[*_JAMO_FOLLOWS]] |= _JOINS
    for first, last in CONTROLS:
        entries[first : last + 1] |= _CONTROL
    for kind, characters in ((_BREAK, BREAKS), (_SPACE, SPACES)):
        entries[[ord(character) for character in characters]] |= kind
    entries.flags.writeable = False
    return entries


@njit(nogil=True, cache=True)
def suspect(
    data: Bytes, offsets: Offsets, entries: npt.NDArray[np.uint16], found: npt.NDArray[np.uint8]
) -> None:
    """Fill ``found`` with what each text may need.

    Three passes, each over fewer texts: what bytes tell of ASCII, what they tell of other characters (both
    without a branch, so that the compiler takes 32 bytes at once), and character by character where marks are.
    """
    tail = np.zeros(2 * _WINDOW, np.uint8)
    for row in range(offsets.shape[0] - 1):
        text = data[offsets[row] : offsets[row + 1]]
        n = text.shape[0]
        flags = _ascii_flags(text)
        if flags & np.uint8(FOREIGN):
            flags |= _foreign_flags(text)
            rest = min(n, _WINDOW)
            tail[:] = 0x61  # the last few characters again, with letters after them
            tail[:rest] = text[n - rest :]
            flags |= _foreign_flags(tail)
            if flags & np.uint8(_MARKS):
                flags |= _mark_flags(text, entries)
        found[row] = flags & np.uint8(~_MARKS & 0xFF)


@njit(nogil=True, cache=True)
def _ascii_flags(text: Bytes) -> np.uint8:
    n = text.shape[0]
    if n == 0:
        return np.uint8(0)
    white = False
    high = np.uint8(0)
    m = max(0, n - 2)
    a, b, c = text[:m], text[1 : m + 1], text[2 : m + 2]  # with text[i + 1] nothing would be vectorised
    for i in range(m):
        x, y, z = a[i], b[i], c[i]
        blank_y, blank_z = (y == 0x20) | (y == 0x09), (z == 0x20) | (z == 0x09)
        white |= blank_y & ((z == 0x0A) | (blank_z & (x != 0x20) & (x != 0x09) & (x != 0x0A)))
        white |= (x == 0x0A) & (y == 0x0A) & (z == 0x0A)
    for i in range(n):
        x = text[i]
        white |= ((x < 0x20) & (x != 0x09) & (x != 0x0A)) | (x == 0x7F)
        high |= x
    first, last = text[0], text[n - 1]
    if first == 0x0A or last == 0x0A or last == 0x20 or last == 0x09:
        white = True
    if n > 1 and (first == 0x20 or first == 0x09) and text[1] == 0x0A:
        white = True
    flags = np.uint8(0)
    if white:
        flags |= np.uint8(WHITE)
    if high & 0x80:
        flags |= np.uint8(FOREIGN)
    return flags


@njit(nogil=True, cache=True)
def _foreign_flags(text: Bytes) -> np.uint8:
    n = max(0, text.shape[0] - 4)
    white = mojibake = marks = False
    a, b, c, d, e = text[:n], text[1 : n + 1], text[2 : n + 2], text[3 : n + 3], text[4 : n + 4]
    for i in range(n):
        x, y, z = a[i], b[i], c[i]
        white |= (x == 0xC2) & ((y <= 0xA0) | (y == 0xAD))
        white |= (x == 0xE2) & (y == 0x80) & ((z <= 0x8A) | (z == 0xA8) | (z == 0xA9) | (z == 0xAF))
        white |= ((x == 0xE2) & (y == 0x81) & (z == 0x9F)) | ((x == 0xE1) & (y == 0x9A) & (z == 0x80))
        white |= (x == 0xEF) & (
            ((y == 0xBB) & (z == 0xBF)) | ((y == 0xBF) & (z >= 0xB9) & (z != 0xBC) & (z != 0xBD))
        )
    for i in range(n):
        x, y, z = a[i], b[i], c[i]
        # Latin, Greek, Cyrillic, kana, Han and Hangul hold no marks and nothing that NFC changes, but for a few.
        marks |= (
            (x == 0xCC)
            | (x == 0xCD)
            | ((x == 0xCE) & (y == 0x87))
            | ((x == 0xD2) & (y >= 0x83) & (y <= 0x89))
        )
        marks |= (x >= 0xD6) & (x <= 0xE1) & ((x != 0xE1) | (y < 0xBA) | (y > 0xBB))
        marks |= (x == 0xE2) & ((y >= 0x83) | ((y == 0x80) & (z <= 0x81)))
        marks |= (x == 0xE3) & (((y == 0x80) & (z >= 0xAA)) | ((y == 0x82) & ((z == 0x99) | (z == 0x9A))))
        marks |= (
            ((x == 0xEA) & (y < 0xB0))
            | ((x == 0xED) & (y >= 0x9E))
            | ((x == 0xEF) & (y < 0xBC))
            | (x >= 0xF0)
        )
    for i in range(n):
        x, y, z, u, v = a[i], b[i], c[i], d[i], e[i]
        # Every pattern of ftfy holds two neighbours of its own alphabet, not both Greek or Cyrillic letters ...
        next_z = (
            ((z >= 0xC2) & (z <= 0xD2))
            | (z == 0xE2)
            | ((z == 0xEF) & ((u == 0xA3) | (u == 0xAC) | (u == 0xBF)))
        )
        next_u = (
            ((u >= 0xC2) & (u <= 0xD2))
            | (u == 0xE2)
            | ((u == 0xEF) & ((v == 0xA3) | (v == 0xAC) | (v == 0xBF)))
        )
        letters = (x >= 0xCE) & (x <= 0xD1) & (z >= 0xCE) & (z <= 0xD1)
        mojibake |= (x >= 0xC2) & (x <= 0xD2) & next_z & ~letters
        mojibake |= ((x == 0xE2) | ((x == 0xEF) & ((y == 0xA3) | (y == 0xAC) | (y == 0xBF)))) & next_u
        # ... or one of: C1 controls, Â Ã Ø Ù, Œ œ, Ђ.
        mojibake |= (x == 0xC2) & (y < 0xA0)
        mojibake |= (x == 0xC3) & ((y == 0x82) | (y == 0x83) | (y == 0x98) | (y == 0x99))
        mojibake |= ((x == 0xC5) & ((y == 0x92) | (y == 0x93))) | ((x == 0xD0) & (y == 0x82))
    flags = np.uint8(0)
    if white:
        flags |= np.uint8(WHITE)
    if mojibake:
        flags |= np.uint8(MOJIBAKE)
    if marks:
        flags |= np.uint8(_MARKS)
    return flags


@njit(nogil=True, cache=True)
def _mark_flags(text: Bytes, entries: npt.NDArray[np.uint16]) -> np.uint8:
    """Whether the text may not be in NFC, and whether marks stand in too long a row."""
    n = text.shape[0]
    flags = np.uint8(0)
    i = 0
    before, before_met = np.uint16(0), -1  # entry of the character that ended at before_met
    marks, mark_met = 0, -1
    while i < n:
        if text[i] < 0x80:
            i += 1
            continue
        point, size = decode(text, i, n)
        entry = entries[point]
        if entry & _NOT_NFC:
            flags |= np.uint8(COMPOSE)
        order = entry >> _CLASS_SHIFT
        if order or entry & _JOINS:
            if before_met != i:
                before = entries[text[i - 1]] if i > 0 else np.uint16(0)
            order_before = before >> _CLASS_SHIFT
            if order and order_before > order:
                flags |= np.uint8(COMPOSE)
            if entry & _JOINS:
                if order_before:  # then what is no mark itself is blocked (Unicode, D115)
                    if order:
                        flags |= np.uint8(COMPOSE)
                elif before & _BASE:
                    flags |= np.uint8(COMPOSE)
        if entry & _MARK:
            marks = marks + 1 if mark_met == i else 1
            mark_met = i + size
            if marks > MAX_MARKS:
                flags |= np.uint8(HARD)
        i += size
        before, before_met = entry, i
    return flags


@njit(nogil=True, cache=True)
def _colour(data: Bytes, i: int | np.int64, end: int | np.int64) -> int | np.int64:
    """Bytes of the control sequence of a terminal that begins at ``i`` (ECMA-48, section 5.4), or 1."""
    j = i + 1
    if j < end and data[j] == 0x5B:
        j += 1
        while j < end and 0x30 <= data[j] <= 0x3F:
            j += 1
        while j < end and 0x20 <= data[j] <= 0x2F:
            j += 1
        if j < end and 0x40 <= data[j] <= 0x7E:
            return j + 1 - i
    return 1


@njit(nogil=True, cache=True)
def tidy(
    data: Bytes,
    offsets: Offsets,
    rows: npt.NDArray[np.int64],
    entries: npt.NDArray[np.uint16],
    out: Bytes,
    out_offsets: npt.NDArray[np.int64],
    changes: npt.NDArray[np.int64],
) -> None:
    """Write some rows anew, one after the other, and count what was replaced, folded or removed in each."""
    o = np.int64(0)
    for k in range(rows.shape[0]):
        i, end = offsets[rows[k]], offsets[rows[k] + 1]
        begin = o
        changed = 0
        newlines, opened = 0, False  # line breaks in a row; whether the text began with one
        line_start, after_return = True, False
        run, run_start, tab = 0, o, False  # blanks in a row, and where they were written
        while i < end:
            c = data[i]
            if 0x20 < c < 0x7F and not run:
                out[o] = c
                o += 1
                i += 1
                newlines = 0
                line_start = after_return = False
                continue
            size: int | np.int64 = 1
            kind = np.uint16(0)
            if c >= 0x80:
                point, size = decode(data, i, end)
                kind = entries[point] & np.uint16(_WHITE)
            elif c < 0x20 or c == 0x7F:
                kind = entries[c] & np.uint16(_WHITE)
            if c == 0x0A and after_return:
                after_return = False  # one break with the return before it
                i += 1
                continue
            after_return = c == 0x0D
            if kind:
                changed += 1
            if c == 0x0A or kind == _BREAK:
                if run:
                    o = run_start
                    run = 0
                    changed += 1
                newlines += 1
                if newlines == 3:
                    changed += 1
                if o == begin:
                    opened = True
                elif newlines <= 2:
                    out[o] = 0x0A
                    o += 1
                line_start = True
            elif kind == _CONTROL:
                if c == 0x1B:
                    size = _colour(data, i, end)
            elif c == 0x20 or c == 0x09 or kind == _SPACE:
                if run == 0:
                    run_start, tab = o, False
                run += 1
                if c == 0x09:
                    tab = True
                out[o] = 0x09 if c == 0x09 else 0x20
                o += 1
            else:
                if run >= 2 and not line_start:
                    out[run_start] = 0x09 if tab else 0x20
                    o = run_start + 1
                    changed += 1
                run = newlines = 0
                line_start = False
                for j in range(size):
                    out[o + j] = data[i + j]
                o += size
            i += size
        if run:
            o = run_start
            changed += 1
        if opened:
            changed += 1
        if newlines:
            changed += 1
            if o > begin:
                o -= min(newlines, 2)
        out_offsets[k + 1] = o
        changes[k] = changed

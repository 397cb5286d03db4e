"""The text of each JSON line without making a Python string of it.

Most bytes of a JSONL corpus are one long string a line. Parsing it into Python and encoding it again costs more
than all else a reader does. This kernel finds the value of one top-level key, writes it unescaped as UTF-8, and
tells where it stood, so that the caller parses the line with ``""`` in its place: what that parse accepts, the
whole line's parse would accept, because the value itself is a valid string. Where anything is unusual (the key
twice or written with escapes, an invalid escape, a lone surrogate, a control character) the line is left to the
caller. UTF-8 is not checked here.
"""

from typing import Any

import numba
import numpy as np

FOUND, BLANK, UNUSUAL = 0, 1, 2

_QUOTE, _BACKSLASH, _COLON = 34, 92, 58


def text_values(content: np.ndarray, starts: np.ndarray, ends: np.ndarray, key: str) -> tuple[Any, ...]:
    """For lines of ``content``: state, begin and end of the key's value with its quotes; and the values unescaped.

    Returns (state, begin, end, offsets, bytes): value i is ``bytes[offsets[i] : offsets[i + 1]]``.
    """
    n_bytes = int((ends - starts).sum())
    values = np.empty(n_bytes, np.uint8)
    offsets = np.zeros(len(starts) + 1, np.int64)
    state = np.empty(len(starts), np.uint8)
    spans = np.zeros((2, len(starts)), np.int64)
    wanted = np.frombuffer(key.encode(), np.uint8)
    _lines(content, starts, ends, wanted, state, spans, offsets, values)
    return state, spans[0], spans[1], offsets, values[: offsets[-1]]


@numba.njit(nogil=True, cache=True)
def _lines(content, starts, ends, key, state, spans, offsets, values):  # type: ignore[no-untyped-def]
    n_out = 0
    for i in range(len(starts)):
        state[i], begin, end, n_after = _line(content, starts[i], ends[i], key, values, n_out)
        if state[i] == FOUND:
            spans[0, i], spans[1, i] = begin, end
            n_out = n_after
        offsets[i + 1] = n_out


@numba.njit(nogil=True, cache=True)
def _line(content, start, end, key, values, n_out):  # type: ignore[no-untyped-def]
    """(state, begin and end of the value, bytes written in all)."""
    at = _after_space(content, start, end)
    if at == end:
        return BLANK, 0, 0, n_out
    if content[at] != 123:  # {
        return UNUSUAL, 0, 0, n_out
    depth, at = 1, at + 1
    n_written = n_out
    begin = value_end = np.int64(-1)
    while at < end:
        c = content[at]
        if c == _QUOTE:
            first = at + 1
            at, has_escape = _string_end(content, first, end)
            if at < 0:
                return UNUSUAL, 0, 0, n_out
            if depth == 1:
                colon = _after_space(content, at + 1, end)
                if colon < end and content[colon] == _COLON:
                    if has_escape:
                        return UNUSUAL, 0, 0, n_out
                    if _equal(content, first, at, key):
                        if begin >= 0:
                            return UNUSUAL, 0, 0, n_out
                        begin = _after_space(content, colon + 1, end)
                        if begin == end or content[begin] != _QUOTE:
                            return UNUSUAL, 0, 0, n_out
                        at, n_written = _unescape(content, begin + 1, end, values, n_out)
                        if at < 0:
                            return UNUSUAL, 0, 0, n_out
                        value_end = at + 1
                    else:
                        at = colon
        elif c == 123 or c == 91:
            depth += 1
        elif c == 125 or c == 93:
            depth -= 1
        at += 1
    if n_written == n_out:
        return UNUSUAL, 0, 0, n_out
    return FOUND, begin, value_end, n_written


@numba.njit(nogil=True, cache=True, inline="always")
def _after_space(content, at, end):  # type: ignore[no-untyped-def]
    while at < end and (content[at] == 32 or 9 <= content[at] <= 13):
        at += 1
    return at


@numba.njit(nogil=True, cache=True, inline="always")
def _equal(content, start, end, key):  # type: ignore[no-untyped-def]
    if end - start != len(key):
        return False
    for i in range(len(key)):  # noqa: SIM110 - numba
        if content[start + i] != key[i]:
            return False
    return True


@numba.njit(nogil=True, cache=True)
def _string_end(content, at, end):  # type: ignore[no-untyped-def]
    """Place of the closing quote, or -1; and whether there is a backslash before it."""
    has_escape = False
    while at < end:
        c = content[at]
        if c == _QUOTE:
            return at, has_escape
        if c == _BACKSLASH:
            has_escape = True
            at += 1
        at += 1
    return -1, has_escape


@numba.njit(nogil=True, cache=True)
def _unescape(content, at, end, values, n):  # type: ignore[no-untyped-def]
    """Copy a string up to its closing quote: (place of that quote or -1, bytes written in all)."""
    while True:
        at, n = _copy(content, at, end, values, n)
        if at == end or content[at] < 32:
            return -1, n
        if content[at] == _QUOTE:
            return at, n
        if at + 1 >= end:
            return -1, n
        c = content[at + 1]
        at += 2
        if c == 110:
            values[n] = 10
        elif c in (_QUOTE, _BACKSLASH, 47):
            values[n] = c
        elif c == 116:
            values[n] = 9
        elif c == 114:
            values[n] = 13
        elif c == 98:
            values[n] = 8
        elif c == 102:
            values[n] = 12
        elif c == 117:
            point = _hex4(content, at, end)
            at += 4
            if (
                0xD800 <= point < 0xDC00
                and at + 1 < end
                and content[at] == _BACKSLASH
                and content[at + 1] == 117
            ):
                low = _hex4(content, at + 2, end)
                if not 0xDC00 <= low < 0xE000:
                    return -1, n
                point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00)
                at += 6
            if point < 0 or 0xD800 <= point < 0xE000:
                return -1, n
            n = _put(values, n, point) - 1
        else:
            return -1, n
        n += 1


@numba.njit(nogil=True, cache=True, inline="always")
def _copy(content, at, end, values, n):  # type: ignore[no-untyped-def]
    """Copy up to a quote, a backslash or a control character. Unsigned places: signed ones may count from the end,
    and testing for that takes half of the time."""
    i, stop, k, one = np.uint64(at), np.uint64(end), np.uint64(n), np.uint64(1)
    while i < stop:
        c = content[i]
        if c == _BACKSLASH or c == _QUOTE or c < 32:  # noqa: SIM109 - faster than a tuple
            break
        values[k] = c
        i += one
        k += one
    return np.int64(i), np.int64(k)


@numba.njit(nogil=True, cache=True)
def _hex4(content, at, end):  # type: ignore[no-untyped-def]
    """The number that four hexadecimal digits are, or -1."""
    if at + 4 > end:
        return -1
    number = 0
    for i in range(at, at + 4):
        c = int(content[i])
        if 48 <= c <= 57:
            number = number * 16 + c - 48
        elif 65 <= c <= 70 or 97 <= c <= 102:
            number = number * 16 + (c & 7) + 9
        else:
            return -1
    return number


@numba.njit(nogil=True, cache=True)
def _put(values, n, point):  # type: ignore[no-untyped-def]
    """Write a code point as UTF-8; bytes written in all. Never longer than its escape."""
    if point < 0x80:
        values[n] = point
        return n + 1
    if point < 0x800:
        values[n] = 0xC0 | point >> 6
        values[n + 1] = 0x80 | point & 63
        return n + 2
    if point < 0x10000:
        values[n] = 0xE0 | point >> 12
        values[n + 1] = 0x80 | point >> 6 & 63
        values[n + 2] = 0x80 | point & 63
        return n + 3
    values[n] = 0xF0 | point >> 18
    values[n + 1] = 0x80 | point >> 12 & 63
    values[n + 2] = 0x80 | point >> 6 & 63
    values[n + 3] = 0x80 | point & 63
    return n + 4

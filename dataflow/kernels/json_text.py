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

_QUOTE, _BACKSLASH, _COLON, _U = 34, 92, 58, 117
_SIMPLE = np.zeros(256, np.uint8)
for _sign, _byte in zip(b'nrtbf"\\/', b'\n\r\t\b\f"\\/', strict=True):
    _SIMPLE[_sign] = _byte
_ONES, _HIGHS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_QUOTES, _BACKSLASHES, _SPACES = (np.uint64(0x0101010101010101 * c) for c in (34, 92, 32))
_ONE, _SEVEN, _EIGHT, _FIFTY_SIX = (np.uint64(n) for n in (1, 7, 8, 56))
_NUMBERS = np.uint64(0x0001020304050607)


def text_values(content: np.ndarray, starts: np.ndarray, ends: np.ndarray, key: str) -> tuple[Any, ...]:
    """For lines of ``content``: state, begin and end of the key's value with its quotes; and the values unescaped.

    Returns (state, begin, end, offsets, bytes): value i is ``bytes[offsets[i] : offsets[i + 1]]``.
    """
    n_bytes = int((ends - starts).sum())
    values = np.empty(n_bytes + 8, np.uint8)
    offsets = np.zeros(len(starts) + 1, np.int64)
    state = np.empty(len(starts), np.uint8)
    spans = np.zeros((2, len(starts)), np.int64)
    wanted = np.frombuffer(key.encode(), np.uint8)
    _lines(content, _words(content), starts, ends, wanted, state, spans, offsets, values, _words(values))
    return state, spans[0], spans[1], offsets, values[: offsets[-1]]


def _words(content: np.ndarray) -> np.ndarray:
    """The eight bytes that begin at each byte, as a little-endian number."""
    n_words = max(0, len(content) - 7)
    return np.ndarray((n_words,), "<u8", content.data if n_words else b"", strides=(1,))


@numba.njit(nogil=True, cache=True)
def _lines(content, content_words, starts, ends, key, state, spans, offsets, values, values_words):  # type: ignore[no-untyped-def]
    n_out = 0
    for i in range(len(starts)):
        state[i], begin, end, n_after = _line(
            content, content_words, starts[i], ends[i], key, values, values_words, n_out
        )
        if state[i] == FOUND:
            spans[0, i], spans[1, i] = begin, end
            n_out = n_after
        offsets[i + 1] = n_out


@numba.njit(nogil=True, cache=True)
def _line(content, content_words, start, end, key, values, values_words, n_out):  # type: ignore[no-untyped-def]
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
                        at, n_written = _unescape(
                            content, content_words, begin + 1, end, values, values_words, n_out
                        )
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
def _unescape(content, content_words, at, end, values, values_words, n_out):  # type: ignore[no-untyped-def]
    """Copy a string up to its closing quote: (place of that quote or -1, bytes written in all).

    Eight bytes at a time: a byte of ``(x - ones) & ~x & highs`` is set where that byte of x is zero (Warren, Hacker's
    Delight, 6-1; exact up to the lowest one), and the number of the lowest set byte is read off by a multiplication.
    Places are unsigned: signed ones could count from the end, and testing for that takes half of the time.
    """
    i, stop, n = np.uint64(at), np.uint64(end), np.uint64(n_out)
    last = np.uint64(len(content_words))
    while i < stop:
        if i < last:
            word = content_words[i]
            values_words[n] = word
            quote, escape = word ^ _QUOTES, word ^ _BACKSLASHES
            found = ((quote - _ONES) & ~quote) | ((escape - _ONES) & ~escape) | ((word - _SPACES) & ~word)
            found &= _HIGHS
            if not found:
                i += _EIGHT
                n += _EIGHT
                continue
            n_clean = (((found & (~found + _ONE)) >> _SEVEN) * _NUMBERS) >> _FIFTY_SIX
            i += n_clean
            n += n_clean
            if i >= stop:
                break
        c = content[i]
        if c == _QUOTE:
            return np.int64(i), np.int64(n)
        if c < 32:
            break
        if c != _BACKSLASH:  # in the last bytes of all
            values[n] = c
            i += _ONE
            n += _ONE
            continue
        i += _ONE
        if i >= stop:
            break
        simple = _SIMPLE[content[i]]
        i += _ONE
        if simple:
            values[n] = simple
            n += _ONE
            continue
        after, n_after = _unicode(content, np.int64(i) - 1, end, values, np.int64(n))
        if after < 0:
            break
        i, n = np.uint64(after), np.uint64(n_after)
    return -1, n_out


@numba.njit(nogil=True, cache=True)
def _unicode(content, at, end, values, n):  # type: ignore[no-untyped-def]
    """Write the character of a ``u`` and four digits, or of two such escapes: (place after or -1, bytes in all)."""
    point = _hex4(content, at + 1, end) if content[at] == _U else -1
    at += 5
    if 0xD800 <= point < 0xDC00 and at + 1 < end and content[at] == _BACKSLASH and content[at + 1] == _U:
        low = _hex4(content, at + 2, end)
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00) if 0xDC00 <= low < 0xE000 else -1
        at += 6
    if point < 0 or 0xD800 <= point < 0xE000:
        return -1, n
    return at, _put(values, n, point)


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

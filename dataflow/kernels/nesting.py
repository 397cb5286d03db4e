"""How deep the elements of an HTML page may nest: a bound in one scan, before any parser sees the page.

Parsers and extractors take time quadratic in depth, and a page of 64 MB can hold ten million open elements.
An end tag closes something only where an element of its name is open, so the elements open at any moment
are at most the sum, over all names, of start tags less end tags, never below zero. Elements that end by
themselves (``p``, ``li``, ``td``, void ones) nest only through others and are left out; so are comments and the
inside of scripts and styles. The bound may be too high (a page that closes nothing), never far too low.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

_SLOTS = 512  # names told apart; further ones share a slot that end tags do not lower
_VOID = (
    *("area", "base", "br", "col", "embed", "hr", "img"),
    *("input", "link", "meta", "param", "source", "track", "wbr"),
)
_CLOSED_BY_THE_NEXT = ("dd", "dt", "li", "option", "p", "td", "th", "tr")
_RAW = ("script", "style")
_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a


def _name_hash(name: str) -> np.uint64:
    value = int(_BASIS)
    for byte in name.encode():
        value = ((value ^ byte) * int(_PRIME)) & 0xFFFFFFFFFFFFFFFF
    return np.uint64(value)


_UNCOUNTED_HASHES = np.array([_name_hash(name) for name in _VOID + _CLOSED_BY_THE_NEXT], np.uint64)
_RAW_HASHES = np.array([_name_hash(name) for name in _RAW], np.uint64)


def depth_bound(page: bytes) -> int:
    """At most so many elements of the page (in an encoding that keeps ASCII) are open at once."""
    return int(_depth_bound(np.frombuffer(page, np.uint8), _UNCOUNTED_HASHES, _RAW_HASHES))


@njit(nogil=True, cache=True)
def _depth_bound(
    page: npt.NDArray[np.uint8], uncounted: npt.NDArray[np.uint64], raw: npt.NDArray[np.uint64]
) -> int:
    names = np.zeros(_SLOTS, np.uint64)
    n_open = np.zeros(_SLOTS, np.int64)
    n_names = 0
    depth = 0
    deepest = 0
    end = len(page)
    i = 0
    while i < end - 1:
        if page[i] != 60:  # <
            i += 1
            continue
        i += 1
        if page[i] == 33 and i + 2 < end and page[i + 1] == 45 and page[i + 2] == 45:  # <!--
            i += 3
            while i + 2 < end and not (page[i] == 45 and page[i + 1] == 45 and page[i + 2] == 62):
                i += 1
            continue
        closes = page[i] == 47  # /
        i += closes
        if i >= end or not 97 <= (page[i] | 32) <= 122:
            continue
        name = _BASIS
        while i < end and page[i] > 32 and page[i] != 47 and page[i] != 62:
            byte = page[i]
            if 65 <= byte <= 90:
                byte |= 32
            name = (name ^ np.uint64(byte)) * _PRIME
            i += 1
        left_out = False
        for other in uncounted:
            left_out |= other == name
        if left_out:
            continue
        if not closes and (name == raw[0] or name == raw[1]):
            while i + 1 < end and not (page[i] == 60 and page[i + 1] == 47):
                i += 1
            continue
        slot = 0
        while slot < n_names and names[slot] != name:
            slot += 1
        if slot == n_names:
            if closes:
                continue
            if n_names < _SLOTS - 1:
                names[slot] = name
                n_names += 1
        if not closes:
            n_open[slot] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif slot < _SLOTS - 1 and n_open[slot]:
            n_open[slot] -= 1
            depth -= 1
    return deepest

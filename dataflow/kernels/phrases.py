"""Listed words and phrases, found in documents: how often one occurs, and how many different ones do.

Lists become one trie, its edges in a hash table of integers, so that thousands of phrases cost no more than
one: at each place the text is followed down the trie for as long as it goes. A document is read once into code
points, lower-cased and folded; so is each phrase, by the same table, and what is equal then is found.

A match never begins or ends inside a word: a letter, mark or digit on either side of its edge forbids it. Each
character of a script without spaces stands alone, so there phrases are found anywhere, as they have to be.
Apostrophes and hyphens bound a word here (``l'x`` holds ``x``). Of several matches at one place the longest
counts, and the next is looked for after its end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from dataflow.kernels import characters
from dataflow.kernels.arrow import Bytes, Offsets, buffers

Reading = Literal["text", "words", "joined"]
"""How characters outside of words are read.

``text``: as they stand, white space as one space. ``words``: any run of them as one space. ``joined``: not at
all, and there are no words either: phrases are found anywhere in the letters and digits.
"""

_POINT = np.int32((1 << 21) - 1)
_INSIDE = np.int32(1 << 24)  # a letter, mark or digit of a script with spaces
_DROPPED = np.int32(1 << 25)
_SPACE = np.int32(32)
_EMPTY = np.int64(-1)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_SPREAD_SHIFT = np.uint64(29)
_SOFT_HYPHEN, _CURLY_APOSTROPHE = 0xAD, 0x2019


@dataclass(frozen=True)
class Phrases:
    """Lists of phrases, ready to be found."""

    reading: Reading
    begins: npt.NDArray[np.bool_]
    """For each list, whether a phrase begins with a character of these low 16 bits."""
    pairs: npt.NDArray[np.bool_]
    """For each list, whether a phrase begins with two characters that ``_pair`` gives this number."""
    keys: npt.NDArray[np.int64]
    """Open-addressed edges: node and character, -1 where there is none."""
    children: npt.NDArray[np.int32]
    """Where each edge leads."""
    ends: npt.NDArray[np.int32]
    """For each node the number of the phrase that ends there, or -1."""


def compile_phrases(lists: Sequence[Iterable[str]], reading: Reading = "text") -> Phrases:
    """A trie of several lists, whose roots are its first nodes; what is empty once folded is left out."""
    edges: dict[tuple[int, int], int] = {}
    ends = [-1] * len(lists)
    begins, pairs = (np.zeros((len(lists), 1 << 16), np.bool_) for _ in range(2))
    n_phrases = 0
    for root, phrases in enumerate(lists):
        for phrase in phrases:
            points = _folded(phrase, reading)
            if not points:
                continue
            begins[root, points[0] & 0xFFFF] = True
            pairs[root, _pair(*points[:2]) if len(points) > 1 else slice(None)] = True
            node = root
            for point in points:
                child = edges.setdefault((node, point), len(ends))
                if child == len(ends):
                    ends.append(-1)
                node = child
            if ends[node] < 0:
                ends[node] = n_phrases
                n_phrases += 1
    size = 16
    while size < 2 * len(edges):
        size *= 2
    keys, children = np.full(size, _EMPTY, np.int64), np.zeros(size, np.int32)
    if edges:
        _fill(
            np.array([node << 21 | point for node, point in edges], np.int64),
            np.array(list(edges.values()), np.int32),
            keys,
            children,
        )
    return Phrases(reading, begins, pairs, keys, children, np.array(ends, np.int32))


def fold(phrase: str, reading: Reading = "text") -> str:
    """A phrase as it is compared: lower-cased, folded, without outer space."""
    return "".join(map(chr, _folded(phrase, reading)))


def count_phrases(
    phrases: Phrases, texts: pa.LargeStringArray, lists: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Occurrences and different phrases in each text, in two columns.

    Args:
        phrases: the lists.
        texts: documents; a null is an empty one.
        lists: for each document the number of its list; -1 for none.
    """
    data, offsets = buffers(texts)
    counts = np.zeros((len(texts), 2), np.int64)
    seen = np.full(len(phrases.ends), -1, np.int64)
    _count(
        data, offsets, lists.astype(np.int32), _characters(phrases.reading), phrases.begins, phrases.pairs,
        phrases.keys, phrases.children, phrases.ends, seen, counts,
    )  # fmt: skip
    return counts


@cache
def _characters(reading: Reading) -> npt.NDArray[np.int32]:
    """What each code point is read as: a character with flags."""
    table = characters.table()
    kind = table & np.uint32(characters.KIND)
    lower = np.arange(len(table), dtype=np.int32) ^ (table >> characters.LOWER_SHIFT).astype(np.int32)
    in_word = (kind == characters.MARK) | (kind == characters.DIGIT) | (kind == characters.LETTER)
    outside = ~in_word & (kind != characters.SPACELESS)
    if reading == "text":
        entries = np.where(in_word, lower | _INSIDE, np.where(kind == characters.SPACE, _SPACE, lower))
        entries[_CURLY_APOSTROPHE] = ord("'")
        entries[_SOFT_HYPHEN] = _DROPPED
    elif reading == "words":
        entries = np.where(in_word, lower | _INSIDE, np.where(outside, _SPACE, lower))
    else:
        entries = np.where(outside, _DROPPED, lower)
    entries = entries.astype(np.int32)
    entries.flags.writeable = False
    return entries


def _folded(phrase: str, reading: Reading) -> list[int]:
    """Characters of a phrase as the kernel reads them, without outer space."""
    table = _characters(reading)
    entries = [int(table[ord(character)]) for character in phrase]
    points = [entry & int(_POINT) for entry in entries if entry != _DROPPED]
    folded = [
        point
        for point, last in zip(points, [_SPACE, *points], strict=False)
        if point != _SPACE or last != _SPACE
    ]
    return folded[:-1] if folded and folded[-1] == _SPACE else folded


@njit(nogil=True, cache=True)
def _wide(first: Any, second: Any, third: Any, fourth: Any) -> Any:
    """The character of up to four bytes, none of them ASCII, and how many of them it takes: in the low 3 bits.

    Zeros stand for what lies beyond the text. Only numbers go in and out: an array handed to a function in an
    inner loop is counted, and that costs five times what is done here.
    """
    if 0xC2 <= first < 0xE0 and second:
        return ((first & 0x1F) << 6 | (second & 0x3F)) << 3 | 2
    if 0xE0 <= first < 0xF0 and third:
        return ((first & 0x0F) << 12 | (second & 0x3F) << 6 | (third & 0x3F)) << 3 | 3
    if 0xF0 <= first < 0xF5 and fourth:
        point = (first & 0x07) << 18 | (second & 0x3F) << 12 | (third & 0x3F) << 6 | (fourth & 0x3F)
        if point < 0x110000:
            return point << 3 | 4
    return 0xFFFD << 3 | 1


@njit(nogil=True, cache=True)
def _pair(first: Any, second: Any) -> Any:
    return (np.int64(first) << 8 ^ np.int64(first) >> 8 ^ np.int64(second)) & 0xFFFF


@njit(nogil=True, cache=True)
def _place(key: Any, mask: Any) -> Any:
    """Where in the table the search for an edge begins."""
    return np.int64((np.uint64(key) * _SPREAD) >> _SPREAD_SHIFT) & mask


@njit(nogil=True, cache=True)
def _fill(
    wanted: npt.NDArray[np.int64],
    leads: npt.NDArray[np.int32],
    keys: npt.NDArray[np.int64],
    children: npt.NDArray[np.int32],
) -> None:
    """Put every edge into its place."""
    for number in range(wanted.shape[0]):
        slot = _place(wanted[number], keys.shape[0] - 1)
        while keys[slot] != _EMPTY:
            slot = (slot + 1) & (keys.shape[0] - 1)
        keys[slot], children[slot] = wanted[number], leads[number]


@njit(nogil=True, cache=True)
def _count(
    data: Bytes,
    offsets: Offsets,
    lists: npt.NDArray[np.int32],
    table: npt.NDArray[np.int32],
    begins: npt.NDArray[np.bool_],
    pairs: npt.NDArray[np.bool_],
    keys: npt.NDArray[np.int64],
    children: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int32],
    seen: npt.NDArray[np.int64],  # the last document in which each phrase was met
    counts: npt.NDArray[np.int64],
) -> None:
    """Fill the counts. The character before the one that may begin a phrase is known, and so is the one after."""
    mask = np.int64(keys.shape[0] - 1)
    for document in range(offsets.shape[0] - 1):
        which: Any = lists[document]
        if which < 0:
            continue
        occurrences = different = 0
        end = offsets[document + 1]
        i = start = offsets[document]
        before = here = np.int32(0)
        while start < end:
            # read one ahead: ``here`` begins at ``start``, ``ahead`` at ``i``
            ahead, after = np.int32(0), i
            if i < end:
                point = np.int64(data[i])
                after = i + 1
                if point >= 0x80:
                    second = np.int64(data[i + 1]) if i + 1 < end else 0
                    third = np.int64(data[i + 2]) if i + 2 < end else 0
                    fourth = np.int64(data[i + 3]) if i + 3 < end else 0
                    wide = _wide(point, second, third, fourth)
                    point, after = wide >> 3, i + (wide & 7)
                ahead = table[point]
                if ahead == _DROPPED:
                    i = after
                    continue
            if (
                begins[which, here & 0xFFFF]
                and not (before & here & _INSIDE)
                and (i >= end or pairs[which, _pair(here & _POINT, ahead & _POINT)])
            ):
                # down the trie; ``reached`` is the byte after what has been matched
                found, ended = np.int32(-1), start
                node, last, reached, place = np.int64(which), np.int32(0), start, start
                while True:
                    if place >= end:
                        if ends[node] >= 0:
                            found, ended = ends[node], reached
                        break
                    point = np.int64(data[place])
                    if point < 0x80:
                        place += 1
                    else:
                        second = np.int64(data[place + 1]) if place + 1 < end else 0
                        third = np.int64(data[place + 2]) if place + 2 < end else 0
                        fourth = np.int64(data[place + 3]) if place + 3 < end else 0
                        wide = _wide(point, second, third, fourth)
                        point, place = wide >> 3, place + (wide & 7)
                    entry = table[point]
                    if entry == _DROPPED or (entry == _SPACE and last == _SPACE):
                        continue
                    if ends[node] >= 0 and not (last & entry & _INSIDE):
                        found, ended = ends[node], reached
                    key = node << 21 | np.int64(entry & _POINT)
                    slot = _place(key, mask)
                    while keys[slot] != _EMPTY and keys[slot] != key:
                        slot = (slot + 1) & mask
                    if keys[slot] == _EMPTY:
                        break
                    node, reached, last = np.int64(children[slot]), place, entry
                if found >= 0:
                    occurrences += 1
                    if seen[found] != document:
                        seen[found] = document
                        different += 1
                    before = here = np.int32(0)  # it ends at an edge, where the next may begin
                    i = start = ended
                    continue
            before, here, start, i = here, ahead, i, after
        counts[document, 0], counts[document, 1] = occurrences, different

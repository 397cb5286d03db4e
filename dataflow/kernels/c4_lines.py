"""The line rules of C4 in one pass: what ``transforms.lines`` says in words and its tests in regular expressions.

Nine lines in ten that go, go for how they end; so the end is looked at first, and a line is read in full only
when it ends like a sentence. Everything done to a text is a deletion, so that a text is unchanged exactly if its
length is. Case is folded as regular expressions fold it: ``ſ`` is an s and the Kelvin sign a k.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets
from dataflow.kernels.utf8 import decode

MIN_WORDS = 3
MAX_WORD_CHARACTERS = 1_000
MAX_NESTED_CITATIONS = 4
"""Marks inside marks come from broken markup: a line that still has one after so many passes is dropped."""

PHRASES = (
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)

TERMINALS = ".!?։؝؞؟۔܀܁܂߹।॥၊။።፧፨᙮᠃᠉។៕᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼。꓿꘎꘏꛳꛷︒﹒﹖﹗！．？｡"
"""Sentence_Terminal of Unicode 16 (PropList), the marks in use today."""

CLOSERS = "\"'”’»›)]）」』】〉》]"
ALONE = '"”»」』'
"""A closing double quotation mark alone ends a sentence in C4."""

_THAI_AND_LAO = "E01-E3A E40-E5B E81-E82 E84 E86-E8A E8C-EA3 EA5 EA7-EBD EC0-EC4 EC6 EC8-ECE ED0-ED9 EDC-EDF"
# Unicode 15 Scripts.txt: with these Myanmar, Khmer, Han and kana.
_SPACELESS = f"""{_THAI_AND_LAO} 1000-109F 1780-17DD 17E0-17E9 17F0-17F9 19E0-19FF 2E80-2E99 2E9B-2EF3 2F00-2FD5
3005 3007 3021-3029 3038-303B 3041-3096 309D-309F 30A1-30FA 30FD-30FF 31F0-31FF 32D0-32FE 3300-3357 3400-4DBF
4E00-9FFF A9E0-A9FE AA60-AA7F F900-FA6D FA70-FAD9 FF66-FF6F FF71-FF9D 16FE2-16FE3 16FF0-16FF1 1AFF0-1AFF3
1AFF5-1AFFB 1AFFD-1AFFE 1B000-1B122 1B132 1B150-1B152 1B155 1B164-1B167 1F200 20000-2A6DF 2A700-2B739
2B740-2B81D 2B820-2CEA1 2CEB0-2EBE0 2EBF0-2EE5D 2F800-2FA1D 30000-3134A 31350-323AF"""
_SPACES = "9-D 1C-20 85 A0 1680 2000-200A 2028-2029 202F 205F 3000"
_NO_GAPS = "B 1C-1F 85"  # white space to Python and Arrow, but not what \s and \p{Z} of RE2 part words by

_Place = int | np.int64

_SPACE, _GAP, _TERMINAL, _CLOSER, _ALONE, _WORD_ITSELF = 1, 2, 4, 8, 16, 32


@cache
def table() -> npt.NDArray[np.uint8]:
    """What each code point is to the rules. Read-only."""
    entries = np.zeros(0x110000, np.uint8)
    for flag, runs in ((_SPACE | _GAP, _SPACES), (_ALONE, _THAI_AND_LAO), (_WORD_ITSELF, _SPACELESS)):
        for first, last in _runs(runs):
            entries[first : last + 1] |= flag
    for first, last in _runs(_NO_GAPS):
        entries[first : last + 1] &= ~np.uint8(_GAP)
    for flag, characters in ((_TERMINAL, TERMINALS), (_CLOSER, CLOSERS), (_ALONE, ALONE)):
        entries[[ord(character) for character in characters]] |= flag
    entries.flags.writeable = False
    return entries


def _runs(text: str) -> list[tuple[int, int]]:
    ends = [run.split("-") for run in text.split()]
    return [(int(run[0], 16), int(run[-1], 16)) for run in ends]


@cache
def phrases() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """The letters of all phrases, where each begins, and the second and third letter after each first one."""
    letters = np.frombuffer("".join(PHRASES).encode(), np.uint8)
    starts = np.cumsum([0, *map(len, PHRASES)]).astype(np.int64)
    follow = np.zeros((2, 256), np.uint8)
    for phrase in PHRASES:
        follow[:, [ord(phrase[0]), ord(phrase[0].upper())]] = [[ord(phrase[1])], [ord(phrase[2])]]
    return letters, starts, follow


@njit(nogil=True, cache=True)
def filter_lines(
    data: Bytes,
    offsets: Offsets,
    breaks: npt.NDArray[np.int64],
    entries: npt.NDArray[np.uint8],
    letters: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    follow: npt.NDArray[np.uint8],
    any_end: bool,
    out: npt.NDArray[np.uint8],
    out_offsets: npt.NDArray[np.int64],
    changes: npt.NDArray[np.int64],
) -> None:
    """Write each text with only the lines that pass; count the lines dropped or shortened.

    ``breaks`` are the places of all line breaks, and one beyond the end. With ``any_end`` a line may end as it likes.
    """
    o, n_breaks = np.int64(0), 0
    for row in range(offsets.shape[0] - 1):
        i, end = offsets[row], offsets[row + 1]
        begin = o
        touched = 0
        blank = False  # whether a blank line stands between the last line kept and this one
        while i <= end:
            while breaks[n_breaks] < i:
                n_breaks += 1
            stop = min(breaks[n_breaks], end)
            first, last = i, stop
            if i == stop or not (0x20 < data[i] < 0x80 and 0x20 < data[stop - 1] < 0x80):
                first, last = _trimmed(data, i, stop, entries)
            if first == last:
                blank = True
            elif (
                not any_end and data[last - 1] < 0x80 and not entries[data[last - 1]] & (_TERMINAL | _CLOSER)
            ):
                touched += 1  # most lines of a web page
            else:
                ends, bracket = (True, True) if any_end else _end(data, first, last, entries)
                at = o  # where the line would be written
                if o > begin:
                    at += 2 if blank else 1
                size: _Place = -1
                if ends or bracket:
                    marks = _marks(data, first, last)
                    if marks:
                        out[at : at + last - first] = data[first:last]
                        size = _without_marks(out, at, at + last - first, entries)
                        if size > 0:
                            ends = any_end or _end(out, at, at + size, entries)[0]
                            if not ends or not _sentence(
                                out, at, at + size, entries, letters, starts, follow
                            ):
                                size = -1
                    elif ends and _sentence(data, first, last, entries, letters, starts, follow):
                        size = last - first
                        out[at : at + size] = data[first:last]
                if size != stop - i:
                    touched += 1
                if size == 0:
                    blank = True
                elif size > 0:
                    for j in range(o, at):
                        out[j] = 0x0A
                    o = at + size
                    blank = False
            i = stop + 1
        out_offsets[row + 1] = o
        changes[row] = max(touched, 1) if o - begin != end - offsets[row] else 0


@njit(nogil=True, cache=True)
def _before(data: Bytes, first: _Place, i: _Place) -> _Place:
    """Where the character that ends at ``i`` begins."""
    i -= 1
    while i > first and 0x80 <= data[i] < 0xC0:
        i -= 1
    return i


@njit(nogil=True, cache=True)
def _entry(data: Bytes, i: _Place, end: _Place, entries: npt.NDArray[np.uint8]) -> np.uint8:
    point = np.int64(data[i])
    if point >= 0x80:
        point, _ = decode(data, i, end)
    return np.uint8(entries[point])


@njit(nogil=True, cache=True)
def _trimmed(
    data: Bytes, first: _Place, last: _Place, entries: npt.NDArray[np.uint8]
) -> tuple[_Place, _Place]:
    while first < last:
        if data[first] < 0x80:
            if not entries[data[first]] & _SPACE:
                break
            first += 1
        else:
            point, size = decode(data, first, last)
            if not entries[point] & _SPACE:
                break
            first += size
    while first < last:
        i = _before(data, first, last)
        if not _entry(data, i, last, entries) & _SPACE:
            break
        last = i
    return first, last


@njit(nogil=True, cache=True)
def _end(data: Bytes, first: _Place, last: _Place, entries: npt.NDArray[np.uint8]) -> tuple[bool, bool]:
    """Whether a line ends as a sentence does, and whether a bracket that may close a mark is at its end."""
    i = _before(data, first, last)
    entry = _entry(data, i, last, entries)
    ends = entry & _ALONE != 0
    bracket = False
    while entry & _CLOSER:
        if data[i] == 0x5D:
            bracket = True
        last = i
        if last == first:
            return ends, bracket
        i = _before(data, first, last)
        entry = _entry(data, i, last, entries)
    if last - first >= 3 and data[last - 1] == 0x2E and data[last - 2] == 0x2E and data[last - 3] == 0x2E:
        return False, bracket
    if last - i == 3 and data[i] == 0xE2 and data[i + 1] == 0x80 and data[i + 2] == 0xA6:  # an ellipsis
        return False, bracket
    return ends or entry & _TERMINAL != 0, bracket


@njit(nogil=True, cache=True)
def _mark(data: Bytes, i: _Place, last: _Place) -> _Place:
    """The end of the citation mark that begins at ``i``, or 0: ``[12]``, ``[]``, ``[edit]``, ``[citation needed]``."""
    if data[i] != 0x5B:
        return 0
    j = i + 1
    while j < last and 0x30 <= data[j] <= 0x39:
        j += 1
    if j < last and data[j] == 0x5D:
        return j + 1
    if j == i + 1:
        for word in (b"edit]", b"citation needed]"):
            n = len(word)
            if j + n <= last:
                same = True
                for k in range(n):
                    if data[j + k] != word[k]:
                        same = False
                        break
                if same:
                    return j + n
    return 0


@njit(nogil=True, cache=True)
def _marks(data: Bytes, first: _Place, last: _Place) -> bool:
    for i in range(first, last):  # noqa: SIM110 - for numba
        if data[i] == 0x5B and _mark(data, i, last):
            return True
    return False


@njit(nogil=True, cache=True)
def _without_marks(
    line: npt.NDArray[np.uint8], first: _Place, last: _Place, entries: npt.NDArray[np.uint8]
) -> _Place:
    """Cut the marks out of a line where it stands: the bytes left, or -1 where marks nest too deep."""
    begin = first
    for _ in range(MAX_NESTED_CITATIONS):
        i = o = first
        found = False
        while i < last:
            stop = _mark(line, i, last)
            if stop:
                found = True
                i = stop
            else:
                line[o] = line[i]
                o += 1
                i += 1
        if not found:
            break
        first, last = _trimmed(line, first, o, entries)
    else:
        if _marks(line, first, last):
            return -1
    for j in range(last - first):
        line[begin + j] = line[first + j]
    return last - first


@njit(nogil=True, cache=True)
def _sentence(
    data: Bytes,
    first: _Place,
    last: _Place,
    entries: npt.NDArray[np.uint8],
    letters: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    follow: npt.NDArray[np.uint8],
) -> bool:
    """Whether a line has enough words, none of them endless, and no phrase of boilerplate."""
    words, in_word, i = 0, False, first
    while i < last and words < MIN_WORDS:
        point, size = np.int64(data[i]), 1
        if data[i] >= 0x80:
            point, size = decode(data, i, last)
        if entries[point] & _WORD_ITSELF:
            words = MIN_WORDS
        if entries[point] & _GAP:
            in_word = False
        elif not in_word:
            in_word = True
            words += 1
        i += size
    if words < MIN_WORDS:
        return False
    if last - first > MAX_WORD_CHARACTERS and _has_endless_word(data, first, last, entries):
        return False
    for i in range(first, last - 2):
        c, second = data[i], data[i + 1]
        want = follow[0, c]
        if (want != 0) & (
            (((second | 0x20) == want) & ((data[i + 2] | 0x20) == follow[1, c])) | (second == 0xC5)
        ):
            for k in range(starts.shape[0] - 1):
                if _same(data, i, last, letters, starts[k], starts[k + 1]):
                    return False
    return True


@njit(nogil=True, cache=True)
def _same(
    data: Bytes, i: _Place, last: _Place, letters: npt.NDArray[np.uint8], start: _Place, stop: _Place
) -> bool:
    """Whether the phrase ``letters[start:stop]`` stands at ``i``, whatever the case."""
    for k in range(start, stop):
        if i >= last:
            return False
        c = data[i]
        if 0x41 <= c <= 0x5A:
            c |= np.uint8(0x20)
        if c == letters[k]:
            i += 1
        elif letters[k] == 0x73 and c == 0xC5 and i + 1 < last and data[i + 1] == 0xBF:
            i += 2
        elif (
            letters[k] == 0x6B and c == 0xE2 and i + 2 < last and data[i + 1] == 0x84 and data[i + 2] == 0xAA
        ):
            i += 3
        else:
            return False
    return True


@njit(nogil=True, cache=True)
def _has_endless_word(data: Bytes, first: _Place, last: _Place, entries: npt.NDArray[np.uint8]) -> bool:
    length, i = 0, first
    while i < last:
        point, size = np.int64(data[i]), 1
        if data[i] >= 0x80:
            point, size = decode(data, i, last)
        length = 0 if entries[point] & _SPACE else length + 1
        if length > MAX_WORD_CHARACTERS:
            return True
        i += size
    return False

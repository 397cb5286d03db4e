"""The one pass over the bytes of a document: hashes of its words and lines, and all the counts.

The kernel decodes UTF-8 itself and asks one table what each character is. A word is read in a loop of its own,
which does little more than one multiplication a letter; so each turn of the outer loop takes a word, if one
stands there, and the character after it. What was met just before is known by its position. Lines are hashed
as bytes once they are complete. Bytes that are not UTF-8 count as symbols; nothing beyond a document is read.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets
from dataflow.kernels.characters import (
    ALPHABETIC,
    BULLET,
    CLOSER,
    DIGIT,
    JOINER,
    KIND,
    LETTER,
    LOWER,
    LOWER_SHIFT,
    MARK,
    SCRIPT,
    SCRIPT_SHIFT,
    SPACE,
    SPACELESS,
    SPACELESS_SCRIPTS,
    TERMINAL,
    TERMINAL_ALONE,
    UPPER,
)
from dataflow.kernels.eight import CASE, HIGH, digits, letters, load_eight, trailing_zeros
from dataflow.kernels.utf8 import decode
from dataflow.kernels.words import MIX_1, MIX_2, OFFSET, SHIFT, STEP, hash_spaceless, hash_word, mix

STATISTICS = (
    "characters",
    "newlines",
    "word_class_characters",  # letters, marks and digits
    "spaced_words",  # words of scripts that put spaces between them
    "spaced_word_characters",
    "words_with_letter",  # words as n-grams see them; in scripts without spaces a letter or mark is one
    "hashes",
    "ellipses",
    "curly_brackets",
    "lorem_ipsums",
    "stop_words",  # distinct ones
    "sentences",
    "lines",
    "line_characters",
    "bullet_lines",
    "ellipsis_lines",
    "punctuation_lines",
    "short_lines",
    "capital_words",  # with an uppercase letter and no lowercase one
    "longest_word",
    "all_lines",  # between line feeds, an empty last one not counted
    "longest_line",  # between line feeds, white space and all
    "wide_characters",  # of two bytes or more
    "wide_uppercase",
    "wide_digits",
    "wide_spaces",
    *(f"{script}_characters" for script in SPACELESS_SCRIPTS),
)
"""What the first kernel counts."""

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Rae et al. 2021, section A1.1; English."""

SHORT_LINE = 30  # characters; Penedo et al. 2024

(
    _CHARACTERS, _NEWLINES, _WORD_CLASS, _WORDS, _WORD_CHARACTERS, _WITH_LETTER, _HASHES, _ELLIPSES,
    _CURLY, _LOREM, _STOP, _SENTENCES, _LINES, _LINE_CHARACTERS, _BULLETS, _ELLIPSIS_LINES,
    _PUNCTUATION_LINES, _SHORT_LINES, _CAPITALS, _LONGEST_WORD, _ALL_LINES, _LONGEST_LINE, _WIDE,
    _WIDE_UPPER, _WIDE_DIGITS, _WIDE_SPACES, _SCRIPTS,
) = range(27)  # fmt: skip


_SLOTS = 32

# What is kept about a word: bits of the entries of its characters, and whether its script has spaces.
_FLAGS_SHIFT = 7
_LETTER, _SPACED = ALPHABETIC >> _FLAGS_SHIFT, 2
_UPPER, _LOWER = UPPER >> _FLAGS_SHIFT, LOWER >> _FLAGS_SHIFT
_FLAGS = _LETTER | _UPPER | _LOWER


@cache
def known_words() -> tuple[npt.NDArray[np.uint64], np.uint64]:
    """The stop words, then lorem and ipsum: hashes and numbers, from 1, each in a slot of its own.

    The slot is the low bits of the hash after the shift that is returned with them.
    """
    hashes = [hash_word(word) for word in (*STOP_WORDS, "lorem", "ipsum")]
    shift = next(s for s in range(60) if len({h >> s & _SLOTS - 1 for h in hashes}) == len(hashes))
    known = np.zeros((2, _SLOTS), np.uint64)
    for number, h in enumerate(hashes, 1):
        known[:, h >> shift & _SLOTS - 1] = h, number
    return known, np.uint64(shift)


@njit(nogil=True, cache=True)
def _hash_bytes(data, i, end):  # type: ignore[no-untyped-def]
    """A hash of the bytes from ``i`` to ``end``."""
    h = OFFSET ^ np.uint64(end - i)
    while i + 8 <= end:
        h = (h ^ load_eight(data, i)) * MIX_1
        h ^= h >> SHIFT
        i += 8
    rest = np.uint64(0)
    while i < end:
        rest = rest << np.uint64(8) | np.uint64(data[i])
        i += 1
    return (h ^ rest) * MIX_2


@njit(nogil=True, cache=True)
def read_documents(
    data: Bytes,
    offsets: Offsets,
    table: npt.NDArray[np.uint32],
    word_start: npt.NDArray[np.int64],
    word_hash: npt.NDArray[np.uint64],
    word_length: npt.NDArray[np.int32],
    word_flags: npt.NDArray[np.uint8],
    line_start: npt.NDArray[np.int64],
    line_hash: npt.NDArray[np.uint64],
    line_length: npt.NDArray[np.int32],
    opens_paragraph: npt.NDArray[np.bool_],
    counts: npt.NDArray[np.int64],
) -> None:
    """Fill words, lines and counts of each document.

    Below, ``x_met`` is the byte just after the last x. ``wide`` counts the bytes of all characters so far
    beyond their first: what a number of bytes is more than a number of characters.
    """
    n_words = n_lines = 0
    for document in range(offsets.shape[0] - 1):
        i, end = offsets[document], offsets[document + 1]
        first_byte, first_line = i, n_lines
        newlines = word_class = joiners = hashes = ellipses = curly = sentences = line_characters = 0
        bullets = ellipsis_lines = punctuation_lines = short_lines = longest_line = 0
        wide = wide_characters = wide_upper = wide_digits = wide_spaces = 0
        scripts = counts[document, _SCRIPTS:]
        # the line being read: where it begins, with and without the white space around it
        line_at, line_wide, text_at, text_wide, text_end, text_end_wide = i, 0, np.int64(-1), 0, i, 0
        after_blank, open_sentence, bullet = True, False, False
        dots = 0
        dot_met = bullet_met = terminal_met = ellipsis_met = i - 1

        while i <= end:
            # one character; the document's end closes its last line like a line feed
            size = 1
            point = np.int64(10)
            if i < end:
                point = np.int64(data[i])
                if point >= 0x80:
                    point, size = decode(data, i, end)
            entry = np.int64(table[point])
            kind = entry & KIND

            if DIGIT <= kind <= LETTER:
                word_at, word_wide = i, wide
                h, met = OFFSET, np.int64(0)
                if text_at < 0:
                    text_at, text_wide = i, wide
                while True:
                    if size == 1 and i + 8 <= end:
                        # as many ASCII letters and digits as begin the next eight bytes, one at least
                        eight = load_eight(data, i)
                        are_letters = letters(eight)
                        others = ~(are_letters | digits(eight)) & HIGH
                        n = trailing_zeros(others) >> 3
                        are_letters &= (others - np.uint64(1)) & ~others
                        capital = are_letters & ~(eight << np.uint64(2))
                        met |= ALPHABETIC if are_letters else 0
                        met |= (UPPER if capital else 0) | (LOWER if are_letters ^ capital else 0)
                        lower = eight | CASE
                        for k in range(8):
                            step = (h ^ (lower & np.uint64(0xFF))) * STEP
                            lower >>= np.uint64(8)
                            h = step if k < n else h
                        i += n
                    else:
                        h = (h ^ np.uint64(point ^ entry >> LOWER_SHIFT)) * STEP
                        met |= entry
                        i += size
                    if size > 1:
                        wide += size - 1
                        wide_characters += 1
                        wide_upper += (entry & UPPER) != 0
                        wide_digits += kind == DIGIT
                        size = 1
                    point = np.int64(10)
                    if i < end:
                        point = np.int64(data[i])
                        if point >= 0x80:
                            point, size = decode(data, i, end)
                    entry = np.int64(table[point])
                    kind = entry & KIND
                    if MARK <= kind <= LETTER:
                        continue
                    if kind != JOINER or i + size >= end:
                        break
                    # inside a word if a letter or digit follows
                    after, after_size = np.int64(data[i + size]), 1
                    if after >= 0x80:
                        after, after_size = decode(data, i + size, end)
                    after_entry = np.int64(table[after])
                    after_kind = after_entry & KIND
                    if not DIGIT <= after_kind <= LETTER:
                        break
                    h = (h ^ np.uint64(point)) * STEP
                    joiners += 1
                    i += size
                    wide += size - 1
                    wide_characters += size > 1
                    point, size, entry, kind = after, after_size, after_entry, after_kind
                h = mix(h)
                length = (i - word_at) - (wide - word_wide)
                word_hash[n_words], word_length[n_words] = h, length
                word_flags[n_words] = met >> _FLAGS_SHIFT & _FLAGS | _SPACED
                n_words += 1
                open_sentence = True
                text_end, text_end_wide = i, wide

            if kind == SPACE:
                if size > 1:
                    wide_characters += 1
                    wide_spaces += 1
                if open_sentence and (point == 10 or terminal_met == i):
                    sentences += 1
                    open_sentence = False
                if bullet_met == i:
                    bullet = True
                if point == 10:
                    newlines += 1
                    longest_line = max(longest_line, (i - line_at) - (wide - line_wide))
                    line_at, line_wide = i + 1, wide
                    if text_at < 0:
                        after_blank = True
                    else:
                        length = (text_end - text_at) - (text_end_wide - text_wide)
                        line_hash[n_lines] = _hash_bytes(data, text_at, text_end)
                        line_length[n_lines] = length
                        opens_paragraph[n_lines] = after_blank
                        n_lines += 1
                        line_characters += length
                        bullets += bullet
                        ellipsis_lines += ellipsis_met == text_end
                        punctuation_lines += terminal_met == text_end
                        short_lines += length <= SHORT_LINE
                        text_at = np.int64(-1)
                        after_blank = bullet = False
            else:
                wide_characters += size > 1
                if kind >= MARK:
                    word_class += 1
                if kind == SPACELESS:
                    word_hash[n_words] = hash_spaceless(point)
                    word_length[n_words] = 1
                    word_flags[n_words] = entry >> _FLAGS_SHIFT & _LETTER
                    n_words += 1
                    wide_digits += (entry & ALPHABETIC) == 0
                    scripts[(entry >> SCRIPT_SHIFT) & SCRIPT] += 1
                    open_sentence = True
                else:
                    if point == 46:  # .
                        dots = dots + 1 if dot_met == i else 1
                        dot_met = i + 1
                        if dots >= 3:
                            ellipsis_met = i + 1
                            if dots % 3 == 0:
                                ellipses += 1
                    elif point == 0x2026:  # …
                        ellipses += 1
                        ellipsis_met = i + size
                    elif point == 35:  # #
                        hashes += 1
                    elif point == 123:  # {
                        curly += 1
                    if entry & TERMINAL:
                        terminal_met = i + size
                        if open_sentence and entry & TERMINAL_ALONE:
                            sentences += 1
                            open_sentence = False
                    elif entry & CLOSER and terminal_met == i:
                        terminal_met = i + size
                    if entry & BULLET and text_at < 0:
                        bullet_met = i + size
                if text_at < 0:
                    text_at, text_wide = i, wide
                text_end, text_end_wide = i + size, wide + size - 1
            i += size
            wide += size - 1

        word_start[document + 1], line_start[document + 1] = n_words, n_lines
        row = counts[document]
        row[_CHARACTERS], row[_NEWLINES] = end - first_byte - wide, newlines - 1
        row[_WORD_CLASS] = word_class - joiners  # and those of words, below
        row[_HASHES], row[_ELLIPSES], row[_CURLY] = hashes, ellipses, curly
        row[_SENTENCES], row[_LINES], row[_LINE_CHARACTERS] = sentences, n_lines - first_line, line_characters
        row[_BULLETS], row[_ELLIPSIS_LINES] = bullets, ellipsis_lines
        row[_PUNCTUATION_LINES], row[_SHORT_LINES] = punctuation_lines, short_lines
        row[_ALL_LINES] = newlines - (end == first_byte or data[end - 1] == 10)
        row[_LONGEST_LINE] = longest_line
        row[_WIDE], row[_WIDE_UPPER] = wide_characters, wide_upper
        row[_WIDE_DIGITS], row[_WIDE_SPACES] = wide_digits, wide_spaces


@njit(nogil=True, cache=True)
def count_words(
    word_start: Offsets,
    word_hash: npt.NDArray[np.uint64],
    word_length: npt.NDArray[np.int32],
    word_flags: npt.NDArray[np.uint8],
    known: npt.NDArray[np.uint64],
    known_shift: np.uint64,
    counts: npt.NDArray[np.int64],
) -> None:
    """Add to the counts of ``read_documents`` what its words alone tell."""
    n_stop_words = len(STOP_WORDS)
    for document in range(word_start.shape[0] - 1):
        words = characters = with_letter = capitals = lorem = 0
        stop_words = last_known = np.int64(0)
        longest = np.int32(0)
        for i in range(word_start[document], word_start[document + 1]):
            flags, length, h = np.int64(word_flags[i]), word_length[i], word_hash[i]
            spaced = (flags & _SPACED) != 0
            words += spaced
            characters += length if spaced else 0
            longest = max(longest, length)
            with_letter += (flags & _LETTER) != 0
            capitals += (flags & (_UPPER | _LOWER)) == _UPPER
            slot = np.int64(h >> known_shift) & (_SLOTS - 1)
            number = np.int64(known[1, slot]) if known[0, slot] == h else np.int64(0)
            stop_words |= np.int64(1) << number
            lorem += (number == n_stop_words + 2) & (last_known == n_stop_words + 1)
            last_known = number
        row = counts[document]
        row[_WORDS], row[_WORD_CHARACTERS], row[_WITH_LETTER] = words, characters, with_letter
        row[_WORD_CLASS] += characters
        row[_CAPITALS], row[_LONGEST_WORD], row[_LOREM] = capitals, longest, lorem
        for bit in range(1, n_stop_words + 1):
            row[_STOP] += stop_words >> bit & 1

"""The one pass over the bytes of a document: hashes of its words and lines, and all the counts.

The kernel decodes UTF-8 itself, asks one table what each character is, and keeps the state of one word, one
line and one sentence. What was met just before is known by its position, so that the common case, a letter
inside a word, does little more than two multiplications. Bytes that are not UTF-8 count as symbols; nothing
beyond a document is read.
"""

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
    LOWER_SHIFT,
    MARK,
    SCRIPT,
    SCRIPT_SHIFT,
    SPACE,
    SPACELESS,
    SPACELESS_SCRIPTS,
    TABLE_SIZE,
    TERMINAL,
    TERMINAL_ALONE,
)

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
    *(f"{script}_characters" for script in SPACELESS_SCRIPTS),
)
"""What the first kernel counts."""

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Rae et al. 2021, section A1.1; English."""

SHORT_LINE = 30  # characters; Penedo et al. 2024

(
    _CHARACTERS, _NEWLINES, _WORD_CLASS, _WORDS, _WORD_CHARACTERS, _WITH_LETTER, _HASHES, _ELLIPSES,
    _CURLY, _LOREM, _STOP, _SENTENCES, _LINES, _LINE_CHARACTERS, _BULLETS, _ELLIPSIS_LINES,
    _PUNCTUATION_LINES, _SHORT_LINES, _SCRIPTS,
) = range(19)  # fmt: skip

_NOT_UTF8 = np.int64(0xFFFD)  # stands for a byte that begins no character: a symbol

_BASIS = 0xCBF29CE484222325
_PRIME = 0x100000001B3  # FNV-1a, one step a character
_OFFSET, _STEP = np.uint64(_BASIS), np.uint64(_PRIME)
_MIX_1, _MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)  # the finaliser of MurmurHash3
_SHIFT = np.uint64(33)
_MASK = 2**64 - 1


def _hash_word(word: str) -> int:
    """The hash ``read_documents`` gives to a lower-case word."""
    h = _BASIS
    for character in word:
        h = ((h ^ ord(character)) * _PRIME) & _MASK
    h = ((h ^ (h >> 33)) * int(_MIX_1)) & _MASK
    h = ((h ^ (h >> 33)) * int(_MIX_2)) & _MASK
    return h ^ (h >> 33)


def known_words() -> npt.NDArray[np.uint64]:
    """The stop words, then lorem and ipsum: 64 hashes by their low bits, and 64 numbers, from 1."""
    known = np.zeros((2, 64), np.uint64)
    for number, word in enumerate((*STOP_WORDS, "lorem", "ipsum"), 1):
        h = _hash_word(word)
        slot = h & 63
        while known[1, slot]:
            slot = (slot + 1) & 63
        known[0, slot], known[1, slot] = h, number
    return known


@njit(nogil=True, cache=True)
def read_documents(
    data: Bytes,
    offsets: Offsets,
    table: npt.NDArray[np.uint32],
    known: npt.NDArray[np.uint64],
    word_start: npt.NDArray[np.int64],
    word_hash: npt.NDArray[np.uint64],
    word_length: npt.NDArray[np.int32],
    line_start: npt.NDArray[np.int64],
    line_hash: npt.NDArray[np.uint64],
    line_length: npt.NDArray[np.int32],
    opens_paragraph: npt.NDArray[np.bool_],
    counts: npt.NDArray[np.int64],
) -> None:
    """Fill words, lines and counts of each document. Below, ``x_met`` is the byte just after the last x."""
    n_words = n_lines = 0
    n_stop_words = len(STOP_WORDS)
    for document in range(offsets.shape[0] - 1):
        i, end = offsets[document], offsets[document + 1]
        n_characters = newlines = word_class = spaced_words = spaced_characters = with_letter = 0
        hashes = ellipses = curly = lorem = sentences = line_characters = 0
        bullets = ellipsis_lines = punctuation_lines = short_lines = 0
        first_line = n_lines
        scripts = counts[document, _SCRIPTS:]
        stop_words = np.int64(0)
        last_known = np.int64(0)
        # the word being read
        in_word, joiner, length, letters = False, np.int64(0), 0, np.uint32(0)
        h = _OFFSET
        # the line being read
        line_h, line_n, text_h, text_n, text_end = _OFFSET, 0, _OFFSET, 0, i
        after_space, after_blank, open_sentence = False, True, False
        dots = 0
        dot_met = bullet_met = terminal_met = ellipsis_met = i - 1
        bullet = False

        while i <= end:
            # one character; the document's end closes its last line like a line feed
            size = 1
            if i == end:
                point = np.int64(10)
            else:
                n_characters += 1
                point = np.int64(data[i])
                if point >= 0x80:
                    if 0xC2 <= point < 0xE0 and i + 1 < end:
                        point = (point & 0x1F) << 6 | (np.int64(data[i + 1]) & 0x3F)
                        size = 2
                    elif 0xE0 <= point < 0xF0 and i + 2 < end:
                        point = (
                            (point & 0x0F) << 12
                            | (np.int64(data[i + 1]) & 0x3F) << 6
                            | (np.int64(data[i + 2]) & 0x3F)
                        )
                        size = 3
                    elif 0xF0 <= point < 0xF5 and i + 3 < end:
                        point = (
                            (point & 0x07) << 18
                            | (np.int64(data[i + 1]) & 0x3F) << 12
                            | (np.int64(data[i + 2]) & 0x3F) << 6
                            | (np.int64(data[i + 3]) & 0x3F)
                        )
                        size = 4
                        if point >= TABLE_SIZE:
                            point = _NOT_UTF8
                    else:
                        point = _NOT_UTF8
            entry = table[point]
            kind = entry & np.uint32(KIND)

            if kind >= MARK:
                word_class += 1
            if DIGIT <= kind < SPACELESS:
                if not in_word:
                    in_word, joiner, length, letters = True, np.int64(0), 0, np.uint32(0)
                    h = _OFFSET
                    open_sentence = True
                elif joiner:
                    h = (h ^ np.uint64(joiner)) * _STEP
                    length += 1
                    joiner = np.int64(0)
                h = (h ^ np.uint64(point ^ np.int64(entry >> np.uint32(LOWER_SHIFT)))) * _STEP
                length += 1
                letters |= entry
            elif in_word and joiner == 0 and kind == MARK:
                h = (h ^ np.uint64(point)) * _STEP
                length += 1
            elif in_word and joiner == 0 and kind == JOINER:
                joiner = point
            else:
                if in_word:
                    in_word = False
                    h = (h ^ (h >> _SHIFT)) * _MIX_1
                    h = (h ^ (h >> _SHIFT)) * _MIX_2
                    h ^= h >> _SHIFT
                    word_hash[n_words], word_length[n_words] = h, length
                    n_words += 1
                    spaced_words += 1
                    spaced_characters += length
                    if letters & np.uint32(ALPHABETIC):
                        with_letter += 1
                    slot = np.int64(h & np.uint64(63))
                    number = np.int64(0)
                    while known[1, slot]:
                        if known[0, slot] == h:
                            number = np.int64(known[1, slot])
                            break
                        slot = (slot + 1) & 63
                    if 0 < number <= n_stop_words:
                        stop_words |= np.int64(1) << number
                    elif number == n_stop_words + 2 and last_known == n_stop_words + 1:
                        lorem += 1
                    last_known = number
                if kind == SPACELESS:
                    h = (_OFFSET ^ np.uint64(point)) * _STEP
                    h = (h ^ (h >> _SHIFT)) * _MIX_1
                    h = (h ^ (h >> _SHIFT)) * _MIX_2
                    word_hash[n_words], word_length[n_words] = h ^ (h >> _SHIFT), 1
                    n_words += 1
                    if entry & np.uint32(ALPHABETIC):
                        with_letter += 1
                    scripts[(entry >> np.uint32(SCRIPT_SHIFT)) & np.uint32(SCRIPT)] += 1
                    open_sentence = True
                    last_known = np.int64(0)
                elif kind == SPACE:
                    if open_sentence and (point == 10 or terminal_met == i):
                        sentences += 1
                        open_sentence = False
                    if bullet_met == i:
                        bullet = True
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
                    if entry & np.uint32(TERMINAL):
                        terminal_met = i + size
                        if open_sentence and entry & np.uint32(TERMINAL_ALONE):
                            sentences += 1
                            open_sentence = False
                    elif entry & np.uint32(CLOSER) and terminal_met == i:
                        terminal_met = i + size
                    if entry & np.uint32(BULLET) and line_n == 0:
                        bullet_met = i + size

            if kind != SPACE:
                line_h = (line_h ^ np.uint64(point)) * _STEP
                line_n += 1
                after_space = False
            else:
                if not after_space:
                    text_h, text_n, text_end = line_h, line_n, i
                    after_space = True
                if point != 10:
                    if line_n:
                        line_h = (line_h ^ np.uint64(point)) * _STEP
                        line_n += 1
                else:
                    if i < end:
                        newlines += 1
                    if line_n == 0:
                        after_blank = True
                    else:
                        line_hash[n_lines] = (text_h ^ (text_h >> _SHIFT)) * _MIX_1
                        line_length[n_lines] = text_n
                        opens_paragraph[n_lines] = after_blank
                        n_lines += 1
                        line_characters += text_n
                        after_blank = False
                        if bullet:
                            bullets += 1
                        if ellipsis_met == text_end:
                            ellipsis_lines += 1
                        if terminal_met == text_end:
                            punctuation_lines += 1
                        if text_n <= SHORT_LINE:
                            short_lines += 1
                    line_h, line_n, text_n = _OFFSET, 0, 0
                    after_space = bullet = False
            i += size

        word_start[document + 1], line_start[document + 1] = n_words, n_lines
        row = counts[document]
        row[_CHARACTERS], row[_NEWLINES], row[_WORD_CLASS] = n_characters, newlines, word_class
        row[_WORDS], row[_WORD_CHARACTERS], row[_WITH_LETTER] = spaced_words, spaced_characters, with_letter
        row[_HASHES], row[_ELLIPSES], row[_CURLY], row[_LOREM] = hashes, ellipses, curly, lorem
        while stop_words:
            row[_STOP] += stop_words & 1
            stop_words >>= 1
        row[_SENTENCES], row[_LINES], row[_LINE_CHARACTERS] = sentences, n_lines - first_line, line_characters
        row[_BULLETS], row[_ELLIPSIS_LINES] = bullets, ellipsis_lines
        row[_PUNCTUATION_LINES], row[_SHORT_LINES] = punctuation_lines, short_lines

"""One pass over the bytes of every document: words, lines and sentences, all counts, and the MinHash signature.

``analyse`` takes the documents in groups of some hundred kilobytes (or one longer document): a first kernel reads the
bytes and leaves the hashes of words and lines, three more count what repeats in them. So scratch memory is bounded by the
longest document (about 30 bytes for each of its words), nothing touches Python objects, and the lock is free meanwhile.

A word is a maximal run of letters, marks and digits that begins with a letter or digit, with single inner joiners (``'``,
``-`` and their kin in ``characters.JOINERS``), lower-cased. In scripts without spaces every letter, mark and digit is a word of
its own. A line is what ``\\n`` separates, less outer white space; blank ones do not count. A paragraph is a maximal run of
non-blank lines. A sentence is a stretch of a line with at least one word, up to a sentence-ending mark before white space
(closing quotes and brackets between them allowed; in scripts without spaces the mark is enough) or to the line's end.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from dataflow.kernels import characters, lines, minhash, ngrams
from dataflow.kernels.arrow import Bytes, Offsets, buffers

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
    *(f"{script}_characters" for script in characters.SPACELESS_SCRIPTS),
)
"""What the first kernel counts."""

LINE_STATISTICS = (
    "paragraphs",
    "duplicate_lines",
    "duplicate_line_characters",
    "duplicate_paragraphs",
    "duplicate_paragraph_characters",
)

NGRAM_STATISTICS = (
    *(f"top_{n}gram_characters" for n in ngrams.TOP),
    *(f"duplicate_{n}gram_characters" for n in ngrams.DUPLICATE),
)

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Rae et al. 2021, section A1.1; English."""

SHORT_LINE = 30  # characters; Penedo et al. 2024

GROUP_BYTES = 1 << 18
GROUP_DOCUMENTS = 4096

(
    _CHARACTERS, _NEWLINES, _WORD_CLASS, _WORDS, _WORD_CHARACTERS, _WITH_LETTER, _HASHES, _ELLIPSES, _CURLY, _LOREM, _STOP,
    _SENTENCES, _LINES, _LINE_CHARACTERS, _BULLETS, _ELLIPSIS_LINES, _PUNCTUATION_LINES, _SHORT_LINES, _SCRIPTS,
) = range(19)  # fmt: skip

_KIND, _SPACE, _JOINER, _MARK, _DIGIT, _SPACELESS = (
    characters.KIND, characters.SPACE, characters.JOINER, characters.MARK, characters.DIGIT, characters.SPACELESS
)  # fmt: skip
_TERMINAL, _TERMINAL_ALONE, _CLOSER = characters.TERMINAL, characters.TERMINAL_ALONE, characters.CLOSER
_BULLET, _ALPHABETIC = characters.BULLET, characters.ALPHABETIC
_SCRIPT_SHIFT, _SCRIPT, _LOWER_SHIFT = characters.SCRIPT_SHIFT, characters.SCRIPT, characters.LOWER_SHIFT
_TABLE_SIZE = characters.TABLE_SIZE
_NOT_UTF8 = 0xFFFD  # stands for a byte that begins no character: a symbol

_BASIS = 0xCBF29CE484222325
_PRIME = 0x100000001B3  # FNV-1a, one step a character
_OFFSET, _STEP = np.uint64(_BASIS), np.uint64(_PRIME)
_MIX_1, _MIX_2 = minhash._MIX_1, minhash._MIX_2
_SHIFT = np.uint64(33)
_MASK = 2**64 - 1


@dataclass(frozen=True)
class Analysis:
    """What one pass found in each of n documents."""

    statistics: dict[str, npt.NDArray[np.int64]]
    """Raw counts by name (STATISTICS, LINE_STATISTICS, NGRAM_STATISTICS), n of each."""

    signatures: npt.NDArray[np.uint64]
    """MinHash signatures, n rows; all ones where a document has no words."""


def analyse(texts: pa.LargeStringArray, permutations: int, shingle: int) -> Analysis:
    """Count and sign every document.

    Args:
        texts: documents; a null is an empty one.
        permutations: positions of a signature; 0 for none.
        shingle: words of a shingle, 1 or more.
    """
    if permutations < 0 or shingle < 1:
        raise ValueError(f"permutations must be >= 0 and shingle >= 1, found {permutations} and {shingle}")
    data, offsets = buffers(texts)
    n = len(texts)
    counts = np.zeros((n, len(STATISTICS)), np.int64)
    line_counts = np.zeros((n, lines.N_COUNTS), np.int64)
    ngram_counts = np.zeros((n, ngrams.N_COUNTS), np.int64)
    signatures = np.empty((n, permutations), np.uint64)
    a, b = minhash.permutation_parameters(permutations)
    scratch: _Scratch | None = None
    groups = _groups(offsets)
    longest = max((int(offsets[last] - offsets[first]) for first, last in groups), default=0)
    for first, last in groups:
        scratch = scratch or _Scratch(longest)
        s, bounds = scratch, offsets[first : last + 1]
        word_start, line_start = np.zeros(last - first + 1, np.int64), np.zeros(last - first + 1, np.int64)
        _scan(
            data, bounds, characters.table(), _known_words(), word_start, s.word_hash, s.word_length,
            line_start, s.line_hash, s.line_length, s.opens_paragraph, counts[first:last],
        )  # fmt: skip
        s.fit(int(np.diff(word_start).max()), int(np.diff(line_start).max()))
        lines.count_repetition(
            s.line_hash, s.line_length, s.opens_paragraph, line_start, s.table, line_counts[first:last]
        )
        ngrams.count_repetition(
            s.word_hash,
            s.word_length,
            word_start,
            s.keys,
            s.places,
            s.first,
            s.copies,
            s.table,
            ngram_counts[first:last],
        )
        minhash.sign(s.word_hash, word_start, shingle, a, b, signatures[first:last])
    columns = zip(
        STATISTICS + LINE_STATISTICS + NGRAM_STATISTICS,
        [*counts.T, *line_counts.T, *ngram_counts.T],
        strict=True,
    )
    return Analysis({name: np.ascontiguousarray(column) for name, column in columns}, signatures)


def _groups(offsets: Offsets) -> list[tuple[int, int]]:
    """Runs of documents of at most GROUP_BYTES and GROUP_DOCUMENTS, one longer document alone."""
    groups = []
    first, n = 0, len(offsets) - 1
    while first < n:
        last = int(np.searchsorted(offsets, offsets[first] + GROUP_BYTES, side="right")) - 1
        last = min(max(last, first + 1), first + GROUP_DOCUMENTS, n)
        groups.append((first, last))
        first = last
    return groups


class _Scratch:
    """Working arrays, reused from group to group. The pages of an array are only taken as they are written."""

    def __init__(self, n_bytes: int) -> None:
        n = n_bytes // 2 + GROUP_DOCUMENTS + 1  # two words, or two lines, are never nearer than two bytes
        self.word_hash, self.word_length = np.empty(n, np.uint64), np.empty(n, np.int32)
        self.line_hash, self.line_length = np.empty(n, np.uint64), np.empty(n, np.int32)
        self.opens_paragraph = np.empty(n, np.bool_)
        self.keys, self.places = np.empty(0, np.uint64), np.empty(0, np.int32)
        self.first, self.copies = np.empty(0, np.int32), np.empty(0, np.int32)
        self.table = np.empty(16, np.int32)

    def fit(self, n_words: int, n_lines: int) -> None:
        """Make room for counting what repeats in a document of so many words and lines."""
        if n_words > len(self.keys):
            self.keys, self.places = np.empty(n_words, np.uint64), np.empty(n_words, np.int32)
            self.first, self.copies = np.empty(n_words, np.int32), np.empty(n_words, np.int32)
        size = len(self.table)
        while 2 * size < 3 * max(n_words, n_lines):
            size *= 2
        if size > len(self.table):
            self.table = np.empty(size, np.int32)


def _hash_word(word: str) -> int:
    """The hash ``_scan`` gives to a lower-case word."""
    h = _BASIS
    for character in word:
        h = ((h ^ ord(character)) * _PRIME) & _MASK
    h = ((h ^ (h >> 33)) * int(_MIX_1)) & _MASK
    h = ((h ^ (h >> 33)) * int(_MIX_2)) & _MASK
    return h ^ (h >> 33)


def _known_words() -> npt.NDArray[np.uint64]:
    """The stop words, then lorem and ipsum, as a table of 64 hashes by their low bits, and 64 numbers (from 1)."""
    known = np.zeros((2, 64), np.uint64)
    for number, word in enumerate((*STOP_WORDS, "lorem", "ipsum"), 1):
        h = _hash_word(word)
        slot = h & 63
        while known[1, slot]:
            slot = (slot + 1) & 63
        known[0, slot], known[1, slot] = h, number
    return known


@njit(nogil=True, cache=True)
def _scan(
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
    """Read each document once; every position "met" below is that of the byte after the thing met."""
    n_words = n_lines = 0
    n_stop_words = len(STOP_WORDS)
    for document in range(offsets.shape[0] - 1):
        i, end = offsets[document], offsets[document + 1]
        n_characters = newlines = word_class = spaced_words = spaced_characters = with_letter = 0
        hashes = ellipses = curly = lorem = sentences = line_characters = 0
        bullets = ellipsis_lines = punctuation_lines = short_lines = 0
        first_line = n_lines
        scripts = counts[document, _SCRIPTS:]
        stop_words = last_known = 0
        # the word being read
        in_word, joiner, length, letters = False, 0, 0, np.uint32(0)
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
                point = 10
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
                        if point >= _TABLE_SIZE:
                            point = _NOT_UTF8
                    else:
                        point = _NOT_UTF8
            entry = table[point]
            kind = entry & np.uint32(_KIND)

            if kind >= _MARK:
                word_class += 1
            if _DIGIT <= kind < _SPACELESS:
                if not in_word:
                    in_word, joiner, length, letters = True, 0, 0, np.uint32(0)
                    h = _OFFSET
                    open_sentence = True
                elif joiner:
                    h = (h ^ np.uint64(joiner)) * _STEP
                    length += 1
                    joiner = 0
                h = (h ^ np.uint64(point ^ np.int64(entry >> np.uint32(_LOWER_SHIFT)))) * _STEP
                length += 1
                letters |= entry
            elif in_word and joiner == 0 and kind == _MARK:
                h = (h ^ np.uint64(point)) * _STEP
                length += 1
            elif in_word and joiner == 0 and kind == _JOINER:
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
                    if letters & np.uint32(_ALPHABETIC):
                        with_letter += 1
                    slot = np.int64(h & np.uint64(63))
                    number = 0
                    while known[1, slot]:
                        if known[0, slot] == h:
                            number = np.int64(known[1, slot])
                            break
                        slot = (slot + 1) & 63
                    if 0 < number <= n_stop_words:
                        stop_words |= 1 << number
                    elif number == n_stop_words + 2 and last_known == n_stop_words + 1:
                        lorem += 1
                    last_known = number
                if kind == _SPACELESS:
                    h = (_OFFSET ^ np.uint64(point)) * _STEP
                    h = (h ^ (h >> _SHIFT)) * _MIX_1
                    h = (h ^ (h >> _SHIFT)) * _MIX_2
                    word_hash[n_words], word_length[n_words] = h ^ (h >> _SHIFT), 1
                    n_words += 1
                    if entry & np.uint32(_ALPHABETIC):
                        with_letter += 1
                    scripts[(entry >> np.uint32(_SCRIPT_SHIFT)) & np.uint32(_SCRIPT)] += 1
                    open_sentence = True
                    last_known = 0
                elif kind == _SPACE:
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
                    if entry & np.uint32(_TERMINAL):
                        terminal_met = i + size
                        if open_sentence and entry & np.uint32(_TERMINAL_ALONE):
                            sentences += 1
                            open_sentence = False
                    elif entry & np.uint32(_CLOSER) and terminal_met == i:
                        terminal_met = i + size
                    if entry & np.uint32(_BULLET) and line_n == 0:
                        bullet_met = i + size

            if kind != _SPACE:
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

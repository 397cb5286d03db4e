"""Passages of each document as hashes: lines, paragraphs, runs of sentences, and every run of so many words.

One kernel reads the bytes and leaves words, lines and sentences, as ``scan`` defines them, with their places; a
second one makes passages of them. A line, a paragraph or a run of sentences is known by its characters, lower-cased
and with white space folded; a run of words by the words alone, whatever stands between them. Runs of words come by
the thousand, so of these only the hashes are kept (in the place of those of their first words): the run number k of a
document is that of its words k, k + 1 and so on.

A hash of 64 bits is taken for the passage: among n passages some n^2 / 2^65 pairs collide by chance, one in four
billion passages. Scratch memory is about 30 bytes for each word of the longest document.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from dataflow.kernels import characters
from dataflow.kernels.arrow import Bytes, Offsets, buffers
from dataflow.kernels.characters import (
    CLOSER,
    DIGIT,
    JOINER,
    KIND,
    LETTER,
    LOWER_SHIFT,
    MARK,
    SPACE,
    SPACELESS,
    TERMINAL,
    TERMINAL_ALONE,
)
from dataflow.kernels.utf8 import decode
from dataflow.kernels.words import OFFSET, SHIFT, STEP, hash_spaceless, mix

KINDS = ("line", "paragraph", "sentences", "substring")
"""Kinds of passages, by number; where passages overlap the lower number gives the cut its name."""

GROUP_BYTES = 1 << 18
GROUP_DOCUMENTS = 4096

Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_TEXT_STEP = np.uint64(0x9E3779B97F4A7C15)
_RUN_STEP = np.uint64(0x9FB21C651E98DF25)


@dataclass(frozen=True)
class Wanted:
    """Which passages are listed; 0 words: none of this kind."""

    line_words: int = 0
    """Words that a line must have."""
    paragraph_words: int = 0
    sentence_words: int = 0
    """Words that a run of sentences must have."""
    span: int = 3
    """Sentences in a run."""
    words: int = 0
    """Words in a run of words."""


@dataclass(frozen=True)
class Passages:
    """Passages of documents ``first`` to ``last`` of an array; valid until the next group is read.

    Passages of a document are numbered from 0: first the ``listed`` ones, then the runs of words.
    """

    first: int
    last: int
    word_of: Integers  # by document, and one more: its first word
    word_hash: Hashes  # by word; of the run of words that begins there, where a whole run does
    word_start: Integers  # place of its first byte in the data of the array
    word_length: npt.NDArray[np.int32]  # bytes
    listed_of: Integers  # by document, and one more: its first line, paragraph or run of sentences
    kind: npt.NDArray[np.uint8]
    hash: Hashes
    start: Integers  # place of the first byte, and of the one after the last
    end: Integers
    first_word: Integers
    n_words: Integers


def passages(texts: pa.LargeStringArray, wanted: Wanted) -> Iterator[Passages]:
    """The passages of every document, some hundred kilobytes of documents (or one longer one) at a time."""
    data, offsets = buffers(texts)
    table = characters.table()
    groups = list(_groups(offsets))
    n_bytes = max((int(offsets[last] - offsets[first]) for first, last in groups), default=0)
    n = n_bytes // 2 + GROUP_DOCUMENTS + 1  # words are never nearer to each other than two bytes
    word_hash, word_start, word_length = np.empty(n, np.uint64), np.empty(n, np.int64), np.empty(n, np.int32)
    lines, sentences = np.empty((n, 4), np.int64), np.empty((n, 3), np.int64)
    sentence_hash = np.empty(n, np.uint64)
    line_words, paragraph_words, sentence_words = least = [
        np.int64(count) for count in (wanted.line_words, wanted.paragraph_words, wanted.sentence_words)
    ]
    room = n * sum(count > 0 for count in least) + 1
    kind, hashes, listed = np.empty(room, np.uint8), np.empty(room, np.uint64), np.empty((4, room), np.int64)
    for first, last in groups:
        starts = np.zeros((3, last - first + 1), np.int64)
        bounds = offsets[first : last + 1]
        _read(data, bounds, table, starts, word_hash, word_start, word_length, lines, sentences)
        listed_of = np.zeros(last - first + 1, np.int64)
        _list(
            data, table, starts, lines, sentences, line_words, paragraph_words, sentence_words, wanted.span,
            listed_of, kind, hashes, listed,
            sentence_hash,
        )  # fmt: skip
        if wanted.words:
            _hash_runs(starts[0], word_hash, wanted.words)
        n_words, n_listed = starts[0, -1], listed_of[-1]
        yield Passages(
            first, last, starts[0], word_hash[:n_words], word_start[:n_words], word_length[:n_words],
            listed_of, kind[:n_listed], hashes[:n_listed], *(listed[:, :n_listed]),
        )  # fmt: skip


def hashes_of(found: Passages, words: int) -> tuple[Hashes, Integers]:
    """The hashes of all passages of a group, in order, and how many each document has; ``words`` of a run or 0."""
    runs = (
        np.maximum(np.diff(found.word_of) - words + 1, 0) if words else np.zeros(len(found.word_of) - 1, int)
    )
    counts = np.diff(found.listed_of) + runs
    hashes = np.empty(int(counts.sum()), np.uint64)
    _collect(found.listed_of, found.hash, found.word_of, found.word_hash, runs, hashes)
    return hashes, counts


def _groups(offsets: Offsets) -> Iterator[tuple[int, int]]:
    """Runs of documents of at most GROUP_BYTES and GROUP_DOCUMENTS, one longer document alone."""
    first, n = 0, len(offsets) - 1
    while first < n:
        last = int(np.searchsorted(offsets, offsets[first] + GROUP_BYTES, side="right")) - 1
        last = min(max(last, first + 1), first + GROUP_DOCUMENTS, n)
        yield first, last
        first = last


@njit(nogil=True, cache=True)
def _read(data, offsets, table, starts, word_hash, word_start, word_length, lines, sentences):  # type: ignore[no-untyped-def]
    """Words, lines (begin, end, first word, whether a blank line is before) and sentences (begin, end, first word).

    Row 0 of ``starts`` are the first words of each document, 1 the first lines, 2 the first sentences. A line is
    without outer white space. A sentence begins behind the one before it and is followed by no word of its own.
    """
    n_words = n_lines = n_sentences = 0
    for document in range(offsets.shape[0] - 1):
        i, end = offsets[document], offsets[document + 1]
        text_at, text_end = np.int64(-1), i  # the line being read
        line_word = sentence_word = n_words
        sentence_at, sentence_end = np.int64(-1), np.int64(-1)
        terminal_met = i - 1
        after_blank, open_sentence = True, False
        while i <= end:
            point, size = np.int64(10), 1
            if i < end:
                point = np.int64(data[i])
                if point >= 0x80:
                    point, size = decode(data, i, end)
            entry = np.int64(table[point])
            kind = entry & KIND
            if kind == SPACE:
                if open_sentence and (point == 10 or terminal_met == i):
                    sentences[n_sentences, 0], sentences[n_sentences, 1] = sentence_at, text_end
                    sentences[n_sentences, 2] = sentence_word
                    n_sentences += 1
                    sentence_at, sentence_word, open_sentence = np.int64(-1), n_words, False
                if point == 10:
                    if text_at < 0:
                        after_blank = True
                    else:
                        lines[n_lines, 0], lines[n_lines, 1] = text_at, text_end
                        lines[n_lines, 2], lines[n_lines, 3] = line_word, after_blank
                        n_lines += 1
                        text_at = np.int64(-1)
                        after_blank = False
                    line_word = n_words
                    sentence_at = np.int64(-1)
                sentence_end = np.int64(-1)
                i += size
                continue
            begin = i
            if DIGIT <= kind <= LETTER:
                h = OFFSET
                while True:
                    h = (h ^ np.uint64(point ^ entry >> LOWER_SHIFT)) * STEP
                    i += size
                    if i == end:
                        break
                    point, size = np.int64(data[i]), 1
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
                    if not DIGIT <= after_entry & KIND <= LETTER:
                        break
                    h = (h ^ np.uint64(point)) * STEP
                    i += size
                    point, size, entry = after, after_size, after_entry
                entry = np.int64(0)  # of what follows the word, which is looked at in the next turn
                word_hash[n_words], word_start[n_words], word_length[n_words] = mix(h), begin, i - begin
                n_words += 1
                open_sentence = True
            elif kind == SPACELESS:
                i += size
                word_hash[n_words] = hash_spaceless(point)
                word_start[n_words], word_length[n_words] = begin, size
                n_words += 1
                open_sentence = True
            else:
                i += size
                if entry & TERMINAL or (entry & CLOSER and terminal_met == begin):
                    terminal_met = i
            if text_at < 0:
                text_at = begin
            text_end = i
            if sentence_end == begin and not open_sentence and entry & (TERMINAL | CLOSER):
                sentence_end = i  # closes the sentence that has just ended
                sentences[n_sentences - 1, 1] = i
            elif sentence_at < 0:
                sentence_at = begin
            if open_sentence and entry & TERMINAL_ALONE:
                sentences[n_sentences, 0], sentences[n_sentences, 1] = sentence_at, i
                sentences[n_sentences, 2] = sentence_word
                n_sentences += 1
                sentence_at, sentence_word, open_sentence = np.int64(-1), n_words, False
                sentence_end = i
        starts[0, document + 1], starts[1, document + 1] = n_words, n_lines
        starts[2, document + 1] = n_sentences


@njit(nogil=True, cache=True)
def _hash_text(data, i, end, table, h):  # type: ignore[no-untyped-def]
    """``h`` and the characters from ``i`` to ``end``, lower-cased, white space folded."""
    space = False
    while i < end:
        point, size = np.int64(data[i]), 1
        if point >= 0x80:
            point, size = decode(data, i, end)
        entry = np.int64(table[point])
        i += size
        if entry & KIND == SPACE:
            space = True
            continue
        if space:
            h = (h ^ np.uint64(32)) * _TEXT_STEP
            space = False
        h = (h ^ np.uint64(point ^ entry >> LOWER_SHIFT)) * _TEXT_STEP
        h ^= h >> SHIFT
    return h


@njit(nogil=True, cache=True)
def _list(
    data: Bytes,
    table: npt.NDArray[np.uint32],
    starts: Integers,
    lines: Integers,
    sentences: Integers,
    line_words: np.int64,
    paragraph_words: np.int64,
    sentence_words: np.int64,
    span: int,
    listed_of: Integers,
    kinds: npt.NDArray[np.uint8],
    hashes: Hashes,
    listed: Integers,
    sentence_hash: Hashes,
) -> None:
    """Lines, paragraphs and runs of sentences with at least so many words (none of a kind with 0)."""
    n = 0
    for document in range(starts.shape[1] - 1):
        last_word = starts[0, document + 1]
        first, last = starts[1, document], starts[1, document + 1]
        if line_words > 0:
            for line in range(first, last):
                n_words = (lines[line + 1, 2] if line + 1 < last else last_word) - lines[line, 2]
                if n_words >= line_words:
                    kinds[n] = 0
                    hashes[n] = mix(_hash_text(data, lines[line, 0], lines[line, 1], table, np.uint64(1)))
                    listed[0, n], listed[1, n] = lines[line, 0], lines[line, 1]
                    listed[2, n], listed[3, n] = lines[line, 2], n_words
                    n += 1
        if paragraph_words > 0:
            line = first
            while line < last:
                begin = line
                line += 1
                while line < last and not lines[line, 3]:
                    line += 1
                n_words = (lines[line, 2] if line < last else last_word) - lines[begin, 2]
                if n_words >= paragraph_words:
                    kinds[n] = 1
                    hashes[n] = mix(
                        _hash_text(data, lines[begin, 0], lines[line - 1, 1], table, np.uint64(2))
                    )
                    listed[0, n], listed[1, n] = lines[begin, 0], lines[line - 1, 1]
                    listed[2, n], listed[3, n] = lines[begin, 2], n_words
                    n += 1
        if sentence_words > 0:
            first, last = starts[2, document], starts[2, document + 1]
            for sentence in range(first, last):
                sentence_hash[sentence] = mix(
                    _hash_text(data, sentences[sentence, 0], sentences[sentence, 1], table, np.uint64(3))
                )
            for sentence in range(first, last - span + 1):
                after = sentence + span
                n_words = (sentences[after, 2] if after < last else last_word) - sentences[sentence, 2]
                if n_words >= sentence_words:
                    kinds[n] = 2
                    h = np.uint64(0)
                    for k in range(sentence, after):
                        h = h * _RUN_STEP + sentence_hash[k]
                    hashes[n] = mix(h)
                    listed[0, n], listed[1, n] = sentences[sentence, 0], sentences[after - 1, 1]
                    listed[2, n], listed[3, n] = sentences[sentence, 2], n_words
                    n += 1
        listed_of[document + 1] = n


@njit(nogil=True, cache=True)
def _hash_runs(word_of, word_hash, words):  # type: ignore[no-untyped-def]
    """Put the hash of each run of ``words`` words (Karp and Rabin 1987) in the place of its first word's."""
    power = np.uint64(1)
    for _ in range(words):
        power *= _RUN_STEP
    for document in range(word_of.shape[0] - 1):
        first, last = word_of[document], word_of[document + 1]
        if last - first < words:
            continue
        h = np.uint64(0)
        for i in range(first, first + words):
            h = h * _RUN_STEP + word_hash[i]
        for i in range(first, last - words + 1):
            gone = word_hash[i]
            word_hash[i] = mix(h)
            if i + words < last:
                h = h * _RUN_STEP + word_hash[i + words] - gone * power


@njit(nogil=True, cache=True)
def _collect(listed_of, listed, word_of, word_hash, runs, hashes):  # type: ignore[no-untyped-def]
    n = 0
    for document in range(runs.shape[0]):
        for i in range(listed_of[document], listed_of[document + 1]):
            hashes[n] = listed[i]
            n += 1
        for i in range(word_of[document], word_of[document] + runs[document]):
            hashes[n] = word_hash[i]
            n += 1

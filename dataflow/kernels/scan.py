"""All counts and the MinHash signature of every document, and the words that define what is counted.

``analyse`` takes the documents in groups of some hundred kilobytes (or one longer document): a first kernel
reads the bytes and leaves the hashes of words and lines, the others count what repeats in them. So scratch
memory is bounded by the longest document (about 60 bytes for each of its words), nothing touches Python
objects, and the lock is free meanwhile.

A word is a maximal run of letters, marks and digits that begins with a letter or digit, with single inner
joiners (``'``, ``-`` and their kin in ``characters.JOINERS``), lower-cased. In scripts without spaces every
letter, mark and digit is a word of its own. A line is what ``\\n`` separates, less outer white space; blank
ones do not count. A paragraph is a maximal run of non-blank lines. A sentence is a stretch of a line with at
least one word, up to a sentence-ending mark before white space (closing quotes and brackets between them
allowed; in scripts without spaces the mark is enough) or to the line's end.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.kernels import characters, lines, minhash, ngrams, vocabulary
from dataflow.kernels.arrow import Offsets, buffers
from dataflow.kernels.text import STATISTICS, count_words, known_words, read_documents

LINE_STATISTICS = (
    "paragraphs",
    "duplicate_lines",
    "duplicate_line_characters",
    "duplicate_paragraphs",
    "duplicate_paragraph_characters",
)

_NAMES = (
    STATISTICS,
    LINE_STATISTICS,
    ngrams.STATISTICS,
    vocabulary.BYTE_STATISTICS,
    vocabulary.WORD_STATISTICS,
)

GROUP_BYTES = 1 << 18
GROUP_DOCUMENTS = 4096


@dataclass(frozen=True)
class Analysis:
    """What one pass found in each of n documents."""

    statistics: dict[str, npt.NDArray[np.int64]]
    """Raw counts by name, as the kernels list them, n of each."""

    signatures: npt.NDArray[np.uint64]
    """MinHash signatures, n rows; all ones where a document has no words."""


def analyse(
    texts: pa.LargeStringArray, permutations: int, shingle: int, distinct_words: bool = True
) -> Analysis:
    """Count and sign every document.

    Args:
        texts: documents; a null is an empty one.
        permutations: positions of a signature; 0 for none.
        shingle: words of a shingle, 1 or more.
        distinct_words: whether ``vocabulary.WORD_STATISTICS`` are among the statistics, a tenth of the time.
    """
    if permutations < 0 or shingle < 1:
        raise ValueError(f"permutations must be >= 0 and shingle >= 1, found {permutations} and {shingle}")
    data, offsets = buffers(texts)
    n = len(texts)
    counted = _NAMES if distinct_words else _NAMES[:-1]
    counts = [np.zeros((n, len(names)), np.int64) for names in counted]
    signatures = np.empty((n, permutations), np.uint64)
    table, (known, known_shift) = characters.table(), known_words()
    groups = _groups(offsets)
    s = _Scratch(max((int(offsets[last] - offsets[first]) for first, last in groups), default=0))
    for first, last in groups:
        bounds = offsets[first : last + 1]
        read, line, ngram, byte, *word = (part[first:last] for part in counts)
        word_start, line_start = np.zeros(last - first + 1, np.int64), np.zeros(last - first + 1, np.int64)
        read_documents(
            data, bounds, table, word_start, s.word_hash, s.word_length, s.word_flags, line_start, s.line_hash,
            s.line_length, s.opens_paragraph, read,
        )  # fmt: skip
        count_words(word_start, s.word_hash, s.word_length, s.word_flags, known, known_shift, read)
        s.fit(int(np.diff(word_start).max()), int(np.diff(line_start).max()))
        lines.count_repetition(s.line_hash, s.line_length, s.opens_paragraph, line_start, s.table, line)
        vocabulary.count_bytes(data, bounds, byte)
        if distinct_words:
            vocabulary.count_words(s.word_hash, word_start, s.first, s.copies, s.table, *word)
        ngrams.count_repetition(
            s.word_hash, s.word_length, word_start, s.keys, s.places, s.first, s.copies, s.table, s.ends,
            s.seen, ngram,
        )  # fmt: skip
        if permutations:
            minhash.sign(s.word_hash, word_start, shingle, signatures[first:last])
    names = [name for part in counted for name in part]
    columns = [np.ascontiguousarray(column) for part in counts for column in part.T]
    return Analysis(dict(zip(names, columns, strict=True)), signatures)


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
    """Working arrays, reused from group to group; pages of memory are only taken as they are written."""

    def __init__(self, n_bytes: int) -> None:
        n = n_bytes // 2 + GROUP_DOCUMENTS + 1  # two words, or two lines, are never nearer than two bytes
        self.word_hash, self.word_length = np.empty(n, np.uint64), np.empty(n, np.int32)
        self.word_flags = np.empty(n, np.uint8)
        self.line_hash, self.line_length = np.empty(n, np.uint64), np.empty(n, np.int32)
        self.opens_paragraph = np.empty(n, np.bool_)
        self.table = np.empty(0, np.int32)
        self.fit(4, 4)

    def fit(self, n_words: int, n_lines: int) -> None:
        """Make room for counting what repeats in a document of so many words and lines."""
        size = 16
        while size < 2 * max(n_words, n_lines):
            size *= 2
        if size > len(self.table):
            n = size // 2
            self.keys, self.places = np.empty(n, np.uint64), np.empty(n, np.int32)
            self.first, self.copies = np.empty(n, np.int32), np.empty(n, np.int32)
            self.ends, self.seen = np.empty(n + 1, np.uint32), np.empty(4 * size, np.uint8)
            self.table = np.empty(size, np.int32)

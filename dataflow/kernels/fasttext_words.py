"""fastText's features of a text, summed: for each document the rows of its words, of their parts and of runs of words.

What fastText does (Bojanowski et al. 2017, section 3; Joulin et al. 2017, section 2), at the speed of a look-up
a word. Text is words between ASCII white space or NUL; ``</s>`` ends it, and one is added where there is none;
labels are passed over. A known word counts with its own row, any word with the rows of its runs of ``min_n`` to
``max_n`` characters between ``<`` and ``>``, and 2 to ``word_ngrams`` words that follow each other with one more.

Most of a text is words met before, so the sum of a word of up to 24 bytes is kept in a cache that fits the
processor's own (a word whose slot is wanted by another is forgotten). A document's sum is always the sum of its
words' sums, added in the order of the text: the cache saves work and cannot change a bit of the result. It lives
as long as one call, so threads share nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets
from dataflow.kernels.fasttext_file import Floats, ModelFile

_BASIS, _PRIME = np.uint64(2166136261), np.uint64(16777619)  # FNV-1a of 32 bits, in 64 and cut when used
_RUN = np.uint64(116049371)
_LOW = np.uint64(0xFFFFFFFF)
_SIGN = np.uint64(0xFFFFFFFFFFFFFF00)  # fastText takes bytes as signed
_SPACES = np.int64(1 << 0 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 32)
_END = np.uint64(int.from_bytes(b"</s>", "little"))
_LABEL_PREFIX = np.frombuffer(b"__label__", np.uint8)
_C1, _C2, _C3 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)

CACHED_BYTES = 24
"""Longest word that is kept in the cache."""
CACHE_FLOATS = 1 << 18
"""Room for sums in the cache: 1 MiB."""


@dataclass(frozen=True)
class Words:
    """A model's features as the kernel wants them."""

    data: Bytes
    """The model file, where the words are spelt."""
    table: npt.NDArray[np.uint64]
    """Hash table of words and labels: hash in the upper half, number + 1 in the lower, by the hash's low bits."""
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int32]
    n_words: int
    rows: Floats
    kept: npt.NDArray[np.int32]
    """As in ``ModelFile``; empty where every bucket has its row."""
    is_kept: Bytes
    """A bit for each bucket, so small that it stays in the processor's cache; empty as ``kept`` is."""
    n_buckets: int
    min_n: int
    max_n: int
    word_ngrams: int

    def sums(self, data: Bytes, starts: Offsets, ends: Offsets, bounds: Offsets) -> tuple[Floats, Offsets]:
        """Sum of the rows of each document's features, and how many these are.

        Args:
            data: bytes of texts.
            starts: where each piece of text begins in ``data``.
            ends: where it ends; a word never goes on from one piece into the next.
            bounds: pieces ``bounds[i]`` to ``bounds[i + 1]`` are document ``i``.
        """
        n = len(bounds) - 1
        width = self.rows.shape[1]
        sums, counts = np.zeros((n, width), np.float32), np.zeros(n, np.int64)
        slots = 1 << max(4, (CACHE_FLOATS // width).bit_length() - 1)
        keys, known = np.zeros((slots, 4), np.uint64), np.empty((slots, width), np.float32)
        _add_documents(
            data, _fixed(starts), _fixed(ends), _fixed(bounds), self.data, self.table, self.starts, self.lengths, self.n_words,
            self.rows, self.kept, self.is_kept, self.n_buckets, self.min_n, self.max_n, self.word_ngrams,
            keys, known, sums, counts,
        )  # fmt: skip
        return sums, counts


def _fixed(places: Offsets) -> Offsets:
    """Read-only and contiguous, so that the kernel is compiled for one kind of array only."""
    places = np.ascontiguousarray(places, np.int64).view()
    places.flags.writeable = False
    return places


def words_of(model: ModelFile, rows: Floats) -> Words:
    """The features of a model, with ``rows`` in the place of its own: all of them, or folded to fewer columns."""
    size = 1 << max(4, (2 * len(model.starts)).bit_length())
    table = np.zeros(size, np.uint64)
    _enter(model.data, model.starts, model.lengths, table)
    kept = np.zeros(0, np.int32) if model.kept is None else model.kept
    is_kept = np.packbits(kept >= 0, bitorder="little")
    for array in (table, kept, is_kept):
        array.flags.writeable = False
    return Words(
        model.data, table, model.starts, model.lengths, model.n_words, rows, kept, is_kept,
        model.n_buckets, model.min_n, model.max_n, model.word_ngrams,
    )  # fmt: skip


@njit(nogil=True, cache=True, inline="always")
def _step(h, byte):  # type: ignore[no-untyped-def]
    b = np.uint64(byte)
    if byte >= 0x80:
        b |= _SIGN
    return (h ^ b) * _PRIME


@njit(nogil=True, cache=True)
def _hash(data, start, end):  # type: ignore[no-untyped-def]
    h = _BASIS
    for i in range(start, end):
        h = _step(h, data[i])
    return h & _LOW


@njit(nogil=True, cache=True)
def _enter(data, starts, lengths, table):  # type: ignore[no-untyped-def]
    """Fill the hash table; of equal words the first is found, as fastText does."""
    mask = np.uint64(table.shape[0] - 1)
    for i in range(starts.shape[0]):
        h = _hash(data, starts[i], starts[i] + lengths[i])
        slot = h & mask
        while table[slot]:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = h << np.uint64(32) | np.uint64(i + 1)


@njit(nogil=True, cache=True)
def _find(text, start, end, h, data, table, starts, lengths):  # type: ignore[no-untyped-def]
    """Number of the word with hash ``h``, -1 where there is none."""
    mask = np.uint64(table.shape[0] - 1)
    slot = h & mask
    while table[slot]:
        entry = table[slot]
        if entry >> np.uint64(32) == h:
            i = np.int64(entry & _LOW) - 1
            if lengths[i] == end - start:
                at = starts[i] - start
                k = start
                while k < end and text[k] == data[at + k]:
                    k += 1
                if k == end:
                    return i
        slot = (slot + np.uint64(1)) & mask
    return np.int64(-1)


@njit(nogil=True, cache=True)
def _add_rows(rows, ids, n, sums, to):  # type: ignore[no-untyped-def]
    """Add rows to row ``to`` of ``sums``, in their order."""
    if rows.shape[1] == 16:  # lid.176: a loop of known length is one or two instructions
        for i in range(n):
            row = ids[i]
            for k in range(16):
                sums[to, k] += rows[row, k]
    else:
        for i in range(n):
            row = ids[i]
            for k in range(rows.shape[1]):
                sums[to, k] += rows[row, k]


@njit(nogil=True, cache=True, inline="always")
def _push(h, n_words, kept, is_kept, n_buckets, ids, n):  # type: ignore[no-untyped-def]
    """Append the row of a bucket to ``ids``; returns their number, the same where it was pruned away."""
    bucket = h % n_buckets
    if is_kept.shape[0] == 0:
        ids[n] = n_words + np.int64(bucket)
        return n + 1
    if (is_kept[bucket >> np.uint64(3)] >> np.uint8(bucket & np.uint64(7))) & 1:
        ids[n] = n_words + np.int64(kept[bucket])
        return n + 1
    return n


@njit(nogil=True, cache=True, error_model="numpy")
def _add_word(
    text, start, end, h, data, table, starts, lengths, n_words, rows, kept, is_kept, n_buckets,
    min_n, max_n, ids, sums, to,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Add the rows of a word to row ``to`` of ``sums``; returns how many these are, or -1 for a label."""
    number = _find(text, start, end, h, data, table, starts, lengths)
    n = 0
    if number >= n_words:
        return -1
    if number >= 0:
        ids[0] = number
        n = 1
    elif end - start >= _LABEL_PREFIX.shape[0]:
        k = 0
        while k < _LABEL_PREFIX.shape[0] and text[start + k] == _LABEL_PREFIX[k]:
            k += 1
        if k == _LABEL_PREFIX.shape[0]:
            return -1
    count = 0
    room = ids.shape[0] - max_n
    # runs of characters, in fastText's order: from <, then from each character on
    begin = start - 1
    while max_n > 0 and begin < end:
        run, length, i = _BASIS, 0, begin
        if begin < start:
            run, length, i = _step(run, 60), 1, start  # <
            while i < end and (text[i] & 0xC0) == 0x80:
                run = _step(run, text[i])
                i += 1
        elif (text[begin] & 0xC0) == 0x80:
            begin += 1
            continue
        while length < max_n and i < end:
            run = _step(run, text[i])
            i += 1
            while i < end and (text[i] & 0xC0) == 0x80:
                run = _step(run, text[i])
                i += 1
            length += 1
            if length >= min_n:
                n = _push(run & _LOW, n_words, kept, is_kept, n_buckets, ids, n)
        if length < max_n and length + 1 >= min_n:  # >
            n = _push(_step(run, 62) & _LOW, n_words, kept, is_kept, n_buckets, ids, n)
        begin += 1
        if n > room:
            _add_rows(rows, ids, n, sums, to)
            count += n
            n = 0
    _add_rows(rows, ids, n, sums, to)
    return count + n


@njit(nogil=True, cache=True, error_model="numpy")
def _add_documents(
    text, begins, ends, bounds, data, table, starts, lengths, n_words, rows, kept, is_kept, n_buckets,
    min_n, max_n, word_ngrams, keys, known, sums, counts,
):  # type: ignore[no-untyped-def]  # fmt: skip
    buckets = np.uint64(max(n_buckets, 1))
    slot_mask = np.uint64(keys.shape[0] - 1)
    width = rows.shape[1]
    fresh = np.zeros((1, width), np.float32)
    ids = np.zeros(max(1024, 4 * max_n), np.int64)
    runs = np.zeros(max(word_ngrams, 1), np.uint64)  # hashes of the runs that end with the word before
    eos = np.frombuffer(b"</s>", np.uint8)
    for document in range(bounds.shape[0] - 1):
        count = np.int64(0)
        n_runs = 0
        open_text = True
        piece = bounds[document]
        i = begins[piece] if piece < bounds[document + 1] else np.int64(0)
        while open_text:
            # the next word: its bytes packed in three numbers, as far as they fit
            word_text = text
            found = False
            a = b = c = np.uint64(0)
            start = end = np.int64(0)
            while piece < bounds[document + 1]:
                last = ends[piece]
                while i < last and text[i] <= 32 and (_SPACES >> np.int64(text[i])) & 1:
                    i += 1
                if i < last:
                    found = True
                    break
                piece += 1
                if piece < bounds[document + 1]:
                    i = begins[piece]
            if found:
                last = ends[piece]
                start = i
                stop = min(start + 8, last)
                shift = np.uint64(0)
                while i < stop and (text[i] > 32 or not (_SPACES >> np.int64(text[i])) & 1):
                    a |= np.uint64(text[i]) << shift
                    shift += np.uint64(8)
                    i += 1
                if i == start + 8:
                    stop = min(start + 16, last)
                    shift = np.uint64(0)
                    while i < stop and (text[i] > 32 or not (_SPACES >> np.int64(text[i])) & 1):
                        b |= np.uint64(text[i]) << shift
                        shift += np.uint64(8)
                        i += 1
                    if i == start + 16:
                        stop = min(start + 24, last)
                        shift = np.uint64(0)
                        while i < stop and (text[i] > 32 or not (_SPACES >> np.int64(text[i])) & 1):
                            c |= np.uint64(text[i]) << shift
                            shift += np.uint64(8)
                            i += 1
                        if i == start + 24:
                            while i < last and (text[i] > 32 or not (_SPACES >> np.int64(text[i])) & 1):
                                i += 1
                end = i
                open_text = not (end - start == 4 and a == _END)
            else:
                open_text = False
            if not open_text:
                word_text, start, end, a = eos, np.int64(0), np.int64(4), _END
            # its sum
            h = np.uint64(0)
            n = np.int64(0)
            if not open_text:
                h = _hash(eos, 0, 4)
                number = _find(eos, 0, 4, h, data, table, starts, lengths)
                if 0 <= number < n_words:
                    for k in range(width):
                        sums[document, k] += rows[number, k]
                    n = 1
            elif end - start > CACHED_BYTES:
                h = _hash(text, start, end)
                fresh[:] = 0
                n = _add_word(
                    text, start, end, h, data, table, starts, lengths,
                    n_words, rows, kept, is_kept, buckets, min_n, max_n, ids, fresh, 0,
                )  # fmt: skip
                for k in range(width):
                    sums[document, k] += fresh[0, k]
            else:
                x = (a ^ (a >> np.uint64(32))) * _C1 ^ (b * _C2) ^ (c * _C3)
                x ^= x >> np.uint64(29)
                x *= _C2
                slot = (x >> np.uint64(32)) & slot_mask
                if keys[slot, 0] != a or keys[slot, 1] != b or keys[slot, 2] != c:
                    h = _hash(text, start, end)
                    for k in range(width):
                        known[slot, k] = 0
                    n = _add_word(
                        text, start, end, h, data, table, starts, lengths,
                        n_words, rows, kept, is_kept, buckets, min_n, max_n, ids, known, slot,
                    )  # fmt: skip
                    keys[slot, 0], keys[slot, 1], keys[slot, 2] = a, b, c
                    keys[slot, 3] = h << np.uint64(32) | np.uint64(n + 1)
                n = np.int64(keys[slot, 3] & _LOW) - 1
                h = keys[slot, 3] >> np.uint64(32)
                if width == 16:
                    for k in range(16):
                        sums[document, k] += known[slot, k]
                else:
                    for k in range(width):
                        sums[document, k] += known[slot, k]
            if n >= 0:
                count += n
                if word_ngrams > 1:
                    signed = np.uint64(np.int64(h) - ((np.int64(h) & 0x80000000) << 1))
                    n_runs = min(n_runs + 1, word_ngrams)
                    for length in range(n_runs, 1, -1):
                        run = runs[length - 2] * _RUN + signed
                        runs[length - 1] = run
                        if _push(run, n_words, kept, is_kept, buckets, ids, 0):
                            _add_rows(rows, ids, 1, sums, document)
                            count += 1
                    runs[0] = signed
        counts[document] = count

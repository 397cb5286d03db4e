"""fastText's features of a text, summed: for each document the rows of its words, of their parts and of runs of words.

What fastText does (Bojanowski et al. 2017, section 3; Joulin et al. 2017, section 2), at the speed of a look-up
a word. Text is words between ASCII white space or NUL; ``</s>`` ends it, and one is added where there is none;
labels are passed over. A known word counts with its own row, any word with the rows of its runs of ``min_n`` to
``max_n`` characters between ``<`` and ``>``, and 2 to ``word_ngrams`` words that follow each other with one more.

Most of a text is words met before, so the sum of a word of up to 24 bytes is kept in a cache that fits the
processor's own (a word whose slot is wanted by another is forgotten). A document's sum is always the sum of its
words' sums, added in the order of the text: the cache saves work and cannot change a bit of the result. It lives
as long as one call, so threads share nothing.

The hot loop is one function: numba counts references to every array that is passed on, inlined or not, and that
alone cost more than the look-ups.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets
from dataflow.kernels.fasttext_file import Floats, ModelFile

BASIS, _PRIME = np.uint64(2166136261), np.uint64(16777619)  # FNV-1a of 32 bits, in 64 and cut when used
RUN = np.uint64(116049371)
LOW = np.uint64(0xFFFFFFFF)
_SIGN = np.uint64(0xFFFFFFFFFFFFFF00)  # fastText takes bytes as signed
_SPACES = np.int64(1 << 0 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 32)
EOS = np.frombuffer(b"</s>", np.uint8)
_EOS_BYTES = np.uint64(int.from_bytes(EOS.tobytes(), "little"))
LABEL = np.frombuffer(b"__label__", np.uint8)
_LABEL_BEGIN, _LABEL_LAST = np.uint64(int.from_bytes(b"__label_", "little")), np.uint64(ord("_"))
_THREE, _SEVEN = np.uint64(3), np.uint64(7)
_C1, _C2, _C3 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)


def _ascii_hash(word: bytes) -> int:
    h = int(BASIS)
    for byte in word:  # below 128
        h = (h ^ byte) * int(_PRIME) & int(LOW)
    return h


EOS_HASH = np.uint64(_ascii_hash(EOS.tobytes()))

CACHED_BYTES = 24
"""Longest word that is kept in the cache."""
CACHE_FLOATS = 1 << 18
"""Room for sums in the cache at most: 1 MiB."""
CACHE_WORDS = 1 << 14
"""Words in the cache at most; their spelling takes 512 KiB."""


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
    end: int
    """Number of the word ``</s>``, -1 where the model has none."""
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
        slots = 1 << max(0, min(CACHE_WORDS, CACHE_FLOATS // width).bit_length() - 1)
        keys, known = np.zeros((slots + 1, 4), np.uint64), np.zeros((slots + 1, width), np.float32)
        _add_documents(
            data, _fixed(starts), _fixed(ends), _fixed(bounds),
            self.data, self.table, self.starts, self.lengths, self.n_words, self.end, self.rows, self.kept,
            self.is_kept, max(self.n_buckets, 1), self.min_n, self.max_n, self.word_ngrams,
            keys, known, sums, counts,
        )  # fmt: skip
        return sums, counts


def words_of(model: ModelFile, rows: Floats) -> Words:
    """The features of a model, with ``rows`` in the place of its own: all of them, or folded to fewer columns."""
    size = 1 << max(4, (2 * len(model.starts)).bit_length())
    table = np.zeros(size, np.uint64)
    _enter(model.data, model.starts, model.lengths, table)
    kept = np.zeros(0, np.int32) if model.kept is None else model.kept
    is_kept = np.packbits(kept >= 0, bitorder="little")
    for array in (table, kept, is_kept):
        array.flags.writeable = False
    end = int(_number(EOS, model.data, table, model.starts, model.lengths))
    return Words(
        model.data, table, model.starts, model.lengths, model.n_words, end if end < model.n_words else -1,
        rows, kept, is_kept, model.n_buckets, model.min_n, model.max_n, model.word_ngrams,
    )  # fmt: skip


def _fixed(places: Offsets) -> Offsets:
    """Read-only and contiguous, so that the kernel is compiled for one kind of array only."""
    places = np.ascontiguousarray(places, np.int64).view()
    places.flags.writeable = False
    return places


@njit(nogil=True, cache=True, inline="always")
def step(h, byte):  # type: ignore[no-untyped-def]
    """One step of fastText's hash; only the lower 32 bits count."""
    b = np.uint64(byte)
    if byte >= 0x80:
        b |= _SIGN
    return (h ^ b) * _PRIME


@njit(nogil=True, cache=True)
def _hash(data, start, end):  # type: ignore[no-untyped-def]
    h = BASIS
    for i in range(start, end):
        h = step(h, data[i])
    return h & LOW


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
    number = np.int64(-1)
    while table[slot] and number < 0:
        entry = table[slot]
        if entry >> np.uint64(32) == h:
            i = np.int64(entry & LOW) - 1
            if lengths[i] == end - start:
                at = starts[i] - start
                k = start
                while k < end and text[k] == data[at + k]:
                    k += 1
                if k == end:
                    number = i
        slot = (slot + np.uint64(1)) & mask
    return number


@njit(nogil=True, cache=True)
def _number(word, data, table, starts, lengths):  # type: ignore[no-untyped-def]
    h = _hash(word, 0, word.shape[0])
    return _find(word, 0, word.shape[0], h, data, table, starts, lengths)


@njit(nogil=True, cache=True, inline="always")
def is_space(byte):  # type: ignore[no-untyped-def]
    """Whether fastText takes a byte for white space."""
    return byte <= 32 and (_SPACES >> np.int64(byte)) & 1 == 1


@njit(nogil=True, cache=True, error_model="numpy")
def _add_documents(  # type: ignore[no-untyped-def]
    text, begins, ends, bounds, data, table, starts, lengths, n_words, end_of_text, rows, kept, is_kept,
    n_buckets, min_n, max_n, word_ngrams, keys, known, sums, counts,
):  # fmt: skip
    buckets = np.uint64(n_buckets)
    n_slots = keys.shape[0] - 1  # the one after them is for words that are not kept
    slot_mask, table_mask = np.uint64(n_slots - 1), np.uint64(table.shape[0] - 1)
    all_kept = kept.shape[0] == 0
    width = rows.shape[1]
    runs = np.zeros(word_ngrams + 1, np.uint64)  # hashes of the runs that end with the word before
    eos_hash = np.uint64(EOS_HASH)
    for document in range(bounds.shape[0] - 1):
        count = np.int64(0)
        n_runs = 0
        piece, last_piece = bounds[document], bounds[document + 1]
        i = last = np.int64(0)
        if piece < last_piece:
            i, last = begins[piece], ends[piece]
        open_text = True
        while open_text:
            while i < last and is_space(text[i]):
                i += 1
            if i >= last:
                piece += 1
                if piece < last_piece:
                    i, last = begins[piece], ends[piece]
                    continue
            # the next word, its bytes packed in three numbers as far as they fit
            start = i
            a = b = c = np.uint64(0)
            shift = np.uint64(0)
            stop = min(start + 8, last)
            while i < stop and not is_space(text[i]):
                a |= np.uint64(text[i]) << shift
                shift += np.uint64(8)
                i += 1
            if i == start + 8:
                shift = np.uint64(0)
                stop = min(start + 16, last)
                while i < stop and not is_space(text[i]):
                    b |= np.uint64(text[i]) << shift
                    shift += np.uint64(8)
                    i += 1
                if i == start + 16:
                    shift = np.uint64(0)
                    stop = min(start + 24, last)
                    while i < stop and not is_space(text[i]):
                        c |= np.uint64(text[i]) << shift
                        shift += np.uint64(8)
                        i += 1
                    if i == start + 24:
                        while i < last and not is_space(text[i]):
                            i += 1
            if i == start or (i - start == 4 and a == _EOS_BYTES):
                open_text = False
                h = eos_hash
                n = np.int64(0)
                if end_of_text >= 0:
                    n = np.int64(1)
                    for k in range(width):
                        sums[document, k] += rows[end_of_text, k]
            else:
                slot = np.int64(n_slots)
                if i - start <= CACHED_BYTES:
                    x = (a ^ (a >> np.uint64(32))) * _C1 ^ (b * _C2) ^ (c * _C3)
                    x = (x ^ (x >> np.uint64(29))) * _C2
                    slot = np.int64((x >> np.uint64(32)) & slot_mask)
                if slot == n_slots or keys[slot, 0] != a or keys[slot, 1] != b or keys[slot, 2] != c:
                    h = BASIS
                    for k in range(start, i):
                        h = step(h, text[k])
                    h &= LOW
                    # is it in the dictionary?
                    number = np.int64(-1)
                    place = h & table_mask
                    while table[place] and number < 0:
                        entry = table[place]
                        if entry >> np.uint64(32) == h:
                            known_word = np.int64(entry & LOW) - 1
                            if lengths[known_word] == i - start:
                                begin = starts[known_word]
                                same = np.int64(0)
                                while same < i - start and text[start + same] == data[begin + same]:
                                    same += 1
                                if same == i - start:
                                    number = known_word
                        place = (place + np.uint64(1)) & table_mask
                    for k in range(width):
                        known[slot, k] = 0
                    m = np.int64(0)
                    begin = start - 1 if max_n > 0 else i
                    if 0 <= number < n_words:
                        m = np.int64(1)
                        for k in range(width):
                            known[slot, k] += rows[number, k]
                    elif number >= 0 or (a == _LABEL_BEGIN and b & np.uint64(0xFF) == _LABEL_LAST):
                        m = np.int64(-1)
                        begin = i
                    # runs of characters, in fastText's order: those from < on, then from each character on
                    while begin < i:
                        run, length, j = BASIS, 0, begin
                        if begin < start:
                            run, length, j = step(run, 60), 1, start  # <
                            while j < i and (text[j] & 0xC0) == 0x80:
                                run = step(run, text[j])
                                j += 1
                        elif (text[begin] & 0xC0) == 0x80:
                            begin += 1
                            continue
                        while length < max_n and j <= i:
                            if j < i:
                                run = step(run, text[j])
                                j += 1
                                while j < i and (text[j] & 0xC0) == 0x80:
                                    run = step(run, text[j])
                                    j += 1
                            else:
                                run = step(run, 62)  # >
                                j += 1
                            length += 1
                            if length >= min_n:
                                bucket = (run & LOW) % buckets
                                if all_kept:
                                    row = n_words + np.int64(bucket)
                                elif (is_kept[bucket >> _THREE] >> np.uint8(bucket & _SEVEN)) & np.uint8(1):
                                    row = n_words + np.int64(kept[bucket])
                                else:
                                    continue
                                m += 1
                                for k in range(width):
                                    known[slot, k] += rows[row, k]
                        begin += 1
                    keys[slot, 0], keys[slot, 1], keys[slot, 2] = a, b, c
                    keys[slot, 3] = h << np.uint64(32) | np.uint64(m + 1)
                n = np.int64(keys[slot, 3] & LOW) - 1
                h = keys[slot, 3] >> np.uint64(32)
                for k in range(width):
                    sums[document, k] += known[slot, k]
            if n >= 0:  # not a label
                count += n
                if word_ngrams > 1:
                    signed = np.uint64(np.int64(np.int32(h)))
                    n_runs = min(n_runs + 1, word_ngrams)
                    for length in range(n_runs, 1, -1):
                        run = runs[length - 1] * RUN + signed
                        runs[length] = run
                        bucket = run % buckets
                        if all_kept:
                            row = n_words + np.int64(bucket)
                        elif (is_kept[bucket >> _THREE] >> np.uint8(bucket & _SEVEN)) & np.uint8(1):
                            row = n_words + np.int64(kept[bucket])
                        else:
                            continue
                        count += 1
                        for k in range(width):
                            sums[document, k] += rows[row, k]
                    runs[1] = signed
        counts[document] = count

"""Runs of words looked up in documents: n-grams of several lengths at once, and the bytes where each one stands.

Words are those of ``scan``, read a little more loosely, so that the same sentence typeset otherwise is the same:
apostrophes and soft hyphens inside a word are passed over (``don’t`` is ``dont``), hyphens part words. In scripts
without spaces every character is a word.

A run's hash is a polynomial in the hashes of its words, modulo 2^64 (Karp and Rabin 1987): differences of prefix
sums give it for any run at once. At each word a Bloom filter (Putze et al. 2007: all bits in one place) is asked
whether a run may begin there, by its first words; only then each length is looked up, by all 64 bits.
Documents are read in blocks of some thousand words, so memory does not grow with them.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from dataflow.kernels import characters
from dataflow.kernels.arrow import Bytes, Offsets, buffers
from dataflow.kernels.characters import DIGIT, JOINER, KIND, LETTER, LOWER_SHIFT, MARK, SPACELESS, SYMBOL
from dataflow.kernels.eight import HIGH, digits, letters, load_eight, trailing_zeros
from dataflow.kernels.utf8 import decode
from dataflow.kernels.words import MIX_1, MIX_2, OFFSET, SHIFT, STEP, hash_eight, hash_spaceless, mix

Hashes = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]

LONGEST = 1024
"""Words of the longest run that can be looked up."""

_BLOCK = 4096  # words read at a time
_PARTING = "-\u2010\u2011"  # hyphens: other joiners are passed over
_BITS_A_RUN = 16
_ROOM = 4096  # hits, at first

_BASE = np.uint64(0x9FB21C651E98DF25)  # odd: no power of it loses a bit
_ONE, _LAST = np.uint64(1), np.uint64(63)


@dataclass(frozen=True)
class Runs:
    """Runs to look for, ready to be found. The number of one is its place in the keys that ``compile_runs`` got."""

    sizes: Integers
    """Lengths in words, each once, in order."""
    powers: Hashes
    """The base to the power of each length."""
    begin: int
    """Words of a beginning, no more than the shortest run has."""
    filter: Hashes
    """The bits of the beginnings of all runs."""
    keys: Hashes
    """Open-addressed keys."""
    numbers: npt.NDArray[np.int32]
    """The run in each slot, -1 where there is none."""


@dataclass(frozen=True)
class Hits:
    """Places where runs stand, in the order of documents; a run may stand in several places of one."""

    document: Integers
    run: Integers
    start: Integers
    """First byte of the run in its document."""
    end: Integers
    """The byte after its last word."""


def compile_runs(keys: Hashes, beginnings: Hashes, sizes: Integers, begin: int) -> Runs:
    """Runs ready to be found.

    Args:
        keys: of the runs, all different.
        beginnings: the key of the first ``begin`` words of each run.
        sizes: words of each run.
        begin: 1 or more, and no more than the shortest run has; the more, the fewer places look like one.
    """
    lengths = np.unique(sizes).astype(np.int64)
    if len(lengths) and not 1 <= begin <= lengths[0] <= lengths[-1] <= LONGEST:
        raise ValueError(f"runs of {lengths[0]} to {lengths[-1]} words: from {max(1, begin)} to {LONGEST}")
    places = 1 << max(6, (_BITS_A_RUN * len(keys) // 64 - 1).bit_length())
    slots = 1 << max(4, (2 * len(keys) - 1).bit_length())
    table, numbers = np.zeros(slots, np.uint64), np.full(slots, -1, np.int32)
    filter_ = np.zeros(places, np.uint64)
    _fill(keys, beginnings, filter_, table, numbers)
    powers = np.array([pow(int(_BASE), int(n), 1 << 64) for n in lengths], np.uint64)
    return Runs(lengths, powers, begin, filter_, table, numbers)


def find_runs(runs: Runs, texts: pa.LargeStringArray) -> Hits:
    """Every place in every text where one of the runs stands."""
    data, offsets = buffers(texts)
    room = _ROOM
    while True:
        hits = np.empty((4, room), np.int64)
        n = 0
        if len(runs.sizes):
            n = _find(
                data, offsets, _table(), runs.sizes, runs.powers, runs.begin, runs.filter, runs.keys,
                runs.numbers, hits,
            )  # fmt: skip
        if n <= room:
            return Hits(*hits[:, :n])
        room = n


def read_words(texts: pa.LargeStringArray) -> tuple[Hashes, Integers]:
    """Hashes of the words of all texts, and where those of each begin (one more at the end)."""
    data, offsets = buffers(texts)
    n = int(offsets[-1] - offsets[0]) + 1
    hashes, first = np.empty(n, np.uint64), np.zeros(len(offsets), np.int64)
    n_words = _read_all(data, offsets, _table(), hashes, first)
    return hashes[:n_words].copy(), first


def run_keys(hashes: Hashes, size: int) -> Hashes:
    """The key of each run of ``size`` words, in order."""
    keys = np.empty(max(0, len(hashes) - size + 1), np.uint64)
    if len(keys):
        _keys(np.ascontiguousarray(hashes), size, keys)
    return keys


@cache
def _table() -> npt.NDArray[np.uint32]:
    """What each code point is, hyphens made symbols."""
    table = characters.table().copy()
    for text in _PARTING:
        table[ord(text)] = (table[ord(text)] & ~np.uint32(KIND)) | np.uint32(SYMBOL)
    table.flags.writeable = False
    return table


@njit(nogil=True, cache=True)
def _key(polynomial, size):  # type: ignore[no-untyped-def]
    """Runs of different lengths do not share keys; the highest bits are the best mixed ones."""
    h = polynomial + np.uint64(size)
    h = (h ^ (h >> SHIFT)) * MIX_1
    return (h ^ (h >> SHIFT)) * MIX_2


@njit(nogil=True, cache=True)
def _read_block(data, i, end, table, n, most, hashes, starts, ends):  # type: ignore[no-untyped-def]
    """Read words from byte ``i`` on until there are ``most``; the byte after them, and how many there are now."""
    while i < end and n < most:
        size = 1
        point = np.int64(data[i])
        if point >= 0x80:
            point, size = decode(data, i, end)
        entry = np.int64(table[point])
        kind = entry & KIND
        if kind == SPACELESS:
            hashes[n] = hash_spaceless(point)
            starts[n] = i
            i += size
            ends[n] = i
            n += 1
            continue
        if kind < DIGIT:
            i += size
            continue
        starts[n] = i
        h = OFFSET
        while True:
            if size == 1 and i + 8 <= end:
                # as many ASCII letters and digits as begin the next eight bytes, one at least
                eight = load_eight(data, i)
                others = ~(letters(eight) | digits(eight)) & HIGH
                count = trailing_zeros(others) >> 3
                h = hash_eight(h, eight, count)
                i += count
            else:
                h = (h ^ np.uint64(point ^ entry >> LOWER_SHIFT)) * STEP
                i += size
            if i >= end:
                break
            size = 1
            point = np.int64(data[i])
            if point >= 0x80:
                point, size = decode(data, i, end)
            entry = np.int64(table[point])
            kind = entry & KIND
            if MARK <= kind <= LETTER:
                continue
            if kind != JOINER or i + size >= end:
                break
            # passed over if a letter or digit follows
            after, after_size = np.int64(data[i + size]), 1
            if after >= 0x80:
                after, after_size = decode(data, i + size, end)
            after_entry = np.int64(table[after])
            if not DIGIT <= after_entry & KIND <= LETTER:
                break
            i += size
            point, size, entry = after, after_size, after_entry
        hashes[n] = mix(h)
        ends[n] = i
        n += 1
    return i, n


@njit(nogil=True, cache=True)
def _read_all(
    data: Bytes,
    offsets: Offsets,
    table: npt.NDArray[np.uint32],
    hashes: Hashes,
    first: Integers,
) -> int:
    starts, ends = np.empty(hashes.shape[0], np.int64), np.empty(hashes.shape[0], np.int64)
    n = 0
    for document in range(offsets.shape[0] - 1):
        _, n = _read_block(
            data, offsets[document], offsets[document + 1], table, n, hashes.shape[0], hashes, starts, ends
        )
        first[document + 1] = n
    return n


@njit(nogil=True, cache=True)
def _keys(hashes, size, keys):  # type: ignore[no-untyped-def]
    for i in range(keys.shape[0]):
        h = np.uint64(0)
        for k in range(size):
            h = h * _BASE + hashes[i + k]
        keys[i] = _key(h, size)


@njit(nogil=True, cache=True)
def _bits(key):  # type: ignore[no-untyped-def]
    """Three of the 64 bits at a key's place in the filter."""
    first, second, third = key >> np.uint64(20), key >> np.uint64(14), key >> np.uint64(8)
    return _ONE << (first & _LAST) | _ONE << (second & _LAST) | _ONE << (third & _LAST)


@njit(nogil=True, cache=True)
def _fill(keys, beginnings, filter_, table, numbers):  # type: ignore[no-untyped-def]
    mask, places = np.uint64(table.shape[0] - 1), np.uint64(filter_.shape[0] - 1)
    for number in range(keys.shape[0]):
        key = keys[number]
        filter_[(beginnings[number] >> SHIFT) & places] |= _bits(beginnings[number])
        slot = (key >> SHIFT) & mask
        while numbers[slot] >= 0:
            slot = (slot + _ONE) & mask
        table[slot], numbers[slot] = key, number


@njit(nogil=True, cache=True)
def _look_up(key, keys, numbers):  # type: ignore[no-untyped-def]
    """The number of the run with a key, or -1."""
    mask = np.uint64(keys.shape[0] - 1)
    slot = (key >> SHIFT) & mask
    while numbers[slot] >= 0 and keys[slot] != key:
        slot = (slot + _ONE) & mask
    return numbers[slot]


@njit(nogil=True, cache=True)
def _find(
    data: Bytes,
    offsets: Offsets,
    table: npt.NDArray[np.uint32],
    sizes: Integers,
    powers: Hashes,
    begin: int,
    filter_: Hashes,
    keys: Hashes,
    numbers: npt.NDArray[np.int32],
    hits: Integers,
) -> int:
    """Fill ``hits`` (document, run, start, end) as far as there is room; how many there are."""
    hashes, prefix = np.empty(_BLOCK, np.uint64), np.zeros(_BLOCK + 1, np.uint64)
    starts, ends = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64)
    longest = sizes[-1]
    power = _ONE
    for _ in range(begin):
        power *= _BASE
    places = np.uint64(filter_.shape[0] - 1)
    room = hits.shape[1]
    found = 0
    for document in range(offsets.shape[0] - 1):
        origin, end = offsets[document], offsets[document + 1]
        i, n = origin, 0
        while i < end:
            i, n = _read_block(data, i, end, table, n, _BLOCK, hashes, starts, ends)
            h = np.uint64(0)
            for word in range(n):
                h = h * _BASE + hashes[word]
                prefix[word + 1] = h
            # where a run may begin, the longest too, unless the document ends before it does
            done = n - longest + 1 if i < end else n - begin + 1
            for word in range(max(0, done)):
                key = _key(prefix[word + begin] - prefix[word] * power, begin)
                bits = _bits(key)
                if filter_[(key >> SHIFT) & places] & bits != bits:
                    continue
                for s in range(sizes.shape[0]):
                    after = word + sizes[s]
                    if after > n:
                        break
                    key = _key(prefix[after] - prefix[word] * powers[s], sizes[s])
                    run = _look_up(key, keys, numbers)
                    if run >= 0:
                        if found < room:
                            hits[0, found], hits[1, found] = document, run
                            hits[2, found], hits[3, found] = starts[word] - origin, ends[after - 1] - origin
                        found += 1
            if i < end:
                n -= done
                for word in range(n):
                    hashes[word] = hashes[done + word]
                    starts[word] = starts[done + word]
                    ends[word] = ends[done + word]
    return found

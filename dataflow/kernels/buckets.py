"""Buckets: the documents that share a band key, found without sorting the keys.

Entries (key, rank) are laid out in chunks by the lower half of the key, some thousands each, so that the hash table
that counts the keys of a chunk stays in the cache. Keys that occur once, most of them, cost one look into that
table and are left behind; of the others the ranks are gathered and sorted. Time is linear, also where a million
documents share one key.

The result is written over the entries: buckets never take more room than what they are made of.
"""

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

Offsets = npt.NDArray[np.int64]

ENTRIES_OF_CHUNK = 4096
"""A table of 8,192 keys and counts is 96 KiB: within the second-level cache."""

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@njit(nogil=True, cache=True)
def _chunk_of(key, n_chunks):  # type: ignore[no-untyped-def]
    return np.int64(((key & uint64(0xFFFFFFFF)) * uint64(n_chunks)) >> uint64(32))


@njit(nogil=True, cache=True)
def count_chunks(keys, counts):  # type: ignore[no-untyped-def]
    """Add to ``counts`` the entries of each chunk."""
    for i in range(keys.shape[0]):
        counts[_chunk_of(keys[i], counts.shape[0])] += 1


@njit(nogil=True, cache=True)
def lay_in_chunks(keys, ranks, place, laid_keys, laid_ranks):  # type: ignore[no-untyped-def]
    """Put every entry at the next ``place`` of its chunk."""
    for i in range(keys.shape[0]):
        chunk = _chunk_of(keys[i], place.shape[0])
        laid_keys[place[chunk]] = keys[i]
        laid_ranks[place[chunk]] = ranks[i]
        place[chunk] += 1


@njit(nogil=True, cache=True)
def find_buckets(keys, ranks, starts):  # type: ignore[no-untyped-def]
    """Sizes and members of the buckets of two or more, written over ``keys`` and ``ranks``; how many of each.

    Chunk i is ``starts[i]:starts[i + 1]``. Members of a bucket ascend.
    """
    slot_key, slot_count = np.empty(0, np.uint64), np.empty(0, np.int64)
    slot_of, gathered = np.empty(0, np.int64), np.empty(0, np.int64)
    n_buckets = n_members = 0
    for chunk in range(starts.shape[0] - 1):
        begin, n = starts[chunk], starts[chunk + 1] - starts[chunk]
        n_slots = 2 * ENTRIES_OF_CHUNK
        while n_slots < 2 * n:
            n_slots *= 2
        if n_slots > slot_key.shape[0]:
            slot_key, slot_count = np.empty(n_slots, np.uint64), np.empty(n_slots, np.int64)
            slot_of, gathered = np.empty(n_slots // 2, np.int64), np.empty(n_slots // 2, np.int64)
        slot_count[:n_slots] = 0
        for i in range(n):
            key = keys[begin + i]
            slot = np.int64((key * _SPREAD) >> uint64(20)) & (n_slots - 1)
            while slot_count[slot] and slot_key[slot] != key:
                slot = (slot + 1) & (n_slots - 1)
            slot_key[slot] = key
            slot_count[slot] += 1
            slot_of[i] = slot
        n_gathered = 0
        first_bucket = n_buckets
        for i in range(n):
            slot = slot_of[i]
            count = slot_count[slot]
            if count == 1:
                continue
            if count > 1:  # the first entry of its bucket: from here on the slot holds -1 - its next place
                keys[n_buckets] = count  # no more buckets than half the entries before
                n_buckets += 1
                slot_count[slot] = -1 - n_gathered
                n_gathered += count
            gathered[-1 - slot_count[slot]] = ranks[begin + i]
            slot_count[slot] -= 1
        begin = 0
        for bucket in range(first_bucket, n_buckets):
            size = np.int64(keys[bucket])
            _sort(gathered[begin : begin + size])
            begin += size
        ranks[n_members : n_members + n_gathered] = gathered[:n_gathered]
        n_members += n_gathered
    return n_buckets, n_members


@njit(nogil=True, cache=True)
def _sort(values):  # type: ignore[no-untyped-def]
    if values.shape[0] > 64:
        _sort_many(values)
        return
    for i in range(1, values.shape[0]):
        value = values[i]
        j = i
        while j and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


@njit(nogil=True, cache=True)
def _sort_many(values):  # type: ignore[no-untyped-def]
    """Heapsort (Williams 1964): in place, and compiled ten times as fast as numba's own sort."""
    n = values.shape[0]
    start, end = n // 2, n
    while end > 1:
        if start > 0:
            start -= 1
            value = values[start]
        else:
            end -= 1
            value = values[end]
            values[end] = values[0]
        root = start
        child = 2 * root + 1
        while child < end:
            if child + 1 < end and values[child + 1] > values[child]:
                child += 1
            if values[child] <= value:
                break
            values[root] = values[child]
            root = child
            child = 2 * root + 1
        values[root] = value


@njit(nogil=True, cache=True)
def drop_repeated(offsets, members, hashes):  # type: ignore[no-untyped-def]
    """Write over ``offsets`` and ``members`` the buckets without those of the same members; how many are left.

    Documents that agree in one band mostly agree in others: of ten equal buckets one says it all. ``hashes`` is
    filled for the buckets that are left.
    """
    n = offsets.shape[0] - 1
    n_slots = 16
    while n_slots < 2 * n:
        n_slots *= 2
    slots = np.full(n_slots, -1, np.int32)
    n_left = 0
    end = offsets[0]
    for bucket in range(n):
        begin, end = end, offsets[bucket + 1]
        hashed = uint64(end - begin)
        for i in range(begin, end):
            hashed = (hashed ^ uint64(members[i])) * uint64(0xBF58476D1CE4E5B9)
            hashed ^= hashed >> uint64(31)
        slot = np.int64(hashed & uint64(n_slots - 1))
        repeated = False
        while slots[slot] >= 0:
            other = slots[slot]
            if hashes[other] == hashed and offsets[other + 1] - offsets[other] == end - begin:
                repeated = True
                for i in range(end - begin):
                    if members[begin + i] != members[offsets[other] + i]:
                        repeated = False
                        break
                if repeated:
                    break
            slot = (slot + 1) & (n_slots - 1)
        if repeated:
            continue
        slots[slot] = n_left
        hashes[n_left] = hashed
        at = offsets[n_left]
        for i in range(end - begin):
            members[at + i] = members[begin + i]
        n_left += 1
        offsets[n_left] = at + end - begin
    return n_left


@njit(nogil=True, cache=True)
def reorder(offsets, members, order):  # type: ignore[no-untyped-def]
    """Offsets and members of the buckets in another order."""
    laid_offsets, laid = (
        np.zeros(order.shape[0] + 1, np.int64),
        np.empty(offsets[order.shape[0]], members.dtype),
    )
    n = 0
    for i in range(order.shape[0]):
        for j in range(offsets[order[i]], offsets[order[i] + 1]):
            laid[n] = members[j]
            n += 1
        laid_offsets[i + 1] = n
    return laid_offsets, laid

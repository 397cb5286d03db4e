"""Band keys: the first half of locality-sensitive hashing, from signatures to keys that alike documents share.

A signature is cut into bands of rows; documents that agree on all rows of some band share a bucket (Leskovec,
Rajaraman, Ullman: Mining of Massive Datasets, section 3.4). A band is reduced to a 64-bit key that mixes in its
number, so that the bands of all documents stand in one list of entries (key, rank). A chance collision of keys
(one in 10^5 for 10^7 documents) only adds a candidate, which verification refuses.

Entries are laid out by the upper half of the key, ``partition_of``; what is done with the entries of a partition
uses the lower half, so that both are evenly filled.
"""

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

Keys = npt.NDArray[np.uint64]
Ranks = npt.NDArray[np.int64]
"""Documents by their place in survivor order, from 0."""
Places = npt.NDArray[np.int64]


@njit(nogil=True, cache=True)
def partition_of(key, n_partitions):  # type: ignore[no-untyped-def]
    """The partition of a key, by its upper 32 bits: each gets the same share of all keys."""
    return np.int64(((key >> uint64(32)) * uint64(n_partitions)) >> uint64(32))


@njit(nogil=True, cache=True)
def band_keys(signatures, bands, rows):  # type: ignore[no-untyped-def]
    """A key for each document (row) and band (column): equal where all rows of the band are."""
    keys = np.empty((signatures.shape[0], bands), np.uint64)
    for document in range(signatures.shape[0]):
        for band in range(bands):
            key = uint64(band + 1) * uint64(0x9E3779B97F4A7C15)
            for row in range(rows):
                # The finaliser of splitmix64 (Steele et al. 2014): every bit of a value reaches every other.
                key ^= signatures[document, band * rows + row]
                key = (key ^ (key >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
                key = (key ^ (key >> uint64(27))) * uint64(0x94D049BB133111EB)
                key ^= key >> uint64(31)
            keys[document, band] = key
    return keys


@njit(nogil=True, cache=True)
def by_partition(keys, ranks, n_partitions):  # type: ignore[no-untyped-def]
    """Entries of documents (rows of ``keys``) laid out by partition: starts, keys, ranks; else in row order."""
    starts = np.zeros(n_partitions + 1, np.int64)
    for document in range(keys.shape[0]):
        for band in range(keys.shape[1]):
            starts[partition_of(keys[document, band], n_partitions) + 1] += 1
    for partition in range(n_partitions):
        starts[partition + 1] += starts[partition]
    place = starts[:-1].copy()
    laid_keys, laid_ranks = np.empty(keys.size, np.uint64), np.empty(keys.size, np.int64)
    for document in range(keys.shape[0]):
        for band in range(keys.shape[1]):
            key = keys[document, band]
            partition = partition_of(key, n_partitions)
            laid_keys[place[partition]] = key
            laid_ranks[place[partition]] = ranks[document]
            place[partition] += 1
    return starts, laid_keys, laid_ranks

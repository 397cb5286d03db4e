"""Which documents of the components stay, and whom each of the others repeats.

*Greedy*: documents are taken in survivor order, and one goes only if it has enough equal values with one that
already stays; it is recorded as a duplicate of the first such one. So every dropped document names a survivor
that it resembles, and no two that stay share a bucket and are alike. Without chains, a component may keep
several.

*Components*: all go but the first of a component, however little they resemble it; their similarity says so.

A document is compared with the staying members of its own buckets only. Where all that share a bucket are
alike that is one comparison a bucket; the bound is n(n-1)/2 for a bucket of n of which no two are alike.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.dedup.components import equal_values
from dataflow.dedup.near import Buckets, Signatures


@dataclass(frozen=True)
class Survivors:
    """For each row of the signatures: the row it repeats (itself where it stays), and their equal values."""

    survivor: npt.NDArray[np.int32]
    equal: npt.NDArray[np.int32]


def greedy(signatures: Signatures, buckets: Buckets, needed: int) -> Survivors:
    """Decide in the order of rows; ``needed`` equal values make two documents alike."""
    sizes = np.diff(buckets.starts)
    order = np.argsort(buckets.members, kind="stable")
    bucket_of = np.repeat(np.arange(len(buckets)), sizes)[order]
    held = np.bincount(buckets.members, minlength=len(signatures))
    begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(held)])
    return Survivors(*_greedy(signatures, buckets.starts, begins, bucket_of, needed))


def first_of_component(signatures: Signatures, first: npt.NDArray[np.int32]) -> Survivors:
    """Keep ``first``, the first row of each row's component, alone."""
    return Survivors(first, _equal_to(signatures, first))


@njit(nogil=True, cache=True)
def _greedy(signatures, starts, begins, bucket_of, needed):  # type: ignore[no-untyped-def]
    n, permutations = signatures.shape
    survivor = np.arange(n).astype(np.int32)
    equal = np.full(n, permutations, np.int32)
    staying = np.empty(
        starts[-1], np.int32
    )  # by bucket, from its start: members that stay, in survivor order
    n_staying = np.zeros(starts.shape[0] - 1, np.int64)
    for x in range(n):
        for entry in range(begins[x], begins[x + 1]):
            bucket = bucket_of[entry]
            for place in range(starts[bucket], starts[bucket] + n_staying[bucket]):
                y = staying[place]
                if y >= survivor[x]:
                    break  # at x itself none was found yet; else one that comes before y was
                values = equal_values(signatures[x], signatures[y], needed)
                if values >= 0:
                    survivor[x], equal[x] = y, values
                    break
        if survivor[x] == x:
            for entry in range(begins[x], begins[x + 1]):
                bucket = bucket_of[entry]
                staying[starts[bucket] + n_staying[bucket]] = x
                n_staying[bucket] += 1
    return survivor, equal


@njit(nogil=True, cache=True)
def _equal_to(signatures, first):  # type: ignore[no-untyped-def]
    equal = np.empty(first.shape[0], np.int32)
    for x in range(first.shape[0]):
        equal[x] = equal_values(signatures[x], signatures[first[x]], 0)
    return equal

"""How alike two documents are, measured only as far as it takes to know.

Similarities are asked for at levels: level 0 is the one of the recipe, each further one is higher. A pair is
compared as the share of equal values of two signatures, or, where both have their sets of shingle hashes here,
by the Jaccard similarity itself: the share of common ones among all. That stops as soon as the level asked for is
out of reach; signatures are compared in long blocks, since a block takes no longer than asking whether to stop.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from numba import njit

HIGHEST = Fraction(95, 100)
"""The last level: above it hardly any but exact copies are left."""
_MOST_LEVELS = 62  # bits of an int64 that are not its sign

_BLOCK = 128  # values compared before it is asked whether to go on; all of them in some 20 ns


@dataclass(frozen=True)
class Levels:
    """Similarities from the one asked for up to ``HIGHEST``, in hundredths, as the figures are written."""

    similarities: tuple[Fraction, ...]
    needed: npt.NDArray[np.int64]  # by level: the least number of equal values of a signature
    reached: npt.NDArray[np.int64]  # by number of equal values: the highest level they reach, or -1
    numerators: npt.NDArray[np.int64]  # by level: the similarity as a fraction
    denominators: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.similarities)

    @property
    def all(self) -> int:
        """Every level's bit."""
        return (1 << len(self)) - 1


def levels(similarity: float, permutations: int) -> Levels:
    """Level 0 at ``similarity``, each further one a hundredth higher."""
    found = [Fraction(str(similarity))]
    while len(found) < _MOST_LEVELS and (higher := found[-1] + Fraction(1, 100)) <= HIGHEST:
        found.append(higher)
    needed = np.array([-(-one.numerator * permutations // one.denominator) for one in found], np.int64)
    return Levels(
        tuple(found),
        needed,
        np.searchsorted(needed, np.arange(permutations + 1), side="right") - 1,
        np.array([one.numerator for one in found], np.int64),
        np.array([one.denominator for one in found], np.int64),
    )


@njit(nogil=True, cache=True)
def equal_values(a, b, needed):  # type: ignore[no-untyped-def]
    """How many values two signatures have in common, or -1 as soon as ``needed`` cannot be reached."""
    n = a.shape[0]
    equal = np.int64(0)
    start = 0
    while start < n:  # slices from 0, without an exit: the form that is compiled to vector instructions
        x, y = a[start : start + _BLOCK], b[start : start + _BLOCK]
        found = np.uint32(0)
        for i in range(x.shape[0]):
            found += np.uint32(1) if x[i] == y[i] else np.uint32(0)
        equal += np.int64(found)
        start += x.shape[0]
        if equal + n - start < needed:
            return np.int64(-1)
    return equal


@njit(nogil=True, cache=True)
def common_hashes(a, b, numerator, denominator):  # type: ignore[no-untyped-def]
    """How many values two sorted sets have in common, or -1 as soon as the similarity is out of reach."""
    total = a.shape[0] + b.shape[0]
    # common / (total - common) >= numerator / denominator
    needed = -(-numerator * total // (numerator + denominator))
    spare_a, spare_b = a.shape[0] - needed, b.shape[0] - needed
    if spare_a < 0 or spare_b < 0:
        return -1
    i = j = common = 0
    while i < a.shape[0] and j < b.shape[0]:
        x, y = a[i], b[j]
        i += x <= y
        j += y <= x
        common += x == y
        if i - common > spare_a or j - common > spare_b:
            return -1
    return common if common >= needed else -1


@njit(nogil=True, cache=True)
def compare(documents, thresholds, x, y, level):  # type: ignore[no-untyped-def]
    """(level reached, equal, of how many) of a pair; the level is -1 where it is below the one asked for.

    ``level`` -1 asks for the figures, however low. ``documents`` are (signatures, shingle hashes, their bounds),
    with empty bounds where there are none; an empty set of hashes stands for a document whose text is not here.
    ``thresholds`` are the arrays of ``Levels``.
    """
    signatures, hashes, bounds = documents
    needed, reached, numerators, denominators = thresholds
    if bounds.shape[0] and bounds[x] < bounds[x + 1] and bounds[y] < bounds[y + 1]:
        a, b = hashes[bounds[x] : bounds[x + 1]], hashes[bounds[y] : bounds[y + 1]]
        if level < 0:
            common = common_hashes(a, b, 0, 1)
        else:
            common = common_hashes(a, b, numerators[level], denominators[level])
        every = a.shape[0] + b.shape[0] - common
        if common < 0:
            return -1, common, every
        highest = level
        while (
            highest + 1 < needed.shape[0]
            and common * denominators[highest + 1] >= numerators[highest + 1] * every
        ):
            highest += 1
        return highest, common, every
    equal = equal_values(signatures[x], signatures[y], needed[level] if level >= 0 else 0)
    return reached[equal] if equal >= 0 else -1, equal, signatures.shape[1]


@njit(nogil=True, cache=True)
def folded(signatures):  # type: ignore[no-untyped-def]
    """Signatures of 32-bit values: the halves of each, combined."""
    values = np.empty(signatures.shape, np.uint32)
    for document in range(signatures.shape[0]):
        for i in range(signatures.shape[1]):
            value = signatures[document, i]
            values[document, i] = np.uint32((value ^ (value >> np.uint64(32))) & np.uint64(0xFFFFFFFF))
    return values


@njit(nogil=True, cache=True)
def place_sets(found, found_bounds, place, bounds, hashes):  # type: ignore[no-untyped-def]
    """Copy set i of ``found`` to the room of document ``place[i]`` in ``hashes``."""
    for i in range(place.shape[0]):
        to = bounds[place[i]]
        for j in range(found_bounds[i], found_bounds[i + 1]):
            hashes[to + j - found_bounds[i]] = found[j]

"""Drawing documents for phases: without replacement within an epoch, going on from phase to phase.

A document's epoch is how often it was drawn before. A phase takes, among the documents that its ``where``
lets it have, those drawn least often so far, in the shuffle of that epoch; only when all of them have been
drawn as often does it begin the next epoch. So a phase never repeats a document while one that it could
have instead is less used, and without ``where`` the documents of a source are never more than one epoch
apart.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


@dataclass
class Pool:
    """The training documents of one source, and how often each has been drawn."""

    sizes: Integers  # bytes or tokens, 1 or more
    keys: Keys  # seeded hash of each document's id
    limits: Integers  # how often each may be drawn
    used: Integers  # how often each has been drawn
    drawn: int = 0  # sum of the sizes of all that was drawn

    @classmethod
    def of(cls, sizes: Integers, keys: Keys, max_epochs: float) -> "Pool":
        """A pool that nothing has been drawn from.

        With ``max_epochs`` 2.5, half of the source, the first in the shuffle of epoch 2, may be drawn a
        third time.
        """
        whole = int(max_epochs)
        limits = np.full(len(sizes), whole, dtype=np.int64)
        if max_epochs > whole:
            order = shuffle(keys, whole)
            before = np.cumsum(sizes[order]) - sizes[order]
            limits[order[before < (max_epochs - whole) * sizes.sum()]] += 1
        return cls(sizes, keys, limits, np.zeros(len(sizes), dtype=np.int64))

    def capacity(self, eligible: Integers) -> int:
        """How much can still be drawn from the documents ``eligible`` (indices)."""
        return int((self.sizes[eligible] * (self.limits[eligible] - self.used[eligible])).sum())

    def draw(self, eligible: Integers, amount: int) -> tuple[Integers, Integers]:
        """Documents (indices, as drawn) that first reach ``amount`` together, and the epoch of each."""
        documents: list[Integers] = []
        epochs: list[Integers] = []
        while amount > 0:
            left = eligible[self.used[eligible] < self.limits[eligible]]
            if not len(left):
                break
            epoch = int(self.used[left].min())
            fresh = left[self.used[left] == epoch]
            fresh = fresh[shuffle(self.keys[fresh], epoch)]
            sums = np.cumsum(self.sizes[fresh])
            taken = fresh[: int(np.searchsorted(sums, amount, side="left")) + 1]
            self.used[taken] += 1
            got = int(sums[len(taken) - 1])
            self.drawn += got
            amount -= got
            documents.append(taken)
            epochs.append(np.full(len(taken), epoch, dtype=np.int64))
        nothing = np.zeros(0, dtype=np.int64)
        return np.concatenate([nothing, *documents]), np.concatenate([nothing, *epochs])


def shuffle(keys: Keys, stream: int) -> Integers:
    """Indices that sort ``keys`` as stirred by ``stream``: a shuffle for each stream, the same everywhere."""
    return np.argsort(stir(keys, stream), kind="stable").astype(np.int64)


def stir(keys: Keys, stream: int) -> Keys:
    """Each key hashed with the number of the stream (SplitMix64: Steele, Lea and Flood 2014, figure 18)."""
    x = keys + np.uint64((stream + 1) * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))

"""Rehydration: what was found often is read more often (FineWeb-2: Penedo et al. 2025).

Deduplication leaves one document for many, and how many is a signal of its own: text that good sites quote is
found a few times, spam a thousand times. A document that stands for many enters the draw as several copies, each a
document of its own to it: budget, proportions and the cap on epochs count the copies, and the prefix law holds of
them as of any documents. Only the number of the epoch is of the document: how often it was read before.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from dataflow.mixture.draw import Integers, Keys, stir

_STREAM = 1 << 33  # shuffles of its own, of no epoch and not that of validation


def copies(weights: Mapping[int, int], stands_for: Integers) -> Integers:
    """How often each document is read in an epoch: the number at the largest of the sizes that it reaches."""
    least = np.array(sorted(weights), dtype=np.int64)
    times = np.array([1, *(weights[size] for size in sorted(weights))], dtype=np.int64)
    read: Integers = times[np.searchsorted(least, stands_for, side="right")]
    return read


def repeated(keys: Keys, times: Integers) -> tuple[Integers, Keys]:
    """Each document so many times: its index, and a key for each copy; the first has the document's own."""
    documents = np.repeat(np.arange(len(keys)), times)
    number = np.arange(len(documents)) - np.repeat(np.cumsum(times) - times, times)
    own = keys[documents]
    for copy in range(1, int(times.max(initial=1))):
        chosen = number == copy
        own[chosen] = stir(own[chosen], _STREAM + copy)
    return documents, own


def readings(phases: Sequence[Integers]) -> list[Integers]:
    """For each row of the phases in turn, how often its document was read before."""
    rows = np.concatenate([np.zeros(0, np.int64), *phases])
    order = np.argsort(rows, kind="stable")
    opens = np.flatnonzero(np.r_[np.full(min(1, len(rows)), True), np.diff(rows[order]) != 0])
    before = np.empty(len(rows), np.int64)
    before[order] = np.arange(len(rows)) - np.repeat(opens, np.diff(np.r_[opens, len(rows)]))
    return np.split(before, np.cumsum([len(phase) for phase in phases])[:-1])

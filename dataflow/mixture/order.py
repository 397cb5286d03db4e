"""The order of a phase: sources interleaved so that every prefix holds the phase's proportions.

Worst-case fair weighted fair queueing (WF2Q: Bennett and Zhang 1996, "WF2Q: worst-case fair weighted fair
queueing", section 3). Think of a fluid that gives out all sources at once, each at its own constant rate: a
document would start and end there at known times. Among the documents whose fluid start has come, the one
with the earliest fluid end is next. Each source is then never further from its proportion than the largest
document (theorem 1 there). Choosing the earliest end alone (WFQ) would let a source run ahead by many
documents.

A source's rate is what it gives to the phase as a whole, so all sources end together and no rate ever
changes.
"""

from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def interleave(sizes: Sequence[Integers]) -> Integers:
    """The order in which to take the documents of several sources, each source's own order kept.

    Args:
        sizes: for each source, the sizes of its documents (1 or more, bytes or tokens) in their order.

    Returns:
        indices into the sources' documents laid end to end.
    """
    lengths = np.array([len(each) for each in sizes], dtype=np.int64)
    if not lengths.sum():
        return np.zeros(0, dtype=np.int64)
    flat = np.concatenate([np.asarray(each, dtype=np.int64) for each in sizes])
    ends = np.cumsum(lengths)
    order: Integers = _wf2q(flat, ends - lengths, ends)
    return order


@numba.njit(nogil=True, cache=True)
def _wf2q(sizes, starts, ends):  # type: ignore[no-untyped-def]
    """Times are fractions of the phase; a / b is correctly rounded, so it keeps the order of exact ratios.

    Hence a source that is not ahead of the fluid is never taken for one that is, and one can always be
    chosen.
    """
    n_sources = len(starts)
    following = starts.copy()
    totals = np.zeros(n_sources, np.int64)
    for source in range(n_sources):
        totals[source] = sizes[starts[source] : ends[source]].sum()
    given = np.zeros(n_sources, np.int64)
    total = totals.sum()
    order = np.empty(len(sizes), np.int64)
    passed = 0
    for position in range(len(sizes)):
        now = passed / total
        best = -1
        best_end = np.inf
        for source in range(n_sources):
            if following[source] == ends[source] or given[source] / totals[source] > now:
                continue
            end = (given[source] + sizes[following[source]]) / totals[source]
            if end < best_end:
                best, best_end = source, end
        order[position] = following[best]
        given[best] += sizes[following[best]]
        passed += sizes[following[best]]
        following[best] += 1
    return order

"""Connected components: which documents belong together, directly or by way of others.

Two graphs are joined here by the same union-find (Tarjan 1975; path halving, the lesser number as root, so
that the labels do not depend on the order of edges). ``candidate_components`` links every member of a bucket
to its first: cheap, and enough to lay documents that may be compared side by side. ``alike_components`` is
the exact answer: the components of all pairs that share a bucket and have at least ``needed`` equal values.

Comparing all pairs of a bucket is avoided by comparing a member only with the groups of the bucket that it
does not belong to yet. A bucket of n documents that are alike costs about n comparisons; only one of
documents of which no two are alike costs the full n(n-1)/2. That is the bound.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.dedup.near import Buckets, Signatures


def candidate_components(parent: npt.NDArray[np.int32], buckets: Buckets) -> None:
    """Join in the forest ``parent`` (at first each its own) the members of every bucket."""
    _join_stars(parent, buckets.starts, buckets.members)


def alike_components(signatures: Signatures, buckets: Buckets, needed: int) -> npt.NDArray[np.int32]:
    """For each row of ``signatures`` the first row of its component; ``members`` number these rows."""
    parent = np.arange(len(signatures), dtype=np.int32)
    largest = int(np.diff(buckets.starts).max()) if len(buckets) else 0
    # By first member: candidates of a component lie side by side, so signatures are read from disk in order.
    order = np.argsort(buckets.members[buckets.starts[:-1]], kind="stable")
    _join_alike(parent, signatures, order, buckets.starts, buckets.members, needed, largest)
    return roots(parent)


def roots(parent: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The root of every element, in place; the least number of its component."""
    _flatten(parent)
    return parent


@njit(nogil=True, cache=True)
def find(parent, x):  # type: ignore[no-untyped-def]
    """The root of ``x``, halving the path to it."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@njit(nogil=True, cache=True)
def union(parent, x, y):  # type: ignore[no-untyped-def]
    """Join two components; the lesser root stays."""
    x, y = find(parent, x), find(parent, y)
    if x < y:
        parent[y] = x
    elif y < x:
        parent[x] = y


@njit(nogil=True, cache=True)
def equal_values(a, b, needed):  # type: ignore[no-untyped-def]
    """How many values two signatures have in common, or -1 as soon as ``needed`` cannot be reached."""
    spare = a.shape[0] - needed
    equal = 0
    for i in range(a.shape[0]):
        if a[i] == b[i]:
            equal += 1
        else:
            spare -= 1
            if spare < 0:
                return -1
    return equal


@njit(nogil=True, cache=True)
def _join_stars(parent, starts, members):  # type: ignore[no-untyped-def]
    for bucket in range(starts.shape[0] - 1):
        for i in range(starts[bucket] + 1, starts[bucket + 1]):
            union(parent, members[starts[bucket]], members[i])


@njit(nogil=True, cache=True)
def _flatten(parent):  # type: ignore[no-untyped-def]
    for x in range(parent.shape[0]):
        parent[x] = find(parent, x)


@njit(nogil=True, cache=True)
def _join_alike(parent, signatures, order, starts, members, needed, largest):  # type: ignore[no-untyped-def]
    head = np.empty(largest, np.int64)  # by group: its first and last member, as places in the bucket
    tail = np.empty(largest, np.int64)
    following = np.empty(largest, np.int64)  # by place: the next member of its group, or -1
    for bucket in order:
        begin = starts[bucket]
        n_groups = 0
        for place in range(starts[bucket + 1] - begin):
            x = members[begin + place]
            root = find(parent, x)
            following[place] = -1
            own = -1
            for group in range(n_groups):
                if find(parent, members[begin + head[group]]) == root:
                    own = group
                    break
            if own < 0:
                own = n_groups
                n_groups += 1
                head[own] = place
            else:
                following[tail[own]] = place
            tail[own] = place
            group = 0
            while group < n_groups:
                other = head[group] if group != own else -1
                while other >= 0:
                    y = members[begin + other]
                    if equal_values(signatures[x], signatures[y], needed) >= 0:
                        break
                    other = following[other]
                if other < 0:
                    group += 1
                    continue
                union(parent, x, members[begin + other])
                following[tail[own]] = head[group]
                tail[own] = tail[group]
                n_groups -= (
                    1  # the last group takes the place of the one that was merged, and is compared next
                )
                head[group], tail[group] = head[n_groups], tail[n_groups]
                if own == n_groups:
                    own = group

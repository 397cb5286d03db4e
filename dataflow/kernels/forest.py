"""Union-find (Tarjan 1975; path halving): which documents belong together, by way of any number of others.

The lesser number is always the root, so that the forest does not depend on the order in which it is joined. A
node holds the number of its parent plus one; 0 is a document that nothing was joined to, so that a forest over
all documents takes up memory (or room in a sparse file) only where there is something.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

Forest = npt.NDArray[np.int32] | npt.NDArray[np.int64]


@njit(nogil=True, cache=True)
def find(forest, x):  # type: ignore[no-untyped-def]
    """The root of ``x``, halving the path to it."""
    while forest[x] != x + 1:
        forest[x] = forest[forest[x] - 1]
        x = np.int64(forest[x] - 1)
    return x


@njit(nogil=True, cache=True)
def union(forest, x, y):  # type: ignore[no-untyped-def]
    """Join two components; the lesser root stays, and is returned."""
    x, y = find(forest, np.int64(x)), find(forest, np.int64(y))
    if x < y:
        forest[y] = x + 1
        return x
    if y < x:
        forest[x] = y + 1
    return y


@njit(nogil=True, cache=True)
def join_buckets(forest, offsets, members):  # type: ignore[no-untyped-def]
    """Join the members of every bucket ``members[offsets[i]:offsets[i + 1]]``."""
    for bucket in range(offsets.shape[0] - 1):
        root = np.int64(-1)
        for i in range(offsets[bucket], offsets[bucket + 1]):
            x = np.int64(members[i])
            if forest[x] == 0:
                forest[x] = x + 1
            root = x if root < 0 else union(forest, root, x)


@njit(nogil=True, cache=True)
def flatten(forest, sizes):  # type: ignore[no-untyped-def]
    """Link every node to its root; ``sizes``, all 0, counts at each root its component. Returns all nodes."""
    n = 0
    for x in range(forest.shape[0]):
        if forest[x]:
            root = find(forest, x)
            forest[x] = root + 1
            sizes[root] += 1
            n += 1
    return n


@njit(nogil=True, cache=True)
def line_up(forest, sizes, capacity):  # type: ignore[no-untyped-def]
    """Turn a flat forest into positions plus one; where each group of components begins, and the end.

    Components follow each other by their first members, the members of one by number. A group is a run of
    components of no more than ``capacity`` members in all, or one component that is larger. ``sizes`` is used up.
    """
    begins = [0]
    end = 0
    for x in range(forest.shape[0]):
        if forest[x] == 0:
            continue
        root = forest[x] - 1
        if root == x:
            if end > begins[-1] and end + sizes[x] - begins[-1] > capacity:
                begins.append(end)
            place = end
            end += sizes[x]
            sizes[x] = place
        forest[x] = sizes[root] + 1
        sizes[root] += 1
    begins.append(end)
    return np.array(begins)


@njit(nogil=True, cache=True)
def by_group(offsets, members, line, begins):  # type: ignore[no-untyped-def]
    """Buckets laid out by group: their offsets, members as places in the group, and the first bucket of each group.

    ``line`` holds positions plus one, as ``line_up`` leaves them; group i is ``begins[i]:begins[i + 1]``.
    """
    n_buckets = offsets.shape[0] - 1
    n_groups = begins.shape[0] - 1
    group_of = np.empty(n_buckets, np.int32)
    firsts, n_members = np.zeros(n_groups + 1, np.int64), np.zeros(n_groups + 1, np.int64)
    for bucket in range(n_buckets):
        group = np.searchsorted(begins, line[members[offsets[bucket]]] - 1, side="right") - 1
        group_of[bucket] = group
        firsts[group + 1] += 1
        n_members[group + 1] += offsets[bucket + 1] - offsets[bucket]
    for group in range(n_groups):
        firsts[group + 1] += firsts[group]
        n_members[group + 1] += n_members[group]
    laid_offsets = np.zeros(n_buckets + 1, np.int64)
    laid_members = np.empty(members.shape[0], np.int32)
    place, at = firsts[:-1].copy(), n_members[:-1].copy()
    for bucket in range(n_buckets):
        group = group_of[bucket]
        for i in range(offsets[bucket], offsets[bucket + 1]):
            laid_members[at[group]] = line[members[i]] - 1 - begins[group]
            at[group] += 1
        place[group] += 1
        laid_offsets[place[group]] = at[group]
    return laid_offsets, laid_members, firsts

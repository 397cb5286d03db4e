"""Which documents stay, at all levels of similarity in one pass; and the components of those that are alike.

*Greedy*: documents are taken in survivor order, and one goes at a level only if it is as alike as the level asks
to one that shares a bucket with it and stays at that level. A document's levels are the bits of one integer: the
pair (x, y) takes from x the levels that it reaches and at which y stays. So one comparison serves all levels, and
bit 0, the similarity of the recipe, is decided as if it were alone.

A document that goes at level 0 stays in sight of those after it only for the sake of higher levels. Of such no
more than ``MATES`` are looked at in a bucket: otherwise a million pages of one template would each be compared with
all before it. Level 0 is always exact.

*Components* join what is alike, whoever stays. Two that stay and share a bucket are not alike, so only pairs with one
that goes are compared, and of these only where nothing has joined them before. Documents of an earlier corpus (they
come first) always stay and are never compared with each other.
"""

import numpy as np
from numba import njit

from dataflow.kernels.forest import find, union
from dataflow.kernels.likeness import compare

MATES = 1_000
"""Documents of a bucket that a later one is compared with for the sake of higher levels alone."""


@njit(nogil=True, cache=True)
def index_buckets(offsets, members, n):  # type: ignore[no-untyped-def]
    """For each of ``n`` documents where its buckets begin, and the buckets, in order."""
    begins = np.zeros(n + 1, np.int64)
    for i in range(offsets[-1]):
        begins[members[i] + 1] += 1
    for x in range(n):
        begins[x + 1] += begins[x]
    place = begins[:-1].copy()
    bucket_of = np.empty(offsets[-1], np.int32)
    for bucket in range(offsets.shape[0] - 1):
        for i in range(offsets[bucket], offsets[bucket + 1]):
            bucket_of[place[members[i]]] = bucket
            place[members[i]] += 1
    return begins, bucket_of


@njit(nogil=True, cache=True)
def greedy(documents, thresholds, all_levels, earlier, offsets, begins, bucket_of, forest):  # type: ignore[no-untyped-def]
    """Survivor, equal, of how many, levels at which each goes; joins ``forest``.

    Returns also whether each stopped before it was compared with all in sight, and whether mates were passed over;
    and the numbers of pairs compared and of those that are alike at level 0.
    """
    n = earlier.shape[0]
    survivor = np.arange(n).astype(np.int32)
    equal, every = np.zeros(n, np.int32), np.ones(n, np.int32)
    gone = np.zeros(n, np.int64)
    stopped, capped = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    # In a bucket's room: members that stay at level 0 from its start, at higher levels only from its end.
    staying = np.empty(bucket_of.shape[0], np.int32)
    n_staying = np.zeros(offsets.shape[0] - 1, np.int32)
    n_mates = np.zeros(offsets.shape[0] - 1, np.int32)  # -1 - MATES: there are more
    seen = np.full(n, -1, np.int32)  # by y: the last x it was compared with
    compared = verified = 0
    for x in range(n):
        if not earlier[x]:
            for turn in range(2):  # first those that stay at level 0, then those at higher levels only
                for entry in range(begins[x], begins[x + 1]):
                    bucket = bucket_of[entry]
                    if turn == 0:
                        place, step, n_others = offsets[bucket], 1, n_staying[bucket]
                    else:
                        place, step, n_others = offsets[bucket + 1] - 1, -1, n_mates[bucket]
                    for _ in range(n_others if n_others >= 0 else MATES):
                        y = np.int64(staying[place])
                        place += step
                        if gone[x] == all_levels and (turn == 1 or y > survivor[x]):
                            stopped[x] = True  # nothing is left to learn
                            break
                        if seen[y] == x:
                            continue
                        seen[y] = x
                        compared += 1
                        level, found, of = compare(documents, thresholds, x, y, 0)
                        if level < 0:
                            continue
                        verified += 1
                        union(forest, x, y)
                        gone[x] |= (all_levels - gone[y]) & ((np.int64(2) << level) - 1)
                        if turn == 0 and y < survivor[x]:
                            survivor[x], equal[x], every[x] = y, found, of
                    if n_others < 0:
                        stopped[x] = True
                        capped[x] = capped[x] or gone[x] != all_levels
        if gone[x] == all_levels:
            continue
        for entry in range(begins[x], begins[x + 1]):
            bucket = bucket_of[entry]
            if not gone[x] & 1:
                staying[offsets[bucket] + n_staying[bucket]] = x
                n_staying[bucket] += 1
            elif n_mates[bucket] == MATES:
                n_mates[bucket] = -1 - MATES
            elif n_mates[bucket] >= 0:
                staying[offsets[bucket + 1] - 1 - n_mates[bucket]] = x
                n_mates[bucket] += 1
    return survivor, equal, every, gone, stopped, capped, compared, verified


@njit(nogil=True, cache=True)
def join_alike(documents, thresholds, level, stays, seen, stopped, offsets, members, forest, most):  # type: ignore[no-untyped-def]
    """Join in ``forest`` all pairs of a bucket that reach ``level``.

    Left out are pairs of which both ``stays``, and those that were compared before: the former was ``seen`` by those
    after it, and the latter had not ``stopped``.

    A member is compared with the groups of its bucket that it does not belong to, until one of a group is alike;
    with no more than ``most`` members in all. Returns the numbers of pairs compared and alike, and of members
    that had more to be compared with.
    """
    largest = 0
    for bucket in range(offsets.shape[0] - 1):
        largest = max(largest, offsets[bucket + 1] - offsets[bucket])
    head, tail = np.empty(largest, np.int32), np.empty(largest, np.int32)  # by group: places in the bucket
    following = np.empty(largest, np.int32)  # by place: the next of its group, or -1
    group_of = np.full(forest.shape[0], -1, np.int32)  # by root
    compared = verified = capped = 0
    for bucket in range(offsets.shape[0] - 1):
        begin, size = offsets[bucket], offsets[bucket + 1] - offsets[bucket]
        first = find(forest, np.int64(members[begin]))
        one_group, n_going = True, 0
        for place in range(size):
            x = np.int64(members[begin + place])
            one_group = one_group and find(forest, x) == first
            n_going += not stays[x]
        if one_group or n_going == 0:
            continue
        n_groups = 0
        for going in range(2):  # those that stay are grouped first, and none of them is compared
            for place in range(size):
                x = np.int64(members[begin + place])
                if stays[x] == bool(going):
                    continue
                root = find(forest, x)
                following[place] = -1
                own = group_of[root]
                if own < 0:
                    own = n_groups
                    n_groups += 1
                    head[own] = place
                    group_of[root] = own
                else:
                    following[tail[own]] = place
                tail[own] = place
                if not going:
                    continue
                group, left = 0, most
                while group < n_groups and left > 0:
                    other = head[group] if group != own else -1
                    alike = False
                    while other >= 0 and left > 0:
                        y = np.int64(members[begin + other])
                        if seen[min(x, y)] and not stopped[max(x, y)]:
                            other = following[other]
                            continue
                        compared += 1
                        left -= 1
                        reached, _, _ = compare(documents, thresholds, x, y, level)
                        if reached >= level:
                            alike = True
                            break
                        other = following[other]
                    if not alike:
                        group += 1
                        continue
                    verified += 1
                    group_of[find(forest, x)] = -1
                    group_of[find(forest, y)] = -1
                    root = union(forest, x, y)
                    following[tail[own]] = head[group]
                    tail[own] = tail[group]
                    # The last group takes the place of the one that was merged, and is compared next.
                    n_groups -= 1
                    if group != n_groups:
                        head[group], tail[group] = head[n_groups], tail[n_groups]
                        if own == n_groups:
                            own = group
                        else:
                            group_of[find(forest, np.int64(members[begin + head[group]]))] = group
                    group_of[root] = own
                capped += left == 0 and group < n_groups
        for place in range(size):
            group_of[find(forest, np.int64(members[begin + place]))] = -1
    return compared, verified, capped


@njit(nogil=True, cache=True)
def roots(forest):  # type: ignore[no-untyped-def]
    """For each document the first of its component."""
    first = np.empty(forest.shape[0], np.int32)
    for x in range(forest.shape[0]):
        first[x] = find(forest, x)
    return first


@njit(nogil=True, cache=True)
def compare_with(documents, thresholds, survivor):  # type: ignore[no-untyped-def]
    """Equal, and of how many, of each document and its survivor, however few."""
    equal, every = np.zeros(survivor.shape[0], np.int32), np.ones(survivor.shape[0], np.int32)
    for x in range(survivor.shape[0]):
        if survivor[x] != x:
            _, equal[x], every[x] = compare(documents, thresholds, x, survivor[x], -1)
    return equal, every

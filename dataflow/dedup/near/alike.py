"""Who of the documents of a group are alike, and who of them stays.

Buckets say which documents may be alike; here that is measured, and only what was measured counts. Documents that
are alike, directly or by way of others, are a cluster. *Greedy*: one of a cluster goes only if it is alike to one
that stays, so every dropped document names one that it resembles. *Components*: all go but the first.

Either is decided at the similarity asked for and, so that it can be raised without running again, at all higher ones.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dataflow.dedup.config import Near

if TYPE_CHECKING:
    from dataflow.kernels.likeness import Levels

_NO_END = np.int64(1) << 62
_MATES = np.int64(100)  # that one is compared with in a bucket, at each of some 25 levels above the first


@dataclass(frozen=True)
class Group:
    """Documents by place: those of a candidate component stand together, in survivor order."""

    rank: npt.NDArray[np.int64]
    earlier: npt.NDArray[np.bool_]
    # 32-bit signatures; with ``verify: exact`` also sorted shingle hashes, and where each set begins
    documents: tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Decided:
    """What becomes of each document, by place."""

    first: npt.NDArray[np.int32]  # of those alike
    survivor: npt.NDArray[np.int32]
    equal: npt.NDArray[np.int32]
    every: npt.NDArray[np.int32]  # of how many they are equal
    gone: npt.NDArray[np.int64]  # bits of the levels at which it goes
    counts: dict[str, int]  # pairs compared, and verified; documents whose higher levels are not complete


def decide(
    group: Group,
    offsets: npt.NDArray[np.int64],
    members: npt.NDArray[np.int32],
    near: Near,
    by_survivor: bool,
) -> Decided:
    """Compare those that share a bucket ``members[offsets[i]:offsets[i + 1]]`` and decide, greedily or not."""
    from dataflow.kernels.likeness import levels
    from dataflow.kernels.survivors import compare_with, greedy, index_buckets, join_alike, roots

    n = len(group.rank)
    steps = levels(near.similarity, near.permutations)
    thresholds = (steps.needed, steps.reached, steps.numerators, steps.denominators)
    begins, bucket_of = index_buckets(offsets, members, n)
    forest = np.arange(1, n + 1, dtype=np.int32)
    survivor, equal, every, gone, stopped, capped, compared, verified = greedy(
        group.documents, thresholds, steps.all, group.earlier, offsets, begins, bucket_of, forest
    )
    del begins, bucket_of
    stays, seen = (gone & 1) == 0, gone != steps.all
    more, alike, _ = join_alike(
        group.documents, thresholds, 0, stays, seen, stopped, offsets, members, forest, _NO_END
    )
    first = roots(forest)
    n_capped = int(capped.sum())
    if not by_survivor:
        survivor = np.where(group.earlier, np.arange(n, dtype=np.int32), first)
        equal, every = compare_with(group.documents, thresholds, survivor)
        gone, n_capped = _gone_by_component(group, steps, survivor, gone, capped, offsets, members)
    stays = survivor == np.arange(n)
    equal[stays] = every[stays] = _own_values(group)[stays]
    counts = {"compared": compared + more, "verified": verified + alike, "capped": n_capped}
    return Decided(first, survivor, equal, every, gone, counts)


def _gone_by_component(
    group: Group,
    steps: "Levels",
    survivor: npt.NDArray[np.int32],
    greedily: npt.NDArray[np.int64],
    capped: npt.NDArray[np.bool_],
    offsets: npt.NDArray[np.int64],
    members: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], int]:
    """At which levels a document is not the first of its component, and how many had more to be compared with.

    Two that stay under greedy decisions are not alike, which saves comparing them here; ``greedily`` are those.
    """
    from dataflow.kernels.survivors import join_alike, roots

    n = len(survivor)
    thresholds = (steps.needed, steps.reached, steps.numerators, steps.denominators)
    gone = (survivor != np.arange(n)).astype(np.int64)
    nothing = np.zeros(n, np.bool_)
    n_capped = 0
    for level in range(1, len(steps)):
        forest = np.arange(1, n + 1, dtype=np.int32)
        stays = group.earlier | (((greedily >> level) & 1 == 0) & ~capped)
        _, _, more = join_alike(
            group.documents,
            thresholds,
            level,
            stays,
            nothing,
            nothing,
            offsets,
            members,
            forest,
            _MATES,
        )
        n_capped = max(n_capped, more)
        gone |= ((roots(forest) != np.arange(n)) & ~group.earlier).astype(np.int64) << level
    return gone, n_capped


def _own_values(group: Group) -> npt.NDArray[np.int64]:
    """How many values a document has in common with itself, by what it is compared."""
    signatures, _, bounds = group.documents
    sizes = np.diff(bounds) if len(bounds) else np.zeros(len(group.rank), np.int64)
    return np.where(sizes > 0, sizes, signatures.shape[1])

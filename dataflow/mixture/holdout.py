"""Which documents are held out for validation: a seeded draw from every source, by whole clusters.

A cluster (near-duplicates that were all kept, or a document alone) is held out with all its members or not
at all, so that no text is both trained on and validated on. A cluster over several sources is drawn by the
first of them.
"""

import numpy as np
import numpy.typing as npt

from dataflow.mixture.candidates import Candidates
from dataflow.mixture.config import Validation
from dataflow.mixture.draw import stir

AT_LEAST_ONE_FROM = 200
"""A source with so many kept documents gives at least one cluster, however small the share."""

_STREAM = 1 << 32  # a shuffle of its own, not that of any epoch


def held_out(candidates: Candidates, validation: Validation) -> npt.NDArray[np.bool_]:
    """For each kept document whether it is held out.

    Clusters come in the order of a seeded hash; one that would pass the source's share or ``max_documents``
    is passed over. A source that must give at least one and has no cluster small enough gives one of its
    smallest.
    """
    if not len(candidates) or validation.share == 0 or validation.max_documents == 0:
        return np.zeros(len(candidates), dtype=np.bool_)
    clusters, cluster_of, sizes = np.unique(candidates.clusters, return_inverse=True, return_counts=True)
    home = np.full(len(clusters), len(candidates.sources), dtype=np.int64)
    np.minimum.at(home, cluster_of, candidates.source)
    order = np.argsort(stir(clusters, _STREAM), kind="stable")
    chosen = np.zeros(len(clusters), dtype=np.bool_)
    n_kept = np.bincount(candidates.source, minlength=len(candidates.sources))
    for source in range(len(candidates.sources)):
        own = order[home[order] == source]
        if not len(own):
            continue
        limit = min(int(validation.share * n_kept[source]), validation.max_documents)
        if n_kept[source] >= AT_LEAST_ONE_FROM:
            limit = max(limit, int(sizes[own].min()))
        chosen[_fitting(own, sizes[own], limit)] = True
    return np.asarray(chosen[cluster_of], dtype=np.bool_)


def _fitting(
    clusters: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], limit: int
) -> npt.NDArray[np.int64]:
    """The clusters, in order, that fit under ``limit`` documents together; one too large is passed over."""
    taken = []
    for cluster, size in zip(clusters.tolist(), sizes.tolist(), strict=True):
        if limit == 0:
            break
        if size <= limit:
            taken.append(cluster)
            limit -= size
    return np.array(taken, dtype=np.int64)

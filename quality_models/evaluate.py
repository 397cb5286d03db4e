"""How well scores part two classes, from the scores alone.

AUC is the probability that a positive document scores above a negative one; average precision is kinder to
the reader who keeps only the top. Both look at the order of scores only. Accuracy and F1 are taken at 0.5,
and the histogram shows where a threshold would cut.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.bool_]

BINS = 10


@dataclass(frozen=True)
class Evaluation:
    """Measures of a model on documents that it has not seen."""

    positive: int  # documents
    negative: int
    auc: float
    average_precision: float
    accuracy: float  # at 0.5
    f1: float  # at 0.5
    histogram_positive: tuple[int, ...]  # documents with a score in [0, 0.1), [0.1, 0.2), ... [0.9, 1]
    histogram_negative: tuple[int, ...]


def evaluate(scores: Scores, labels: Labels) -> Evaluation:
    """All measures; ``labels`` are True for positive documents. Both classes must occur."""
    predicted = scores >= 0.5
    hits = int(np.sum(predicted & labels))
    wrong = int(np.sum(predicted != labels))
    return Evaluation(
        positive=int(labels.sum()),
        negative=int((~labels).sum()),
        auc=area_under_curve(scores, labels),
        average_precision=average_precision(scores, labels),
        accuracy=1 - wrong / len(labels),
        f1=2 * hits / (2 * hits + wrong) if hits else 0.0,
        histogram_positive=histogram(scores[labels]),
        histogram_negative=histogram(scores[~labels]),
    )


def area_under_curve(scores: Scores, labels: Labels) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties half.

    By ranks (Mann and Whitney 1947), ties at their mean rank.
    """
    _, place, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(sizes) - (sizes - 1) / 2
    n_positive, n_negative = int(labels.sum()), int((~labels).sum())
    rank_sum = float(mean_rank[place][labels].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def average_precision(scores: Scores, labels: Labels) -> float:
    """Mean over the positive documents of the precision among those that score at least as high."""
    distinct, place = np.unique(-scores, return_inverse=True)
    hits = np.bincount(place, weights=labels, minlength=len(distinct))
    precision = np.cumsum(hits) / np.cumsum(np.bincount(place, minlength=len(distinct)))
    return float((precision * hits).sum() / hits.sum())


def histogram(scores: Scores) -> tuple[int, ...]:
    """Documents in each tenth of [0, 1]."""
    return tuple(int(n) for n in np.histogram(scores, bins=BINS, range=(0.0, 1.0))[0])

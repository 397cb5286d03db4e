"""From the mean of a text's features to the labels fastText would name, and how probable it says they are.

The four output layers as fastText computes them, with its roundings where they show: sigmoids of negative
sampling and one-against-all come from a table of 513, every probability has 1e-5 added before its logarithm
(hierarchical softmax: at each node), and labels less probable than that are left out by hierarchical softmax.
All scores are ended at 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Offsets
from dataflow.kernels.fasttext_file import Floats, ModelFile

_HIERARCHICAL, _SIGMOID, _SOFTMAX = range(3)
_KINDS = {"hs": _HIERARCHICAL, "ns": _SIGMOID, "ova": _SIGMOID, "softmax": _SOFTMAX}
_SIGMOIDS = (1 / (1 + np.exp(-np.linspace(-8, 8, 513)))).astype(np.float32)
_ADDED = 1e-5
_FAR = 10**15  # fastText's count of a node that has none yet


@dataclass(frozen=True)
class Labels:
    """The output layer of a model."""

    kind: int
    weights: Floats
    """Weights by dimension, then label (hierarchical softmax: node of the tree)."""
    children: npt.NDArray[np.int32]
    """Hierarchical softmax: left and right of each node; below ``n`` they are labels."""
    n: int

    def top(self, sums: Floats, counts: Offsets, k: int) -> tuple[npt.NDArray[np.int32], Floats]:
        """Numbers and scores of the ``k`` most probable labels of each text, best first; -1 and 0 for none.

        Args:
            sums: sum of the rows of each text's features.
            counts: how many features these are; a text without any has no label.
            k: labels wanted.
        """
        found = np.full((len(sums), k), -1, np.int32)
        scores = np.zeros((len(sums), k), np.float32)
        _predict(sums, counts, self.kind, self.weights, self.children, self.n, found, scores)
        return found, scores


def labels_of(model: ModelFile) -> Labels:
    """The output layer of a model that was read."""
    n = len(model.labels)
    kind = _KINDS[model.loss]
    children = _tree(model.label_counts) if kind == _HIERARCHICAL else np.zeros((0, 2), np.int32)
    return Labels(kind, np.ascontiguousarray(model.output.rows().T), children, n)


def direction(model: ModelFile, label: int) -> Floats | None:
    """The direction along which a label of two gains: its log odds for a mean of features; None if there is none."""
    if len(model.labels) != 2 or model.loss not in ("softmax", "hs"):
        return None
    rows = model.output.rows().astype(np.float64)
    if model.loss == "softmax":
        way = rows[label] - rows[1 - label]
    else:
        way = rows[0] if label == int(_tree(model.label_counts)[0, 1]) else -rows[0]
    return np.asarray(way, np.float32)


def along(model: ModelFile, way: Floats) -> Floats:
    """The input matrix folded to one column: each row's part along a direction."""
    folded = np.concatenate([_dot(rows, way) for rows in model.input.blocks()])
    folded.flags.writeable = False
    return folded.reshape(-1, 1)


def logistic(sums: npt.NDArray[np.floating[Any]], counts: Offsets) -> Floats:
    """Scores from sums of folded rows; 0 for a text without features."""
    z = sums[:, 0].astype(np.float64) / np.maximum(counts, 1)
    with np.errstate(over="ignore"):
        scores = np.minimum(1 / (1 + np.exp(-z)) + _ADDED, 1)
    return np.where(counts > 0, scores, 0).astype(np.float32)


def _tree(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Children of the inner nodes of the Huffman tree, as fastText builds it of counts that fall."""
    n = len(counts)
    children = np.zeros((max(n - 1, 0), 2), np.int32)
    weight = [*counts.tolist(), *([_FAR] * (n - 1))]
    leaf, node = n - 1, n
    for place in range(n - 1):
        for side in (0, 1):
            if leaf >= 0 and weight[leaf] < weight[node]:
                children[place, side], leaf = leaf, leaf - 1
            else:
                children[place, side], node = node, node + 1
        weight[n + place] = weight[children[place, 0]] + weight[children[place, 1]]
    return children


@njit(nogil=True, cache=True)
def _dot(rows, way):  # type: ignore[no-untyped-def]
    """Each row's part along a direction, summed in the same order on every machine."""
    out = np.empty(rows.shape[0], np.float32)
    for i in range(rows.shape[0]):
        part = 0.0
        for k in range(rows.shape[1]):
            part += rows[i, k] * np.float64(way[k])
        out[i] = part
    return out


@njit(nogil=True, cache=True)
def _offer(label, score, found, scores):  # type: ignore[no-untyped-def]
    """Put a label in its place among the best; of equal ones the later goes first."""
    k = scores.shape[0]
    if found[k - 1] >= 0 and score < scores[k - 1]:
        return
    place = k - 1
    while place > 0 and (found[place - 1] < 0 or scores[place - 1] <= score):
        found[place], scores[place] = found[place - 1], scores[place - 1]
        place -= 1
    found[place], scores[place] = label, score


@njit(nogil=True, cache=True)
def _log(x):  # type: ignore[no-untyped-def]
    return np.float32(np.log(np.float64(np.float32(x)) + _ADDED))


@njit(nogil=True, cache=True, error_model="numpy")
def _predict(sums, counts, kind, weights, children, n, found, scores):  # type: ignore[no-untyped-def]
    width, outputs = weights.shape
    k = found.shape[1]
    z = np.empty(outputs, np.float32)
    waiting = np.empty(2 * n + 2, np.int32)  # nodes of the tree still to be looked into
    waiting_score = np.empty(2 * n + 2, np.float32)
    least = _log(0)
    for row in range(sums.shape[0]):
        if counts[row] == 0:
            continue
        mean = np.float32(1.0 / counts[row])
        z[:] = 0
        for d in range(width):
            x = sums[row, d] * mean
            for i in range(outputs):
                z[i] += x * weights[d, i]
        best, best_scores = found[row], scores[row]
        if kind == _HIERARCHICAL:
            height = 1
            waiting[0], waiting_score[0] = 2 * n - 2, 0
            while height:
                height -= 1
                node, score = waiting[height], waiting_score[height]
                if score < least or (best[k - 1] >= 0 and score < best_scores[k - 1]):
                    continue
                if node < n:
                    _offer(node, score, best, best_scores)
                    continue
                f = np.float32(1.0 / (1.0 + np.exp(-np.float64(z[node - n]))))
                waiting[height], waiting_score[height] = children[node - n, 1], score + _log(f)
                waiting[height + 1] = children[node - n, 0]
                waiting_score[height + 1] = score + _log(1.0 - f)
                height += 2
        elif kind == _SOFTMAX:
            highest = z[:n].max()
            whole = np.float32(0)
            for i in range(n):
                z[i] = np.float32(np.exp(np.float64(z[i] - highest)))
                whole += z[i]
            for i in range(n):
                _offer(i, _log(z[i] / whole), best, best_scores)
        else:
            for i in range(n):
                x = z[i]
                p = np.float32(0)
                if x > 8:
                    p = np.float32(1)
                elif x >= -8:
                    p = _SIGMOIDS[
                        np.int64((x + np.float32(8)) * np.float32(512) / np.float32(8) / np.float32(2))
                    ]
                _offer(i, _log(p), best, best_scores)
        for i in range(k):
            if best[i] >= 0:
                best_scores[i] = min(np.float32(np.exp(np.float64(best_scores[i]))), np.float32(1))

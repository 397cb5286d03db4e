"""A fastText classifier over Arrow buffers: read once, asked in batches, the answers fastText would give.

Labels are those of fastText for the same text, scores equal to its own to 1e-4: sums are added in another order
(a word first, then the text), which shows in the last digits. The text is taken as one line, as if its line
feeds were spaces. A classifier of two labels is folded for ``probability``: one number a row in place of a
vector, so that a text costs a look-up a word and a word run.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dataflow.errors import DataflowError
from dataflow.kernels.arrow import Bytes, Offsets
from dataflow.kernels.fasttext_file import Floats, ModelFile, read_file
from dataflow.kernels.fasttext_folded import can_fold, folded_sums
from dataflow.kernels.fasttext_labels import Labels, along, direction, labels_of, logistic
from dataflow.kernels.fasttext_words import Words, words_of

PREFIX = "__label__"


@dataclass(frozen=True)
class Classifier:
    """A model that names labels."""

    names: tuple[str, ...]
    """Its labels, without fastText's prefix."""
    words: Words
    labels: Labels

    def top(
        self, data: Bytes, starts: Offsets, ends: Offsets, bounds: Offsets, k: int
    ) -> tuple[npt.NDArray[np.int32], Floats]:
        """Numbers of the ``k`` best labels of each text (-1 where there are fewer), and their scores.

        The texts are pieces of ``data`` as in ``Words.sums``.
        """
        if k < 1:
            raise ValueError(f"k must be 1 or more, found {k}")
        return self.labels.top(*self.words.sums(data, starts, ends, bounds), k)


@dataclass(frozen=True)
class Probability:
    """One label of a model, and how to find its score."""

    words: Words
    labels: Labels | None
    """None where the rows are folded."""
    label: int

    def of(self, data: Bytes, offsets: Offsets) -> Floats:
        """Score of the label for each text; 0 for a text without a feature."""
        if self.labels is None and can_fold(self.words):
            return logistic(*folded_sums(self.words, data, offsets))
        sums, counts = self.words.sums(data, offsets[:-1], offsets[1:], np.arange(len(offsets)))
        if self.labels is None:
            return logistic(sums, counts)
        found, scores = self.labels.top(sums, counts, self.labels.n)
        return np.asarray(np.where(found == self.label, scores, 0).sum(axis=1), np.float32)


def classifier(path: str) -> Classifier:
    """The classifier in a file, read once a process."""
    return _classifier(path, *_state(path))


def probability(path: str, label: str) -> Probability:
    """The score of ``label`` under the model in a file, read once a process; a KeyError names what it has."""
    return _probability(path, *_state(path), label)


def _state(path: str) -> tuple[int, int]:
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise DataflowError(
            f"the fastText model cannot be read ({error.strerror})",
            path,
            "Give the path of a fastText model.",
        ) from error
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=2)
def _classifier(path: str, _changed: int, _size: int) -> Classifier:
    model = read_file(path)
    return Classifier(_names(model), words_of(model, model.input.rows()), labels_of(model))


@lru_cache(maxsize=4)
def _probability(path: str, _changed: int, _size: int, label: str) -> Probability:
    model = read_file(path)
    names = _names(model)
    if label not in names:
        raise KeyError(", ".join(sorted(names)))
    way = direction(model, names.index(label))
    if way is not None:
        return Probability(words_of(model, along(model, way)), None, names.index(label))
    return Probability(words_of(model, model.input.rows()), labels_of(model), names.index(label))


def _names(model: ModelFile) -> tuple[str, ...]:
    return tuple(label.removeprefix(PREFIX) for label in model.labels)

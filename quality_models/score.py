"""Scores documents with a fastText model: the annotator behind the signal ``quality``.

A scorer is a path and a label, so that it is cheap to send to a worker process, which reads the model once.
The score is the probability of the label; a document without a single word scores 0.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quality_models.errors import QualityError
from quality_models.text import normalise

VERSION = 1
"""Raise when the scores of the same text under the same model change."""

LABEL = "__label__"
MODEL_FILE = "model.bin"
_BATCH = 512


@dataclass(frozen=True)
class Scorer:
    """An annotator: texts to ``{"quality": float32 in [0, 1]}``."""

    model_path: str  # of a fastText model or of the folder that holds model.bin
    label: str = "positive"  # whose probability is the score

    def __call__(self, texts: pa.LargeStringArray) -> dict[str, pa.Array]:
        """The probability of the label for each text."""
        model = load_model(self.model_path)
        return {"quality": pa.array(score(model, texts, self.label, self.model_path), pa.float32())}


def score(model: Any, texts: pa.LargeStringArray, label: str, where: str = "") -> "np.ndarray[Any, Any]":
    """Scores of texts under a model that was read, as float32."""
    known = [name.removeprefix(LABEL) for name in model.get_labels()]
    if label not in known:
        raise QualityError(f'the model has no label "{label}"', where, f"It has: {', '.join(sorted(known))}.")
    wanted = f"{LABEL}{label}"
    scores = np.zeros(len(texts), np.float32)
    lines = normalise(texts)
    filled = np.flatnonzero(pc.binary_length(lines).to_numpy(zero_copy_only=False))
    for start in range(0, len(filled), _BATCH):
        rows = filled[start : start + _BATCH]
        labels, shares = model.predict(lines.take(pa.array(rows)).to_pylist(), k=len(known))
        for row, names, probabilities in zip(rows, labels, shares, strict=True):
            scores[row] = probabilities[list(names).index(wanted)]
    if not np.isfinite(scores).all():
        raise QualityError("the model gives scores that are no numbers", where, "Train it again.")
    return np.clip(scores, 0.0, 1.0)  # fastText's softmax may exceed 1 by a rounding error


def load_model(path: str) -> Any:
    """A fastText model from a path or URL (a file, or a folder with ``model.bin``), read once a process."""
    local = model_file(path)
    stat = os.stat(local)  # noqa: PTH116
    return _load(local, stat.st_mtime_ns, stat.st_size)


def model_file(path: str) -> str:
    """The model's file on this machine, fetched first where ``path`` is remote."""
    fs, root = fsspec.core.url_to_fs(path)
    file = f"{root.rstrip('/')}/{MODEL_FILE}" if fs.isdir(root) else root
    if not fs.isfile(file):
        raise QualityError(
            "no model found", path, f"Give a fastText model or a folder that holds {MODEL_FILE}."
        )
    if "file" in fs.protocol or "local" in fs.protocol:
        return str(file)
    return str(fsspec.open_local(f"simplecache::{fs.unstrip_protocol(file)}"))


@lru_cache(maxsize=2)
def _load(local: str, _changed: int, _size: int) -> Any:
    import fasttext

    try:
        return fasttext.load_model(local)
    except (ValueError, RuntimeError, MemoryError) as error:
        what = f"not a fastText model ({str(error)[:100]})"
        raise QualityError(
            what, local, "Give a .bin or .ftz file that fastText wrote, or train one."
        ) from error

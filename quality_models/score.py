"""Scores documents with a fastText model: the annotator behind the signal ``quality``.

A scorer is a path and a label, so that it is cheap to send to a worker process, which reads the model once.
The score is the probability of the label; a document without a single word scores 0. The model is asked by
kernels of our own, which give fastText's answers (``dataflow.kernels.fasttext_model``).
"""

from dataclasses import dataclass

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import DataflowError
from dataflow.kernels.arrow import buffers
from quality_models.errors import QualityError
from quality_models.text import normalise

VERSION = 2
"""Raise when the scores of the same text under the same model change."""

LABEL = "__label__"
MODEL_FILE = "model.bin"


@dataclass(frozen=True)
class Scorer:
    """An annotator: texts to ``{"quality": float32 in [0, 1]}``."""

    model_path: str  # of a fastText model or of the folder that holds model.bin
    label: str = "positive"  # whose probability is the score

    def __call__(self, texts: pa.LargeStringArray) -> dict[str, pa.Array]:
        """The probability of the label for each text."""
        return {"quality": pa.array(score(model_file(self.model_path), texts, self.label), pa.float32())}


def score(file: str, texts: pa.LargeStringArray, label: str) -> npt.NDArray[np.float32]:
    """Scores of texts under the model in a file, as float32."""
    from dataflow.kernels.fasttext_model import probability  # heavy

    try:
        model = probability(file, label)
    except KeyError as error:
        raise QualityError(f'the model has no label "{label}"', file, f"It has: {error.args[0]}.") from error
    except DataflowError as error:
        raise QualityError(error.what, error.where, error.fix) from error
    lines = normalise(texts)
    scores = model.of(*buffers(lines))
    scores[pc.equal(pc.binary_length(lines), 0).to_numpy(zero_copy_only=False)] = 0
    if not np.isfinite(scores).all():
        raise QualityError("the model gives scores that are no numbers", file, "Train it again.")
    return scores


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

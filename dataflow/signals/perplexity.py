"""How surprising a document is to an n-gram language model of its language: CCNet's measure of quality.

Wenzek et al. 2020 (CCNet), section 3.4: a KenLM model (Heafield 2011) trained on clean text, such as an encyclopedia,
finds text like it little surprising. Lines are normalised as in CCNet's code (lower case, accents off, digits to 0,
punctuation to ASCII) and scored as sentences of words between white space, so a model has to be trained on text so
prepared; CCNet's own models are of SentencePiece pieces and are not read. Blank lines are left out.

What is a good value differs from model to model: CCNet cuts at percentiles of each language, below the 30th "head",
below the 60th "middle". Ask for them, and write them down::

    dataflow stats OUT "SELECT language, quantile_cont(perplexity, [0.3, 0.6]) FROM signals GROUP BY language"

    rules: {custom: {ccnet_middle: {keep: "perplexity <= 512", where: "language = 'en'"}}}     # your figure
"""

import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import DataflowError
from dataflow.signals.lists import Stamp, stamp
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents, Signal

SIGNALS = (
    Signal(
        "perplexity",
        "perplexity",
        "10 to the negative mean log10 probability of a word or line end, over the lines normalised as in CCNet, by "
        "the KenLM model for the document's language. Null without a model for it or without words.",
        "Wenzek et al. 2020 (CCNet), section 3.4",
        "perplexity",
        pa.float32(),
    ),
)

_FOLDED = {
    ",": "，、",
    ".": "。",
    '"': "„”“«»」「《》",
    "'": "´’",
    ":": "∶：",
    "?": "？",
    "!": "！",
    "(": "（",
    ")": "）",
    ";": "；",
    "-": "–━►",
    " - ": "—",
    ". ": "．",
    "~": "～",
    "...": "…",
    "<": "〈",
    ">": "〉",
    "[": "【",
    "]": "】",
    "%": "％",
}
"""Punctuation by what stands for it, as in CCNet's text_normalizer."""

_CONTROLS = [chr(point) for point in (*range(32), *range(127, 160)) if chr(point) != "\n"]


def compute(
    documents: Documents, columns: Mapping[str, pa.Array], options: SignalOptions
) -> dict[str, pa.Array]:
    """The column of this family, by the column ``language`` and ``options.perplexity``."""
    if not options.perplexity or "language" not in columns:
        raise ValueError("the family perplexity needs models, and the family language")
    values = np.zeros(len(documents.texts), np.float32)
    for language, path in sorted(options.perplexity.items()):
        model = load_model(stamp(path))
        rows = pc.fill_null(pc.equal(columns["language"], language), False)
        texts = documents.texts.filter(rows).to_pylist()
        values[rows.to_numpy(zero_copy_only=False)] = [perplexity(text or "", model) for text in texts]
    return {"perplexity": pa.array(values, pa.float32(), mask=values == 0)}


def perplexity(text: str, model: Any) -> float:
    """Perplexity of one text; 0 where it has no words."""
    log_score, length = 0.0, 0
    for line in normalise(text).split("\n"):
        words = line.split()
        if words:
            log_score += model.score(" ".join(words))
            length += len(words) + 1  # the end of the line is predicted too
    return float(10.0 ** (-log_score / length)) if length else 0.0


def normalise(text: str) -> str:
    """A text as CCNet's models see it; line feeds stay."""
    lower = text.lower()
    if not lower.isascii():
        lower = unicodedata.normalize("NFD", lower)
    return lower.translate(_translation())


@cache
def _translation() -> dict[int, str | None]:
    table: dict[int, str | None] = {ord(one): new for new, old in _FOLDED.items() for one in old}
    table |= {ord(one): None for one in _CONTROLS}
    for point in range(0x110000):
        category = unicodedata.category(chr(point))
        if category == "Mn":
            table[point] = None
        elif category == "Nd":
            table[point] = "0"
    return table


@lru_cache(maxsize=8)
def load_model(file: Stamp) -> Any:
    """A KenLM model, loaded once a process; binary ones are mapped into memory and shared."""
    try:
        import kenlm
    except ImportError as error:
        raise DataflowError(
            "perplexity needs the package kenlm, which is not installed",
            "signals",
            'pip install "dataflow-corpus[kenlm]" (it is built from source: a C++ compiler and CMake are needed).',
        ) from error
    try:
        return kenlm.Model(file[0])
    except (OSError, RuntimeError) as error:
        raise DataflowError(
            f"KenLM cannot load the model ({' '.join(str(error).split())})",
            file[0],
            "Give an ARPA or KenLM file.",
        ) from error

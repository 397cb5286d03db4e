"""All signals in one table, and their columns for a batch of documents.

Sizes (``basic``) are always computed; the recipe names the other families. ``EXTRA`` are columns that later
models add under names known here, so that rules and readers find their type and definition in the same place.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from dataflow.config import nearest
from dataflow.errors import RecipeError
from dataflow.signals import basic, c4, fineweb, gopher, language
from dataflow.signals.signal import Signal
from dataflow.store import documents

if TYPE_CHECKING:
    from dataflow.kernels.scan import Analysis

__all__ = ["EXTRA", "FAMILIES", "SIGNALS", "VERSION", "Signal", "compute", "part_schema", "schema"]
__all__ += ["signals_of"]

VERSION = 1
"""Raise when a signal or a signature of an unchanged text changes."""

FAMILIES = ("language", "gopher", "c4", "fineweb")

SIGNALS: tuple[Signal, ...] = (
    *basic.SIGNALS,
    *language.SIGNALS,
    *gopher.SIGNALS,
    *c4.SIGNALS,
    *fineweb.SIGNALS,
)

EXTRA: tuple[Signal, ...] = (
    Signal(
        "quality",
        "score",
        "Probability of the good class by the run's quality model.",
        "the model's card",
        "extra",
        pa.float32(),
    ),
    Signal(
        "n_tokens",
        "tokens",
        "Tokens of the text by the run's tokenizer, without special ones.",
        "its card",
        "extra",
        pa.int64(),
    ),
)


def signals_of(families: Sequence[str]) -> tuple[Signal, ...]:
    """The basic signals and those of ``families``, in the table's order."""
    for family in families:
        if family not in FAMILIES:
            raise RecipeError(
                f'unknown family of signals "{family}"', "signals", nearest(family, list(FAMILIES))
            )
    return tuple(s for s in SIGNALS if s.family == "basic" or s.family in families)


def schema(families: Sequence[str], extra: Sequence[str] = ()) -> pa.Schema:
    """Names and types of the columns of ``families``, basic ones first, then the ``extra`` ones named."""
    known = {s.name: s for s in EXTRA}
    for name in extra:
        if name not in known:
            raise RecipeError(f'unknown extra signal "{name}"', "signals", nearest(name, list(known)))
    chosen = (*signals_of(families), *(known[name] for name in extra))
    return pa.schema([pa.field(s.name, s.type) for s in chosen])


def part_schema(families: Sequence[str], extra: Sequence[str] = ()) -> pa.Schema:
    """All columns of a signals part: what rules, mixtures and the key of survivors may use."""
    return pa.schema([*documents.SIGNALS, *schema(families, extra)])


def compute(
    texts: pa.LargeStringArray, analysis: "Analysis", families: Sequence[str], language_model: str | None
) -> dict[str, pa.Array]:
    """The columns of ``schema(families)``.

    Args:
        texts: the documents, asked for their language only.
        analysis: what ``dataflow.kernels.scan.analyse`` found in them.
        families: of FAMILIES, in any order.
        language_model: what ``language.find_model`` gives; needed for the family ``language`` alone.
    """
    columns = {s.name: s.compute(analysis.statistics) for s in signals_of(families) if s.values is not None}
    if "language" in families:
        if language_model is None:
            raise ValueError("the family language needs a model: see dataflow.signals.language.find_model")
        columns["language"], columns["language_score"] = language.identify(texts, language_model)
    return {name: columns[name] for name in schema(families).names}

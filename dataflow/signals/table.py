"""All signals in one table, and their columns for a batch of documents.

Sizes (``basic``) are always computed; the recipe names the other families. ``EXTRA`` are columns that later
models add under names known here, so that rules and readers find their type and definition in the same place.
"""

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from dataflow.config import nearest
from dataflow.errors import RecipeError
from dataflow.signals import (
    bad_words,
    basic,
    c4,
    characters,
    code,
    fineweb,
    gopher,
    language,
    perplexity,
    stop_words,
    url,
    vocabulary,
)
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents, Signal
from dataflow.store import documents as tables

__all__ = [
    "EXTRA",
    "FAMILIES",
    "SIGNALS",
    "VERSION",
    "Documents",
    "Signal",
    "compute",
    "part_schema",
    "schema",
]
__all__ += ["needs_distinct_words", "signals_of"]

VERSION = 3
"""Raise when a signal or a signature of an unchanged text changes."""

FAMILIES = (
    "language",
    "gopher",
    "c4",
    "fineweb",
    "characters",
    "vocabulary",
    "code",
    "stop_words",
    "url",
    "bad_words",
    "perplexity",
    "paragraph_language",
)

_ASKED: dict[str, Callable[[Documents, Mapping[str, pa.Array], SignalOptions], dict[str, pa.Array]]] = {
    "language": language.compute,
    "paragraph_language": language.compute_paragraphs,
    "code": code.compute,
    "stop_words": stop_words.compute,
    "url": url.compute,
    "bad_words": bad_words.compute,
    "perplexity": perplexity.compute,
}
"""Families that are more than counts: what computes them from the documents and the columns before theirs."""

SIGNALS: tuple[Signal, ...] = (
    *basic.SIGNALS,
    *language.SIGNALS,
    *gopher.SIGNALS,
    *c4.SIGNALS,
    *fineweb.SIGNALS,
    *characters.SIGNALS,
    *vocabulary.SIGNALS,
    *code.SIGNALS,
    *stop_words.SIGNALS,
    *url.SIGNALS,
    *bad_words.SIGNALS,
    *perplexity.SIGNALS,
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


def needs_distinct_words(families: Sequence[str]) -> bool:
    """Whether ``analyse`` has to count distinct words for these families."""
    return "vocabulary" in families


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
    return pa.schema([*tables.SIGNALS, *schema(families, extra)])


def compute(
    documents: Documents, families: Sequence[str], options: SignalOptions | None = None
) -> dict[str, pa.Array]:
    """The columns of ``schema(families)`` for a batch of documents."""
    options = options or SignalOptions()
    statistics = documents.analysis.statistics
    columns = {s.name: s.compute(statistics) for s in signals_of(families) if s.values is not None}
    for family, asked in _ASKED.items():
        if family in families:
            columns |= asked(documents, columns, options)
    return {name: columns[name] for name in schema(families).names}

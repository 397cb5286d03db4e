"""Which documents would be duplicates were the similarity asked of them higher: read, not computed.

The step ``dedup`` writes for every member of a cluster at which higher similarities it would still be removed, in
hundredths above the one it was run with (column ``levels``). So that question is answered exactly and without a
signature. A lower one cannot be: pairs that are less alike were never compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
from pydantic import ValidationError

from dataflow.catalog.recipe import manifests_of, recipe_of_run
from dataflow.catalog.table import Table
from dataflow.config import explain
from dataflow.dedup.config import Dedup
from dataflow.errors import RecipeError

TOP = 0.95
"""The highest similarity that ``dedup`` records."""

MOST = 62
"""Similarities that it records, bits of an integer: with a very low one of the run they end below ``TOP``."""

KEYS = ("dedup.similarity", "dedup.near.similarity")
"""What the question is called; the second is the recipe's own name."""

EVERY = "?"
"""What a user types for all of them."""

_STEP = 0.01
_CLOSE = 1e-6


@dataclass(frozen=True)
class Levels:
    """The similarities that the decisions of a run answer for."""

    base: float  # that dedup was run with
    capped: (
        int  # documents for which higher ones were not all worked out: they may be removed at more of them
    )
    annotated: bool  # nothing is removed at any

    @property
    def values(self) -> list[float]:
        """From the one that dedup was run with, in hundredths."""
        n = min(MOST - 1, max(0, int((TOP - self.base) / _STEP + _CLOSE)))
        return [round(self.base + bit * _STEP, 4) for bit in range(n + 1)]

    def beside(self, asked: float) -> list[float]:
        """Those to show around the one asked for: every one where that is the run's own, else some."""
        return [
            value
            for value in self.values
            if asked == self.base
            or value in (self.base, self.values[-1])
            or any(abs(value - other) < _CLOSE for other in (asked, round(value / 0.05) * 0.05))
        ]

    def bit(self, asked: float) -> int:
        """The bit of ``levels`` that holds the answer for a similarity; a RecipeError where there is none."""
        values = self.values
        for place, value in enumerate(values):
            if abs(value - asked) < _CLOSE:
                return place
        where = f"--set {KEYS[0]}={asked:g}"
        if asked < self.base:
            raise RecipeError(
                f"dedup was run with similarity {shown(self.base)}, and pairs less alike than that were never compared",
                where,
                f"Run `dataflow run` with the recipe and `--set {KEYS[1]}={asked:g}`: it compares anew.",
            )
        if asked > values[-1]:
            raise RecipeError(
                f"dedup records what would be removed up to a similarity of {shown(values[-1])}",
                where,
                f"Run `dataflow run` with the recipe and `--set {KEYS[1]}={asked:g}`.",
            )
        below = max(value for value in values if value < asked)
        above = min(value for value in values if value > asked)
        raise RecipeError(
            f"recorded in hundredths from {shown(self.base)}",
            where,
            f"The nearest are {shown(below)} and {shown(above)}.",
        )


def levels_of_run(con: duckdb.DuckDBPyConnection) -> Levels:
    """What the folder's decisions on duplicates answer for."""
    try:
        config = Dedup.model_validate(recipe_of_run(con).get("dedup") or {})
    except ValidationError as error:
        raise explain(error, Dedup, "recipe.json, dedup") from error
    if not config.near:
        fix = "Run with `dedup.near` first."
        raise RecipeError("the run did not look for near-duplicates", f"--set {KEYS[0]}", fix)
    steps = con.execute("SELECT steps FROM stored.about").fetchall()[0][0]
    if "dedup" not in steps:
        raise RecipeError("the step dedup has not run here", f"--set {KEYS[0]}", "Run it first.")
    manifest = manifests_of(con, "dedup").get("all")
    capped = manifest.counts.get("capped", 0) if manifest else 0
    return Levels(config.near.similarity, capped, config.mode == "annotate")


def parse(typed: str, con: duckdb.DuckDBPyConnection) -> float:
    """The similarity that a user typed; that of the run for ``?``, which asks what every other one would do."""
    if typed == EVERY:
        return levels_of_run(con).base
    try:
        return float(typed)
    except ValueError as error:
        what = f'"{typed}" is not a number'
        fix = f"Give one from 0 to 1, or {EVERY} for a table of all that are recorded."
        raise RecipeError(what, f"--set {KEYS[0]}", fix) from error


def shown(similarity: float) -> str:
    """``0.70``, ``0.725``."""
    return f"{similarity:.4f}".rstrip("0").ljust(4, "0")


def curve(con: duckdb.DuckDBPyConnection, levels: Levels, wanted: Sequence[float]) -> Table:
    """What stays at each of the ``wanted`` similarities, of the documents in ``w_judged`` (see ``whatif``)."""
    bits = [1 << levels.bit(value) for value in wanted]
    sums = ", ".join(
        f"count(*) FILTER (w_levels & {bit} <> 0), count(*) FILTER (w_levels & {bit} = 0), "
        f"coalesce(sum(w_bytes) FILTER (w_levels & {bit} = 0), 0)::BIGINT"
        for bit in bits
    )
    here = "FROM w_judged WHERE w_before AND w_clean AND w_survivor IS"
    others = con.execute(f"SELECT count(*), coalesce(sum(w_bytes), 0)::BIGINT {here} NULL").fetchall()[0]
    found = con.execute(f"SELECT {sums} {here} NOT NULL").fetchall()[0]
    rows = []
    for value, place in zip(wanted, range(0, len(found), 3), strict=True):
        removed, kept, n_bytes = found[place : place + 3]
        rows.append((shown(value), removed, others[0] + kept, others[1] + n_bytes))
    names = ("duplicates", "documents_left", "bytes_left") if levels.annotated else _REMOVED
    return Table("By similarity, with the rules as they are", ("similarity", *names), tuple(rows))


_REMOVED = ("duplicates_removed", "documents_kept", "bytes_kept")

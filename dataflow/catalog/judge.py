"""Documents before rules: for each rule whether it is about the document, whether it fails, by which values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from dataflow.catalog.recipe import signal_columns
from dataflow.rules.evaluate import Rule, fails_sql
from dataflow.rules.sql import Checker, quote, quote_name


@dataclass(frozen=True)
class Judgement:
    """One document before one rule: the condition, the values it was decided by."""

    rule: str
    set: str
    keep: str
    applies: bool  # whether the rule is about this document
    fails: bool
    values: dict[str, Any]


def judge(
    con: duckdb.DuckDBPyConnection, ids: Sequence[str], rules: Sequence[Rule]
) -> dict[str, list[Judgement]]:
    """Every rule applied to the documents named, with the signals that each condition reads."""
    if not ids or not rules:
        return {name: [] for name in ids}
    checker = Checker(signal_columns(con))
    reads = [checker.reads(rule.keep) for rule in rules]
    columns = sorted(set().union(*reads))
    verdicts = [f"((\n{rule.where}\n) IS TRUE), (({fails_sql(rule)}) IS TRUE)" for rule in rules]
    selected = ", ".join(["id", *map(quote_name, columns), *verdicts])
    rows = con.execute(f"SELECT {selected} FROM stored.signals WHERE {among(ids)}").fetchall()
    judged = {}
    for row in rows:
        values = dict(zip(columns, row[1:], strict=False))
        flags = row[1 + len(columns) :]
        judged[row[0]] = [
            Judgement(rule.name, rule.set, rule.shown, applies, fails, {name: values[name] for name in names})
            for rule, names, applies, fails in zip(rules, reads, flags[::2], flags[1::2], strict=True)
        ]
    return judged


def shown_values(judgement: Judgement) -> str:
    """``n_words = 3, language = en``."""
    return ", ".join(f"{name} = {_short(value)}" for name, value in judgement.values.items())


def among(ids: Sequence[str]) -> str:
    """SQL that is true of rows with one of a few ids; as constants, so that other row groups are never opened."""
    return f"id IN ({', '.join(map(quote, ids))})"


def _short(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

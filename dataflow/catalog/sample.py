"""Documents to look at: some that a rule dropped or of one fate, with the value beside the threshold.

Drawn by a hash of the id and a seed, so the same question shows the same documents, on any machine and in
any order of files. Only the texts of the documents shown are read, and of those only the beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from dataflow.catalog.ledger import FATES
from dataflow.catalog.recipe import rules_of_run, signal_columns
from dataflow.config import nearest
from dataflow.errors import RecipeError
from dataflow.rules.evaluate import Rule
from dataflow.rules.sql import Checker, quote_name

EXCERPT_CHARACTERS = 400


@dataclass(frozen=True)
class Judgement:
    """One document before one rule: the condition, the values it was decided by."""

    rule: str
    set: str
    keep: str
    applies: bool  # whether the rule is about this document
    fails: bool
    values: dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """A document, its fate, the rules it fails, and the beginning of its text."""

    id: str
    fate: str
    reasons: list[str]
    judgements: list[Judgement]
    excerpt: str


def sample(
    con: duckdb.DuckDBPyConnection,
    rule: str | None = None,
    fate: str | None = None,
    n: int = 5,
    seed: int = 1,
    excerpt_characters: int = EXCERPT_CHARACTERS,
) -> list[Sample]:
    """``n`` documents that fail ``rule`` (or have it among the reasons of their fate) and have ``fate``."""
    if fate is not None and fate not in FATES:
        raise RecipeError(f'unknown fate "{fate}"', "--fate", nearest(fate, list(FATES)))
    rules = {one.name: one for one in rules_of_run(con)} if _has_recipe(con) else {}
    if rule is not None:
        _refuse_unknown(con, rule, list(rules))
    drawn = con.execute(
        """
        SELECT id, fate, reasons FROM ledger
        WHERE ($rule IS NULL OR list_contains(reasons, $rule)) AND ($fate IS NULL OR fate = $fate)
        ORDER BY md5($seed || id), id LIMIT $n
        """,
        {"rule": rule, "fate": fate, "seed": f"{seed}:", "n": n},
    ).fetchall()
    ids = [row[0] for row in drawn]
    texts = excerpts(con, ids, excerpt_characters)
    judged = judge(con, ids, list(rules.values()))
    return [
        Sample(
            name,
            its_fate,
            list(reasons),
            [one for one in judged.get(name, []) if one.fails and rule in (None, one.rule)],
            texts.get(name, ""),
        )
        for name, its_fate, reasons in drawn
    ]


def verdict(judgement: Judgement) -> str:
    """``min_words: n_words = 3, keep n_words >= 20``."""
    values = ", ".join(f"{name} = {_short(value)}" for name, value in judgement.values.items())
    return f"{judgement.rule}: {values}, keep {judgement.keep}"


def judge(
    con: duckdb.DuckDBPyConnection, ids: Sequence[str], rules: Sequence[Rule]
) -> dict[str, list[Judgement]]:
    """Every rule applied to the documents named, with the signals that each condition reads."""
    checker = Checker(signal_columns(con))
    reads = [checker.reads(rule.keep) for rule in rules]
    columns = sorted(set().union(*reads))
    verdicts = [
        f"(({rule.where}) IS TRUE), (CASE WHEN ({rule.where}) THEN NOT ({rule.keep}) END IS TRUE)"
        for rule in rules
    ]
    selected = ", ".join(["id", *map(quote_name, columns), *verdicts])
    rows = con.execute(
        f"SELECT {selected} FROM stored.signals WHERE list_contains(?, id)", [list(ids)]
    ).fetchall()
    judged = {}
    for row in rows:
        values = dict(zip(columns, row[1:], strict=False))
        flags = row[1 + len(columns) :]
        judged[row[0]] = [
            Judgement(rule.name, rule.set, rule.keep, applies, fails, {name: values[name] for name in names})
            for rule, names, applies, fails in zip(rules, reads, flags[::2], flags[1::2], strict=True)
        ]
    return judged


def excerpts(con: duckdb.DuckDBPyConnection, ids: Sequence[str], n_characters: int) -> dict[str, str]:
    """The beginnings of the texts of documents or conversations."""
    wanted = ", ".join("?" * len(ids))
    if not ids:
        return {}
    turns = "list_transform(messages, lambda one: one.role || ': ' || one.content)"
    conversation = f"array_to_string({turns}, chr(10))"
    rows = con.execute(
        f"""
        SELECT id, text[:{int(n_characters) + 1}] FROM stored.documents WHERE id IN ({wanted})
        UNION ALL
        SELECT id, ({conversation})[:{int(n_characters) + 1}]
        FROM stored.instructions_documents WHERE id IN ({wanted})
        """,
        [*ids, *ids],
    ).fetchall()
    return {name: _beginning(text, n_characters) for name, text in rows}


def _beginning(text: str | None, n_characters: int) -> str:
    if text is None:
        return "(its text was not kept: keep_dropped is false in the recipe)"
    return text if len(text) <= n_characters else text[:n_characters] + " ..."


def _has_recipe(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(con.execute("SELECT count(*) FROM stored.recipe").fetchall()[0][0])


def _refuse_unknown(con: duckdb.DuckDBPyConnection, rule: str, rules: list[str]) -> None:
    if rule in rules:
        return
    seen = [row[0] for row in con.execute("SELECT DISTINCT unnest(reasons) FROM ledger").fetchall()]
    if rule not in seen:
        raise RecipeError(f'no rule or reason is named "{rule}"', "--rule", nearest(rule, [*rules, *seen]))


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Documents to look at: some that a rule dropped or of one fate, with the value beside the threshold.

Drawn by a hash of the id and a seed, so the same question shows the same documents, on any machine and in
any order of files. Only the texts of the documents shown are read, and of those only the beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from dataflow.catalog.judge import Judgement, judge, shown_values
from dataflow.catalog.ledger import FATES
from dataflow.catalog.recipe import rules_of_run
from dataflow.config import nearest
from dataflow.errors import RecipeError

EXCERPT_CHARACTERS = 400


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
    return f"{judgement.rule}: {shown_values(judgement)}, keep {judgement.keep}"


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

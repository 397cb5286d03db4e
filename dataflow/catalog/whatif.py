"""What other rules would keep, in a second and without reading a text.

Rules are SQL over stored signals, so both sets of them are applied in one scan, and what later steps
decided is taken as it stands. Two things are estimates. Where a survivor would now fail, the longest
document left in its group takes its place. A document that is newly kept was never looked at by
deduplication or decontamination: it counts as unique and clean, and ``Change.undecided`` says how many
there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from dataflow.catalog.recipe import signal_columns
from dataflow.catalog.stats import SHOWN_LANGUAGE, largest_languages
from dataflow.catalog.table import Table, ask
from dataflow.config import nearest
from dataflow.errors import RecipeError
from dataflow.rules.config import Rules
from dataflow.rules.evaluate import Rule, active_rules, fails_sql, reasons_sql
from dataflow.rules.sql import quote


@dataclass(frozen=True)
class Change:
    """What becomes of the documents when the rules change."""

    by_source: Table
    by_language: Table
    newly_kept: Table  # some of them, with the rules that drop them now
    newly_dropped: Table  # some of them, with the rules that would
    undecided: int  # documents newly kept, not yet looked at by dedup

    @property
    def tables(self) -> list[Table]:
        """Everything there is to show."""
        tables = (self.by_source, self.by_language, self.newly_kept, self.newly_dropped)
        return [table for table in tables if table.rows]


def changed_rules(
    rules: Sequence[Rule], replaced: dict[str, str], dropped: Sequence[str], con: duckdb.DuckDBPyConnection
) -> list[Rule]:
    """``rules`` with conditions replaced or added by name, and without the rules named in ``dropped``.

    Names and conditions are checked as a recipe's are: a fault is a RecipeError.
    """
    known = [rule.name for rule in rules]
    for name in dropped:
        if name not in known:
            raise RecipeError(f'no rule is named "{name}"', "--drop", nearest(name, known))
    new = active_rules(Rules(sets=(), custom=replaced), signal_columns(con))
    keeps = {rule.name: rule for rule in new}
    kept = [rule for rule in rules if rule.name not in dropped]
    changed = [
        Rule(rule.name, keeps[rule.name].keep, rule.where, rule.set, rule.reference)
        if rule.name in keeps
        else rule
        for rule in kept
    ]
    return changed + [rule for rule in new if rule.name not in {rule.name for rule in kept}]


def whatif(
    con: duckdb.DuckDBPyConnection,
    rules_before: Sequence[Rule],
    rules_after: Sequence[Rule],
    *,
    bytes_per_token: float = 4.0,
    n_samples: int = 5,
    seed: int = 1,
) -> Change:
    """Kept documents, bytes and estimated tokens before and after, and documents that change sides.

    ``kept`` is what the ledger means by it: passed, not a duplicate, not contaminated. Tokens are counted
    where the signals have ``n_tokens``, else taken as bytes / ``bytes_per_token``.
    """
    columns = signal_columns(con).names
    language = "coalesce(language, 'unknown')" if "language" in columns else "'unknown'"
    tokens = f"n_bytes / {float(bytes_per_token)!r}"
    if "n_tokens" in columns:
        tokens = f"coalesce(n_tokens, {tokens})"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE whatif AS " + _judged_sql(rules_before, rules_after, language, tokens)
    )
    try:
        undecided = con.execute("SELECT count(*) FROM whatif WHERE after AND NOT passed_before").fetchall()[
            0
        ][0]
        return Change(
            by_source=_compare(con, "source"),
            by_language=_compare(con, "language"),
            newly_kept=_flips(con, "after AND NOT before", rules_before, "Newly kept", n_samples, seed),
            newly_dropped=_flips(con, "before AND NOT after", rules_after, "Newly dropped", n_samples, seed),
            undecided=int(undecided),
        )
    finally:
        con.execute("DROP TABLE whatif")


def _passes(rules: Sequence[Rule]) -> str:
    return " AND ".join(f"({fails_sql(rule)}) IS NOT TRUE" for rule in rules) or "true"


def _judged_sql(before: Sequence[Rule], after: Sequence[Rule], language: str, tokens: str) -> str:
    """A row for each document with both verdicts; its id only where they differ: ids are most bytes."""
    shared = [rule for rule in before if rule in after]
    only_before = _passes([rule for rule in before if rule not in shared])
    only_after = _passes([rule for rule in after if rule not in shared])
    group = "PARTITION BY survivor, {side} ORDER BY id = survivor DESC, n_bytes DESC, id"
    leads = f"id = first_value(id) OVER ({group})"
    leads_before, leads_after = leads.format(side="before"), leads.format(side="after")
    return f"""
        WITH passed AS (
            SELECT * EXCLUDE (shared), shared AND only_before AS before, shared AND only_after AS after
            FROM (
                SELECT id, source, {language} AS language, n_bytes, {tokens} AS tokens,
                    {_passes(shared)} AS shared, {only_before} AS only_before, {only_after} AS only_after
                FROM stored.signals
            )
        ), members AS (
            SELECT id, {leads_before} AS leads_before, {leads_after} AS leads_after
            FROM stored.dedup JOIN (SELECT id, n_bytes, before, after FROM passed) USING (id)
        ), contaminated AS (
            SELECT DISTINCT id, true AS hit FROM stored.contamination
        ), kept AS (
            SELECT id, source, language, n_bytes, tokens, before AS passed_before,
                before AND leads_before IS NOT FALSE AND hit IS NULL AS before,
                after AND leads_after IS NOT FALSE AND hit IS NULL AS after
            FROM passed LEFT JOIN members USING (id) LEFT JOIN contaminated USING (id)
        )
        SELECT * REPLACE (CASE WHEN before <> after THEN id END AS id) FROM kept
    """


def _compare(con: duckdb.DuckDBPyConnection, key: str) -> Table:
    sides = ", ".join(
        f"coalesce(sum({figure}) FILTER ({side}), 0)::BIGINT AS {name}_{side}"
        for name, figure in (("documents", "1"), ("bytes", "n_bytes"), ("tokens", "tokens"))
        for side in ("before", "after")
    )
    judged = f"SELECT * REPLACE ({SHOWN_LANGUAGE} AS language) FROM whatif"
    sql = f"""
        {largest_languages("whatif")}
        SELECT CASE WHEN grouping({key}) = 1 THEN 'all' ELSE {key} END AS {key}, {sides},
            count(*) FILTER (after AND NOT before) AS newly_kept,
            count(*) FILTER (before AND NOT after) AS newly_dropped
        FROM ({judged}) GROUP BY GROUPING SETS (({key}), ()) HAVING count(*) > 0
        ORDER BY grouping({key}), {key} = 'other', count(*) DESC, {key}
    """
    return ask(con, sql, f"Kept by {key}")


def _flips(
    con: duckdb.DuckDBPyConnection, where: str, rules: Sequence[Rule], title: str, n_samples: int, seed: int
) -> Table:
    """Some documents that change sides, drawn by a seeded hash, and the rules that speak against them."""
    draw = f"ORDER BY md5({quote(f'{seed}:')} || id), id LIMIT {int(n_samples)}"
    sql = f"""
        WITH drawn AS (
            SELECT id FROM whatif WHERE {where} {draw}
        ), failing AS (
            SELECT id, {reasons_sql(rules)} AS rules, n_bytes FROM stored.signals WHERE id IN (FROM drawn)
        )
        SELECT id, CASE WHEN len(rules) = 0 THEN ['duplicate'] ELSE rules END AS rules, n_bytes
        FROM failing ORDER BY id
    """
    return ask(con, sql, title)

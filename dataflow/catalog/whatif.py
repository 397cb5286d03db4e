"""What other rules would keep, in a second or two for a million documents, without reading a text.

The step ``filter`` recorded every rule that a document fails. So where the recipe's rules change, only those
that change are computed: a document passes the new ones if no other rule spoke against it and the new ones do
not. Decisions stand row for row beside signals, so the two are laid side by side and not joined. (Where the
decisions are not of the recipe's rules, all rules are computed, which takes a few times as long.)

What later steps decided is taken as it stands, and two things are estimates. Where a survivor would now fail,
the next of its group in survivor order takes its place. A document that is newly kept was never looked at by
deduplication or decontamination: it counts as unique and clean, and ``Change.undecided`` says how many there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from dataflow.catalog.judge import judge, shown_values
from dataflow.catalog.recipe import decided_by, signal_columns
from dataflow.catalog.stats import SHOWN_LANGUAGE, largest_languages
from dataflow.catalog.table import Table, ask
from dataflow.config import nearest
from dataflow.errors import DataflowError, RecipeError
from dataflow.rules.config import Rules
from dataflow.rules.evaluate import Rule, active_rules, fails_sql
from dataflow.rules.sql import Checker, quote, quote_name


@dataclass(frozen=True)
class Change:
    """What becomes of the documents when the rules change."""

    by_source: Table
    by_language: Table
    newly_kept: Table  # some of them, a row for each rule that drops them now
    newly_dropped: Table  # some of them, a row for each rule that would
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
    new = active_rules(Rules.model_validate({"sets": (), "custom": replaced}), signal_columns(con))
    keeps = {rule.name: rule for rule in new}
    kept = [rule for rule in rules if rule.name not in dropped]
    changed = [
        replace(rule, keep=keeps[rule.name].keep, written="") if rule.name in keeps else rule for rule in kept
    ]
    return changed + [rule for rule in new if rule.name not in {rule.name for rule in kept}]


def whatif(
    con: duckdb.DuckDBPyConnection,
    rules_before: Sequence[Rule],
    rules_after: Sequence[Rule],
    *,
    bytes_per_token: float = 4.0,
    survivor: str = "n_bytes DESC",
    n_samples: int = 5,
    seed: int = 1,
) -> Change:
    """Kept documents, bytes and estimated tokens before and after, and documents that change sides.

    Args:
        con: the catalog of a run.
        rules_before: the rules that documents are kept by now.
        rules_after: other rules; both as ``active_rules`` or ``changed_rules`` returned them.
        bytes_per_token: tokens are counted where the signals have ``n_tokens``, else taken as bytes by this.
        survivor: the recipe's sort key of duplicates.
        n_samples: documents to show of each kind of flip.
        seed: draws other ones.

    ``kept`` is what the ledger means by it: passed, not a duplicate, not contaminated.
    """
    names = signal_columns(con).names
    language = "coalesce(language, 'unknown')" if "language" in names else "'unknown'"
    tokens = f"n_bytes / {float(bytes_per_token)!r}"
    if "n_tokens" in names:
        tokens = f"coalesce(n_tokens, {tokens})"
    keys = (
        ["n_bytes"]
        if survivor == "n_bytes DESC"
        else Checker(signal_columns(con)).order(survivor, "survivor")
    )
    verdicts = _read_sql if decided_by(con, rules_before) else _computed_sql
    columns = {"w_language": language, "w_tokens": tokens}
    columns |= {quote_name(key): quote_name(key) for key in {"id", "source", "n_bytes", *keys}}
    try:
        con.execute(_judged_sql(con, verdicts(rules_before, rules_after, columns)))
        _refuse_misplaced(con)
        con.execute(_kept_sql(survivor))
        con.execute(_COUNTED)
        undecided = con.execute("SELECT coalesce(sum(undecided), 0)::BIGINT FROM w_counted").fetchall()[0][0]
        kept, dropped = (
            _drawn(con, where, n_samples, seed)
            for where in ("kept_after AND NOT kept_before", "kept_before AND NOT kept_after")
        )
        shown = _shown(con, _changed(rules_before, rules_after), [*kept, *dropped])
        return Change(
            by_source=_compare(con, "source"),
            by_language=_compare(con, "language"),
            newly_kept=Table("Newly kept", _FLIP, tuple(row for flip in kept for row in shown[flip.id])),
            newly_dropped=Table(
                "Newly dropped", _FLIP, tuple(row for flip in dropped for row in shown[flip.id])
            ),
            undecided=int(undecided),
        )
    finally:
        for name in ("w_judged", "w_members", "w_counted"):
            con.execute(f"DROP TABLE IF EXISTS {name}")


# A verdict on every document -----------------------------------------------------------------------------------


def _read_sql(before: Sequence[Rule], after: Sequence[Rule], columns: dict[str, str]) -> str:
    """Verdicts from decisions/filter, and from the rules that change."""
    changed = [rule.name for rule in before if rule not in after]
    new = _passes([rule for rule in after if rule not in before])
    names = ", ".join(map(quote, changed))
    spared = f"""
        CASE WHEN passed THEN true WHEN len(reasons) > {len(changed)} THEN false
            ELSE list_has_all([{names}]::VARCHAR[], reasons) END
    """
    # Lists are slow to lay beside other columns: what is asked of them is asked before.
    decided = f"SELECT passed AS w_passed, {spared if changed else 'passed'} AS w_spared FROM stored.filter"
    chosen = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    return (
        f"SELECT {chosen}, w_passed AS w_before, CASE WHEN w_spared THEN {new} ELSE false END AS w_after "
        f"FROM stored.signals POSITIONAL JOIN ({decided})"
    )


def _computed_sql(before: Sequence[Rule], after: Sequence[Rule], columns: dict[str, str]) -> str:
    """Verdicts from all rules, those that both sides have computed once."""
    shared = _passes([rule for rule in before if rule in after])
    old = _passes([rule for rule in before if rule not in after])
    new = _passes([rule for rule in after if rule not in before])
    chosen = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    return (
        f"SELECT * EXCLUDE (w_shared), w_shared AND w_old AS w_before, w_shared AND w_new AS w_after FROM "
        f"(SELECT {chosen}, {shared} AS w_shared, {old} AS w_old, {new} AS w_new FROM stored.signals)"
    )


def _passes(rules: Sequence[Rule]) -> str:
    return " AND ".join(f"({fails_sql(rule)}) IS NOT TRUE" for rule in rules) or "true"


def _judged_sql(con: duckdb.DuckDBPyConnection, verdicts: str) -> str:
    """One row a document; its id only where it may be asked for, for ids are most of the bytes."""
    steps = con.execute("SELECT steps FROM stored.about").fetchall()[0][0]
    clean, hits = "true", ""
    if "contamination" in steps:
        clean, hits = (
            "hit IS NULL",
            "LEFT JOIN (SELECT DISTINCT id AS hit FROM stored.contamination WHERE action = 'drop') ON hit = j.id",
        )
    return f"""
        CREATE OR REPLACE TEMP TABLE w_judged AS
        SELECT j.* REPLACE (CASE WHEN w_survivor IS NOT NULL OR w_before <> w_after THEN j.id END AS id),
            w_survivor, {clean} AS w_clean
        FROM ({verdicts}) AS j
        LEFT JOIN (SELECT id AS w_id, survivor AS w_survivor FROM stored.dedup) ON w_id = j.id {hits}
    """


def _refuse_misplaced(con: duckdb.DuckDBPyConnection) -> None:
    """Tables of different lengths laid side by side leave rows with one half missing."""
    if con.execute("SELECT bool_or(w_before IS NULL OR source IS NULL) FROM w_judged").fetchall()[0][0]:
        raise DataflowError(
            "signals and decisions are not of the same documents",
            "decisions/filter",
            "Run `dataflow run` with the recipe again, or `dataflow check` to see more.",
        )


# Who leads a group of duplicates -------------------------------------------------------------------------------


def _kept_sql(survivor: str) -> str:
    """Kept or not, before and after: of a group of duplicates one document, its survivor or the next in line."""
    leads = {
        side: f"w_clean AND w_{side} AND (id = w_survivor OR id IN (FROM heirs_{side}))" for side in _SIDES
    }
    heirs = ", ".join(
        f"""
        heirs_{side} AS (
            SELECT first(id ORDER BY {survivor}, id) FROM members
            WHERE w_{side} AND w_survivor IN (SELECT id FROM members WHERE id = w_survivor AND NOT w_{side})
            GROUP BY w_survivor
        )"""
        for side in _SIDES
    )
    return f"""
        CREATE OR REPLACE TEMP TABLE w_members AS
        WITH members AS (FROM w_judged WHERE w_survivor IS NOT NULL), {heirs}
        SELECT {_KEPT}, {leads["before"]} AS kept_before, {leads["after"]} AS kept_after FROM members
    """


_SIDES = ("before", "after")
_KEPT = "id, source, w_language AS language, n_bytes, w_tokens AS tokens, w_survivor AS survivor, w_before AS passed"
_ALL = f"""(
    SELECT {_KEPT}, w_before AND w_clean AS kept_before, w_after AND w_clean AS kept_after
    FROM w_judged WHERE w_survivor IS NULL
    UNION ALL FROM w_members
)"""
"""Every document, kept or not before and after."""


# Figures -------------------------------------------------------------------------------------------------------

_FIGURES = (("documents", "1"), ("bytes", "n_bytes"), ("tokens", "tokens"))
_NAMES = [f"{name}_{side}" for name, _ in _FIGURES for side in _SIDES]
_SUMS = ", ".join(
    f"coalesce(sum({figure}) FILTER (kept_{side}), 0) AS {name}_{side}"
    for name, figure in _FIGURES
    for side in _SIDES
)
_COUNTED = f"""
    CREATE OR REPLACE TEMP TABLE w_counted AS
    SELECT source, language, count(*) AS documents, {_SUMS},
        count(*) FILTER (kept_after AND NOT kept_before) AS newly_kept,
        count(*) FILTER (kept_before AND NOT kept_after) AS newly_dropped,
        count(*) FILTER (kept_after AND NOT passed) AS undecided
    FROM {_ALL} GROUP BY source, language
"""


def _compare(con: duckdb.DuckDBPyConnection, key: str) -> Table:
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in (*_NAMES, "newly_kept", "newly_dropped"))
    shown = f"SELECT * REPLACE ({SHOWN_LANGUAGE} AS language) FROM w_counted"
    sql = f"""
        {largest_languages("w_counted", "sum(documents)")}
        SELECT CASE WHEN grouping({key}) = 1 THEN 'all' ELSE {key} END AS {key}, {sums}
        FROM ({shown}) GROUP BY GROUPING SETS (({key}), ()) HAVING count(*) > 0
        ORDER BY grouping({key}), {key} = 'other', sum(documents) DESC, {key}
    """
    return ask(con, sql, f"Kept by {key}")


# Documents that change sides -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ChangedRule:
    """A rule that is not the same on both sides; None where there is no such rule."""

    before: Rule | None
    after: Rule | None

    @property
    def conditions(self) -> tuple[str, str]:
        """What it keeps now and what it would keep."""
        return (self.before.shown if self.before else ""), (self.after.shown if self.after else "")


def _changed(before: Sequence[Rule], after: Sequence[Rule]) -> dict[str, _ChangedRule]:
    old = {rule.name: rule for rule in before if rule not in after}
    new = {rule.name: rule for rule in after if rule not in before}
    return {name: _ChangedRule(old.get(name), new.get(name)) for name in {**old, **new}}


_FLIP = ("id", "bytes", "rule", "value", "keeps now", "would keep")


@dataclass(frozen=True)
class _Flip:
    """A document that changes sides."""

    id: str
    n_bytes: int
    survivor: str | None


def _drawn(con: duckdb.DuckDBPyConnection, where: str, n: int, seed: int) -> list[_Flip]:
    """Some documents that change sides, by a seeded hash of the id: the same on any machine."""
    draw = f"ORDER BY md5({quote(f'{seed}:')} || id), id LIMIT {int(n)}"
    rows = con.execute(f"SELECT id, n_bytes, survivor FROM {_ALL} WHERE {where} {draw}").fetchall()
    return sorted((_Flip(*row) for row in rows), key=lambda flip: flip.id)


def _shown(
    con: duckdb.DuckDBPyConnection, changed: dict[str, _ChangedRule], flips: Sequence[_Flip]
) -> dict[str, list[tuple[object, ...]]]:
    """For each flip a row for each rule that speaks against it, on either side."""
    both = [rule for one in changed.values() for rule in (one.before, one.after) if rule is not None]
    judged = judge(con, [flip.id for flip in flips], both)
    rows: dict[str, list[tuple[object, ...]]] = {}
    for flip in flips:
        failing = {one.rule: shown_values(one) for one in judged[flip.id] if one.fails}
        rows[flip.id] = [
            (flip.id, flip.n_bytes, name, values, *changed[name].conditions)
            for name, values in failing.items()
        ] or [(flip.id, flip.n_bytes, "duplicate", f"of {flip.survivor}", "", "")]
    return rows

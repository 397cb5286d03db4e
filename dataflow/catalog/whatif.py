"""What other rules would keep, in a second or two for a million documents, without reading a text.

The step ``filter`` recorded every rule that a document fails. So where the recipe's rules change, only those
that change are computed: a document passes the new ones if no other rule spoke against it and the new ones do
not. Decisions stand row for row beside signals, so the two are laid side by side and not joined. (Where the
decisions are not of the recipe's rules, all rules are computed, which takes a few times as long.)

A higher similarity of near-duplicates is answered exactly, from what ``dedup`` recorded (``similarity``).

What later steps decided is taken as it stands, and two things are estimates. Where a survivor would now fail,
the next of its group in survivor order takes its place. A document that is newly kept was never looked at by
the steps after the one that dropped it: it counts as unique and clean, and ``Change.notes`` say how many there are.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import duckdb

from dataflow.catalog import flips, similarity
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
    by_similarity: Table  # where that is asked
    notes: tuple[str, ...]  # what is not known, and how many documents it is about

    @property
    def tables(self) -> list[Table]:
        """Everything there is to show."""
        tables = (self.by_source, self.by_language, self.by_similarity, self.newly_kept, self.newly_dropped)
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
    alike: float | None = None,
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
        alike: another similarity at which documents are near-duplicates; left out: that of the run.
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
    levels = similarity.levels_of_run(con) if alike is not None else None
    bit = levels.bit(alike) if levels is not None and alike is not None else 0
    if levels is not None and levels.annotated:
        bit = 0  # nothing goes, whatever the similarity
    rules = flips.changed(rules_before, rules_after)
    try:
        con.execute(_judged_sql(con, verdicts(rules_before, rules_after, columns), bit))
        _refuse_misplaced(con)
        con.execute(_kept_sql(survivor))
        con.execute(_COUNTED)
        kept, dropped = (
            flips.drawn(con, _ALL, where, n_samples, seed)
            for where in ("kept_after AND NOT kept_before", "kept_before AND NOT kept_after")
        )
        asked = (levels.base, alike) if levels is not None and alike is not None else None
        shown = flips.rows_of(con, rules, asked, [*kept, *dropped])
        undecided, unseen = con.execute(
            "SELECT coalesce(sum(undecided), 0)::BIGINT, coalesce(sum(unseen), 0)::BIGINT FROM w_counted"
        ).fetchall()[0]
        curve = Table("", (), ())
        if levels is not None and alike is not None and not rules:
            curve = similarity.curve(con, levels, levels.beside(alike))
        return Change(
            by_source=_compare(con, "source"),
            by_language=_compare(con, "language"),
            newly_kept=_flips("Newly kept", kept, shown),
            newly_dropped=_flips("Newly dropped", dropped, shown),
            undecided=undecided,
            by_similarity=curve,
            notes=tuple(_notes(_steps(con), undecided, unseen, levels, bool(rules))),
        )
    finally:
        for name in ("w_judged", "w_members", "w_counted"):
            con.execute(f"DROP TABLE IF EXISTS {name}")


def _flips(title: str, found: Sequence[flips.Flip], rows: dict[str, list[tuple[object, ...]]]) -> Table:
    return Table(title, flips.COLUMNS, tuple(row for flip in found for row in rows[flip.id]))


def _notes(
    steps: Collection[str], undecided: int, unseen: int, levels: similarity.Levels | None, rules: bool
) -> Iterator[str]:
    if undecided and "dedup" in steps:
        yield (
            f"{undecided:,} of the newly kept documents have not been compared by dedup: some may be duplicates."
        )
    later = [said for name, said in _LATER.items() if name in steps]
    if unseen and later:
        yield (
            f"{unseen:,} of the newly kept documents were duplicates, so {' and '.join(later)} "
            "has not looked at them."
        )
    if levels is None:
        return
    if levels.annotated:
        yield "Duplicates are only annotated (dedup.mode), so no document is kept or dropped for its similarity."
    if rules:
        yield (
            "Rules and similarity in one question are an estimate: where the rules drop a survivor, the next of "
            "its group takes its place, and which documents resemble that one was not measured."
        )
    if levels.capped:
        yield (
            f"{levels.capped:,} documents are in clusters too large to work out every similarity: they count as "
            "kept above the last one that was worked out."
        )


_LATER = {"semantic": "semantic dedup", "cuts": "the cutting of passages", "contamination": "decontamination"}


def _steps(con: duckdb.DuckDBPyConnection) -> list[str]:
    steps: list[str] = con.execute("SELECT steps FROM stored.about").fetchall()[0][0]
    return steps


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


def _judged_sql(con: duckdb.DuckDBPyConnection, verdicts: str, bit: int) -> str:
    """One row a document; its id only where it may be asked for, for ids are most of the bytes."""
    steps = _steps(con)
    out = [
        f"SELECT id FROM stored.{name} WHERE {gone}"
        for name, gone in (("cuts", "removed"), ("contamination", "action = 'drop'"))
        if name in steps
    ]
    clean, hits = "true", ""
    if out:
        clean, hits = (
            "hit IS NULL",
            f"LEFT JOIN (SELECT DISTINCT id AS hit FROM ({' UNION ALL '.join(out)})) ON hit = j.id",
        )
    left, tokens, cuts = "n_bytes", "w_tokens", ""
    if {"cuts", "contamination"} & {*steps}:
        left = "j.n_bytes - coalesce(k.n_bytes, 0)"
        tokens = f"w_tokens * ({left}) / greatest(j.n_bytes, 1)"
        cuts = "LEFT JOIN stored.cut_bytes AS k ON k.id = j.id"
    return f"""
        CREATE OR REPLACE TEMP TABLE w_judged AS
        SELECT j.* REPLACE (
                CASE WHEN w_survivor IS NOT NULL OR w_before <> w_after THEN j.id END AS id, {tokens} AS w_tokens
            ),
            {left} AS w_bytes, w_survivor, w_removed, w_levels, {clean} AS w_clean,
            {f"w_levels & {1 << bit} <> 0" if bit else "w_removed"} AS w_raised
        FROM ({verdicts}) AS j LEFT JOIN ({_members_sql(steps)}) ON w_id = j.id {hits} {cuts}
    """


def _members_sql(steps: Collection[str]) -> str:
    """Members of clusters. What semantic dedup removes goes at any similarity; what is only annotated, at none."""
    members = """
        SELECT id AS w_id, CASE WHEN earlier IS NULL THEN survivor ELSE '' END AS w_survivor,
            removed AS w_removed, levels AS w_levels
        FROM stored.dedup
    """
    if "semantic" not in steps:
        return members
    gone = "SELECT id AS w_id, survivor, true, -1 FROM stored.semantic WHERE removed"
    return f"FROM ({members}) ANTI JOIN ({gone}) USING (w_id) UNION ALL {gone}"


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
    """Kept or not, before and after: what repeats no other, or is next in line where its survivor has fallen."""
    kept = {
        side: f"w_clean AND w_{side} AND (NOT {repeats} OR id IN (FROM heirs_{side}))"
        for side, repeats in _REPEATS.items()
    }
    heirs = ", ".join(
        f"""
        heirs_{side} AS (
            SELECT first(id ORDER BY {survivor}, id) FROM members
            WHERE w_{side} AND {repeats}
                AND w_survivor IN (SELECT id FROM members WHERE id = w_survivor AND NOT w_{side})
            GROUP BY w_survivor
        )"""
        for side, repeats in _REPEATS.items()
    )
    return f"""
        CREATE OR REPLACE TEMP TABLE w_members AS
        WITH members AS (FROM w_judged WHERE w_survivor IS NOT NULL), {heirs}
        SELECT {_KEPT}, w_raised AS raised, {kept["before"]} AS kept_before, {kept["after"]} AS kept_after
        FROM members
    """


_REPEATS = {"before": "w_removed", "after": "w_raised"}
_SIDES = tuple(_REPEATS)
_KEPT = """
    id, source, w_language AS language, w_bytes AS n_bytes, w_tokens AS tokens, w_survivor AS survivor,
    w_before AS passed
"""
_ALL = f"""(
    SELECT {_KEPT}, NULL::BOOLEAN AS raised, w_before AND w_clean AS kept_before, w_after AND w_clean AS kept_after
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
        count(*) FILTER (kept_after AND NOT passed) AS undecided,
        count(*) FILTER (kept_after AND NOT kept_before AND passed) AS unseen
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

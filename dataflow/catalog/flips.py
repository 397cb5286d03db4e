"""Some of the documents that change sides when rules or the similarity of duplicates change, and what decides it."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from dataflow.catalog.judge import among, judge, shown_values
from dataflow.catalog.similarity import KEYS, shown
from dataflow.rules.evaluate import Rule
from dataflow.rules.sql import quote

COLUMNS = ("id", "bytes", "rule", "value", "keeps now", "would keep")


@dataclass(frozen=True)
class ChangedRule:
    """A rule that is not the same on both sides; None where there is no such rule."""

    before: Rule | None
    after: Rule | None

    @property
    def conditions(self) -> tuple[str, str]:
        """What it keeps now and what it would keep."""
        return (self.before.shown if self.before else ""), (self.after.shown if self.after else "")


def changed(before: Sequence[Rule], after: Sequence[Rule]) -> dict[str, ChangedRule]:
    """Rules that differ between two lists, by name."""
    old = {rule.name: rule for rule in before if rule not in after}
    new = {rule.name: rule for rule in after if rule not in before}
    return {name: ChangedRule(old.get(name), new.get(name)) for name in {**old, **new}}


@dataclass(frozen=True)
class Flip:
    """A document that changes sides."""

    id: str
    n_bytes: int
    survivor: str | None
    raised: bool | None  # whether it is a duplicate at the similarity asked for, where it is in a cluster
    kept_after: bool


def drawn(con: duckdb.DuckDBPyConnection, from_: str, where: str, n: int, seed: int) -> list[Flip]:
    """Some documents that change sides, by a seeded hash of the id: the same on any machine."""
    draw = f"ORDER BY md5({quote(f'{seed}:')} || id), id LIMIT {int(n)}"
    columns = "id, n_bytes, survivor, raised, kept_after"
    rows = con.execute(f"SELECT {columns} FROM {from_} WHERE {where} {draw}").fetchall()
    return sorted((Flip(*row) for row in rows), key=lambda flip: flip.id)


def rows_of(
    con: duckdb.DuckDBPyConnection,
    rules: dict[str, ChangedRule],
    similarity: tuple[float, float] | None,
    flips: Sequence[Flip],
) -> dict[str, list[tuple[object, ...]]]:
    """For each flip a row for each rule that speaks against it, on either side, or what dedup says of it.

    ``similarity`` has the one of the run and the one asked for, where that is the question.
    """
    both = [rule for one in rules.values() for rule in (one.before, one.after) if rule is not None]
    judged = judge(con, [flip.id for flip in flips], both)
    found: dict[str, list[tuple[object, ...]]] = {}
    likeness = _likeness(con, [flip.id for flip in flips])
    for flip in flips:
        failing = {one.rule: shown_values(one) for one in judged[flip.id] if one.fails}
        found[flip.id] = [
            (flip.id, flip.n_bytes, name, values, *rules[name].conditions) for name, values in failing.items()
        ] or [(flip.id, flip.n_bytes, *_as_duplicate(flip, similarity, likeness.get(flip.id)))]
    return found


def _as_duplicate(
    flip: Flip, similarity: tuple[float, float] | None, likeness: float | None
) -> tuple[str, str, str, str]:
    if similarity is None or bool(flip.raised) == flip.kept_after:
        return "duplicate", f"of {flip.survivor}", "", ""
    now, then = (f"below {shown(one)}" for one in similarity)
    if not flip.kept_after:
        return KEYS[0], "repeats one that would now stay", now, then
    value = "" if likeness is None else f"{likeness:.3f} "
    return KEYS[0], f"{value}to {flip.survivor}", now, then


def _likeness(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, float]:
    if not ids:
        return {}
    sql = f"SELECT id, similarity FROM stored.dedup WHERE {among(ids)} AND similarity IS NOT NULL"
    return dict(con.execute(sql).fetchall())

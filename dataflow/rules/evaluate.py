"""Rules applied: from the signals of a part to ``kept`` or every rule that failed. Reads no text.

A rule is one line of SQL under a name: ``keep`` must be true of a document, ``where`` says which documents
it is about. A signal that is unknown (NULL) fails nothing: a document is dropped for what is known of it.
All failing rules are recorded, in the order of the recipe, so that loosening one shows what the others
would still drop.

Rules are checked once against the columns there are (``dataflow.rules.sql``); applying them is a single
query.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from dataflow.config import nearest
from dataflow.errors import DataflowError, RecipeError
from dataflow.rules.config import DEFAULT_SETS, Rules
from dataflow.rules.published import Rule, RuleSet, load_set, rules_of_set, set_names

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from dataflow.store.manifest import Made
    from dataflow.store.storage import Storage

__all__ = ["DEFAULT_SETS", "VERSION", "Rule", "RuleSet", "Rules"]
__all__ += ["active_rules", "dropped_by", "fails_sql", "filter_part", "load_set", "reasons_sql", "set_names"]
__all__ += ["apply", "judge", "written_rules"]

VERSION = 2
"""Raise when the bytes of decisions/filter, or what is counted of them, change for the same signals and rules."""


_DROPPED_BY = b"texts_dropped_by"


def active_rules(rules: Rules, signals: pa.Schema | Iterable[str]) -> list[Rule]:
    """The rules of a recipe in its order, each checked against ``signals``, the columns of the signal files.

    Bare names take the types of ``dataflow.signals.table``. Faults are RecipeErrors that name the rule.
    """
    return list(_checked(rules.model_dump_json(), _typed(signals).remove_metadata()))


@lru_cache(maxsize=16)
def _checked(rules_json: str, signals: pa.Schema) -> tuple[Rule, ...]:
    """A worker meets the same rules and columns for every part: they are checked once."""
    from dataflow.rules.sql import Checker

    found = written_rules(Rules.model_validate_json(rules_json))
    checker = Checker(signals)
    sound: set[str] = set()
    for rule in found:
        place = f"rule {rule.name}" if rule.set == "custom" else f"rule {rule.name} of set {rule.set}"
        try:
            for condition, named in ((rule.where, f"{place}, where"), (rule.keep, place)):
                if condition not in sound:  # many rules are about the same documents
                    checker.condition(condition, named)
                    sound.add(condition)
        except RecipeError as error:
            raise _with_advice(error, rule) from error
    return tuple(found)


def fails_sql(rule: Rule) -> str:
    """SQL that is true where a document fails ``rule``, else false or NULL."""
    return f"CASE WHEN (\n{rule.where}\n) THEN NOT (\n{rule.keep}\n) END"


def reasons_sql(rules: Sequence[Rule]) -> str:
    """SQL for the list of names of the rules that a row of signals fails, in order; empty where it passes.

    Only for rules that ``active_rules`` has checked.
    """
    from dataflow.rules.sql import quote

    if not rules:
        return "CAST([] AS VARCHAR[])"
    names = ", ".join(f"CASE WHEN {fails_sql(rule)} THEN {quote(rule.name)} END" for rule in rules)
    return f"list_filter([{names}], lambda reason: reason IS NOT NULL)"


def filter_part(store: Storage, source: str, part: str, rules: Rules) -> Made:
    """Decide one part: ``signals/<source>/<part>`` to ``decisions/filter/<source>/<part>``, row for row.

    Refused where texts were dropped by other rules than these: what these keep might have no text. Counts are of
    ``documents``, those ``passed``, and for each rule those it is about and could judge (``applied:``) and those
    that fail it (``failed:``).
    """
    import pyarrow.compute as pc

    from dataflow.store.manifest import Made

    signals = store.read_table(f"signals/{source}/{part}.parquet")
    active = active_rules(rules, signals.schema)
    now = dropped_by(active)
    if {**now, **(signals.schema.metadata or {})}[_DROPPED_BY] != now[_DROPPED_BY]:
        raise DataflowError(
            "the rules have changed since texts were dropped by them (keep_dropped: false)",
            f"{source}/{part}",
            "Run `dataflow run RECIPE`: it reads the input again.",
        )
    decided, fails = judge(signals, active)
    output = f"decisions/filter/{source}/{part}.parquet"
    store.write_table(output, decided)
    counts = {"documents": decided.num_rows, "passed": pc.sum(decided["passed"]).as_py() or 0}
    for rule, failing in zip(active, fails, strict=True):
        counts[f"applied:{rule.name}"] = len(failing) - failing.null_count
        counts[f"failed:{rule.name}"] = pc.sum(failing).as_py() or 0
    return Made((output,), counts)


def dropped_by(rules: Sequence[Rule]) -> dict[bytes, bytes]:
    """What the footer of a signals part says where the texts of documents that fail ``rules`` were not stored."""
    said = json.dumps([(rule.name, rule.keep, rule.where) for rule in rules])
    return {_DROPPED_BY: hashlib.sha256(said.encode()).hexdigest().encode()}


def apply(signals: pa.Table, rules: Sequence[Rule]) -> pa.Table:
    """A table FILTER for a table of signals, in its order; ``rules`` as ``active_rules`` returned them."""
    return judge(signals, rules)[0]


def judge(signals: pa.Table, rules: Sequence[Rule]) -> tuple[pa.Table, list[pa.ChunkedArray]]:
    """The same, and for each rule whether a document fails it: null where it is not about it or cannot tell."""
    import duckdb

    from dataflow.rules.sql import connect, quote
    from dataflow.store.documents import FILTER

    connection = connect()
    connection.register("signals", signals)
    fails = "".join(f", {fails_sql(rule)} AS fails_{number}" for number, rule in enumerate(rules))
    names = ", ".join(
        f"CASE WHEN fails_{number} THEN {quote(rule.name)} END" for number, rule in enumerate(rules)
    )
    reasons = (
        f"list_filter([{names}], lambda reason: reason IS NOT NULL)" if rules else "CAST([] AS VARCHAR[])"
    )
    query = (
        f"SELECT id, len(reasons) = 0 AS passed, * EXCLUDE (id) "
        f"FROM (SELECT *, {reasons} AS reasons FROM (SELECT id{fails} FROM signals))"
    )
    try:
        judged = connection.sql(query).to_arrow_table()
    except duckdb.Error as error:
        raise _culprit(connection, rules, error) from error
    decided = judged.select(FILTER.names).cast(FILTER).combine_chunks()
    return decided, [judged[f"fails_{number}"] for number in range(len(rules))]


def _culprit(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule], error: duckdb.Error) -> Exception:
    """The error to raise: a rule that cannot be computed for some document, such as a cast of a bad date."""
    import duckdb

    from dataflow.rules.sql import brief

    for rule in rules:
        try:
            connection.sql(f"SELECT count({fails_sql(rule)}) FROM signals").fetchall()
        except duckdb.Error as fault:
            return RecipeError(
                f"cannot be computed for every document: {brief(fault)}",
                f"rule {rule.name}",
                "TRY_CAST gives NULL where a value cannot be cast, and NULL fails no rule.",
            )
    return error


def written_rules(rules: Rules) -> list[Rule]:
    """The rules as the recipe and its sets write them, unchecked."""
    found: dict[str, Rule] = {}
    for name in rules.sets:
        for rule in rules_of_set(name, rules.keep_languages):
            if rule.name in found:
                raise RecipeError(f'set "{name}" is listed twice', "rules.sets", "Name each set once.")
            found[rule.name] = rule
    for name, own in rules.own_rules().items():
        if not name.strip():
            raise RecipeError(
                "a rule without a name", "rules.custom", "Give it one: its reason is recorded under it."
            )
        if name in found:
            rule = found[name]
            if own.keep:
                rule = replace(rule, keep=own.keep, written="")
            if own.where != "true":
                rule = replace(rule, where=f"({rule.where}) AND (\n{own.where}\n)")
            found[name] = rule
        elif own.keep or isinstance(rules.custom[name], str):
            found[name] = Rule(name, own.keep, own.where)
        else:
            fix = f"Write one, or name a rule of a set. {nearest(name, list(found))}"
            raise RecipeError("no condition to keep a document by", f"rule {name}", fix)
    return list(found.values())


def _with_advice(error: RecipeError, rule: Rule) -> RecipeError:
    if rule.set == "custom" or not error.what.startswith("unknown column"):
        return error
    fix = f'Let it be computed (signals: in the recipe), or take "{rule.set}" out of rules.sets. {error.fix}'
    return RecipeError(error.what.replace("column", "signal"), error.where, fix)


def _typed(signals: pa.Schema | Iterable[str]) -> pa.Schema:
    """``signals`` as a schema, its types looked up where only names are given."""
    import pyarrow as pa

    if isinstance(signals, pa.Schema):
        return signals
    from dataflow.signals.table import SIGNALS

    types = {signal.name: signal.type for signal in SIGNALS}
    types |= dict.fromkeys(("id", "source", "kind", "url", "date"), pa.string())
    types |= {"n_bytes": pa.int64(), "n_tokens": pa.int64()}
    return pa.schema([(name, types.get(name, pa.float32())) for name in signals])  # annotators give float32

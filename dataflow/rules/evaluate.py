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
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from dataflow.config import Config, nearest
from dataflow.errors import DataflowError, RecipeError
from dataflow.rules.config import DEFAULT_SETS, Rules

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from dataflow.store.manifest import Made
    from dataflow.store.storage import Storage

__all__ = ["DEFAULT_SETS", "VERSION", "Rule", "RuleSet", "Rules"]
__all__ += ["active_rules", "dropped_by", "fails_sql", "filter_part", "load_set", "reasons_sql", "set_names"]
__all__ += ["written_rules"]

VERSION = 1
"""Raise when the bytes of decisions/filter change for the same signals and rules."""


_DROPPED_BY = b"texts_dropped_by"


class RuleLine(Config):
    """One rule as a set writes it."""

    keep: str
    """SQL condition under which a document passes."""
    where: str = "true"
    """SQL condition naming the documents the rule is about."""


class RuleSet(Config):
    """A published set of rules, as ``sets/<name>.yaml`` holds it."""

    reference: str
    """Paper and section that the figures come from."""
    kinds: tuple[str, ...]
    """Kinds of source the set is for."""
    where: str = "true"
    """SQL condition naming the documents the whole set is about: languages, scripts."""
    rules: dict[str, RuleLine]
    """The rules by name."""


@dataclass(frozen=True)
class Rule:
    """A rule ready to be applied.

    ``where`` already combines the kinds, scripts and languages of its set; ``set`` is "custom" for a user's
    own.
    """

    name: str
    keep: str
    where: str = "true"
    set: str = "custom"
    reference: str = ""


def set_names() -> list[str]:
    """Names of the rule sets there are, sorted."""
    folder = resources.files("dataflow.rules") / "sets"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


@cache
def load_set(name: str) -> RuleSet:
    """A rule set by name; a RecipeError with the nearest name where there is none."""
    import yaml

    if name not in set_names():
        raise RecipeError(f'unknown rule set "{name}"', "rules.sets", nearest(name, set_names()))
    text = (resources.files("dataflow.rules") / "sets" / f"{name}.yaml").read_text(encoding="utf-8")
    return RuleSet.model_validate(yaml.safe_load(text))


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
    for rule in found:
        place = f"rule {rule.name}" if rule.set == "custom" else f"rule {rule.name} of set {rule.set}"
        try:
            checker.condition(rule.where, place)
            checker.condition(rule.keep, place)
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

    Refused where texts were dropped by other rules than these: what these keep might have no text.
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
    decided = apply(signals, active)
    output = f"decisions/filter/{source}/{part}.parquet"
    store.write_table(output, decided)
    failed = dict.fromkeys((f"failed:{rule.name}" for rule in active), 0)
    for entry in pc.value_counts(pc.list_flatten(decided["reasons"])).to_pylist():
        failed[f"failed:{entry['values']}"] = entry["counts"]
    passed = pc.sum(decided["passed"]).as_py() or 0
    return Made((output,), {"documents": decided.num_rows, "passed": passed, **failed})


def dropped_by(rules: Sequence[Rule]) -> dict[bytes, bytes]:
    """What the footer of a signals part says where the texts of documents that fail ``rules`` were not stored."""
    said = json.dumps([(rule.name, rule.keep, rule.where) for rule in rules])
    return {_DROPPED_BY: hashlib.sha256(said.encode()).hexdigest().encode()}


def apply(signals: pa.Table, rules: Sequence[Rule]) -> pa.Table:
    """A table FILTER for a table of signals, in its order; ``rules`` as ``active_rules`` returned them."""
    import duckdb

    from dataflow.rules.sql import connect
    from dataflow.store.documents import FILTER

    connection = connect()
    connection.register("signals", signals)
    reasons = reasons_sql(rules)
    query = (
        f"SELECT id, len(reasons) = 0 AS passed, reasons FROM (SELECT id, {reasons} AS reasons FROM signals)"
    )
    try:
        decided = connection.sql(query).to_arrow_table()
    except duckdb.Error as error:
        raise _culprit(connection, rules, error) from error
    return decided.cast(FILTER).combine_chunks()


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
        for rule in _rules_of_set(name, rules.keep_languages):
            if rule.name in found:
                raise RecipeError(f'set "{name}" is listed twice', "rules.sets", "Name each set once.")
            found[rule.name] = rule
    for name, keep in rules.custom.items():
        if not name.strip():
            raise RecipeError(
                "a rule without a name", "rules.custom", "Give it one: its reason is recorded under it."
            )
        found[name] = replace(found[name], keep=keep) if name in found else Rule(name, keep)
    return list(found.values())


def _rules_of_set(name: str, keep_languages: Sequence[str]) -> list[Rule]:
    from dataflow.rules.sql import quote

    one = load_set(name)
    languages = ", ".join(quote(language) for language in keep_languages)
    kinds = f"kind IN ({', '.join(quote(kind) for kind in one.kinds)})"
    rules = []
    for rule, line in one.rules.items():
        if "{keep_languages}" in line.keep and not languages:
            continue
        where = " AND ".join(f"({part})" for part in (kinds, one.where, line.where) if part != "true")
        keep = line.keep.replace("{keep_languages}", languages)
        rules.append(Rule(rule, keep, where, set=name, reference=one.reference))
    return rules


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

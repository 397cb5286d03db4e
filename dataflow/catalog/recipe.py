"""What a run's own recipe says, as far as questions about its output need it: its rules."""

import json
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
from pydantic import ValidationError

from dataflow.config import explain
from dataflow.errors import DataflowError
from dataflow.rules.config import Rules
from dataflow.rules.evaluate import VERSION, Rule, active_rules, written_rules
from dataflow.store.manifest import Manifest, Part


def recipe_of_run(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The resolved recipe that the output folder was made by."""
    found = con.execute("SELECT content FROM stored.recipe").fetchall()
    if not found:
        raise _foreign(con, "there is no such file")
    try:
        recipe = json.loads(found[0][0])
    except ValueError as error:
        raise _foreign(con, f"not JSON: {error}") from error
    if not isinstance(recipe, dict):
        raise _foreign(con, "not a recipe")
    return recipe


def rules_of_run(con: duckdb.DuckDBPyConnection) -> list[Rule]:
    """The rules of that recipe, checked against the signals; none while there are no signals."""
    return active_rules(_rules(con), signal_columns(con)) if _have_signals(con) else []


def rules_as_written(con: duckdb.DuckDBPyConnection) -> list[Rule]:
    """The same rules unchecked, which is a good deal faster: for a run whose ``filter`` has checked them."""
    return written_rules(_rules(con)) if _have_signals(con) else []


def decided_by(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> bool:
    """Whether ``rules`` are the recipe's, and every decision there is was made by them from the signals there are.

    The manifests say so: then a document's verdict can be read instead of worked out again.
    """
    if not con.execute("SELECT count(*) FROM stored.recipe").fetchall()[0][0]:
        return False
    recipe = _rules(con)
    if written_rules(recipe) != list(rules):
        return False
    config = {"rules": recipe.model_dump(mode="json")}
    curated, filtered = (manifests_of(con, step) for step in ("curate", "filter"))
    return curated.keys() == filtered.keys() and all(
        Part("filter", name, VERSION, config, _signals(manifest)).fingerprint == filtered[name].fingerprint
        for name, manifest in curated.items()
    )


def manifests_of(con: duckdb.DuckDBPyConnection, step: str) -> dict[str, Manifest]:
    """The manifests of a step's parts by name."""
    rows = con.execute("SELECT content FROM stored.manifests WHERE step = ?", [step]).fetchall()
    found = (Manifest(**json.loads(content)) for (content,) in rows)
    return {manifest.part: manifest for manifest in found}


def signal_columns(con: duckdb.DuckDBPyConnection) -> pa.Schema:
    """The columns that rules may use."""
    schema: pa.Schema = con.sql("FROM stored.signals LIMIT 0").to_arrow_table().schema
    return schema


def _signals(curated: Manifest) -> dict[str, str]:
    """The content hash of the signals of a part."""
    return {path: digest for path, digest in curated.hashes().items() if path.startswith("signals/")}


def _rules(con: duckdb.DuckDBPyConnection) -> Rules:
    try:
        return Rules.model_validate(recipe_of_run(con).get("rules") or {})
    except ValidationError as error:
        raise _foreign(con, str(explain(error, Rules, "rules"))) from error


def _have_signals(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(con.execute("SELECT list_contains(steps, 'signals') FROM stored.about").fetchall()[0][0])


def _foreign(con: duckdb.DuckDBPyConnection, what: str) -> DataflowError:
    root = con.execute("SELECT root FROM stored.about").fetchall()[0][0]
    return DataflowError(
        what, f"{root}/recipe.json", "Run `dataflow run` with the recipe again: it writes it."
    )

"""What a run's own recipe says, as far as questions about its output need it: its rules."""

import json
from typing import Any

import duckdb
import pyarrow as pa
from pydantic import ValidationError

from dataflow.config import explain
from dataflow.errors import DataflowError
from dataflow.rules.config import Rules
from dataflow.rules.evaluate import Rule, active_rules


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
    """The rules of that recipe, as they were applied; none while there are no signals to apply them to."""
    if not con.execute("SELECT list_contains(steps, 'signals') FROM stored.about").fetchall()[0][0]:
        return []
    try:
        rules = Rules.model_validate(recipe_of_run(con).get("rules") or {})
    except ValidationError as error:
        raise _foreign(con, str(explain(error, Rules, "rules"))) from error
    return active_rules(rules, signal_columns(con))


def _foreign(con: duckdb.DuckDBPyConnection, what: str) -> DataflowError:
    root = con.execute("SELECT root FROM stored.about").fetchall()[0][0]
    return DataflowError(
        what, f"{root}/recipe.json", "Run `dataflow run` with the recipe again: it writes it."
    )


def signal_columns(con: duckdb.DuckDBPyConnection) -> pa.Schema:
    """The columns that rules may use."""
    schema: pa.Schema = con.sql("FROM stored.signals LIMIT 0").to_arrow_table().schema
    return schema

"""SQL that a user wrote, checked before it runs: one expression over the columns of a row, and nothing else.

Rules, sort keys and conditions of a recipe are SQL because SQL says them best; that must not let them read
files, see other rows, or answer differently tomorrow. Each is parsed alone (so no quote or bracket can
break out of it), its syntax tree is searched for what is not allowed, and it is bound to an empty table of
the columns there are, all on a connection that can reach neither disk nor network. What passes is safe to
place between brackets.
"""

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from dataflow.config import nearest
from dataflow.errors import RecipeError

_TABLE = "checked"
_ONE_ROW = "Write an expression over the columns of one document."
_NOT_ALLOWED = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "a star",
    "PARAMETER": "a parameter",
}
_NO_COLUMN = re.compile(r'Referenced column "(.+?)" (?:was )?not found')
_NO_FUNCTION = re.compile(r'Function with name "?([^\s"]+)"? does not exist')
# Macros and overloads that depend on the clock or the session but are not marked so in duckdb_functions().
_UNREPEATABLE = {"ago", "age", "current_user", "session_user", "user", "current_role", "current_catalog"}
_UNREPEATABLE |= {"current_timestamp", "current_time", "localtimestamp", "localtime"}


def connect(threads: int = 1) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that reaches no file and no network, reads no Python variable and keeps UTC."""
    connection = duckdb.connect(
        ":memory:", config={"enable_external_access": "false", "threads": str(threads)}
    )
    for setting in ("python_enable_replacements = false", "TimeZone = 'UTC'", "lock_configuration = true"):
        connection.execute(f"SET {setting}")
    return connection


def quote(text: str) -> str:
    """``text`` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """``name`` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Checker:
    """Checks expressions against the columns of one table; ``where`` is the place that an error names."""

    def __init__(self, columns: pa.Schema) -> None:
        self.columns = columns
        self.connection = connect()
        self.connection.register(_TABLE, columns.empty_table())

    def condition(self, expression: str, where: str) -> None:
        """Raise a RecipeError unless ``expression`` is a boolean of one row."""
        if not expression.strip():
            raise RecipeError("the condition is empty", where, _ONE_ROW)
        try:
            duckdb.SQLExpression(expression)
        except duckdb.Error as error:
            raise self._fault(expression, error, where) from error
        self._search(self._tree(f"SELECT (\n{expression}\n)", where)["select_list"], where)
        kind = str(
            self._bind(f"SELECT (\n{expression}\n) AS value FROM {_TABLE}", expression, where).types[0]
        )
        if kind != "BOOLEAN":
            raise RecipeError(
                f"{_short(expression)} is of type {kind.lower().strip(chr(34))}, not true or false",
                where,
                "Compare it with something, as in n_words >= 50.",
            )
        self._bind(
            f"SELECT 1 FROM {_TABLE} WHERE (\n{expression}\n)", expression, where
        )  # refuses aggregates

    def order(self, keys: str, where: str) -> list[str]:
        """Raise a RecipeError unless ``keys`` is what may follow ORDER BY; the columns it reads, sorted."""
        if not keys.strip():
            raise RecipeError(
                "the sort key is empty", where, "Write columns with ASC or DESC, as in n_bytes DESC."
            )
        tree = self._tree(f"SELECT 1 FROM {_TABLE} ORDER BY\n{keys}\n", where)
        modifiers = tree["modifiers"]
        if len(modifiers) != 1 or modifiers[0]["type"] != "ORDER_MODIFIER":
            raise RecipeError(
                f"{_short(keys)} is not a sort key",
                where,
                "Write columns with ASC or DESC, as in n_bytes DESC.",
            )
        self._search(modifiers, where)
        # A bare column beside the window makes an aggregate in the key an error instead of a
        # query of one row.
        column = quote_name(self.columns.names[0])
        self._bind(f"SELECT {column}, row_number() OVER (ORDER BY\n{keys}\n) FROM {_TABLE}", keys, where)
        return self._reads(modifiers)

    def reads(self, expression: str) -> list[str]:
        """The columns that a checked expression reads, sorted."""
        return self._reads(self._tree(f"SELECT (\n{expression}\n)", "")["select_list"])

    def _reads(self, tree: object) -> list[str]:
        known = {name.lower(): name for name in self.columns.names}
        names = (
            node["column_names"][0].lower() for node in _nodes(tree) if node.get("class") == "COLUMN_REF"
        )
        return sorted({known[name] for name in names if name in known})

    def _tree(self, query: str, where: str) -> dict[str, Any]:
        text = self.connection.sql("SELECT json_serialize_sql($query)", params={"query": query}).fetchall()[
            0
        ][0]
        parsed = json.loads(text)
        if parsed["error"] and parsed["error_type"] == "parser":
            raise RecipeError(f"not SQL: {parsed['error_message']}", where)
        if parsed["error"] or len(parsed["statements"]) != 1:
            raise RecipeError("more than an expression", where, _ONE_ROW)
        tree: dict[str, Any] = parsed["statements"][0]["node"]
        return tree

    def _search(self, tree: object, where: str) -> None:
        columns = {name.lower() for name in self.columns.names}
        for node in _nodes(tree):
            if (found := _NOT_ALLOWED.get(str(node.get("class")))) is not None:
                raise RecipeError(f"{found} is not allowed", where, _ONE_ROW)
            name = node.get("function_name")
            if node.get("class") == "COLUMN_REF":
                path = node["column_names"]
                name = path[0] if path[0].lower() not in columns else None
                if len(path) > 1 and name is not None:
                    raise RecipeError(
                        f'"{".".join(path)}" names a table', where, f'Write "{path[-1]}" alone.'
                    )
            if isinstance(name, str) and name.lower() in _unrepeatable():
                raise RecipeError(
                    f"{name} may give another answer each time",
                    where,
                    "Use the columns of the document only.",
                )

    def _bind(self, query: str, expression: str, where: str) -> duckdb.DuckDBPyRelation:
        try:
            relation = self.connection.sql(query)
            _ = relation.types
        except duckdb.Error as error:
            raise self._fault(expression, error, where) from error
        return relation

    def _fault(self, expression: str, error: duckdb.Error, where: str) -> RecipeError:
        message = str(error)
        if (column := _NO_COLUMN.search(message)) is not None:
            name = column[1]
            quoted = f'"{name}"' in expression and not get_close_matches(name, self.columns.names)
            fix = f"Write '{name}' for the text." if quoted else nearest(name, self.columns.names)
            return RecipeError(f'unknown column "{name}"', where, fix)
        if "cannot contain aggregates" in message or "must appear in the GROUP BY" in message:
            return RecipeError(f"{_short(expression)} is an aggregate over many documents", where, _ONE_ROW)
        if (function := _NO_FUNCTION.search(message)) is not None:
            return RecipeError(f'unknown function "{function[1]}" in {_short(expression)}', where)
        return RecipeError(f"{brief(error)} in {_short(expression)}", where)


@cache
def _unrepeatable() -> frozenset[str]:
    """Functions whose answer may differ between two runs over the same documents."""
    named = connect().sql(
        "SELECT DISTINCT function_name FROM duckdb_functions()"
        " WHERE stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"
    )
    return frozenset(_UNREPEATABLE | {name for (name,) in named.fetchall()})


def brief(error: duckdb.Error) -> str:
    """DuckDB's own words, without the kind of error, the pointer into the query and our table's name."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    text = re.sub(r"^(?:[A-Z][\w ]*? (?:Error|Exception): )+", "", first)
    text = text if text[1:2].isupper() else text[:1].lower() + text[1:]
    return text.rstrip(".!")


def _short(expression: str) -> str:
    text = " ".join(expression.split())
    return f'"{text}"' if len(text) <= 80 else f'"{text[:77]}..."'


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    """Every node of a serialised syntax tree."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)

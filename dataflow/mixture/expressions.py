"""The user's SQL in a mixture (``where``, ``order``): checked before anything is read, in a closed DuckDB.

An expression speaks about one document: it names signals, and may use no subquery, aggregate or function
whose value changes from run to run. The connection has no access to files, network or extensions, and its
settings are locked.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy.typing as npt
import pyarrow as pa

from dataflow.config import nearest
from dataflow.errors import RecipeError
from dataflow.mixture.config import Mixture

_FORBIDDEN = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "*",
    "PARAMETER": "a parameter",
}
_MISSING_COLUMN = re.compile(r'column "([^"]+)" not found')


@contextmanager
def closed_connection(memory_limit: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that spills beyond ``memory_limit`` bytes and reaches nothing outside itself."""
    with TemporaryDirectory(prefix="dataflow-mixture-") as spill:
        config: dict[str, Any] = {
            "memory_limit": f"{memory_limit}B",
            "temp_directory": spill,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        connection = duckdb.connect(config=config)
        try:
            connection.execute("SET enable_external_access = false; SET lock_configuration = true")
            yield connection
        finally:
            connection.close()


def check(mixture: Mixture, sources: Sequence[str], columns: pa.Schema) -> list[str]:
    """The columns that the phases' SQL reads, sorted; a RecipeError where a source or a column is not known.

    Args:
        mixture: what the recipe says.
        sources: names of all sources of the recipe.
        columns: schema of the signals tables.
    """
    used: set[str] = set()
    with closed_connection(64_000_000) as connection:
        connection.register("empty", columns.empty_table())
        connection.execute("CREATE TABLE signals AS SELECT * FROM empty")
        for number, phase in enumerate(mixture.phases):
            where = f"mixture.phases.{number} ({phase.name})"
            for source in phase.weights:
                if source not in sources:
                    place = f"{where}, weights"
                    raise RecipeError(f'"{source}" is not a source', place, nearest(source, list(sources)))
            if phase.where:
                used |= _columns_read(connection, f"(\n{phase.where}\n)", f"{where}, where", columns)
                type_ = _bind(connection, f"(\n{phase.where}\n)", f"{where}, where", columns)
                if type_ != "BOOLEAN":
                    fix = "Write a condition, such as quality > 0.8."
                    raise RecipeError(
                        f"its value is of type {type_}, not true or false", f"{where}, where", fix
                    )
            if phase.order:
                used |= _columns_read(connection, rank(phase.order), f"{where}, order", columns)
                _bind(connection, rank(phase.order), f"{where}, order", columns)
    return sorted(used)


def condition(where: str) -> str:
    """``where`` as one column: true, or false where it is false or unknown (NULL)."""
    return f"coalesce((\n{where}\n), false)"


def rank(order: str) -> str:
    """``order`` as one column: the document's place in it, equal for equals; unknown (NULL) comes last."""
    return f"rank() OVER (ORDER BY\n{order}\n)"


def evaluate(connection: duckdb.DuckDBPyConnection, expression: str, where: str) -> npt.NDArray[Any]:
    """The value of a checked expression for every row of the table ``kept``, by ``doc``."""
    query = f"SELECT value FROM (SELECT doc, {expression} AS value FROM kept) ORDER BY doc"
    try:
        values: npt.NDArray[Any] = connection.sql(query).to_arrow_table()["value"].to_numpy()
    except duckdb.ConversionException as error:
        raise RecipeError(str(error).splitlines()[0], where) from error
    return values


def _columns_read(
    connection: duckdb.DuckDBPyConnection, expression: str, where: str, columns: pa.Schema
) -> set[str]:
    """Names of the columns that the expression refers to, from DuckDB's own parse of it."""
    statement = f"SELECT {expression} AS value FROM signals"
    [(text,)] = connection.sql("SELECT json_serialize_sql($1)", params=[statement]).fetchall()
    parsed = json.loads(text)
    if parsed["error"]:
        raise RecipeError(f"not an SQL expression: {parsed['error_message']}", where)
    node = parsed["statements"][0]["node"]
    selected = node.get("select_list", [])
    if len(parsed["statements"]) != 1 or node["type"] != "SELECT_NODE" or len(selected) != 1:
        raise RecipeError("not one SQL expression", where, "Write a condition or a sort key over signals.")
    value = selected[0]
    if value["class"] == "WINDOW":  # ours, of ``rank``: what the user wrote are its sort keys
        value = value["orders"]
    unstable, aggregates = _unfit_functions(connection)
    names = {name.lower(): name for name in columns.names}
    read: set[str] = set()
    for part in _nodes(value):
        kind = part.get("class")
        if kind in _FORBIDDEN:
            what = f"{_FORBIDDEN[kind]} cannot be used here"
            raise RecipeError(what, where, "Write an expression over the signals of one document.")
        function = str(part["function_name"]).lower() if kind == "FUNCTION" else ""
        if function in aggregates:
            fix = "Write an expression over the signals of one document."
            raise RecipeError(f"{function}() is an aggregate", where, fix)
        if function in unstable:
            what = f"{function}() gives another value in another run"
            raise RecipeError(what, where, "For a shuffle leave `order` out: it comes from `seed`.")
        if kind == "COLUMN_REF":
            name = str(part["column_names"][-1 if part["column_names"][0] == "signals" else 0]).lower()
            if name in names:
                read.add(names[name])
            elif name in unstable:
                raise RecipeError(f"{name} gives another value in another run", where)
    return read


def _bind(connection: duckdb.DuckDBPyConnection, expression: str, where: str, columns: pa.Schema) -> str:
    """The type of the expression."""
    try:
        return str(connection.sql(f"SELECT {expression} AS value FROM signals").types[0])
    except duckdb.Error as error:
        message = str(error)
        if missing := _MISSING_COLUMN.search(message):
            raise RecipeError(
                f'"{missing[1]}" is not a signal', where, nearest(missing[1], columns.names)
            ) from error
        raise RecipeError(message.splitlines()[0], where) from error


def _unfit_functions(connection: duckdb.DuckDBPyConnection) -> tuple[frozenset[str], frozenset[str]]:
    """Names of functions that depend on more than their arguments (``random``), and of aggregates."""
    query = """
        SELECT lower(function_name), bool_or(stability <> 'CONSISTENT'), bool_and(function_type = 'aggregate')
        FROM duckdb_functions() GROUP BY ALL
    """
    rows = connection.sql(query).fetchall()
    unstable = frozenset(name for name, is_unstable, _ in rows if is_unstable and name != "error")
    return unstable, frozenset(name for name, _, is_aggregate in rows if is_aggregate)


def _nodes(tree: object) -> Iterator[Mapping[str, Any]]:
    """Every object of a parsed JSON tree."""
    if isinstance(tree, Mapping):
        yield tree
        for child in tree.values():
            yield from _nodes(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _nodes(child)

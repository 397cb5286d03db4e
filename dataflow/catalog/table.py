"""A table of answers as plain data, for whoever shows it: terminal, report, dataset card, test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from dataflow.errors import RecipeError
from dataflow.rules.sql import brief


@dataclass(frozen=True)
class Table:
    """Rows under named columns; a column whose name ends in ``share`` holds fractions of 1."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    as_named: bool = False  # whether the columns' names are a user's own, to be shown as they are

    def dicts(self) -> list[dict[str, Any]]:
        """The rows with their column names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def ask(
    con: duckdb.DuckDBPyConnection,
    sql: str,
    title: str = "",
    parameters: Sequence[object] | Mapping[str, object] | None = None,
) -> Table:
    """The answer to one of the catalog's own queries."""
    answer = con.execute(sql, parameters)
    columns = tuple(str(column[0]) for column in answer.description or ())
    return Table(title, columns, tuple(answer.fetchall()))


def query(con: duckdb.DuckDBPyConnection, sql: str) -> Table:
    """The answer to a user's query; what DuckDB says of a wrong one becomes a one-line error."""
    try:
        table = ask(con, sql)
        # DuckDB's own name for what a user writes as count(*).
        columns = tuple(name.replace("count_star()", "count(*)") for name in table.columns)
        return Table("", columns, table.rows, as_named=True)
    except duckdb.Error as error:
        tables = "documents signals ledger duplicates cuts contamination quarantine pii plan corpus tokens instructions"
        fix = f"Tables: {tables} runs metrics; `DESCRIBE signals` lists the columns of one."
        raise RecipeError(brief(error), "query", fix) from error

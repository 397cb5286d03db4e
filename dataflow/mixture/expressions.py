"""The SQL of a mixture (``where``, ``order``): checked before anything is read, run in a closed DuckDB.

What an expression may say is decided in ``dataflow.rules.sql``, for rules and mixtures alike. The
connection reaches no file, network or extension, and its settings are locked; only it may spill to a folder
of its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy.typing as npt
import pyarrow as pa

from dataflow.config import nearest
from dataflow.errors import RecipeError
from dataflow.mixture.config import Mixture
from dataflow.rules.sql import Checker, brief

CLUSTER_SIZE = pa.field("cluster_size", pa.int64())
"""Documents in the cluster of duplicates that a document is of, itself and those removed among them; 1 where it is
of none. What ``where`` and ``order`` may use beside the signals."""


def check(mixture: Mixture, sources: Sequence[str], columns: pa.Schema) -> list[str]:
    """The signals that the phases' SQL reads, sorted; a RecipeError where a source or a column is not known.

    It may also read ``cluster_size``, which is no signal.

    Args:
        mixture: what the recipe says.
        sources: names of all sources of the recipe.
        columns: schema of the signals tables.
    """
    used: set[str] = set()
    signals = [field for field in columns if field.name != CLUSTER_SIZE.name]
    checker = Checker(pa.schema([*signals, CLUSTER_SIZE]))
    for number, phase in enumerate(mixture.phases):
        where = f"mixture.phases.{number} ({phase.name})"
        for source in phase.weights:
            if source not in sources:
                place = f"{where}, weights"
                raise RecipeError(f'"{source}" is not a source', place, nearest(source, list(sources)))
        if phase.where:
            checker.condition(phase.where, f"{where}, where")
            used |= set(checker.reads(phase.where))
        if phase.order:
            used |= set(checker.order(phase.order, f"{where}, order"))
    return sorted(used - {CLUSTER_SIZE.name})


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
            for setting in (
                "TimeZone = 'UTC'",
                "python_enable_replacements = false",
                "enable_external_access = false",
                "lock_configuration = true",
            ):
                connection.execute(f"SET {setting}")
            yield connection
        finally:
            connection.close()


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
        raise RecipeError(brief(error), where) from error
    return values

"""DuckDB for the two rounds that see all documents at once: bounded memory, spilling, and rows in and out by part.

Rows come in part by part and go out part by part in a stream, so that what is in memory beside the database is one
part. The database reaches no file at anyone's asking.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.errors import DataflowError
from dataflow.rules.sql import brief

_SHARE = 0.6
"""Of the memory limit for DuckDB; the rest is for a part's rows and for what DuckDB does not count."""
_STREAMED = 65_536


@contextmanager
def database(memory_limit: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database that spills to a temporary folder; its lack of memory is an error that says so."""
    with tempfile.TemporaryDirectory(prefix="dataflow-dedup-") as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{int(memory_limit * _SHARE)}B",
            "temp_directory": str(Path(folder) / "spill"),
        }
        with duckdb.connect(":memory:", config=config) as connection:
            for setting in (
                "TimeZone = 'UTC'",
                "enable_progress_bar = false",  # which it shows in spawned workers
                "enable_external_access = false",
                "lock_configuration = true",
            ):
                connection.execute(f"SET {setting}")
            try:
                yield connection
            except duckdb.OutOfMemoryException as error:
                raise DataflowError(
                    f"{memory_limit:,} bytes of memory are too few: {brief(error)}",
                    "dedup.memory_limit",
                    "Raise it, or free space for temporary files.",
                ) from error


def insert(connection: duckdb.DuckDBPyConnection, into: str, arrived: pa.Table, among: str = "") -> None:
    """Rows of ``arrived`` into a table, by column names; columns it lacks are null.

    With ``among`` only the rows whose ``rank`` is one of that table's.
    """
    connection.register("arrived", arrived)
    chosen = f" SEMI JOIN {among} USING (rank)" if among else ""
    connection.execute(f"INSERT INTO {into} BY NAME FROM arrived{chosen}")
    connection.unregister("arrived")


def by_part(
    connection: duckdb.DuckDBPyConnection, query: str, n_parts: int
) -> Iterator[tuple[int, pa.Table]]:
    """The rows of a query that orders by its column ``part``: every part's number with its rows, in order."""
    reader = connection.sql(query).to_arrow_reader(_STREAMED)
    held = [reader.schema.empty_table()]
    at = 0
    for batch in reader:
        numbers: npt.NDArray[np.int64] = batch.column("part").to_numpy()
        ends = np.flatnonzero(np.diff(numbers)) + 1
        for start, end in zip([0, *ends], [*ends, len(numbers)], strict=True):
            if start == end:
                continue
            while at < numbers[start]:
                yield at, pa.concat_tables(held)
                held, at = [reader.schema.empty_table()], at + 1
            held.append(pa.Table.from_batches([batch.slice(start, end - start)]))
    while at < n_parts:
        yield at, pa.concat_tables(held)
        held, at = [reader.schema.empty_table()], at + 1


def halves(hashes: pa.ChunkedArray, name: str) -> dict[str, pa.Array]:
    """128-bit hashes as two columns of integers, which DuckDB joins and groups faster than bytes."""
    column = hashes.combine_chunks().cast(pa.binary(16))
    valid = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    values = np.zeros((len(column), 2), "<u8")
    if len(column):
        buffer = np.frombuffer(column.buffers()[1], "<u8")[2 * column.offset :]
        values[:] = buffer[: 2 * len(column)].reshape(-1, 2)
    return {f"{name}_{half}": pa.array(values[:, half], mask=~valid) for half in (0, 1)}

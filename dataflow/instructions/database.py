"""DuckDB in bounded memory, for the two decisions that need all instruction data at once."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.store.storage import Storage

DOCUMENTS = "instructions/documents"
DUPLICATES = "instructions/decisions/dedup/part-00000.parquet"
CONTAMINATION = "instructions/decisions/contamination"

_ROWS_AT_ONCE = 4096


@contextmanager
def database(memory_limit: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database that spills to a temporary folder beyond ``memory_limit`` bytes."""
    with tempfile.TemporaryDirectory(prefix="dataflow-instructions-") as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_limit}B",
            "temp_directory": folder,
            "threads": 2,
        }
        with duckdb.connect(":memory:", config=config) as connection:
            yield connection


def passed(store: Storage, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Those columns of every conversation that passed the rules, part by part in order."""
    for path in store.list(DOCUMENTS):
        decisions = store.read_table(path.replace(DOCUMENTS, "instructions/decisions/filter"), ["passed"])
        verdicts = decisions["passed"].combine_chunks()
        first = 0
        with store.open(path) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(_ROWS_AT_ONCE, columns=columns):
                yield batch.filter(verdicts.slice(first, batch.num_rows))
                first += batch.num_rows


def load(
    connection: duckdb.DuckDBPyConnection, name: str, batches: Iterator[pa.RecordBatch], schema: pa.Schema
) -> None:
    """A table of the database from batches."""
    connection.register("arriving", pa.RecordBatchReader.from_batches(schema, batches))
    connection.execute(f"CREATE TABLE {name} AS FROM arriving")
    connection.unregister("arriving")


def dropped(store: Storage) -> pa.Table:
    """Ids of the duplicates that do not survive."""
    if not store.exists(DUPLICATES):
        return pa.table({"id": pa.array([], pa.string())})
    decided = store.read_table(DUPLICATES, ["id", "survivor"])
    return decided.filter(pc.not_equal(decided["id"], decided["survivor"])).select(["id"])


def contaminated(store: Storage) -> pa.Table:
    """Ids of the conversations that hold items of evaluation sets and are dropped for it."""
    found = [pa.table({"id": pa.array([], pa.string())})]
    for path in store.list(CONTAMINATION):
        decided = store.read_table(path, ["id", "action"])
        found.append(decided.filter(pc.equal(decided["action"], "drop")).select(["id"]))
    return pa.concat_tables(found)

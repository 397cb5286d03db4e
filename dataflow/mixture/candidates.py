"""The documents that a mixture may use: what is kept, with its size, its cluster and its place on disk.

Read from signals and decisions alone, part by part, into a DuckDB table that spills; in memory stay a few
numbers a document (some 50 bytes, four times that while the plan is made). *Kept* is what passed the rules,
is no duplicate and is not contaminated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.errors import DataflowError
from dataflow.mixture.draw import Integers, Keys
from dataflow.store.storage import Storage

DocumentPart = tuple[str, str]
"""Source and shard: what ``documents/<source>/<shard>.parquet`` is named after."""

_OWN = {
    "doc": pa.int64(),
    "id": pa.string(),
    "source": pa.string(),
    "n_bytes": pa.int64(),
    "n_tokens": pa.int64(),
}


@dataclass(frozen=True)
class Candidates:
    """The kept documents in the order of the parts; the table ``kept`` holds their other columns."""

    parts: Sequence[DocumentPart]
    sources: Sequence[str]
    first_rows: Integers  # number of the first document of each part, and at the end the number of documents
    doc: Integers  # number of the document among all rows of all parts
    source: Integers  # index into sources
    n_bytes: Integers
    n_tokens: Integers  # all zero where not exact
    exact_tokens: bool  # every kept document has its count of tokens
    keys: Keys  # seeded hash of the id
    clusters: Keys  # seeded hash of the cluster's id: equal for near-duplicates that were both kept

    def __len__(self) -> int:
        return len(self.doc)


def signals_schema(store: Storage, parts: Sequence[DocumentPart]) -> pa.Schema:
    """The columns that ``where`` and ``order`` may use."""
    source, part = parts[0]
    with store.open(f"signals/{source}/{part}.parquet") as stream:
        return pq.read_schema(stream).remove_metadata()


def load(
    connection: duckdb.DuckDBPyConnection,
    store: Storage,
    parts: Sequence[DocumentPart],
    columns: Sequence[str],
    seed: int,
) -> Candidates:
    """Fill the table ``kept`` (doc, id, source, sizes, ``columns``) and take the numbers from it."""
    sources = sorted({source for source, _ in parts})
    rows = [_load_part(connection, store, part, columns, number) for number, part in _numbered(store, parts)]
    _load_decisions(connection, store)
    connection.execute("""
        CREATE TABLE kept AS
        SELECT passed.*, coalesce(duplicates.cluster, passed.id) AS cluster_id
        FROM passed ANTI JOIN contaminated USING (id) LEFT JOIN duplicates USING (id)
        WHERE duplicates.removed IS NOT true;
        DROP TABLE passed; DROP TABLE duplicates; DROP TABLE contaminated
    """)
    connection.register(
        "names", pa.table({"name": sources, "number": pa.array(range(len(sources)), pa.int64())})
    )
    table = connection.sql(f"""
        SELECT doc, names.number AS source, n_bytes, n_tokens,
               md5_number_lower('{int(seed)}/' || id) AS key,
               md5_number_lower('{int(seed)}/' || cluster_id) AS cluster
        FROM kept JOIN names ON names.name = kept.source
        ORDER BY doc
    """).to_arrow_table()
    return Candidates(
        parts=parts,
        sources=sources,
        first_rows=np.cumsum([0, *rows], dtype=np.int64),
        doc=_numbers(table, "doc"),
        source=_numbers(table, "source"),
        n_bytes=_numbers(table, "n_bytes"),
        n_tokens=_numbers(table, "n_tokens"),
        exact_tokens=table.num_rows > 0 and table["n_tokens"].null_count == 0,
        keys=table["key"].to_numpy(),
        clusters=table["cluster"].to_numpy(),
    )


def _numbered(store: Storage, parts: Sequence[DocumentPart]) -> list[tuple[int, DocumentPart]]:
    """Each part with the number of its first document."""
    numbered, first = [], 0
    for source, part in parts:
        numbered.append((first, (source, part)))
        with store.open(f"signals/{source}/{part}.parquet") as stream:
            first += pq.read_metadata(stream).num_rows
    return numbered


def _load_part(
    connection: duckdb.DuckDBPyConnection,
    store: Storage,
    part: DocumentPart,
    columns: Sequence[str],
    first: int,
) -> int:
    """Add a part's documents that passed the rules to the table ``passed``; returns its number of rows."""
    path = f"{part[0]}/{part[1]}.parquet"
    with store.open(f"signals/{path}") as stream:
        file = pq.ParquetFile(stream)
        there = set(file.schema_arrow.names)
        wanted = ["id", "n_bytes", *(name for name in ("n_tokens",) if name in there)]
        extra = [name for name in columns if name not in _OWN]
        if missing := [name for name in extra if name not in there]:
            what = f'the signal "{missing[0]}" is missing'
            raise DataflowError(
                what, f"signals/{path}", "Run `dataflow curate` again: it makes this part anew."
            )
        signals = file.read(columns=[*wanted, *extra])
    decisions = store.read_table(f"decisions/filter/{path}", ["id", "passed"])
    if not signals["id"].cast(pa.string()).equals(decisions["id"].cast(pa.string())):
        what = "the decisions are not those of the documents beside them"
        raise DataflowError(what, f"decisions/filter/{path}", "Run `dataflow filter` again.")
    n_rows = len(signals)
    own = {
        "doc": pa.array(np.arange(first, first + n_rows)),
        "id": signals["id"],
        "source": pa.repeat(part[0], n_rows),
        "n_bytes": signals["n_bytes"],
        "n_tokens": signals["n_tokens"] if "n_tokens" in there else pa.nulls(n_rows, pa.int64()),
    }
    table = pa.table({**own, **{name: signals[name] for name in extra}})
    types = pa.schema([*_OWN.items(), *((name, signals.schema.field(name).type) for name in extra)])
    connection.register("incoming", table.cast(types).filter(decisions["passed"]))
    connection.execute("CREATE TABLE IF NOT EXISTS passed AS SELECT * FROM incoming LIMIT 0")
    connection.execute("INSERT INTO passed SELECT * FROM incoming")
    connection.unregister("incoming")
    return n_rows


def _load_decisions(connection: duckdb.DuckDBPyConnection, store: Storage) -> None:
    connection.execute("CREATE TABLE duplicates (id VARCHAR, cluster VARCHAR, removed BOOLEAN)")
    connection.execute("CREATE TABLE contaminated (id VARCHAR, action VARCHAR)")
    decisions = {
        "dedup": ("duplicates", ["id", "cluster", "removed"], ""),
        "contamination": ("contaminated", ["id", "action"], "WHERE action = 'drop'"),
    }
    for folder, (name, columns, chosen) in decisions.items():
        for path in store.list(f"decisions/{folder}"):
            connection.register("incoming", store.read_table(path, columns))
            connection.execute(f"INSERT INTO {name} SELECT {', '.join(columns)} FROM incoming {chosen}")
            connection.unregister("incoming")


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    filled = pc.fill_null(table[name], 0)
    return np.asarray(filled.to_numpy(), dtype=np.int64)

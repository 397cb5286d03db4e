"""The documents that a mixture may use: what is kept, with its size, its cluster and its place on disk.

Read from signals and decisions alone, part by part, into a DuckDB table that spills; in memory stay a few
numbers a document (some 60 bytes, four times that while the plan is made). *Kept* is what passed the rules,
is no duplicate and is not contaminated.

Sizes are those of the text as it will stand in the corpus, without the passages that were cut from it. Its tokens
were counted before: what is left of them is estimated by the share of bytes that is left.
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
from dataflow.transforms.applied import applied_cuts
from dataflow.transforms.cut import bytes_cut

DocumentPart = tuple[str, str]
"""Source and shard: what ``documents/<source>/<shard>.parquet`` is named after."""

_OWN = {
    "doc": pa.int64(),
    "id": pa.string(),
    "source": pa.string(),
    "n_bytes": pa.int64(),
    "n_tokens": pa.int64(),
    "cut": pa.bool_(),
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
    n_tokens: Integers  # estimated where something was cut; of no meaning unless tokens_known
    tokens_known: bool  # every kept document has a count of tokens, or an estimate from its own count
    exact_tokens: bool  # ... and all are counts
    stands_for: Integers  # documents that it stands for: itself, and those removed as its duplicates
    keys: Keys  # seeded hash of the id
    clusters: Keys  # seeded hash of the cluster's id: equal for duplicates that were both kept

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
    """Fill the table ``kept`` (doc, id, source, sizes, cluster_size, ``columns``) and take the numbers from it."""
    sources = sorted({source for source, _ in parts})
    rows = [_load_part(connection, store, part, columns, number) for number, part in _numbered(store, parts)]
    _load_decisions(connection, store)
    connection.execute("""
        CREATE TABLE kept AS
        SELECT
            passed.*,
            coalesce(dedup.cluster, passed.id) AS cluster_id,
            coalesce(semantic.cluster, passed.id) AS meaning_id,
            coalesce(dedup.cluster_size, 1) AS cluster_size,
            coalesce(gone.n, 0) + 1 AS stands_for
        FROM passed
        ANTI JOIN removed USING (id)
        LEFT JOIN dedup USING (id)
        LEFT JOIN semantic USING (id)
        LEFT JOIN (
            SELECT survivor AS id, count(*) AS n FROM dedup WHERE removed AND earlier IS NULL GROUP BY survivor
        ) AS gone USING (id);
        DROP TABLE passed; DROP TABLE removed; DROP TABLE dedup; DROP TABLE semantic
    """)
    connection.register(
        "names", pa.table({"name": sources, "number": pa.array(range(len(sources)), pa.int64())})
    )
    table = connection.sql(f"""
        SELECT doc, names.number AS source, n_bytes, n_tokens, cut, stands_for,
               md5_number_lower('{int(seed)}/' || id) AS key,
               md5_number_lower('{int(seed)}/' || cluster_id) AS cluster,
               md5_number_lower('{int(seed)}/' || meaning_id) AS meaning
        FROM kept JOIN names ON names.name = kept.source
        ORDER BY doc
    """).to_arrow_table()
    known = table.num_rows > 0 and table["n_tokens"].null_count == 0
    return Candidates(
        parts=parts,
        sources=sources,
        first_rows=np.cumsum([0, *rows], dtype=np.int64),
        doc=_numbers(table, "doc"),
        source=_numbers(table, "source"),
        n_bytes=_numbers(table, "n_bytes"),
        n_tokens=_numbers(table, "n_tokens"),
        tokens_known=known,
        exact_tokens=known and not pc.any(table["cut"]).as_py(),
        stands_for=_numbers(table, "stands_for"),
        keys=table["key"].to_numpy(),
        clusters=joined(table["cluster"].to_numpy(), table["meaning"].to_numpy()),
    )


def joined(first: Keys, second: Keys) -> Keys:
    """Groups of documents that are connected by being of one group in ``first`` or in ``second``.

    Where a document is alone in ``second``, its group in ``first`` stays as it is.
    """
    names, group = np.unique(first, return_inverse=True)
    _, other = np.unique(second, return_inverse=True)
    label = group
    while True:
        before = label
        for groups in (other, group):
            least = np.full(len(before), len(before), dtype=np.int64)
            np.minimum.at(least, groups, label)
            label = least[groups]
        if (label == before).all():
            return names[label]


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
    n_bytes = signals["n_bytes"].to_numpy()
    lost = bytes_cut(*applied_cuts(store, *part, signals["id"]), n_rows)
    if (lost > n_bytes).any():
        what = "more is cut from a document than it has"
        raise DataflowError(what, f"decisions/cuts/{path}", "Run `dataflow dedup` again.")
    n_tokens = signals["n_tokens"] if "n_tokens" in there else pa.nulls(n_rows, pa.int64())
    own = {
        "doc": pa.array(np.arange(first, first + n_rows)),
        "id": signals["id"],
        "source": pa.repeat(part[0], n_rows),
        "n_bytes": n_bytes - lost,
        "n_tokens": _left_of(n_tokens, n_bytes, lost) if lost.any() else n_tokens,
        "cut": lost > 0,
    }
    table = pa.table({**own, **{name: signals[name] for name in extra}})
    types = pa.schema([*_OWN.items(), *((name, signals.schema.field(name).type) for name in extra)])
    connection.register("incoming", table.cast(types).filter(decisions["passed"]))
    connection.execute("CREATE TABLE IF NOT EXISTS passed AS SELECT * FROM incoming LIMIT 0")
    connection.execute("INSERT INTO passed SELECT * FROM incoming")
    connection.unregister("incoming")
    return n_rows


def _left_of(
    n_tokens: pa.Array | pa.ChunkedArray, n_bytes: npt.NDArray[np.int64], lost: npt.NDArray[np.int64]
) -> pa.Array:
    """Of each count of tokens the share that its bytes have left, rounded; an unknown count stays unknown."""
    counted = pc.fill_null(n_tokens, 0).to_numpy().astype(np.int64)
    whole = np.maximum(n_bytes, 1)
    left = np.where(lost > 0, (counted * (n_bytes - lost) * 2 + whole) // (2 * whole), counted)
    return pa.array(left, mask=pc.is_null(n_tokens).to_numpy(zero_copy_only=False))


_CLUSTERS = (
    "id VARCHAR, survivor VARCHAR, cluster VARCHAR, cluster_size BIGINT, removed BOOLEAN, earlier VARCHAR"
)
_REMOVED = {
    "dedup": "removed",
    "semantic": "removed",
    "cuts": "removed",
    "contamination": "action = 'drop'",
}
"""Decisions by which a document goes, as folders, and the rows that say so."""


def _load_decisions(connection: duckdb.DuckDBPyConnection, store: Storage) -> None:
    """Fill the tables ``removed``, ``dedup`` and ``semantic``; a step that has not run gives no rows."""
    connection.execute(
        f"CREATE TABLE removed (id VARCHAR); CREATE TABLE dedup ({_CLUSTERS}); CREATE TABLE semantic ({_CLUSTERS})"
    )
    clusters = [column.split()[0] for column in _CLUSTERS.split(", ")]
    for step, condition in _REMOVED.items():
        has_clusters = step in ("dedup", "semantic")
        columns = clusters if has_clusters else ["id", condition.split()[0]]
        for path in store.list(f"decisions/{step}"):
            connection.register("incoming", store.read_table(path, columns))
            connection.execute(f"INSERT INTO removed SELECT id FROM incoming WHERE {condition}")
            if has_clusters:
                connection.execute(f"INSERT INTO {step} SELECT {', '.join(clusters)} FROM incoming")
            connection.unregister("incoming")


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    filled = pc.fill_null(table[name], 0)
    return np.asarray(filled.to_numpy(), dtype=np.int64)

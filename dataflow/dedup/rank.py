"""First round of deduplication: every document gets its place in survivor order, and who stands for its text.

From here on a document is a number, so what follows depends on the documents and not on their parts. Earlier
corpora come first, in the recipe's order and each as it was ranked itself; then the sort key, then the id. The
first document of each text stands for the others, so that a text that occurs a million times is one to the rounds
after; among those that stand for their text, the first of each URL stands for the others of it.

DuckDB does the sorting and grouping in bounded memory, and spills. Documents of earlier corpora are matched with
ours but never with each other.
"""

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.config import nearest
from dataflow.dedup.config import Dedup
from dataflow.dedup.database import by_part, database, halves, insert
from dataflow.dedup.index import check_content
from dataflow.dedup.parts import RANKS, DedupPart
from dataflow.dedup.urls import url_keys
from dataflow.errors import DataflowError, RecipeError
from dataflow.rules.sql import Checker, brief
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 1
"""Raise when the bytes of dedup/ranks change for the same documents and configuration."""

_UNCOMPUTABLE = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException)
_AGAIN = "Run the step curate again with this recipe."
_COLUMNS = [
    *(pa.field(f"dedup_{name}", pa.int64()) for name in ("part", "row", "corpus", "order")),
    pa.field("dedup_id", pa.string()),
    *(pa.field(f"dedup_{name}", pa.uint64()) for name in ("text_0", "text_1", "url_0", "url_1")),
]

_SAME = """
    CREATE TABLE linked AS
    SELECT r.rowid AS rank, part, "row", url_0, url_1,
           CASE WHEN r.rowid < $earlier THEN r.rowid ELSE coalesce(t.first, r.rowid) END AS first
    FROM ranked AS r LEFT JOIN texts AS t ON t.text_0 = r.text_0 AND t.text_1 = r.text_1;
    DROP TABLE ranked; DROP TABLE texts;
    CREATE TABLE addresses AS
    SELECT url_0, url_1, min(rank) AS first FROM linked
    WHERE rank = first AND url_0 IS NOT NULL GROUP BY ALL HAVING count(*) > 1;
    CREATE TABLE followers AS
    SELECT rank, a.first FROM linked AS l JOIN addresses AS a ON a.url_0 = l.url_0 AND a.url_1 = l.url_1
    WHERE l.rank = l.first AND l.rank >= $earlier AND a.first < l.rank;
    DROP TABLE addresses;
"""
_RANKS = """
    SELECT part, "row", l.rank, coalesce(f.first, l.first) AS first,
           CASE WHEN f.first IS NOT NULL THEN 'url' WHEN l.first <> l.rank THEN 'exact' END AS kind
    FROM linked AS l LEFT JOIN followers AS f ON f.rank = l.first ORDER BY part, "row"
"""


def rank(store: Storage, parts: Sequence[DedupPart], config: Dedup) -> Made:
    """Write ``dedup/ranks`` for every part; ``parts`` has earlier corpora in the order that they count in.

    A copy of a document that a URL ties to an earlier one is of kind ``url`` too: its text is not the other's.
    """
    with database(config.memory_limit) as connection:
        rows = _load(connection, store, parts, config)
        n_earlier = sum(n for part, n in zip(parts, rows, strict=True) if part.earlier)
        _sort(connection, config.survivor if any(part.earlier is None for part in parts) else "")
        texts = "SELECT text_0, text_1, min(rowid) AS first FROM ranked GROUP BY ALL HAVING count(*) > 1"
        connection.execute(f"CREATE TABLE texts AS {texts if config.exact else texts + ' LIMIT 0'}")
        connection.execute(_SAME.replace("$earlier", str(n_earlier)))
        n_documents = 0
        for number, decided in by_part(connection, _RANKS, len(parts)):
            store.write_table(parts[number].ranks, _of_all(decided, rows[number]))
            n_documents += 0 if parts[number].earlier else len(decided)
    outputs = tuple(part.ranks for part in parts)
    store.keep_only("dedup/ranks", outputs)
    return Made(outputs, {"documents": n_documents, "earlier": n_earlier})


def _load(
    connection: duckdb.DuckDBPyConnection, store: Storage, parts: Sequence[DedupPart], config: Dedup
) -> list[int]:
    """The table ``documents`` of all that take part; the number of rows of each part, taking part or not."""
    own = [part for part in parts if part.earlier is None]
    schema = _signals_schema(store, own[0]) if own else pa.schema([])
    keys = Checker(schema).order(config.survivor, "dedup.survivor") if own else []
    connection.register("columns", pa.schema([*_COLUMNS, *(schema.field(key) for key in keys)]).empty_table())
    connection.execute("CREATE TABLE documents AS FROM columns")
    connection.unregister("columns")
    corpora = list(dict.fromkeys(part.earlier.name if part.earlier else "" for part in parts))
    rows = []
    for number, part in enumerate(parts):
        table, n_rows = _of_index(store, part, config) if part.earlier else _of_run(store, part, config, keys)
        corpus = corpora.index(part.earlier.name) if part.earlier else len(corpora)
        for name, value in (("dedup_part", number), ("dedup_corpus", corpus)):
            table = table.append_column(name, pa.array(np.full(len(table), value, np.int64)))
        insert(connection, "documents", table)
        rows.append(n_rows)
    return rows


def _of_run(store: Storage, part: DedupPart, config: Dedup, keys: list[str]) -> tuple[pa.Table, int]:
    """What ``documents`` needs of those that passed the rules in a shard of this run, and its number of rows."""
    path = f"{part.source}/{part.shard}.parquet"
    schema = _signals_schema(store, part)
    for key in keys:
        if key not in schema.names:
            raise RecipeError(
                f'no column "{key}" in signals/{path}', "dedup.survivor", nearest(key, schema.names)
            )
    decisions = store.read_table(f"decisions/filter/{path}", ["id", "passed"])
    stored = part.read(store, ["id", "exact_hash", *(["url"] if config.url else [])])
    signals = store.read_table(f"signals/{path}", sorted({"id", *keys}))
    if not stored["id"].equals(decisions["id"]) or not stored["id"].equals(signals["id"]):
        raise DataflowError("documents, signals and decisions are not of the same documents", path, _AGAIN)
    taken = np.flatnonzero(decisions["passed"].to_numpy())
    stored = stored.take(taken)
    columns = {
        "dedup_row": pa.array(taken),
        "dedup_order": pa.array(np.zeros(len(taken), np.int64)),
        "dedup_id": stored["id"],
        **halves(stored["exact_hash"], "dedup_text"),
        **dict(zip(keys, signals.select(keys).take(taken).columns, strict=True)),
    }
    if config.url:
        columns |= halves(pa.chunked_array([url_keys(stored["url"])]), "dedup_url")
    return pa.table(columns), len(decisions)


def _of_index(store: Storage, part: DedupPart, config: Dedup) -> tuple[pa.Table, int]:
    """The same of a file of an index, once its content is found to be what the index says."""
    check_content(part)
    stored = part.read(store, ["id", "exact_hash", "rank", *(["url_key"] if config.url else [])])
    columns = {
        "dedup_row": pa.array(np.arange(len(stored))),
        "dedup_order": stored["rank"],
        "dedup_id": stored["id"],
        **halves(stored["exact_hash"], "dedup_text"),
        **(halves(stored["url_key"], "dedup_url") if config.url else {}),
    }
    return pa.table(columns), len(stored)


def _signals_schema(store: Storage, part: DedupPart) -> pa.Schema:
    with store.open(f"signals/{part.source}/{part.shard}.parquet") as stream:
        return pq.read_schema(stream)


def _sort(connection: duckdb.DuckDBPyConnection, survivor: str) -> None:
    """The table ``ranked``, in which a row's number is its rank."""
    keys = f"{survivor}\n, " if survivor else ""
    try:
        connection.execute(
            'CREATE TABLE ranked AS SELECT dedup_part AS part, dedup_row AS "row", dedup_text_0 AS text_0,'
            " dedup_text_1 AS text_1, dedup_url_0 AS url_0, dedup_url_1 AS url_1"
            f" FROM documents ORDER BY dedup_corpus, dedup_order,\n{keys}dedup_id"
        )
    except _UNCOMPUTABLE as error:
        raise RecipeError(
            f"cannot be computed for every document: {brief(error)}",
            "dedup.survivor",
            "TRY_CAST gives NULL where a value cannot be cast.",
        ) from error
    connection.execute("DROP TABLE documents")


def _of_all(decided: pa.Table, n_rows: int) -> pa.Table:
    """Ranks of the rows that take part, among all rows of their part."""
    row = decided["row"].to_numpy()
    columns: dict[str, pa.Array] = {}
    for name in ("rank", "first"):
        values = np.full(n_rows, -1, np.int64)
        values[row] = decided[name].to_numpy()
        columns[name] = pa.array(values)
    place = np.full(n_rows, -1, np.int64)
    place[row] = np.arange(len(row))
    columns["kind"] = decided["kind"].combine_chunks().take(pa.array(place, mask=place < 0))
    return pa.table(columns, schema=RANKS)

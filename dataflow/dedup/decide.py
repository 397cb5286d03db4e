"""Last round of deduplication: who stays and whom each of the others repeats, shard by shard, as ids again.

Every document is tied to the one that stands for it by text or URL (``dedup/ranks``), and some of those are
near-duplicates of others (``dedup/verified``). The two are one chain of at most two links: what stands for others
may itself repeat a document that stays, and then that is the survivor of them all. DuckDB joins the two in bounded
memory; ids are looked up at the end, only of those that are named.

A cluster is named after its first document of this run, so that its name is no id of another corpus; a survivor may
be of an earlier corpus, which ``earlier`` then names.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.dedup.config import Dedup
from dataflow.dedup.database import by_part, database, insert
from dataflow.dedup.parts import DedupPart
from dataflow.store.documents import DEDUP
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 3
"""Raise when the bytes of decisions/dedup change for the same documents and configuration."""

KINDS = ("exact", "url", "near")
"""By what a document is tied to another: same text, same URL, similar text."""

ALWAYS = -1
"""``levels`` of a copy: all bits, for it goes whatever similarity is asked for."""

_NEAR = ("rank", "survivor", "cluster", "similarity", "levels")
_TABLES = """
    CREATE TABLE links (rank BIGINT, first BIGINT, url BOOLEAN, part BIGINT, "row" BIGINT);
    CREATE TABLE near (rank BIGINT, survivor BIGINT, cluster BIGINT, similarity FLOAT, levels BIGINT);
    CREATE TABLE names (rank BIGINT, id VARCHAR, earlier VARCHAR);
"""
# `similarity` is to the survivor: of a copy, what it is of the document that stands for it. What another URL
# ties is measured nowhere.
_MEMBERS = """
    CREATE TABLE resolved AS
    SELECT part, "row", l.rank, coalesce(n.survivor, first) AS survivor, coalesce(n.cluster, first) AS cluster,
           CASE WHEN l.rank <> first AND url THEN NULL ELSE coalesce(n.similarity, 1) END AS similarity,
           CASE WHEN l.rank <> first THEN CASE WHEN url THEN 'url' ELSE 'exact' END
                WHEN n.survivor <> l.rank THEN 'near' ELSE 'exact' END AS kind,
           CASE WHEN l.rank <> first THEN {ALWAYS} ELSE coalesce(n.levels, 0) END AS levels
    FROM links AS l LEFT JOIN near AS n ON n.rank = l.first;
    DROP TABLE links; DROP TABLE near;
    CREATE TABLE clusters AS
    SELECT cluster, count(*) AS cluster_size, min(rank) AS name FROM resolved
    GROUP BY cluster HAVING count(*) > 1 OR cluster < {earlier};
    CREATE TABLE members AS
    SELECT part, "row", rank, survivor, name, cluster_size, similarity, kind, levels
    FROM resolved JOIN clusters USING (cluster);
    DROP TABLE resolved;
    CREATE TABLE named AS SELECT survivor AS rank FROM members UNION SELECT name FROM clusters;
"""
_DECIDED = """
    SELECT part, "row", s.id AS survivor, c.id AS cluster, cluster_size, similarity, kind,
           m.rank <> m.survivor AS repeats, s.earlier, levels
    FROM members AS m JOIN names AS s ON s.rank = m.survivor JOIN names AS c ON c.rank = m.name
    ORDER BY part, "row"
"""


def decide(
    store: Storage,
    parts: Sequence[DedupPart],
    verified: Sequence[str],
    config: Dedup,
    counted: Mapping[str, int],
) -> Made:
    """Write ``decisions/dedup`` for every shard of this run.

    Args:
        store: the folder of this run.
        parts: as they were ranked.
        verified: paths of near's decisions; none where it did not run.
        config: of deduplication.
        counted: counts of the near rounds, added to this one's.
    """
    counts = Counter[str](
        dict.fromkeys(("documents", "clusters", "duplicates", *KINDS, "earlier", "removed"), 0)
    )
    outputs = []
    with database(config.memory_limit) as connection:
        n_earlier = _load(connection, store, parts, verified, counts)
        connection.execute(_MEMBERS.format(ALWAYS=ALWAYS, earlier=n_earlier))
        counts["clusters"] = connection.sql("SELECT count(*) FROM clusters").fetchall()[0][0]
        _look_up(connection, store, parts)
        for number, decided in by_part(connection, _DECIDED, len(parts)):
            if parts[number].earlier is None:
                table = _as_decisions(store, parts[number], decided, config)
                outputs.append(f"decisions/dedup/{parts[number].name}.parquet")
                store.write_table(outputs[-1], table)
                _count(counts, decided, table)
    store.keep_only("decisions/dedup", outputs)
    counts["kept"] = counts["documents"] - counts["removed"]
    return Made(tuple(outputs), {**counts, **counted})


def _load(
    connection: duckdb.DuckDBPyConnection,
    store: Storage,
    parts: Sequence[DedupPart],
    verified: Iterable[str],
    counts: Counter[str],
) -> int:
    """The tables ``links`` (of this run) and ``near``; returns the number of documents of earlier corpora."""
    connection.execute(_TABLES)
    n_earlier = 0
    for number, part in enumerate(parts):
        ranks = store.read_table(part.ranks)
        if part.earlier:
            n_earlier += len(ranks)
            continue
        rows = np.flatnonzero(ranks["rank"].to_numpy() >= 0)
        counts["documents"] += len(rows)
        taken = ranks.take(rows)
        columns = {
            "rank": taken["rank"],
            "first": taken["first"],
            "url": pc.equal(taken["kind"], "url"),
            "part": pa.array(np.full(len(rows), number, np.int64)),
            "row": pa.array(rows),
        }
        insert(connection, "links", pa.table(columns))
    for path in verified:
        insert(connection, "near", store.read_table(path, _NEAR))
    return n_earlier


def _look_up(connection: duckdb.DuckDBPyConnection, store: Storage, parts: Sequence[DedupPart]) -> None:
    """The table ``names``: ids of the documents that some decision names."""
    for part in parts:
        ids = part.read(store, ["id"])
        ranked = {
            "rank": store.read_table(part.ranks, ["rank"])["rank"],
            "id": ids["id"],
            "earlier": pa.repeat(
                pa.scalar(part.earlier.name if part.earlier else None, pa.string()), len(ids)
            ),
        }
        insert(connection, "names", pa.table(ranked), among="named")


def _as_decisions(store: Storage, part: DedupPart, decided: pa.Table, config: Dedup) -> pa.Table:
    ids = part.read(store, ["id"])["id"].take(decided["row"])
    removed = decided["repeats"] if config.mode == "remove" else pa.array(np.zeros(len(decided), np.bool_))
    columns = {**{name: decided[name] for name in decided.column_names}, "id": ids, "removed": removed}
    return pa.table({name: columns[name] for name in DEDUP.names}, schema=DEDUP).combine_chunks()


def _count(counts: Counter[str], decided: pa.Table, table: pa.Table) -> None:
    repeats = table.filter(decided["repeats"].combine_chunks())
    counts["duplicates"] += len(repeats)
    counts["removed"] += pc.sum(table["removed"]).as_py() or 0
    counts["earlier"] += len(repeats) - repeats["earlier"].null_count
    for entry in pc.value_counts(repeats["kind"]).to_pylist():
        counts[entry["values"]] += entry["counts"]

"""Duplicates in tables: how many of which kind, the largest clusters, how alike near-duplicates are, what was cut.

All are queries over decisions; of texts only the beginnings of the few survivors shown are read.
"""

import duckdb

from dataflow.catalog.passages import beginning
from dataflow.catalog.recipe import manifests_of
from dataflow.catalog.table import Table, ask
from dataflow.catalog.texts import read_texts

LARGEST = 10
"""Clusters shown."""

_REPEATS = (
    "(id <> survivor OR earlier IS NOT NULL)"  # not itself a survivor; ids of earlier corpora may be the same
)
_BY_MEANING = "kind = 'semantic' AS by_meaning"  # a document may be the first of a cluster of either sort
_SIZES = """(
    SELECT id, n_bytes FROM stored.documents UNION ALL SELECT id, n_bytes FROM stored.instructions_documents
)"""
_BUCKET = 0.05  # of similarity
_BAR = 40  # characters of the longest
_EIGHTHS = " ▏▎▍▌▋▊▉"


def tables(con: duckdb.DuckDBPyConnection, most: int = LARGEST) -> list[Table]:
    """Every table about duplicates, with so many of the largest clusters."""
    return [duplicates(con), largest_clusters(con, most), similarities(con), candidates(con), cuts(con)]


def duplicates(con: duckdb.DuckDBPyConnection) -> Table:
    """Documents that repeat another, by source and kind of likeness, and how many of them were removed.

    ``clusters`` have a document of the row among what repeats; ``of_earlier_corpora`` repeat a document that is not
    of this run.
    """
    sql = f"""
        SELECT
            CASE WHEN grouping(source) = 1 THEN 'all' ELSE source END AS source, kind,
            count(*) AS documents, count(*) FILTER (removed) AS removed,
            coalesce(sum(n_bytes) FILTER (removed), 0)::BIGINT AS bytes_removed,
            count(DISTINCT (cluster, kind = 'semantic')) AS clusters, max(cluster_size) AS largest_cluster,
            round(avg(similarity), 3) AS mean_similarity,
            count(*) FILTER (earlier IS NOT NULL) AS of_earlier_corpora
        FROM (SELECT *, split_part(id, '/', 1) AS source FROM duplicates WHERE {_REPEATS})
        LEFT JOIN {_SIZES} USING (id)
        GROUP BY GROUPING SETS ((source, kind), ()) HAVING count(*) > 0
        ORDER BY grouping(source), documents DESC, source, kind
    """
    found = ask(con, sql, "Duplicates")
    return found if any(row[-1] for row in found.rows) else _without_last(found)


def largest_clusters(con: duckdb.DuckDBPyConnection, most: int = LARGEST) -> Table:
    """The clusters of most documents, each by its first document in survivor order and how that one begins."""
    sql = f"""
        WITH largest AS (
            SELECT cluster, {_BY_MEANING}, max(cluster_size) AS documents FROM duplicates
            GROUP BY cluster, by_meaning ORDER BY documents DESC, cluster, by_meaning LIMIT {int(most)}
        )
        SELECT
            documents, count(*) FILTER (NOT removed) AS kept,
            list(DISTINCT kind ORDER BY kind) FILTER ({_REPEATS}) AS kinds,
            list(DISTINCT split_part(id, '/', 1) ORDER BY split_part(id, '/', 1)) AS sources,
            cluster AS first_document
        FROM (SELECT *, {_BY_MEANING} FROM duplicates) JOIN largest USING (cluster, by_meaning)
        GROUP BY documents, cluster, by_meaning ORDER BY documents DESC, cluster, by_meaning
    """
    found = ask(con, sql)
    texts = read_texts(con, [row[-1] for row in found.rows], 400)
    rows = tuple((*row, beginning(texts.get(row[-1], ""), 60)) for row in found.rows)
    return Table("Largest clusters of duplicates", (*found.columns, "begins"), rows)


def similarities(con: duckdb.DuckDBPyConnection) -> Table:
    """A histogram: near-duplicates by their similarity to the survivor they repeat."""
    per = round(1 / _BUCKET)
    sql = f"""
        SELECT least(floor(similarity * {per} + 1e-4), {per - 1})::INTEGER AS bucket, count(*)
        FROM duplicates WHERE kind = 'near' AND similarity IS NOT NULL AND {_REPEATS} GROUP BY bucket
    """
    counted = dict(con.execute(sql).fetchall())
    if not counted:
        return Table("", (), ())
    total, most = sum(counted.values()), max(counted.values())
    rows = []
    for bucket in range(min(counted), per):
        n = counted.get(bucket, 0)
        label = f"{bucket / per:.2f} to {(bucket + 1) / per:.2f}"
        rows.append((label, n, n / total, _bar(n / most)))
    columns = ("similarity", "documents", "documents_share", "histogram")
    return Table("Near-duplicates by their similarity to what they repeat", columns, tuple(rows))


def _bar(share: float) -> str:
    """A bar of at most ``_BAR`` characters, drawn in eighths of one; what is not nothing is seen."""
    eighths = max(round(share * _BAR * 8), 1 if share else 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def candidates(con: duckdb.DuckDBPyConnection) -> Table:
    """How many of the pairs that hashing proposed were found to be alike when compared."""
    manifest = manifests_of(con, "dedup").get("all")
    compared = manifest.counts.get("compared", 0) if manifest else 0
    if manifest is None or not compared:
        return Table("", (), ())
    verified = manifest.counts.get("verified", 0)
    row = (compared, verified, (compared - verified) / compared)
    return Table("Candidate pairs", ("compared", "alike", "false_positive_share"), (row,))


def cuts(con: duckdb.DuckDBPyConnection) -> Table:
    """Passages that an earlier document has too, by kind; a document of several kinds counts for each of them."""
    sql = """
        WITH passages AS (SELECT id, removed, applied, unnest(spans) AS span FROM cuts)
        SELECT
            CASE WHEN grouping(span.kind) = 1 THEN 'all' ELSE span.kind END AS kind,
            count(DISTINCT id) AS documents, count(*) AS passages, sum(span.length)::BIGINT AS bytes,
            count(DISTINCT id) FILTER (removed) AS documents_removed,
            bool_and(applied) AS applied
        FROM passages GROUP BY GROUPING SETS ((span.kind), ()) HAVING count(*) > 0
        ORDER BY grouping(span.kind), bytes DESC, kind
    """
    found = ask(con, sql)
    annotated = any(row[-1] is False for row in found.rows)
    title = "Passages repeated (only annotated)" if annotated else "Passages cut"
    return Table(title, found.columns[:-1], tuple(row[:-1] for row in found.rows))


def _without_last(table: Table) -> Table:
    return Table(table.title, table.columns[:-1], tuple(row[:-1] for row in table.rows))

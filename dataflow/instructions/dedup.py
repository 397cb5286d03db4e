"""Exact duplicates among the conversations that passed: of equal ones the smallest id survives.

Equal means the same roles and words in the same order, blind to case and white space (``dedup.exact``). Near
duplicates are left alone: questions that differ in one number are different exercises.
"""

import pyarrow as pa

from dataflow.instructions.database import DUPLICATES, database, load, passed
from dataflow.store.documents import DEDUP, INSTRUCTIONS
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 2
"""Raised when the same conversations would give other decisions."""

_COLUMNS = ["id", "exact_hash"]
_CLUSTERS = """
    SELECT id, survivor, survivor AS cluster, cluster_size, CAST(1 AS FLOAT) AS similarity, 'exact' AS kind,
           id <> survivor AS removed, CAST(NULL AS VARCHAR) AS earlier,
           CASE WHEN id <> survivor THEN -1 ELSE 0 END AS levels
    FROM (
        SELECT id, min(id) OVER same AS survivor, count(*) OVER same AS cluster_size
        FROM hashes WINDOW same AS (PARTITION BY exact_hash)
    )
    WHERE cluster_size > 1 ORDER BY id
"""


def deduplicate(store: Storage, memory_limit: int = 1_000_000_000) -> Made:
    """Write ``instructions/decisions/dedup``: each member of each cluster of two or more, sorted by id.

    Counts: ``documents`` that passed, ``duplicates`` among them, ``clusters``.
    """
    schema = pa.schema([INSTRUCTIONS.field(name) for name in _COLUMNS])
    counts = {"documents": 0, "duplicates": 0, "clusters": 0}
    with database(memory_limit) as connection:
        load(connection, "hashes", passed(store, _COLUMNS), schema)
        [(total, distinct)] = connection.sql(
            "SELECT count(*), count(DISTINCT exact_hash) FROM hashes"
        ).fetchall()
        counts |= {"documents": total, "duplicates": total - distinct}
        with store.parquet_writer(DUPLICATES, DEDUP) as writer:
            for batch in connection.sql(_CLUSTERS).to_arrow_reader():
                rows = pa.Table.from_batches([batch]).cast(DEDUP)
                writer.write_table(rows)
                counts["clusters"] += sum(a == b for a, b in zip(rows["id"], rows["survivor"], strict=True))
    return Made((DUPLICATES,), counts)

"""Duplicates by meaning: documents whose embeddings point the same way (Abbas et al. 2023, SemDeDup).

All pairs are too many, so vectors are laid into buckets around centres of k-means, and semhash compares those of a
bucket, exactly and in survivor order: a document goes only if it is alike to one that stays, and that one is named.
Centres come of a sample and a fixed seed, buckets are read in the order of ranks, so nothing depends on workers.
Memory: the sample, and one bucket at a time.

Rounds: ``embeddings.embed`` a shard, ``centres`` once, ``assign`` a shard, ``compare`` a bucket, ``decide`` once.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.dedup.batched import read_batches, write_batches
from dataflow.dedup.config import Dedup, Semantic
from dataflow.dedup.database import by_part, database, insert
from dataflow.dedup.parts import DedupPart
from dataflow.dedup.semantic.embeddings import (
    Vectors,
    as_arrays,
    as_batch,
    read_vectors,
    vectors_path,
    vectors_schema,
)
from dataflow.errors import DataflowError
from dataflow.store.documents import DEDUP
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 2
"""Raise when the same vectors give other duplicates, or what the rounds leave for each other looks otherwise."""

CENTRES = "dedup/semantic/centres.arrow"
FOUND = pa.schema({"rank": pa.int64(), "survivor": pa.int64(), "similarity": pa.float32()})
"""``dedup/semantic/found/<bucket>.parquet``: the documents that go, by rank, and whom they repeat."""

_TABLES = """
    CREATE TABLE found (rank BIGINT, survivor BIGINT, similarity FLOAT);
    CREATE TABLE places (part BIGINT, "row" BIGINT, rank BIGINT, id VARCHAR);
"""
_MEMBERS = """
    CREATE TABLE members AS
    FROM found UNION ALL SELECT DISTINCT survivor, survivor, CAST(1 AS FLOAT) FROM found
"""
_DECIDED = """
    SELECT p.part, p."row", p.id, s.id AS survivor, s.id AS cluster,
           count(*) OVER (PARTITION BY m.survivor) AS cluster_size, m.similarity, 'semantic' AS kind,
           m.rank <> m.survivor AND $removes AS removed, CAST(NULL AS VARCHAR) AS earlier,
           CASE WHEN m.rank <> m.survivor THEN -1 ELSE 0 END AS levels
    FROM members AS m JOIN places AS p ON p.rank = m.rank JOIN places AS s ON s.rank = m.survivor
"""

_SAMPLE = 256  # vectors for each centre; as many as faiss takes at most by default
_ROUNDS = 10
_ROWS = 65_536  # compared with all centres at a time


def centres(store: Storage, parts: Sequence[tuple[str, str]], config: Semantic, seed: int) -> Made:
    """Centres of buckets of ``config.bucket`` documents on average, from a sample spread over all parts.

    Counts: ``buckets``.
    """
    counts, dimensions = zip(*(_shape(store, vectors_path(*part)) for part in parts), strict=True)
    if len(lengths := {length for count, length in zip(counts, dimensions, strict=True) if count}) > 1:
        shown = ", ".join(map(str, sorted(lengths)))
        what = f"embeddings of several lengths: {shown}"
        raise DataflowError(what, "dedup.semantic", "All parts need embeddings of one model.")
    n = sum(counts)
    k = max(1, -(-n // config.bucket))
    step = max(1, n // (k * _SAMPLE)) if k > 1 else n + 1
    chosen, first = [], 0
    for part, count in zip(parts, counts, strict=True):
        offset = -first % step
        if offset < count:
            chosen.append(read_vectors(store, vectors_path(*part))[1][offset::step])
        first += count
    sample = np.concatenate(chosen) if chosen else np.zeros((0, 1), np.float32)
    found = _k_means(sample, k, seed) if k > 1 else np.zeros((1, sample.shape[1]), np.float32)
    with store.create(CENTRES) as stream, pa.ipc.new_file(stream, vectors_schema(found.shape[1])) as writer:
        writer.write_batch(as_batch(np.arange(len(found)), found))
    return Made((CENTRES,), {"buckets": len(found)})


def assign(store: Storage, source: str, shard: str) -> Made:
    """``dedup/semantic/buckets/<source>/<shard>.arrow``: its vectors, one batch for each bucket that gets some."""
    ranks, vectors = read_vectors(store, vectors_path(source, shard))
    _, around = read_vectors(store, CENTRES)
    if len(around) == 1 or not len(ranks):
        bucket = np.zeros(len(ranks), np.int64)
    else:
        bucket = _nearest(vectors, around)
    order = np.argsort(bucket, kind="stable")
    numbers, starts = np.unique(bucket[order], return_index=True)

    def batches() -> Iterator[tuple[int, pa.RecordBatch]]:
        for number, rows in zip(numbers.tolist(), np.split(order, starts[1:]), strict=False):
            yield number, as_batch(ranks[rows], vectors[rows])

    path = _laid((source, shard))
    write_batches(store, path, vectors_schema(vectors.shape[1]), batches(), numbers.tolist())
    return Made((path,), {"documents": len(ranks)})


def compare(store: Storage, bucket: int, parts: Sequence[tuple[str, str]], config: Semantic) -> Made:
    """``dedup/semantic/found/<bucket>.parquet`` from the vectors that all parts laid into the bucket.

    Counts: ``documents`` compared, ``duplicates`` among them.
    """
    batches = list(read_batches(store, [_laid(part) for part in parts], bucket))
    path = f"dedup/semantic/found/{bucket:05d}.parquet"
    if not batches:
        store.write_table(path, FOUND.empty_table())
        return Made((path,), {"documents": 0, "duplicates": 0})
    tables = [pa.Table.from_batches([batch]).replace_schema_metadata(None) for batch in batches]
    ranks, vectors = as_arrays(pa.concat_tables(tables))
    order = np.argsort(ranks)
    found = _alike(ranks[order], vectors[order], config.similarity)
    store.write_table(path, found)
    return Made((path,), {"documents": len(ranks), "duplicates": len(found)})


def decide(store: Storage, parts: Sequence[DedupPart], found: Sequence[str], config: Dedup) -> Made:
    """Write ``decisions/semantic`` for every shard: each document that goes, and those that stay for others.

    Counts: ``duplicates``, ``clusters``.
    """
    outputs, counts = [], {"duplicates": 0, "clusters": 0}
    with database(config.memory_limit) as connection:
        connection.execute(_TABLES)
        for path in found:
            insert(connection, "found", store.read_table(path))
        connection.execute(_MEMBERS)
        for number, part in enumerate(parts):
            ranks = store.read_table(part.ranks, ["rank"])["rank"]
            columns = {
                "part": pa.array(np.full(len(ranks), number, np.int64)),
                "row": pa.array(np.arange(len(ranks))),
                "rank": ranks,
                "id": part.read(store, ["id"])["id"],
            }
            insert(connection, "places", pa.table(columns), among="members")
        remove = {"removes": config.mode == "remove"}
        connection.execute("CREATE TABLE decided AS " + _DECIDED, remove)
        for number, rows in by_part(connection, 'FROM decided ORDER BY part, "row"', len(parts)):
            outputs.append(f"decisions/semantic/{parts[number].name}.parquet")
            store.write_table(outputs[-1], rows.select(DEDUP.names).cast(DEDUP).combine_chunks())
            repeats = pc.sum(pc.not_equal(rows["id"], rows["survivor"])).as_py() or 0
            counts["duplicates"] += repeats
            counts["clusters"] += len(rows) - repeats
    store.keep_only("decisions/semantic", outputs)
    return Made(tuple(outputs), counts)


def _alike(ranks: npt.NDArray[np.int64], vectors: Vectors, similarity: float) -> pa.Table:
    """Who goes for whom, by semhash with an exact search: an approximate one differs from run to run."""
    from semhash import SemHash
    from vicinity import Backend

    names = [str(rank) for rank in ranks.tolist()]
    no_model = cast(Any, None)  # it would embed records without a vector, and there are none
    index = SemHash.from_embeddings(vectors, names, no_model, ann_backend=Backend.BASIC)
    gone = index.self_deduplicate(threshold=similarity).filtered
    rows = sorted((int(each.record), int(each.duplicate_of), each.score) for each in gone)
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, FOUND, strict=True)], schema=FOUND
    )


def _k_means(sample: Vectors, k: int, seed: int) -> Vectors:
    """``k`` centres on the unit sphere (spherical k-means, Dhillon and Modha 2001), from ``k`` vectors drawn."""
    drawn = np.random.default_rng(seed).choice(len(sample), min(k, len(sample)), replace=False)
    around: Vectors = sample[np.sort(drawn)]
    for _ in range(_ROUNDS):
        nearest = _nearest(sample, around)
        order = np.argsort(nearest, kind="stable")
        numbers, starts = np.unique(nearest[order], return_index=True)
        sums = around.copy()  # a centre that nothing is near to stays where it is
        sums[numbers] = np.add.reduceat(sample[order], starts, axis=0)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        around = np.where(length > 0, sums / np.maximum(length, np.float32(1e-12)), around).astype(np.float32)
    return around


def _nearest(vectors: Vectors, around: Vectors) -> npt.NDArray[np.int64]:
    pieces = [vectors[start : start + _ROWS] @ around.T for start in range(0, len(vectors), _ROWS)]
    return np.concatenate([piece.argmax(axis=1) for piece in pieces])


def _laid(part: tuple[str, str]) -> str:
    """Where the vectors of a shard lie by bucket."""
    return f"dedup/semantic/buckets/{part[0]}/{part[1]}.arrow"


def _shape(store: Storage, path: str) -> tuple[int, int]:
    """Vectors in a file, and their length."""
    with store.open(path) as stream:
        file = pa.ipc.open_file(stream)
        count = sum(file.get_batch(number).num_rows for number in range(file.num_record_batches))
        return count, file.schema.field("vector").type.list_size

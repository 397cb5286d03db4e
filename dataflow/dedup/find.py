"""Duplicates across all parts: exact ones first, then near ones among the rest; one decision for the corpus.

1. Rank: every document that passed gets its place in the order of survivors (DuckDB, spills to disk). From
   here on a document is that number, so what follows depends on the documents and not on their parts.
2. Exact: the first document of each hash stands for the others. A text that occurs a million times is one.
3. Buckets: signatures are streamed and reduced to band keys; documents with a key in common share a bucket.
4. Candidates: signatures of documents in some bucket go to a file mapped into memory, those that may be
   compared side by side. Pairs are verified there; components and survivors come of verified pairs alone.

Documents without words, or with fewer than a shingle of them, are compared exactly only: their signature is
that of one shingle or of none. Memory: about 40 bytes a document and 12 for each member of a bucket, beyond
what ``memory_limit`` bounds; the signatures of the corpus are never in memory together.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.config import nearest
from dataflow.dedup import components, near, survivors
from dataflow.dedup.config import Dedup, Near
from dataflow.errors import DataflowError, RecipeError
from dataflow.rules.sql import Checker, brief
from dataflow.store.documents import DEDUP
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

VERSION = 2
"""Raise when the bytes of decisions/dedup change for the same documents and configuration."""

OUTPUT = "decisions/dedup/part-00000.parquet"

_UNCOMPUTABLE = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException)
_AGAIN = "Run the step curate again with this recipe."
_BATCH = 32_768  # documents whose signatures are held at a time
_ROW_GROUP = 131_072


@dataclass(frozen=True)
class _Documents:
    """What passed the rules, in the order of ``parts`` and their rows."""

    parts: tuple[tuple[str, str], ...]
    counts: npt.NDArray[np.int64]  # passed documents by part
    rank: near.Ranks  # place in the order of survivors
    first: near.Ranks  # by rank: the first rank of the same text

    def __len__(self) -> int:
        return len(self.rank)


def find_duplicates(
    store: Storage, parts: Sequence[tuple[str, str]], config: Dedup, memory_limit: int | None = None
) -> Made:
    """Decide over all ``parts`` (source, part); a row of ``decisions/dedup`` for each member of a cluster.

    ``memory_limit`` in bytes stands in for the configuration's where a caller knows better.
    """
    limit = config.memory_limit if memory_limit is None else memory_limit
    with tempfile.TemporaryDirectory(prefix="dataflow-dedup-") as name:
        folder = Path(name)
        with _database(folder, limit // 2) as database, _memory_named(limit):
            documents = _rank(database, store, parts, config)
            cluster, survivor = documents.first.copy(), documents.first.copy()
            similarity = np.ones(len(documents), np.float32)
            n_candidates = 0
            if config.near:
                found = _near(store, documents, config.near, config.cluster == "greedy", folder, limit // 2)
                n_candidates = len(found.rank)
                cluster[found.rank], survivor[found.rank] = found.first, found.survivor
                similarity[found.rank] = found.similarity
            # What holds for the document that stands for its exact duplicates holds for them all.
            first = documents.first
            decided = _members(documents, cluster[first], survivor[first], similarity[first])
            _write(database, store, decided)
    dropped = decided.filter(pc.not_equal(decided["rank"], decided["survivor"]))
    kinds = {entry["values"]: entry["counts"] for entry in pc.value_counts(dropped["kind"]).to_pylist()}
    counts = {
        "documents": len(documents),
        "clusters": pc.count_distinct(decided["cluster"]).as_py(),
        "exact": kinds.get("exact", 0),
        "near": kinds.get("near", 0),
        "candidates": n_candidates,
        "kept": len(documents) - dropped.num_rows,
    }
    return Made((OUTPUT,), counts)


def _database(folder: Path, memory_limit: int) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills into ``folder``; from then on it opens no file at anyone's asking."""
    spill = folder / "spill"
    database = duckdb.connect(
        ":memory:", config={"memory_limit": f"{memory_limit}B", "temp_directory": str(spill)}
    )
    for setting in ("TimeZone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
        database.execute(f"SET {setting}")
    return database


@contextmanager
def _memory_named(memory_limit: int) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        what = f"{memory_limit:,} bytes of memory are too few: {brief(error)}"
        raise DataflowError(
            what, "dedup.memory_limit", "Raise it, or free space for temporary files."
        ) from error


# 1 and 2: rank, exact --------------------------------------------------------------------------------------


def _rank(
    database: duckdb.DuckDBPyConnection, store: Storage, parts: Sequence[tuple[str, str]], config: Dedup
) -> _Documents:
    """Every document that passed, ranked; leaves the table ``ranked`` (dedup_rank, dedup_id) behind."""
    keys: list[str] = []
    counts = []
    for number, (source, part) in enumerate(parts):
        path = f"{source}/{part}.parquet"
        with store.open(f"signals/{path}") as stream:
            schema = pq.read_schema(stream)
        if number == 0:
            keys = Checker(schema).order(config.survivor, "dedup.survivor")
        for key in keys:
            if key not in schema.names:
                raise RecipeError(
                    f'no column "{key}" in signals/{path}', "dedup.survivor", nearest(key, schema.names)
                )
        arrived = _passed(store, path, keys)
        arrived = arrived.append_column("dedup_part", pa.array(np.full(len(arrived), number, np.int32)))
        arrived = arrived.append_column("dedup_row", pa.array(np.arange(len(arrived), dtype=np.int32)))
        counts.append(arrived.num_rows)
        database.register("arrived", arrived)
        database.execute(
            "INSERT INTO documents BY NAME FROM arrived"
            if number
            else "CREATE TABLE documents AS FROM arrived"
        )
        database.unregister("arrived")
    if not parts:
        nothing = np.empty(0, np.int32)
        database.execute("CREATE TABLE ranked (dedup_rank INTEGER, dedup_id VARCHAR)")
        return _Documents((), np.empty(0, np.int64), nothing, nothing)
    try:
        database.execute(
            "CREATE TABLE ranked AS SELECT dedup_part, dedup_row, dedup_id, dedup_hash,"
            f" CAST(row_number() OVER (ORDER BY\n{config.survivor}\n, dedup_id) - 1 AS INTEGER) AS dedup_rank"
            " FROM documents"
        )
    except _UNCOMPUTABLE as error:
        fix = "TRY_CAST gives NULL where a value cannot be cast."
        what = f"cannot be computed for every document: {brief(error)}"
        raise RecipeError(what, "dedup.survivor", fix) from error
    database.execute("DROP TABLE documents")
    first = "min(dedup_rank) OVER (PARTITION BY dedup_hash)" if config.exact else "dedup_rank"
    table = database.sql(
        f"SELECT dedup_rank AS rank, {first} AS first FROM ranked ORDER BY dedup_part, dedup_row"
    ).to_arrow_table()
    rank = table["rank"].to_numpy()
    first_by_rank = np.empty_like(rank)
    first_by_rank[rank] = table["first"].to_numpy()
    return _Documents(tuple(parts), np.array(counts, np.int64), rank, first_by_rank)


def _passed(store: Storage, path: str, keys: list[str]) -> pa.Table:
    """Ids, hashes and the columns ``keys`` of the documents of a part that passed the rules."""
    decisions = store.read_table(f"decisions/filter/{path}", ["id", "passed"])
    documents = store.read_table(f"documents/{path}", ["id", "exact_hash"])
    signals = store.read_table(f"signals/{path}", sorted({"id", *keys}))
    if not documents["id"].equals(decisions["id"]) or not documents["id"].equals(signals["id"]):
        raise DataflowError("documents, signals and decisions are not of the same documents", path, _AGAIN)
    table = signals.select(keys).append_column("dedup_id", documents["id"])
    return table.append_column("dedup_hash", documents["exact_hash"]).filter(decisions["passed"])


# 3 and 4: near ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Candidates:
    """Decisions over the documents that share a bucket with another; all by rank."""

    rank: near.Ranks
    first: near.Ranks  # first of the component of verified pairs
    survivor: near.Ranks
    similarity: npt.NDArray[np.float32]


def _near(
    store: Storage, documents: _Documents, config: Near, greedy: bool, folder: Path, memory_limit: int
) -> _Candidates:
    buckets = _buckets(store, documents, config, folder, memory_limit)
    ranks = _side_by_side(len(documents), buckets)
    place = np.empty(len(documents), np.int32)
    place[ranks] = np.arange(len(ranks), dtype=np.int32)
    buckets = near.Buckets(buckets.starts, place[buckets.members])
    signatures = _gather(store, documents, config, place, ranks, folder)
    needed = near.values_needed(config.similarity, config.permutations)
    first = components.alike_components(signatures, buckets, needed)
    if greedy:
        decided = survivors.greedy(signatures, buckets, needed)
    else:
        decided = survivors.first_of_component(signatures, first)
    similarity = (decided.equal / config.permutations).astype(np.float32)
    return _Candidates(ranks, ranks[first], ranks[decided.survivor], similarity)


def _buckets(
    store: Storage, documents: _Documents, config: Near, folder: Path, memory_limit: int
) -> near.Buckets:
    """Buckets of the ranks that share a band, exact duplicates and very short documents left out."""
    files = near.BucketFiles(folder, len(documents), config.bands, memory_limit)
    for ranks, signatures in _signatures(
        store, documents, config, documents.first == np.arange(len(documents))
    ):
        files.add(near.band_keys(signatures, config.bands, config.rows), ranks)
    return near.join(list(files.buckets()))


def _side_by_side(n_documents: int, buckets: near.Buckets) -> near.Ranks:
    """The ranks that are in some bucket, those of a candidate component together and in order."""
    parent = np.arange(n_documents, dtype=np.int32)
    components.candidate_components(parent, buckets)
    ranks = np.unique(buckets.members)
    order: near.Ranks = ranks[np.argsort(components.roots(parent)[ranks], kind="stable")]
    return order


def _gather(
    store: Storage, documents: _Documents, config: Near, place: near.Ranks, ranks: near.Ranks, folder: Path
) -> near.Signatures:
    """The signatures of ``ranks``, in that order, in a file mapped into memory."""
    if not len(ranks):
        return np.empty((0, config.permutations), np.uint64)
    shape = (len(ranks), config.permutations)
    gathered = np.memmap(folder / "signatures", np.uint64, "w+", shape=shape)
    wanted = np.zeros(len(documents), np.bool_)
    wanted[ranks] = True
    for some, signatures in _signatures(store, documents, config, wanted):
        gathered[place[some]] = signatures
    return gathered.view(np.ndarray)


def _signatures(
    store: Storage, documents: _Documents, config: Near, wanted: npt.NDArray[np.bool_]
) -> Iterator[tuple[near.Ranks, near.Signatures]]:
    """Ranks and signatures of the ``wanted`` documents (by rank) that have a shingle, batch by batch."""
    begin = 0
    for (source, part), count in zip(documents.parts, documents.counts, strict=True):
        path = f"{source}/{part}.parquet"
        ranks = documents.rank[begin : begin + count]
        begin += count
        if not wanted[ranks].any():
            continue
        passed = store.read_table(f"decisions/filter/{path}", ["passed"])["passed"].to_numpy()
        n_words = store.read_table(f"signals/{path}", ["n_words"])["n_words"].to_numpy()
        row_rank = np.full(len(passed), -1, np.int32)
        row_rank[passed] = ranks
        chosen = passed & (n_words >= config.shingle)
        chosen[passed] &= wanted[ranks]
        with store.open(f"documents/{path}") as stream:
            start = 0
            for batch in pq.ParquetFile(stream).iter_batches(_BATCH, columns=["signature"]):
                take = chosen[start : start + len(batch)]
                some = row_rank[start : start + len(batch)][take]
                start += len(batch)
                signatures = _as_rows(batch.column(0).filter(pa.array(take)), config, path)
                worded = (signatures != near.EMPTY).any(axis=1)
                yield some[worded], signatures[worded]


def _as_rows(column: pa.Array, config: Near, path: str) -> near.Signatures:
    """Signatures as stored to a row each; an error where they are not of bands x rows values."""
    width = config.permutations * 8
    lengths = pc.unique(pc.fill_null(pc.binary_length(column), 0)).to_pylist()
    if others := [length for length in lengths if length != width]:
        raise DataflowError(
            f"signatures of {others[0] // 8} values, but {config.bands} bands x {config.rows} rows ask for"
            f" {config.permutations}",
            f"documents/{path}",
            _AGAIN,
        )
    fixed = column.cast(pa.binary(width))
    values = np.frombuffer(fixed.buffers()[1], "<u8")[fixed.offset * config.permutations :]
    return values[: len(fixed) * config.permutations].reshape(len(fixed), config.permutations)


# The decisions ---------------------------------------------------------------------------------------------


def _members(
    documents: _Documents, cluster: near.Ranks, survivor: near.Ranks, similarity: npt.NDArray[np.float32]
) -> pa.Table:
    """The members of clusters of two or more, by rank. Arguments are by rank too."""
    sizes = np.bincount(cluster, minlength=len(documents))
    rank = np.flatnonzero(sizes[cluster] > 1).astype(np.int32) if len(documents) else cluster
    # The same text as the survivor: both are stood for by one document, and a survivor stands for itself.
    kind = np.where(documents.first[rank] == survivor[rank], "exact", "near")
    return pa.table(
        {
            "rank": rank,
            "survivor": survivor[rank],
            "cluster": cluster[rank],
            "cluster_size": sizes[cluster[rank]],
            "similarity": similarity[rank],
            "kind": pa.array(kind.tolist(), pa.string()),
        }
    )


def _write(database: duckdb.DuckDBPyConnection, store: Storage, decided: pa.Table) -> None:
    """Ranks become ids; sorted by id, in row groups of a fixed number of rows."""
    database.register("decided", decided)
    reader = database.sql(
        "SELECT own.dedup_id AS id, survivors.dedup_id AS survivor, clusters.dedup_id AS cluster,"
        " cluster_size, similarity, kind, decided.rank <> decided.survivor AS removed, NULL AS earlier, 0 AS levels"
        " FROM decided"
        " JOIN ranked own ON own.dedup_rank = decided.rank"
        " JOIN ranked survivors ON survivors.dedup_rank = decided.survivor"
        " JOIN ranked clusters ON clusters.dedup_rank = decided.cluster ORDER BY own.dedup_id"
    ).to_arrow_reader(_ROW_GROUP)
    with store.parquet_writer(OUTPUT, DEDUP) as writer:
        waiting: list[pa.Table] = []
        for batch in reader:
            waiting.append(pa.Table.from_batches([batch]).cast(DEDUP))
            while sum(len(table) for table in waiting) >= _ROW_GROUP:
                joined = pa.concat_tables(waiting)
                writer.write_table(joined.slice(0, _ROW_GROUP).combine_chunks(), row_group_size=_ROW_GROUP)
                waiting = [joined.slice(_ROW_GROUP)]
        rest = pa.concat_tables([DEDUP.empty_table(), *waiting])
        if len(rest):
            writer.write_table(rest.combine_chunks(), row_group_size=_ROW_GROUP)
    database.unregister("decided")

"""The corpus written in plan order: texts are read once a shard of documents and sorted in bounded memory.

A shuffle in two maps. ``scatter`` takes one shard of documents apart into what each corpus part needs of
it, ``gather`` puts one corpus part together from every shard. A step holds a few copies of one shard or one
corpus part, both some 64 MB of text; the price is that kept text is once more on disk until the flow prunes it. Both
may run in any order on any number of workers: the bytes of a corpus part follow from the plan, the documents and
what was decided to cut from them.
"""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.errors import DataflowError
from dataflow.mixture.candidates import DocumentPart
from dataflow.mixture.config import VALIDATION
from dataflow.mixture.draw import Integers
from dataflow.mixture.tree import planned
from dataflow.store.documents import CORPUS
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage
from dataflow.transforms.applied import applied_cuts
from dataflow.transforms.cut import bytes_cut, cut_texts

VERSION = 1
"""Raise when the bytes of the corpus change."""

ROW_GROUP_BYTES = 4_000_000
"""Bytes of text in a row group of the corpus: what a reader holds at once."""

_ROWS_AT_ONCE = 512
_SCATTERED = pa.schema(
    {
        "id": pa.string(),
        "text": pa.large_string(),
        "n_bytes": pa.int64(),
        "position": pa.int64(),
        "epoch": pa.int32(),
    }
)
_AGAIN = "Run `dataflow mix` again."


def corpus_parts(store: Storage) -> list[tuple[str, int]]:
    """Every corpus part that the plan asks for, as (phase, index): the phases in order, then validation."""
    parts = []
    for phase in [*dict.fromkeys(branch.phase for branch in planned(store)), VALIDATION]:
        with store.open(f"plan/{phase}.parquet") as stream:
            n_parts = pq.read_metadata(stream).num_row_groups
        parts += [(phase, index) for index in range(n_parts)]
    return parts


def scatter(store: Storage, source: str, part: str) -> Made:
    """``documents/<source>/<part>.parquet`` taken apart by corpus part: ``plan/scatter/<source>/<part>.arrow``.

    One record batch for each corpus part that takes rows from here; the schema's metadata names them. Texts come
    without the passages that were cut from them.
    """
    with store.open(f"plan/routes/{source}/{part}.arrow") as stream:
        route = pa.ipc.open_file(stream).read_all()
    phases = route.schema.metadata[b"phases"].decode().split(",")
    rows = route["row"].to_numpy()
    documents = _read_rows(store, f"documents/{source}/{part}.parquet", np.unique(rows))
    documents = _without_cuts(store, source, part, documents)
    places = np.searchsorted(np.unique(rows), rows)
    targets = np.stack([route["phase"].to_numpy(), route["part"].to_numpy()], axis=1)
    changes = (targets[1:] != targets[:-1]).any(axis=1)
    starts = np.flatnonzero(np.r_[np.full(min(1, len(rows)), True), changes])
    names = [[phases[targets[start][0]], int(targets[start][1])] for start in starts]
    schema = _SCATTERED.with_metadata({"parts": json.dumps(names)})
    path = f"plan/scatter/{source}/{part}.arrow"
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with store.create(path) as stream, pa.ipc.new_file(stream, schema, options=options) as writer:
        for start, end in zip(starts, np.r_[starts, len(rows)][1:], strict=True):
            table = documents.take(pa.array(places[start:end]))
            table = table.append_column("position", route["position"].slice(start, end - start))
            table = table.append_column("epoch", route["epoch"].slice(start, end - start))
            [batch] = table.cast(_SCATTERED).combine_chunks().to_batches()
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    return Made((path,), {"documents": len(rows), "bytes": _sum(documents["n_bytes"].take(pa.array(places)))})


def gather(store: Storage, phase: str, index: int, parts: Sequence[DocumentPart]) -> Made:
    """``corpus/<phase>/part-<index>.parquet`` from the scatter files of ``parts``, all (source, shard)."""
    with store.open(f"plan/{phase}.parquet") as stream:
        plan = pq.ParquetFile(stream).read_row_group(index)
    found = pa.concat_tables(_read_scattered(store, *part, phase, index) for part in sorted(parts))
    found = found.take(pc.sort_indices(found, [("position", "ascending")])).combine_chunks()
    _check_complete(plan, found, f"corpus/{phase}, part {index}")
    corpus = found.append_column("phase", pa.repeat(phase, len(found))).select(CORPUS.names).cast(CORPUS)
    path = f"corpus/{phase}/part-{index:05}.parquet"
    n_bytes = corpus["n_bytes"].to_numpy()
    groups = (np.cumsum(n_bytes) - n_bytes) // ROW_GROUP_BYTES
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    with store.parquet_writer(path, CORPUS) as writer:
        for start, end in zip(starts, np.r_[starts, len(corpus)][1:], strict=True):
            writer.write_table(corpus.slice(start, end - start), row_group_size=int(end - start))
    return Made((path,), _counts(plan))


def _read_rows(store: Storage, path: str, rows: Integers) -> pa.Table:
    """Id, text and size of the given rows (ascending), read batch by batch."""
    schema = pa.schema([_SCATTERED.field(name) for name in ("id", "text", "n_bytes")])
    kept, first = [], 0
    with store.open(path) as stream:
        file = pq.ParquetFile(stream)
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=schema.names):
            low, high = np.searchsorted(rows, [first, first + len(batch)])
            if low < high:
                kept.append(batch.take(pa.array(rows[low:high] - first)))
            first += len(batch)
    if len(rows) and rows[-1] >= first:
        raise DataflowError(f"the plan asks for row {rows[-1]} of {first}", path, _AGAIN)
    return (
        pa.Table.from_batches(kept, kept[0].schema if kept else schema).select(schema.names).combine_chunks()
    )


def _without_cuts(store: Storage, source: str, part: str, documents: pa.Table) -> pa.Table:
    """The documents as they stand in the corpus."""
    spans = applied_cuts(store, source, part, documents["id"])
    if not len(spans.rows):
        return documents
    text = documents["text"].combine_chunks()
    left = cut_texts(text, *spans, where=f"decisions/cuts/{source}/{part}.parquet")
    n_bytes = documents["n_bytes"].to_numpy() - bytes_cut(*spans, len(documents))
    return pa.table({"id": documents["id"], "text": left, "n_bytes": n_bytes})


def _read_scattered(store: Storage, source: str, part: str, phase: str, index: int) -> pa.Table:
    """What a shard gives to a corpus part, which may be nothing."""
    path = f"plan/scatter/{source}/{part}.arrow"
    if not store.exists(path):
        raise DataflowError("the shard has not been scattered", path, _AGAIN)
    with store.open(path) as stream:
        file = pa.ipc.open_file(stream)
        names = json.loads(file.schema.metadata[b"parts"])
        batches = [file.get_batch(names.index([phase, index]))] if [phase, index] in names else []
        table = pa.Table.from_batches(batches, file.schema).replace_schema_metadata(None)
    return table.append_column("source", pa.repeat(source, len(table)))


def _check_complete(plan: pa.Table, found: pa.Table, where: str) -> None:
    """A DataflowError unless the rows found are those planned, one for one."""
    if all(
        found[name].combine_chunks().equals(plan[name].combine_chunks())
        for name in ("id", "position", "n_bytes")
    ):
        return
    missing = pc.filter(plan["position"], pc.invert(pc.is_in(plan["position"], found["position"])))
    if len(missing):
        row = pc.index(plan["position"], missing[0]).as_py()
        what = f"{len(missing)} planned documents were not found, the first {plan['id'][row].as_py()}"
    else:
        what = "the documents found are not those planned: documents, cuts or plan have changed since"
    raise DataflowError(what, where, _AGAIN)


def _counts(plan: pa.Table) -> dict[str, int]:
    """Documents, bytes and, where exact, tokens: in all and by source."""
    counts = {"documents": len(plan), "bytes": _sum(plan["n_bytes"])}
    exact = plan["n_tokens"].null_count == 0
    if exact:
        counts["tokens"] = _sum(plan["n_tokens"])
    for source in sorted(plan["source"].unique().to_pylist()):
        mine = plan.filter(pc.equal(plan["source"], source))
        counts[f"documents:{source}"] = len(mine)
        counts[f"bytes:{source}"] = _sum(mine["n_bytes"])
        if exact:
            counts[f"tokens:{source}"] = _sum(mine["n_tokens"])
    return counts


def _sum(column: pa.ChunkedArray) -> int:
    return int(pc.sum(column, min_count=0).as_py())

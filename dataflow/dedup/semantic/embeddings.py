"""A vector for each document that stands: from a model2vec model, or brought by the user.

Vectors are of unit length, so that their inner product is the cosine. A document without one (an empty text, a
vector of zeros) means nothing that could be compared, and is left out.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.dedup.config import Semantic
from dataflow.errors import DataflowError, RecipeError
from dataflow.store.manifest import Made
from dataflow.store.standing import standing
from dataflow.store.storage import Storage

VERSION = 1
"""Raise when the vectors of the same documents change."""

Vectors = npt.NDArray[np.float32]
"""One row a document, one column a dimension, each row of length 1."""

_TEXTS = 2_048  # embedded at a time


def vectors_schema(dimensions: int) -> pa.Schema:
    """Rank and vector of each document."""
    return pa.schema({"rank": pa.int64(), "vector": pa.list_(pa.float32(), dimensions)})


def vectors_path(source: str, shard: str) -> str:
    """Where the vectors of a shard lie."""
    return f"dedup/semantic/vectors/{source}/{shard}.arrow"


def embed(store: Storage, source: str, shard: str, config: Semantic) -> Made:
    """``dedup/semantic/vectors/<source>/<shard>.arrow``: the documents that stand after ``dedup``, in rows' order.

    Counts: ``documents`` that have a vector.
    """
    part = f"{source}/{shard}.parquet"
    stands = standing(store, source, shard, after="dedup")
    ranks = store.read_table(f"dedup/ranks/{part}", ["rank"])["rank"].to_numpy()
    batches = _embedded(store, part, config.model) if config.model else _brought(store, part, config)
    path = vectors_path(source, shard)
    count, first = 0, 0
    with store.create(path) as stream:
        writer = None
        for vectors in batches:
            some = slice(first, first + len(vectors))
            first += len(vectors)
            length = np.linalg.norm(vectors, axis=1)
            chosen = np.flatnonzero(stands[some] & (length > 0))
            units = (vectors[chosen] / length[chosen, None]).astype(np.float32)
            if writer is None:
                writer = pa.ipc.new_file(stream, vectors_schema(vectors.shape[1]))
            writer.write_batch(as_batch(ranks[some][chosen], units))
            count += len(chosen)
        if writer is None:
            writer = pa.ipc.new_file(stream, vectors_schema(1))
        writer.close()
    return Made((path,), {"documents": count})


def read_vectors(store: Storage, path: str) -> tuple[npt.NDArray[np.int64], Vectors]:
    """Ranks and vectors of a file that ``embed`` wrote."""
    with store.open(path) as stream:
        return as_arrays(pa.ipc.open_file(stream).read_all())


def as_arrays(table: pa.Table) -> tuple[npt.NDArray[np.int64], Vectors]:
    """Ranks and vectors of rows of ``vectors_schema``."""
    dimensions = table.schema.field("vector").type.list_size
    flat = pc.list_flatten(table["vector"]).to_numpy()
    return table["rank"].to_numpy(), flat.reshape(len(table), dimensions)


def as_batch(ranks: npt.NDArray[np.int64], vectors: Vectors) -> pa.RecordBatch:
    """The same arrays as a batch of ``vectors_schema``."""
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    return pa.record_batch([pa.array(ranks), column], schema=vectors_schema(vectors.shape[1]))


def _embedded(store: Storage, part: str, model: str) -> Iterator[npt.NDArray[Any]]:
    """Vectors of every row by the model, a batch of texts at a time."""
    encoder = load_model(model)
    with store.open(f"documents/{part}") as stream:
        for batch in pq.ParquetFile(stream).iter_batches(_TEXTS, columns=["text"]):
            texts = pc.fill_null(batch.column(0), "").to_pylist()
            yield np.asarray(encoder.encode(texts, use_multiprocessing=False))


def _brought(store: Storage, part: str, config: Semantic) -> Iterator[npt.NDArray[Any]]:
    """Vectors of every row from the user's file; rows that it leaves out have zeros."""
    ids = store.read_table(f"documents/{part}", ["id"])["id"]
    brought = Storage(config.embeddings)
    where = brought.path(part)
    if not brought.exists(part):
        fix = "For each file of documents/ the folder holds one of the same name; it may be without rows."
        raise DataflowError("there are no embeddings for a part of the documents", where, fix)
    with brought.open(part) as stream:
        names = pq.read_schema(stream).names
    if missing := [name for name in ("id", "embedding") if name not in names]:
        raise DataflowError(
            f'there is no column "{missing[0]}"', where, f"Columns found: {', '.join(names)}."
        )
    table = brought.read_table(part, ["id", "embedding"])
    table = table.filter(pc.is_valid(table["embedding"]))
    lengths = pc.unique(pc.list_value_length(table["embedding"])).to_pylist()
    if len(lengths) > 1:
        shown = ", ".join(map(str, lengths[:5]))
        raise DataflowError(f"embeddings of several lengths: {shown}", where, "All need the same length.")
    place = pc.index_in(ids.cast(pa.string()), value_set=table["id"].cast(pa.string()).combine_chunks())
    flat = pc.list_flatten(table["embedding"]).cast(pa.float32()).to_numpy()
    if not np.isfinite(flat).all():
        row = table["id"][int(np.flatnonzero(~np.isfinite(flat))[0]) // lengths[0]].as_py()
        raise DataflowError("an embedding has values that are not finite", f"{where}, {row}", "Leave it out.")
    given = flat.reshape(len(table), lengths[0] if lengths else 1)
    vectors = np.zeros((len(ids), given.shape[1]), np.float32)
    known = pc.is_valid(place).to_numpy()
    vectors[known] = given[place.drop_null().to_numpy()]
    yield vectors


@cache
def load_model(name: str) -> Any:
    """The model2vec model of a folder or a name on Hugging Face; a RecipeError where it cannot be had."""
    try:
        from model2vec import StaticModel
    except ImportError as error:
        what = "semantic deduplication needs the package semhash, which is not installed"
        raise RecipeError(what, "dedup.semantic", 'pip install "dataflow-corpus[semantic]"') from error
    try:
        return StaticModel.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        fix = "Give the folder of a model2vec model, or a name that can be downloaded from Hugging Face."
        raise RecipeError(f"the model cannot be loaded: {reason}", "dedup.semantic.model", fix) from error

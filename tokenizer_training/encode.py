"""Corpus parts and conversations as token shards: what the trainer reads.

A document is its text's tokens and ``<|endoftext|>``. A conversation is its ChatML rendering, with the spans
whose loss counts. Batches of about a megabyte bound the memory; ids go as flat arrays to Arrow, since Python
lists of integers cost more than the encoding itself. Row groups hold two million tokens, so that a reader
can shuffle and skip by row group. ``n_bytes`` are the bytes that the trained tokens spell (a document's
text, or the assistant's contents), which makes loss / n_bytes the bits per byte.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.store.documents import tokens_schema
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage
from tokenizer_training import chat
from tokenizer_training.load import Ids, Loaded, load

VERSION = 1
"""Raise when the bytes of a token shard made from the same text change."""

SCHEMA_VERSION = "1"
BATCH_BYTES = 1_000_000
ROW_GROUP_TOKENS = 2_000_000
_ROWS_READ = 4_096


def encode_corpus_part(store: Storage, rel_in: str, rel_out: str) -> Made:
    """A part of ``corpus/`` as a part of ``tokens/``, rows in the same order.

    Args:
        store: the output folder; its ``tokenizer/`` is used.
        rel_in: ``corpus/<phase>/part-N.parquet``.
        rel_out: ``tokens/<phase>/part-N.parquet``.
    """
    return write_documents(
        store, rel_out, load(store), _batches(store, rel_in, ["id", "source", "text", "n_bytes"])
    )


def write_documents(
    store: Storage, rel_out: str, tokenizer: Loaded, batches: Iterator[pa.RecordBatch]
) -> Made:
    """Batches with the columns ``id``, ``source``, ``text`` and ``n_bytes`` as a token shard."""
    schema = tokens_schema(tokenizer.wide, spans=False)
    return _write(store, rel_out, schema, tokenizer, _encoded_documents(batches, tokenizer))


def encode_instructions_part(store: Storage, rel_in: str, rel_out: str) -> Made:
    """A part of ``instructions/corpus/`` as tokens with ``loss_spans``, rows in the same order.

    A conversation in which the assistant says nothing has nothing to learn from: it is left out, and counted
    as ``without_assistant``.

    Args:
        store: the output folder; its ``tokenizer/`` is used.
        rel_in: ``instructions/corpus/<split>/part-N.parquet``.
        rel_out: ``instructions/tokens/<split>/part-N.parquet``.
    """
    tokenizer = load(store)
    schema = tokens_schema(tokenizer.wide, spans=True)
    return _write(store, rel_out, schema, tokenizer, _encoded_conversations(store, rel_in, tokenizer))


@dataclass(frozen=True)
class _Rows:
    """Encoded rows on their way to a row group."""

    table: pa.Table
    n_tokens: int
    n_trained: int
    left_out: int = 0


def _write(store: Storage, rel_out: str, schema: pa.Schema, tokenizer: Loaded, rows: Iterator[_Rows]) -> Made:
    metadata = {
        "tokenizer_sha256": tokenizer.sha256,
        "special_ids": json.dumps(tokenizer.special_ids, sort_keys=True),
        "schema_version": SCHEMA_VERSION,
        "vocab_size": str(tokenizer.vocab_size),
    }
    counts = {"documents": 0, "tokens": 0, "bytes": 0, "trained_tokens": 0, "without_assistant": 0}
    waiting: list[pa.Table] = []
    n_waiting = 0
    with store.parquet_writer(rel_out, schema, metadata) as writer:
        for one in rows:
            counts["documents"] += one.table.num_rows
            counts["tokens"] += one.n_tokens
            counts["trained_tokens"] += one.n_trained
            counts["bytes"] += int(pc.sum(one.table["n_bytes"]).as_py() or 0)
            counts["without_assistant"] += one.left_out
            waiting.append(one.table)
            n_waiting += one.n_tokens
            if n_waiting >= ROW_GROUP_TOKENS:
                _write_row_group(writer, waiting, schema)
                waiting, n_waiting = [], 0
        _write_row_group(writer, waiting, schema)
    return Made((rel_out,), counts)


def _write_row_group(writer: pq.ParquetWriter, tables: list[pa.Table], schema: pa.Schema) -> None:
    """All of ``tables`` as one row group; nothing where there are no rows."""
    table = pa.concat_tables(tables).combine_chunks() if tables else None
    if table is None or table.num_rows == 0:
        return
    sources = table["source"].combine_chunks().dictionary_encode()
    table = table.set_column(table.schema.get_field_index("source"), "source", sources).cast(schema)
    writer.write_table(table, row_group_size=table.num_rows)


def _encoded_documents(batches: Iterator[pa.RecordBatch], tokenizer: Loaded) -> Iterator[_Rows]:
    end = np.array([tokenizer.end_of_text], dtype=np.uint32)
    for batch in batches:
        ids = tokenizer.encode(batch["text"].to_pylist())
        tokens, n_tokens = _tokens([piece for one in ids for piece in (one, end)], 2, tokenizer)
        columns = {
            "id": batch["id"],
            "source": batch["source"],
            "tokens": tokens,
            "n_bytes": batch["n_bytes"].cast(pa.int32()),
        }
        yield _Rows(pa.table(columns), n_tokens, n_tokens)


def _encoded_conversations(store: Storage, rel_in: str, tokenizer: Loaded) -> Iterator[_Rows]:
    for batch in _batches(store, rel_in, ["id", "source", "messages", "n_bytes"]):
        conversations = batch["messages"].to_pylist()
        encoded = chat.encode(tokenizer, conversations)
        kept = [n for n, one in enumerate(encoded) if one.spans]
        rows = [encoded[n] for n in kept]
        tokens, n_tokens = _tokens([one.ids for one in rows], 1, tokenizer)
        spans = [[{"start": start, "end": end} for start, end in one.spans] for one in rows]
        columns = {
            "id": batch["id"].take(pa.array(kept, pa.int64())),
            "source": batch["source"].take(pa.array(kept, pa.int64())),
            "tokens": tokens,
            "n_bytes": pa.array([_trained_bytes(conversations[n]) for n in kept], pa.int32()),
            "loss_spans": pa.array(spans, pa.list_(pa.struct({"start": pa.int32(), "end": pa.int32()}))),
        }
        n_trained = sum(end - start for one in rows for start, end in one.spans)
        yield _Rows(pa.table(columns), n_tokens, n_trained, len(encoded) - len(kept))


def _trained_bytes(messages: list[chat.Message]) -> int:
    return sum(len(m["content"].encode()) for m in messages if m["role"] == chat.ASSISTANT)


def _tokens(pieces: list[Ids], pieces_a_row: int, tokenizer: Loaded) -> tuple[pa.ListArray, int]:
    """Rows of ids, each of so many consecutive pieces, as one Arrow list array; and the number of ids."""
    kind = np.uint32 if tokenizer.wide else np.uint16
    ends = np.cumsum([0, *map(len, pieces)], dtype=np.int64)[::pieces_a_row]
    flat = np.concatenate(pieces).astype(kind) if pieces else np.zeros(0, kind)
    return pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), pa.array(flat)), len(flat)


def _batches(store: Storage, rel: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows of a part in their order, about ``BATCH_BYTES`` of text at a time."""
    with store.open(rel) as stream:
        for read in pq.ParquetFile(stream).iter_batches(batch_size=_ROWS_READ, columns=columns):
            ends = np.cumsum(read["n_bytes"].to_numpy(zero_copy_only=False))
            start = 0
            while start < read.num_rows:
                before = int(ends[start - 1]) if start else 0
                stop = max(start + 1, int(np.searchsorted(ends, before + BATCH_BYTES, side="right")))
                yield read.slice(start, stop - start)
                start = stop

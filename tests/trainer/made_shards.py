"""Token shards made by hand."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from dataflow.store.documents import tokens_schema
from dataflow.store.storage import Storage
from tokenizer_training.load import Loaded

TEXT = "the a cat dog sat ran on under mat tree and then it was big small red blue said"


def write_shards(
    folder: Path,
    documents: list[list[int]],
    tokenizer: Loaded,
    sources: list[str] | None = None,
    spans: list[list[tuple[int, int]]] | None = None,
    row_group_size: int = 7,
) -> Path:
    """A folder with one part of token shards."""
    columns = {
        "id": [f"s/x#{n}" for n in range(len(documents))],
        "source": pa.array(sources or ["s"] * len(documents)).dictionary_encode(),
        "tokens": documents,
        "n_bytes": [3 * len(document) for document in documents],
    }
    if spans is not None:
        columns["loss_spans"] = [[{"start": s, "end": e} for s, e in row] for row in spans]
    metadata = {
        "tokenizer_sha256": tokenizer.sha256,
        "special_ids": json.dumps(tokenizer.special_ids),
        "schema_version": "1",
        "vocab_size": str(tokenizer.vocab_size),
    }
    schema = tokens_schema(wide=False, spans=spans is not None)
    table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
    with Storage(str(folder)).parquet_writer("part-00000.parquet", schema, metadata) as writer:
        writer.write_table(table, row_group_size=row_group_size)
    return folder


def sentence(random: np.random.Generator, words: int) -> str:
    return " ".join(random.choice(TEXT.split(), words).tolist())

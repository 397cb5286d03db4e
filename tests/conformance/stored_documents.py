"""Documents of cases, stored as curate and filter store theirs."""

import numpy as np
import pyarrow as pa

from dataflow.dedup.config import Dedup, Near
from dataflow.dedup.exact import exact_hashes
from dataflow.dedup.parts import DedupPart
from dataflow.kernels.signatures import sign
from dataflow.store.storage import Storage


def write_documents(store: Storage, shard: str, documents: list[dict], config: Dedup) -> DedupPart:
    """A shard of documents (``id``, perhaps ``text`` and ``url``) that all passed; texts left out are all different."""
    near = config.near or Near()
    texts = pa.array([one.get("text", f"text {one['id']}") for one in documents], pa.large_string())
    ids = pa.array([str(one["id"]) for one in documents], pa.string())
    signatures = sign(texts, near.permutations, near.shingle, near.unit)
    stored = {
        "id": ids,
        "text": texts,
        "url": pa.array([one.get("url") for one in documents], pa.string()),
        "exact_hash": exact_hashes(texts),
        "signature": pa.array([row.tobytes() for row in signatures], pa.binary()),
    }
    store.write_table(f"documents/s/{shard}.parquet", pa.table(stored))
    counted = {
        "n_words": [len(t.split()) for t in texts.to_pylist()],
        "n_characters": map(len, texts.to_pylist()),
    }
    signals = {"id": ids, **{name: pa.array(list(values), pa.int64()) for name, values in counted.items()}}
    store.write_table(f"signals/s/{shard}.parquet", pa.table(signals))
    passed = pa.table({"id": ids, "passed": np.ones(len(ids), np.bool_)})
    store.write_table(f"decisions/filter/s/{shard}.parquet", passed)
    return DedupPart("s", shard)

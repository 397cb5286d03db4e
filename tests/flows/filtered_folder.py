"""An output folder as curate and filter leave it, made without them: documents with planted duplicates, no text."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from dataflow.store.documents import DOCUMENTS, FILTER, SIGNALS
from dataflow.store.manifest import Made, Part, ensure
from dataflow.store.storage import Storage

SOURCES, SHARDS, ROWS = ("one", "two", "three"), ("a", "b", "c", "d"), 150
_PERMUTATIONS = 112


def write_filtered_folder(folder: Path) -> Path:
    """Write ``folder/out`` and the recipe ``folder/recipe.yaml``; returns the recipe's path."""
    random = np.random.default_rng(11)
    texts = random.integers(0, 2**62, (400, 2))
    signatures = random.integers(0, 2**64, (400, _PERMUTATIONS), dtype=np.uint64)
    for number in range(200, 400):  # like one of the first 200, to some degree
        same = random.random(_PERMUTATIONS) < random.uniform(0.6, 1)
        signatures[number, same] = signatures[random.integers(0, 200), same]
    store = Storage(str(folder / "out"))
    for source in SOURCES:
        for shard in SHARDS:
            chosen = random.integers(0, 400, ROWS)
            passed = random.random(ROWS) < 0.9
            _write_shard(store, source, shard, texts[chosen], signatures[chosen], passed, random)
    recipe = folder / "recipe.yaml"
    sources = [{"name": name, "path": str(folder / "gone")} for name in SOURCES]
    recipe.write_text(yaml.safe_dump({"sources": sources, "dedup": {"index": True}}))
    return recipe


def _write_shard(
    store: Storage,
    source: str,
    shard: str,
    texts: np.ndarray,
    signatures: np.ndarray,
    passed: np.ndarray,
    random: np.random.Generator,
) -> None:
    path = f"{source}/{shard}.parquet"
    columns = {
        "id": [f"{source}/{shard}.jsonl#{row}" for row in range(ROWS)],
        "source": [source] * ROWS,
        "text": [""] * ROWS,
        "n_bytes": random.integers(1, 40, ROWS) * 100,
        "bytes_in": [100] * ROWS,
        "exact_hash": [row.tobytes() for row in texts],
        "signature": [row.tobytes() for row in signatures],
        "kind": ["prose"] * ROWS,
    }

    def table(schema: pa.Schema) -> pa.Table:
        arrays = {
            field.name: pa.array(columns[field.name], field.type)
            if field.name in columns
            else pa.nulls(ROWS, field.type)
            for field in schema
        }
        return pa.table(arrays, schema=schema)

    def curate() -> Made:
        store.write_table(f"documents/{path}", table(DOCUMENTS))
        signals = table(SIGNALS).append_column("n_words", pa.array([100] * ROWS, pa.int64()))
        store.write_table(f"signals/{path}", signals)
        return Made((f"documents/{path}", f"signals/{path}"), {"records": ROWS, "documents": ROWS})

    def filter_() -> Made:
        reasons = [[] if each else ["short"] for each in passed]
        decisions = {"id": columns["id"], "passed": passed, "reasons": reasons}
        store.write_table(f"decisions/filter/{path}", pa.table(decisions, schema=FILTER))
        return Made((f"decisions/filter/{path}",), {"documents": ROWS, "passed": int(passed.sum())})

    ensure(store, Part("curate", f"{source}/{shard}", 1, {}, {}), curate)
    ensure(store, Part("filter", f"{source}/{shard}", 1, {}, {}), filter_)

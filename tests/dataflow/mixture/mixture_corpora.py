"""A small synthetic store: signals, decisions and documents of a few sources, written as the steps would."""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from dataflow.store.documents import CONTAMINATION, DEDUP, DOCUMENTS, FILTER
from dataflow.store.storage import Storage


@dataclass
class Corpus:
    """Sources are lists of shards, a shard a list of rows of signals (n_bytes and whatever a test needs)."""

    shards: dict[str, list[list[dict[str, object]]]]
    dropped: set[str] = field(default_factory=set)
    clusters: list[list[list[str]]] = field(
        default_factory=list
    )  # a cluster: survivors each with its duplicates
    contaminated: set[str] = field(default_factory=set)

    def write(self, folder: Path) -> tuple[Storage, list[tuple[str, str]]]:
        store = Storage(str(folder))
        parts = []
        for source, shards in self.shards.items():
            for number, rows in enumerate(shards):
                part = f"shard-{number}"
                parts.append((source, part))
                ids = [f"{source}/{part}#{row}" for row in range(len(rows))]
                self._write_part(store, f"{source}/{part}.parquet", source, ids, rows)
        if self.clusters:
            store.write_table("decisions/dedup/part-00000.parquet", self._duplicates())
        if self.contaminated:
            rows = [
                {"id": each, "set": "s", "item": "i", "overlap": 1.0, "action": "drop"}
                for each in sorted(self.contaminated)
            ]
            table = pa.Table.from_pylist(rows, CONTAMINATION)
            store.write_table("decisions/contamination/part-00000.parquet", table)
        return store, parts

    def _write_part(self, store, path, source, ids, rows):  # type: ignore[no-untyped-def]
        signals = [{"id": id_, "source": source, **row} for id_, row in zip(ids, rows, strict=True)]
        types = {"id": pa.string(), "source": pa.string(), "n_bytes": pa.int64()}
        types |= {"quality": pa.float32()} if rows and "quality" in rows[0] else {}
        types |= {"n_tokens": pa.int64()} if rows and "n_tokens" in rows[0] else {}
        store.write_table(f"signals/{path}", pa.Table.from_pylist(signals, pa.schema(types)))
        decisions = [{"id": id_, "passed": id_ not in self.dropped, "reasons": []} for id_ in ids]
        store.write_table(f"decisions/filter/{path}", pa.Table.from_pylist(decisions, FILTER))
        documents = [
            {
                "id": id_,
                "source": source,
                "text": text_of(id_, int(str(row["n_bytes"]))),
                "n_bytes": row["n_bytes"],
            }
            for id_, row in zip(ids, rows, strict=True)
        ]
        store.write_table(f"documents/{path}", pa.Table.from_pylist(documents, DOCUMENTS))

    def _duplicates(self) -> pa.Table:
        rows = []
        for cluster in self.clusters:
            size = sum(len(members) for members in cluster)
            for members in cluster:
                for member in members:
                    row = {
                        "id": member,
                        "survivor": members[0],
                        "cluster": cluster[0][0],
                        "cluster_size": size,
                    }
                    gone = member != members[0]
                    rows.append({**row, "similarity": 1.0, "kind": "near", "removed": gone})
        return pa.Table.from_pylist(sorted(rows, key=lambda row: row["id"]), DEDUP)


def text_of(id_: str, n_bytes: int) -> str:
    """A text of just so many bytes that tells which document it is of."""
    return (f"{id_} " * (n_bytes // (len(id_) + 1) + 1))[:n_bytes]


def rows(*sizes: int, **signals: list[object]) -> list[dict[str, object]]:
    """Rows of signals from columns."""
    return [
        {"n_bytes": size, **{name: values[number] for name, values in signals.items()}}
        for number, size in enumerate(sizes)
    ]

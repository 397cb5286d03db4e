"""A small synthetic store: signals, decisions and documents of a few sources, written as the steps would."""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from dataflow.store.documents import CONTAMINATION, CUTS, DEDUP, DOCUMENTS, FILTER
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
    removes: bool = True  # or duplicates are only annotated
    meanings: list[list[list[str]]] = field(default_factory=list)  # clusters by meaning
    cuts: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # start and length, by id
    cut_away: set[str] = field(default_factory=set)  # of them, those with too little left
    hits: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # cut by decontamination

    def write(self, folder: Path) -> tuple[Storage, list[tuple[str, str]]]:
        store = Storage(str(folder))
        parts = []
        for source, shards in self.shards.items():
            for number, rows in enumerate(shards):
                part = f"shard-{number}"
                parts.append((source, part))
                ids = [f"{source}/{part}#{row}" for row in range(len(rows))]
                self._write_part(store, f"{source}/{part}.parquet", source, ids, rows)
        cut = [
            {"id": name, "spans": _spans(cut), "removed": name in self.cut_away, "applied": self.removes}
            for name, cut in self.cuts.items()
        ]
        hits = [{"id": name, "action": "drop"} for name in self.contaminated]
        hits += [{"id": name, "action": "cut", "spans": _spans(cut)} for name, cut in self.hits.items()]
        self._decide(store, "dedup", self._duplicates(self.clusters), DEDUP)
        self._decide(store, "semantic", self._duplicates(self.meanings), DEDUP)
        self._decide(store, "cuts", cut, CUTS)
        self._decide(store, "contamination", hits, CONTAMINATION)
        return store, parts

    def _decide(self, store: Storage, step: str, rows: list[dict[str, object]], schema: pa.Schema) -> None:
        """A part of decisions for each part of documents that something was decided of."""
        for part in sorted({str(row["id"]).split("#")[0] for row in rows}):
            mine = [row for row in rows if str(row["id"]).split("#")[0] == part]
            mine.sort(key=lambda row: int(str(row["id"]).split("#")[1]))
            store.write_table(f"decisions/{step}/{part}.parquet", pa.Table.from_pylist(mine, schema))

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

    def _duplicates(self, clusters: list[list[list[str]]]) -> list[dict[str, object]]:
        return [
            {
                "id": member,
                "survivor": members[0],
                "cluster": cluster[0][0],
                "cluster_size": sum(len(members) for members in cluster),
                "similarity": 1.0,
                "kind": "near",
                "removed": self.removes and member != members[0],
            }
            for cluster in clusters
            for members in cluster
            for member in members
        ]


def _spans(cut: list[tuple[int, int]]) -> list[dict[str, object]]:
    return [{"start": start, "length": length, "kind": "line"} for start, length in cut]


def text_of(id_: str, n_bytes: int) -> str:
    """A text of just so many bytes that tells which document it is of."""
    return (f"{id_} " * (n_bytes // (len(id_) + 1) + 1))[:n_bytes]


def rows(*sizes: int, **signals: list[object]) -> list[dict[str, object]]:
    """Rows of signals from columns."""
    return [
        {"n_bytes": size, **{name: values[number] for name, values in signals.items()}}
        for number, size in enumerate(sizes)
    ]

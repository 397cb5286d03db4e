"""Parts as curate, filter and the ranking leave them, and the rounds of near-duplicates on them one after another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dataflow.dedup.config import Near
from dataflow.dedup.near import bands, candidates, gather, join, verify
from dataflow.dedup.near.verify import VERIFIED
from dataflow.dedup.parts import RANKS, DedupPart
from dataflow.store.storage import Storage


@dataclass(frozen=True)
class Signed:
    """Documents by rank; the first ``n_earlier`` are of an earlier corpus."""

    signatures: np.ndarray
    n_earlier: int = 0
    texts: Sequence[str] | None = None


def write_parts(store: Storage, documents: Signed, part_of: np.ndarray) -> list[DedupPart]:
    """Own parts with the documents that ``part_of`` gives each, shuffled, and rows that take no part between them."""
    parts = []
    n = len(documents.signatures)
    for number in np.unique(part_of[documents.n_earlier :]).tolist():
        ranks = np.flatnonzero((part_of == number) & (np.arange(n) >= documents.n_earlier))
        ranks = np.random.default_rng(number).permutation(np.append(ranks, -1))
        part = DedupPart("s", f"{number:03d}")
        parts.append(part)
        kept = ranks >= 0
        rows = {
            "id": pa.array([f"{rank}" for rank in ranks]),
            "signature": pa.array([documents.signatures[rank].tobytes() for rank in ranks], pa.binary()),
        }
        if documents.texts is not None:
            rows["text"] = pa.array([documents.texts[rank] for rank in ranks], pa.large_string())
        store.write_table(part.table, pa.table(rows))
        long = np.full(len(ranks), 100)
        store.write_table(f"signals/{part.name}.parquet", pa.table({"n_words": long, "n_characters": long}))
        columns = {"rank": ranks, "first": ranks, "kind": pa.nulls(len(ranks), pa.string())}
        store.write_table(f"decisions/filter/{part.name}.parquet", pa.table({"passed": kept}))
        store.write_table(part.ranks, pa.table(columns, schema=RANKS))
    return parts


def run_rounds(
    store: Storage,
    parts: list[DedupPart],
    near: Near,
    n_documents: int,
    n_partitions: int = 1,
    largest: int = 1_000_000,
    least: int = 1_000_000,
    memory_limit: int = 1_000_000_000,
    greedy: bool = True,
) -> tuple[pa.Table, dict[str, int]]:
    """``dedup/verified`` of all groups by rank, and the counts of the last round."""
    for part in parts:
        bands.write_bands(store, part, near, n_partitions)
    for partition in range(n_partitions):
        join.join(store, [bands.bands_path(part) for part in parts], partition)
    made = candidates.group(store, parts, n_documents, n_partitions, largest, memory_limit, least)
    routed = [part for part in parts if candidates.routes_path(part) in made.outputs]
    for part in routed:
        gather.gather(store, part, near)
    names = [part.name for part in routed]
    tables = [VERIFIED.empty_table()]
    counts: dict[str, int] = {}
    for group, size in enumerate(candidates.read_groups(store).tolist()):
        made = verify.verify(store, names, n_partitions, group, size, near, greedy, memory_limit)
        tables.append(store.read_table(verify.verified_path(group)))
        counts = {name: counts.get(name, 0) + count for name, count in made.counts.items()}
    return pa.concat_tables(tables).sort_by("rank"), counts

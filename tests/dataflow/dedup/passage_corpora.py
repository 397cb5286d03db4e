"""Texts in, decisions about their passages out: the rounds as the flow makes them, without the flow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from dataflow.dedup.config import Dedup
from dataflow.dedup.passages.cut import cut_passages, write_cuts
from dataflow.dedup.passages.find import decide_passages, group_passages, list_passages, removed_path
from dataflow.store.documents import FILTER
from dataflow.store.storage import Storage


@dataclass(frozen=True)
class Cut:
    """A row of decisions/cuts, and the number of rounds it took."""

    spans: tuple[tuple[int, int, str], ...]  # start, end, kind
    bytes_cut: int
    bytes_left: int
    survivor: str
    removed: bool
    applied: bool

    def left(self, text: str) -> str:
        data, at, kept = text.encode(), 0, b""
        for start, end, _ in self.spans:
            kept += data[at:start]
            at = end
        return (kept + data[at:]).decode()


def put(store: Storage, texts: Sequence[str], parts: Sequence[Sequence[int]]) -> list[tuple[str, str]]:
    """Documents ``d0``, ``d1``... ranked as they are numbered, in parts that list their numbers."""
    names = []
    for number, members in enumerate(parts):
        path = f"s/part-{number}.parquet"
        ids = pa.array([f"d{i}" for i in members], pa.string())
        chosen = pa.array([texts[i] for i in members], pa.large_string())
        store.write_table(f"documents/{path}", pa.table({"id": ids, "text": chosen}))
        ranks = pa.array(members, pa.int64())
        store.write_table(f"dedup/ranks/{path}", pa.table({"rank": ranks}))
        passed = {"id": ids, "passed": [True] * len(members), "reasons": [[]] * len(members)}
        store.write_table(f"decisions/filter/{path}", pa.table(passed, schema=FILTER))
        names.append(("s", f"part-{number}"))
    return names


def rounds(store: Storage, parts: Sequence[tuple[str, str]], config: Dedup, n_partitions: int = 1) -> int:
    """All rounds; the number of the one that counted."""
    for source, shard in parts:
        list_passages(store, source, shard, config, n_partitions)
    for partition in range(n_partitions):
        group_passages(store, parts, partition)
    removed: list[list[int]] = [[] for _ in parts]
    number = 0
    while True:
        number += 1
        gone = [removed_path(number - 1, part) for part in parts] if number > 1 else []
        for partition in range(n_partitions):
            decide_passages(store, len(parts), partition, number, gone)
        for index, part in enumerate(parts):
            cut_passages(store, part, index, config, n_partitions, number)
        found = [store.read_table(removed_path(number, part))["rank"].to_pylist() for part in parts]
        if found == removed or config.mode == "annotate":
            write_cuts(store, parts, number, config, {})
            return number
        removed = found


def cut(
    texts: Sequence[str],
    parts: Sequence[Sequence[int]] | None = None,
    n_partitions: int = 1,
    folder: Path | None = None,
    **config: Any,
) -> dict[int, Cut]:
    """What is cut, by document; ``config`` are fields of ``Dedup``, with nothing left too short by default."""
    settings = Dedup(**{"min_left_words": 0, **config})
    with TemporaryDirectory() as name:
        store = Storage(str(folder or name))
        names = put(store, texts, parts or [range(len(texts))])
        rounds(store, names, settings, n_partitions)
        rows = [
            row
            for source, shard in names
            for row in store.read_table(f"decisions/cuts/{source}/{shard}.parquet").to_pylist()
        ]
    return {int(row.pop("id")[1:]): Cut(_spans(row.pop("spans")), **row) for row in rows}


def left(texts: Sequence[str], decisions: dict[int, Cut]) -> list[str | None]:
    """The texts after the cuts; None for those that go."""
    return [
        None
        if i in decisions and decisions[i].removed
        else decisions[i].left(text)
        if i in decisions
        else text
        for i, text in enumerate(texts)
    ]


def _spans(spans: list[dict[str, Any]]) -> tuple[tuple[int, int, str], ...]:
    return tuple((span["start"], span["start"] + span["length"], span["kind"]) for span in spans)

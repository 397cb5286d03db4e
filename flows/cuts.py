"""Passages that several documents have in common: the level of step ``dedup`` after those of whole documents.

Rounds of jobs with manifests, as for near-duplicates, so a run that was killed goes on where it was; they are
described in ``dataflow/dedup/passages``. Nothing that is decided depends on the number of partitions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow.compute as pc

from dataflow.dedup.config import Dedup
from dataflow.dedup.passages.cut import cut_passages as cut_shard
from dataflow.dedup.passages.cut import write_cuts
from dataflow.dedup.passages.find import (
    ROUNDS,
    VERSION,
    asks_for_passages,
    count_partitions,
    decide_passages,
    group_passages,
    list_passages,
    removed_path,
)
from dataflow.store.manifest import Part, content_hash, current, hashes_of, one_hash, prune
from flows.curate import curated_parts
from flows.runner import Job
from flows.session import Session

_LISTED, _GROUPED, _DECIDED, _CUT = "cuts-listed", "cuts-grouped", "cuts-decided", "cuts-cut"
_KINDS = ("lines", "paragraphs", "sentences", "substrings")


def cut_passages(run: Session) -> None:
    """Make ``decisions/cuts``; where the recipe asks for none, remove what an earlier run made.

    What stands is what ``dedup/ranks``, ``decisions/dedup`` and ``decisions/semantic`` say.
    """
    config = run.recipe.dedup
    if asks_for_passages(config):
        _make(run, config)
    else:
        prune(run.store, "cuts", [])
    rounds = [f"{name}-{number}" for name in (_DECIDED, _CUT) for number in range(1, ROUNDS + 4)]
    for step in (_LISTED, _GROUPED, *rounds):
        prune(run.store, step, [])
    run.store.remove("dedup/passages")


@dataclass(frozen=True)
class _Shards:
    """All shards in order, and the content hashes of what the rounds read of each."""

    parts: tuple[tuple[str, str], ...]
    inputs: tuple[Mapping[str, str], ...]


def _make(run: Session, config: Dedup) -> None:
    shards = _shards(run)
    settings = config.model_dump(mode="json", include={*_KINDS, "min_left_words", "mode"})
    everything = {path: digest for inputs in shards.inputs for path, digest in inputs.items()}
    part = Part("cuts", "all", VERSION, settings, one_hash(everything))
    number, counts = 0, dict[str, int]()
    if current(run.store, part) is None:
        number, counts = _rounds(run, config, settings, shards)
    run.make("cuts", [Job(part, write_cuts, (run.store, shards.parts, number, config, counts))])


def _shards(run: Session) -> _Shards:
    parts, inputs = [], []
    for name, manifest in curated_parts(run).items():
        source, shard = name.split("/", 1)
        parts.append((source, shard))
        documents = f"documents/{name}.parquet"
        hashes = {documents: manifest.hashes()[documents], **run.finished("filter", name).hashes()}
        for folder in ("dedup/ranks", "decisions/dedup", "decisions/semantic"):
            path = f"{folder}/{name}.parquet"
            if run.store.exists(path):
                hashes[path] = content_hash(run.store, path)
        inputs.append(hashes)
    return _Shards(tuple(parts), tuple(inputs))


def _rounds(
    run: Session, config: Dedup, settings: Mapping[str, object], shards: _Shards
) -> tuple[int, dict[str, int]]:
    """All rounds before the last; the number of the one that counts, and what was counted."""
    store, parts = run.store, shards.parts
    n_bytes = sum(
        pc.sum(
            store.read_table(f"signals/{source}/{shard}.parquet", ["n_bytes"])["n_bytes"], min_count=0
        ).as_py()
        for source, shard in parts
    )
    n_partitions = count_partitions(n_bytes, config)
    settings = {**settings, "partitions": n_partitions}

    def job(step: str, name: str, inputs: Mapping[str, str], function, *arguments) -> Job:  # type: ignore[no-untyped-def]
        return Job(Part(step, name, VERSION, settings, inputs), function, (store, *arguments))

    listed = run.make(
        _LISTED,
        [
            job(_LISTED, f"{source}/{shard}", inputs, list_passages, source, shard, config, n_partitions)
            for (source, shard), inputs in zip(parts, shards.inputs, strict=True)
        ],
        quiet=True,
    )
    inputs = one_hash(hashes_of(listed))
    grouped = run.make(
        _GROUPED,
        [
            job(_GROUPED, f"{partition:05d}", inputs, group_passages, parts, partition)
            for partition in range(n_partitions)
        ],
        quiet=True,
    )
    counts = {name: sum(made.counts[name] for made in grouped) for name in ("repeated", "places")}
    counts["passages"] = sum(made.counts["passages"] for made in listed)
    of_groups = hashes_of(grouped)

    removed: dict[str, str] = {}
    number = 0
    while True:
        number += 1
        step, inputs = f"{_DECIDED}-{number}", one_hash({**of_groups, **removed})
        decided = run.make(
            step,
            [
                job(
                    step, f"{partition:05d}", inputs, decide_passages, len(parts), partition, number, tuple(removed)
                )
                for partition in range(n_partitions)
            ],
            quiet=True,
        )  # fmt: skip
        step, inputs = f"{_CUT}-{number}", one_hash(hashes_of(decided))
        cut = run.make(
            step,
            [
                job(
                    step, f"{part[0]}/{part[1]}", {**inputs, **own}, cut_shard, part, index, config, n_partitions,
                    number,
                )
                for index, (part, own) in enumerate(zip(parts, shards.inputs, strict=True))
            ],
            quiet=True,
        )  # fmt: skip
        found = {
            removed_path(number, part): made.hashes()[removed_path(number, part)]
            for part, made in zip(parts, cut, strict=True)
        }
        same = list(found.values()) == list(removed.values())
        if same or config.mode == "annotate" or not any(made.counts["too_little"] for made in cut):
            return number, counts
        removed = found

"""Duplicates by meaning: the level of step ``dedup`` after the near ones, in rounds of jobs like those."""

import xxhash

from dataflow.dedup.config import Semantic
from dataflow.dedup.parts import DedupPart
from dataflow.dedup.semantic import buckets, embeddings
from dataflow.dedup.semantic.embeddings import load_model
from dataflow.store.manifest import Manifest, Part, content_hash, current, hashes_of, prune
from dataflow.store.storage import Storage
from flows.runner import Job
from flows.session import Session

_ROUNDS = ("semantic-vectors", "semantic-centres", "semantic-buckets", "semantic-found")


def semantic_duplicates(run: Session, parts: list[DedupPart], inputs: dict[str, str]) -> None:
    """Make ``decisions/semantic``; without a section ``dedup.semantic`` remove what an earlier run made.

    Args:
        run: the open run.
        parts: shards of this run, without earlier corpora.
        inputs: content hashes, by path, of the documents, their ranks and all decisions on them so far.
    """
    config = run.recipe.dedup.semantic
    if config is None or not parts:
        prune(run.store, "semantic", [])
        _clear(run)
        return
    settings: dict[str, object] = {
        "semantic": config.model_dump(mode="json", exclude={"model", "embeddings"}),
        "mode": run.recipe.dedup.mode,
        "seed": run.recipe.seed,
        "vectors": embeddings.VERSION,
    }
    inputs = inputs | _origin(config, parts)
    decided = Part("semantic", "all", buckets.VERSION, settings, inputs)
    found: list[str] = []
    if current(run.store, decided) is None:
        found = _find(run, parts, config, settings, inputs)
    run.make("semantic", [Job(decided, buckets.decide, (run.store, parts, found, run.recipe.dedup))])
    _clear(run)


def _clear(run: Session) -> None:
    """Remove what the rounds leave for each other, also what a run that was killed left without a manifest."""
    for step in _ROUNDS:
        prune(run.store, step, [])
    run.store.remove("dedup/semantic")


def _find(
    run: Session,
    parts: list[DedupPart],
    config: Semantic,
    settings: dict[str, object],
    inputs: dict[str, str],
) -> list[str]:
    """The rounds before the decision; paths of what they found."""
    names = [(part.source, part.shard) for part in parts]

    def part(step: str, name: str, made_from: list[Manifest]) -> Part:
        return Part(step, name, buckets.VERSION, settings, hashes_of(made_from) or inputs)

    vectors_of, centres_of, buckets_of, found_of = _ROUNDS
    vectors = run.make(
        vectors_of,
        [
            Job(
                part(vectors_of, f"{source}/{shard}", []),
                embeddings.embed,
                (run.store, source, shard, config),
            )
            for source, shard in names
        ],
        quiet=True,
    )
    arguments = (run.store, names, config, run.recipe.seed)
    [around] = run.make(
        centres_of, [Job(part(centres_of, "all", vectors), buckets.centres, arguments)], quiet=True
    )
    laid = run.make(
        buckets_of,
        [
            Job(
                part(buckets_of, f"{source}/{shard}", [own, around]),
                buckets.assign,
                (run.store, source, shard),
            )
            for (source, shard), own in zip(names, vectors, strict=True)
        ],
        quiet=True,
    )
    compared = run.make(
        found_of,
        [
            Job(part(found_of, f"{bucket:05d}", laid), buckets.compare, (run.store, bucket, names, config))
            for bucket in range(around.counts["buckets"])
        ],
        quiet=True,
    )
    return [path for manifest in compared for path in manifest.outputs]


def _origin(config: Semantic, parts: list[DedupPart]) -> dict[str, str]:
    """Content hashes of what the vectors come from."""
    if config.model:
        model = load_model(config.model)
        digest = xxhash.xxh3_128(model.embedding.tobytes())
        digest.update(model.tokenizer.to_str().encode())
        return {"model": digest.hexdigest()}
    brought = Storage(config.embeddings)
    files = [f"{part.name}.parquet" for part in parts]
    return {f"embeddings/{file}": content_hash(brought, file) for file in files if brought.exists(file)}

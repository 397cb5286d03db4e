"""Step ``quality``: train the classifier whose score every document then carries as the signal ``quality``."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import xxhash
from prefect import flow

from dataflow.curate import Curation, prepare
from dataflow.readers.open import read
from dataflow.store.manifest import Made, Part
from dataflow.store.shards import InputHashes, InputShard, plan_shards
from dataflow.store.storage import Storage
from flows.curate import curation_of, text_settings
from flows.recipe import Recipe
from flows.runner import Job
from flows.session import session
from quality_models.config import Quality
from quality_models.train import VERSION, train_quality

_READ_FOR_EACH_SAMPLED = 10


@flow(name="quality", flow_run_name="quality {recipe.name}")
def quality_flow(recipe: Recipe) -> None:
    """Train the quality model that the recipe describes; nothing where it has none or names a ready one."""
    with session(recipe) as run:
        if recipe.quality is None or recipe.quality.model:
            return
        hashes = InputHashes(run.store, "quality")
        sides = [_side(recipe, recipe.quality.positive), _side(recipe, recipe.quality.negative)]
        inputs = {
            f"{name}/{shard.source}/{shard.name} {piece}": digest
            for name, side in zip(("positive", "negative"), sides, strict=True)
            for shard in side.shards
            for piece, digest in hashes.of(shard).items()
        }
        hashes.save()
        config = {
            "quality": recipe.quality.model_dump(mode="json"),
            "seed": recipe.seed,
            **text_settings(recipe),
        }
        part = Part("quality", "model", VERSION, config, inputs)
        run.make("quality", [Job(part, _train, (run.store, recipe.quality, *sides, recipe.seed))])


@dataclass(frozen=True)
class _Side:
    """Where the examples of one class come from."""

    shards: tuple[InputShard, ...]
    curations: dict[str, Curation]


def _side(recipe: Recipe, names: list[str]) -> _Side:
    shards = [shard for name in names for shard in plan_shards(recipe.source(name), recipe.shard_bytes)]
    # Shards in the order of their hash, so that a sample does not hang on how files are named.
    shards.sort(key=lambda shard: xxhash.xxh3_64_intdigest(f"{shard.source}/{shard.name}".encode()))
    return _Side(tuple(shards), {name: curation_of(recipe, name, []) for name in names})


def _train(store: Storage, config: Quality, positive: _Side, negative: _Side, seed: int) -> Made:
    most = _READ_FOR_EACH_SAMPLED * config.sample_documents
    return train_quality(store, config, _texts(positive, most), _texts(negative, most), seed)


def _texts(side: _Side, most: int) -> Iterator[pa.LargeStringArray]:
    """Texts as they would be stored, whole shards at a time, until there are ``most``."""
    offered = 0
    for shard in side.shards:
        if offered >= most:
            return
        curation = side.curations[shard.source]
        for piece in shard.pieces:
            for batch in read(piece, curation.source, curation.extract):
                texts = prepare(batch, curation)[0]
                offered += len(texts)
                yield texts

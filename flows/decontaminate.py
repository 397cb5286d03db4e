"""Step ``decontaminate``: documents that hold items of evaluation sets are dropped, cut or named.

The index of all sets is made once, by whichever step comes first, this one or ``instruct``; then each shard is read
for itself.
"""

import time

from prefect import flow

from dataflow.catalog.contamination import contamination_summary
from dataflow.catalog.views import connect
from dataflow.dedup.contamination.config import Decontaminate
from dataflow.dedup.contamination.decontaminate import (
    VERSION,
    decontaminate_conversations,
    decontaminate_part,
)
from dataflow.dedup.contamination.index import VERSION as INDEX_VERSION
from dataflow.dedup.contamination.index import build_index, fields_taken
from dataflow.dedup.contamination.sets import find_sets
from dataflow.store.manifest import Part, content_hash, hashes_of, manifests, prune
from dataflow.store.shards import InputHashes, InputShard
from dataflow.store.storage import Storage
from flows.curate import curated_parts
from flows.log import say, say_table
from flows.recipe import Recipe
from flows.runner import Job
from flows.session import Session, session

_INDEX, _OF_INSTRUCTIONS = "decontaminate-index", "instruct-decontaminate"
_EARLIER = ("dedup", "semantic", "cuts")
_FOR_INDEX = {"ngram", "min_words", "max_shared"}


@flow(name="decontaminate", flow_run_name="decontaminate {recipe.name}")
def decontaminate_flow(recipe: Recipe) -> None:
    """Look for the items of evaluation sets in every document that still stands."""
    with session(recipe) as run:
        config = recipe.decontaminate
        if config is None:
            for step in ("decontaminate", _INDEX):
                prune(run.store, step, [])  # of a recipe that had sets
            return
        began = time.monotonic()
        index = contamination_index(run, config)
        for name, taken in fields_taken(run.store).items():
            say(f"evaluation set {name}: {taken}")
        jobs = []
        for name, manifest in curated_parts(run).items():
            source, shard = name.split("/", 1)
            documents = f"documents/{name}.parquet"
            inputs = {
                documents: manifest.hashes()[documents],
                **run.finished("filter", name).hashes(),
                **index,
            }
            for step in _EARLIER:
                inputs |= _hash(run.store, f"decisions/{step}/{name}.parquet")
            part = Part("decontaminate", name, VERSION, _settings(config), inputs)
            arguments = (run.store, source, shard, config, "".join(index.values()))
            jobs.append(Job(part, decontaminate_part, arguments))
        run.make("decontaminate", jobs, since=began)
        with connect(run.store) as con:
            say_table(contamination_summary(con, instructions=False))


def decontaminate_instructions(
    run: Session, prepared: dict[str, str], duplicates: dict[str, str]
) -> dict[str, str]:
    """Look for them in the conversations that passed and are no duplicates: a round of step ``instruct``.

    Args:
        run: the open run.
        prepared: content hashes of the prepared conversations.
        duplicates: content hashes of the decisions about duplicates among them.

    Returns:
        The content hashes of the decisions; none where the recipe names no evaluation sets.
    """
    config = run.recipe.decontaminate
    if config is None:
        prune(run.store, _OF_INSTRUCTIONS, [])
        return {}
    index = contamination_index(run, config)
    jobs = []
    for manifest in manifests(run.store, "instruct"):
        source, shard = manifest.part.split("/", 1)
        own = {path: prepared[path] for path in manifest.outputs}
        part = Part(
            _OF_INSTRUCTIONS, manifest.part, VERSION, _settings(config), {**own, **duplicates, **index}
        )
        arguments = (run.store, source, shard, config, "".join(index.values()))
        jobs.append(Job(part, decontaminate_conversations, arguments))
    made = run.make(_OF_INSTRUCTIONS, jobs)
    return hashes_of(made)


def contamination_index(run: Session, config: Decontaminate) -> dict[str, str]:
    """Make the index of the recipe's sets, where it is missing; the content hashes of its files."""
    hashes = InputHashes(run.store, _INDEX)
    inputs: dict[str, str] = {}
    sets = find_sets(config)
    for found in sets:
        own = hashes.of(InputShard(found.name, "files", found.pieces))
        inputs |= {f"{found.name} {piece}": digest for piece, digest in own.items()}
    hashes.save()
    settings = {
        "fields": [found.fields.model_dump(mode="json", exclude={"path"}) for found in sets],
        "ngrams": config.model_dump(mode="json", include=_FOR_INDEX),
        "pii": run.recipe.pii.model_dump(mode="json"),
    }
    part = Part(_INDEX, "all", INDEX_VERSION, settings, inputs)
    (manifest,) = run.make(
        _INDEX, [Job(part, build_index, (run.store, sets, config, run.recipe.pii))], quiet=True
    )
    return manifest.hashes()


def contamination_hashes(run: Session) -> dict[str, str]:
    """Content hashes of all that step ``decontaminate`` decided, which must have run if the recipe has sets."""
    made = manifests(run.store, "decontaminate")
    if run.recipe.decontaminate is not None:
        made = [run.finished("decontaminate", name) for name in curated_parts(run)]
    return hashes_of(made)


def _settings(config: Decontaminate) -> dict[str, object]:
    """What decides about a document beside the index."""
    return {"decontaminate": config.model_dump(mode="json", exclude={"sets", *_FOR_INDEX})}


def _hash(store: Storage, path: str) -> dict[str, str]:
    return {path: content_hash(store, path)} if store.exists(path) else {}

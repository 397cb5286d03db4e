"""Step ``dedup``: duplicates over all shards at once, exact, by URL and near; one survivor of each, and it is named.

Document level is done in rounds, each of parts with manifests of their own, so that a run that was killed goes on
where it was. What the rounds leave for each other goes when the decisions are made, but for the ranks. Passages come
after, in documents that still stand.
"""

import time
from collections import Counter

from prefect import flow

from dataflow.dedup import decide, index, rank, urls
from dataflow.dedup.near import bands, candidates, gather, join, verify
from dataflow.dedup.parts import DedupPart
from dataflow.dedup.whole import LEFT
from dataflow.store.manifest import Manifest, Part, current, hashes_of, manifests, prune
from flows import dedup_near
from flows.curate import curated_parts
from flows.cuts import cut_passages
from flows.recipe import Recipe
from flows.runner import Job
from flows.semantic import semantic_duplicates
from flows.session import Session, session

_ROUNDS = (bands, join, candidates, gather, verify)
_OF_DOCUMENTS = {"exact", "url", "near", "survivor", "cluster", "mode"}
"""What of the section decides about documents; the rest is about passages, or decides nothing."""


@flow(name="dedup", flow_run_name="dedup {recipe.name}")
def dedup_flow(recipe: Recipe) -> None:
    """Find the duplicates among the documents that passed the rules, then the passages that repeat."""
    with session(recipe) as run:
        decided, own = _documents(run), own_parts(run)
        inputs = decision_inputs(run, ("documents",)) | decided.hashes()
        inputs |= {part.ranks: decided.inputs[part.ranks] for part in own}
        semantic_duplicates(run, own, inputs)
        cut_passages(run)


def part_names(run: Session) -> list[tuple[str, str]]:
    """``(source, shard)`` of all curated parts, in order."""
    return [(source, shard) for source, _, shard in (name.partition("/") for name in curated_parts(run))]


def decision_inputs(run: Session, tables: tuple[str, ...]) -> dict[str, str]:
    """Content hashes of the filter decisions, and of the named tables of ``curate``."""
    inputs: dict[str, str] = {}
    for name, manifest in curated_parts(run).items():
        inputs |= {
            f"{table}/{name}.parquet": manifest.hashes()[f"{table}/{name}.parquet"] for table in tables
        }
        filtered = run.finished("filter", name)
        inputs |= filtered.hashes()
    return inputs


def own_parts(run: Session) -> list[DedupPart]:
    """The shards of this run."""
    return [DedupPart(source, shard) for source, shard in part_names(run)]


def _documents(run: Session) -> Manifest:
    """Rank, near rounds, decisions, index; the manifest of the decisions."""
    began = time.monotonic()
    config = run.recipe.dedup
    parts = index.open_indexes(config) + own_parts(run)
    (ranked,) = run.make("dedup-rank", [_rank_job(run, parts)], quiet=True)
    part = _decisions(run, ranked)
    verified: list[str] = []
    counted: Counter[str] = Counter()
    if config.near and current(run.store, part) is None:
        verified = list(dedup_near.near_rounds(run, parts, ranked))
        for manifest in manifests(run.store, dedup_near.STEPS[-1]):
            counted.update(manifest.counts)
    job = Job(part, decide.decide, (run.store, parts, verified, config, counted))
    (decided,) = run.make("dedup", [job], since=began)
    for step in dedup_near.STEPS:
        prune(run.store, step, [])
    for name in LEFT:
        run.store.remove(f"dedup/{name}")
    _write_index(run, ranked, decided)
    return decided


def _rank_job(run: Session, parts: list[DedupPart]) -> Job:
    config = run.recipe.dedup
    inputs = decision_inputs(run, ("documents", "signals"))
    inputs |= {f"@{each.earlier.name}/{each.table}": each.earlier.content for each in parts if each.earlier}
    settings = config.model_dump(mode="json", include={"exact", "url", "survivor"})
    settings["against"] = list(config.against)  # in their order
    settings["urls"] = config.url and urls.VERSION
    part = Part("dedup-rank", "all", rank.VERSION, settings, inputs)
    return Job(part, rank.rank, (run.store, parts, config))


def _decisions(run: Session, ranked: Manifest) -> Part:
    """The part that all rounds are for: it depends on all that they read, and so says whether they are needed."""
    settings = run.recipe.dedup.model_dump(mode="json", include=_OF_DOCUMENTS)
    settings["rounds"] = [each.VERSION for each in _ROUNDS]
    curated = {path: digest for path, digest in ranked.inputs.items() if not path.startswith("decisions/")}
    return Part("dedup", "all", decide.VERSION, settings, {**curated, **ranked.hashes()})


def _write_index(run: Session, ranked: Manifest, decided: Manifest) -> None:
    """The index for later corpora, or none where none is asked for."""
    config, made_with = run.recipe.dedup, index.parameters(run.recipe.dedup)
    if not config.index:
        for step in ("dedup-index-list", "dedup-index"):
            prune(run.store, step, [])
        run.store.remove("index")
        return
    jobs = []
    for each in own_parts(run):
        decisions = f"decisions/dedup/{each.name}.parquet"
        inputs = run.finished("curate", each.name).hashes() | run.finished("filter", each.name).hashes()
        inputs |= {each.ranks: ranked.hashes()[each.ranks], decisions: decided.hashes()[decisions]}
        part = Part("dedup-index", each.name, index.VERSION, made_with, inputs)
        jobs.append(Job(part, index.write_index, (run.store, each, config)))
    made = run.make("dedup-index", jobs, quiet=True)
    files = hashes_of(made)
    listed = Part("dedup-index-list", "all", index.VERSION, made_with, files)
    run.make("dedup-index-list", [Job(listed, index.write_manifest, (run.store, files, config))], quiet=True)

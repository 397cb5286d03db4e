"""Step ``mix``: decide what is drawn in which order, then write the corpus in just that order.

Texts are read once: each shard of documents is scattered to the corpus parts its documents belong to, and each
corpus part is gathered from what was scattered to it. Nothing is scattered when all corpus parts are current.
"""

from prefect import flow

from dataflow.dedup.passages.find import asks_for_passages
from dataflow.mixture import plan, write
from dataflow.store.manifest import Part, current, load, prune
from flows.curate import curated_parts
from flows.decontaminate import contamination_hashes
from flows.dedup import decision_inputs, part_names
from flows.recipe import Recipe
from flows.runner import Job
from flows.session import Session, missing_step, session


@flow(name="mix", flow_run_name="mix {recipe.name}")
def mix_flow(recipe: Recipe) -> None:
    """Plan the mixture and write the corpus and its validation part."""
    with session(recipe) as run:
        planned = _plan(run)
        gather = _gather_jobs(run, planned)
        if any(current(run.store, job.part) is None for job in gather):
            run.make("scatter", _scatter_jobs(run, planned))
        run.make("mix", gather)
        prune(run.store, "scatter", [])


def _plan(run: Session) -> dict[str, str]:
    """Plan the mixture; content hashes of the plan and of what is cut from texts as they are written."""
    recipe = run.recipe
    cuts = _of_dedup(run, "cuts", asks_for_passages(recipe.dedup)) | contamination_hashes(run)
    inputs = decision_inputs(run, ("signals",)) | _of_dedup(run, "dedup", asked=True) | cuts
    inputs |= _of_dedup(run, "semantic", recipe.dedup.semantic is not None)
    config = {
        "mixture": recipe.mixture.model_dump(mode="json"),
        "validation": recipe.validation.model_dump(mode="json"),
        "sources": [source.name for source in recipe.sources],
        "seed": recipe.seed,
    }
    part = Part("plan", "all", plan.VERSION, config, inputs)
    arguments = (run.store, part_names(run), recipe.mixture, recipe.validation, recipe.seed)
    (manifest,) = run.make("plan", [Job(part, plan.make_plan, arguments)])
    return manifest.hashes() | cuts  # how much is cut the plan says, but not where


def _of_dedup(run: Session, level: str, asked: bool) -> dict[str, str]:
    """Content hashes of what a level of step ``dedup`` decided; what lies there counts, asked for or not."""
    manifest = load(run.store, f"manifests/{level}/all.json")
    if manifest is None and asked:
        raise missing_step(run.store, "dedup")
    return manifest.hashes() if manifest is not None else {}


def _scatter_jobs(run: Session, planned: dict[str, str]) -> list[Job]:
    jobs = []
    for name, manifest in curated_parts(run).items():
        source, shard = name.split("/", 1)
        documents = f"documents/{name}.parquet"
        part = Part("scatter", name, write.VERSION, {}, {**planned, documents: manifest.hashes()[documents]})
        jobs.append(Job(part, write.scatter, (run.store, source, shard)))
    return jobs


def _gather_jobs(run: Session, planned: dict[str, str]) -> list[Job]:
    documents = {
        path: digest for manifest in curated_parts(run).values() for path, digest in manifest.hashes().items()
    }
    inputs = planned | {path: digest for path, digest in documents.items() if path.startswith("documents/")}
    return [
        Job(
            Part("mix", f"{phase}/part-{index:05d}", write.VERSION, {}, inputs),
            write.gather,
            (run.store, phase, index, part_names(run)),
        )
        for phase, index in write.corpus_parts(run.store)
    ]

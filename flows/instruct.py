"""Step ``instruct``: conversations in the forms people have them, to one table, split by prompt."""

from prefect import flow

from dataflow.instructions import dedup, prepare, splits
from dataflow.store.manifest import Part, prune
from dataflow.store.shards import InputHashes, plan_shards
from flows.decontaminate import decontaminate_instructions
from flows.recipe import Recipe
from flows.runner import Job
from flows.session import session


@flow(name="instruct", flow_run_name="instruct {recipe.name}")
def instruct_flow(recipe: Recipe) -> None:
    """Convert, validate, scrub, deduplicate, decontaminate and split the instruction data."""
    with session(recipe) as run:
        if not recipe.instructions:
            for step in ("instruct", "instruct-dedup", "instruct-decontaminate", "instruct-split"):
                prune(run.store, step, [])  # of a recipe that had some
            return
        hashes = InputHashes(run.store, "instruct")
        jobs = []
        for source in recipe.instructions:
            config = {
                "source": source.model_dump(mode="json", exclude={"path"}),
                "pii": recipe.pii.model_dump(mode="json"),
            }
            for shard in plan_shards(source.as_source(), recipe.shard_bytes):
                part = Part(
                    "instruct", f"{source.name}/{shard.name}", prepare.VERSION, config, hashes.of(shard)
                )
                jobs.append(
                    Job(part, prepare.prepare, (shard.pieces, source, shard.name, recipe.pii, run.store))
                )
        hashes.save()
        prepared: dict[str, str] = {}
        for manifest in run.make("instruct", jobs):
            prepared |= manifest.hashes()
        part = Part("instruct-dedup", "all", dedup.VERSION, {}, prepared)
        (unique,) = run.make("instruct-dedup", [Job(part, dedup.deduplicate, (run.store,))])
        clean = decontaminate_instructions(run, prepared, unique.hashes())
        settings = recipe.instruction_splits
        settled = {"splits": settings.model_dump(mode="json"), "seed": recipe.seed}
        part = Part("instruct-split", "all", splits.VERSION, settled, prepared | unique.hashes() | clean)
        run.make("instruct-split", [Job(part, splits.split, (run.store, settings, recipe.seed))])

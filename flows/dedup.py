"""Step ``dedup``: exact and near duplicates over all shards at once; one survivor of each, and it is named."""

from prefect import flow

from dataflow.dedup.find import VERSION, find_duplicates
from dataflow.store.manifest import Part
from flows.curate import curated_parts
from flows.recipe import Recipe
from flows.runner import Job
from flows.session import Session, session


@flow(name="dedup", flow_run_name="dedup {recipe.name}")
def dedup_flow(recipe: Recipe) -> None:
    """Find the duplicates among the documents that passed the rules."""
    with session(recipe) as run:
        inputs = decision_inputs(run, ("signals",))
        for name, manifest in curated_parts(run).items():
            inputs[f"documents/{name}.parquet"] = manifest.hashes()[f"documents/{name}.parquet"]
        config = {"dedup": recipe.dedup.model_dump(mode="json", exclude={"memory_limit"})}
        part = Part("dedup", "all", VERSION, config, inputs)
        run.make("dedup", [Job(part, find_duplicates, (run.store, part_names(run), recipe.dedup))])


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

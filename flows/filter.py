"""Step ``filter``: rules in SQL over signals. No text is read: a changed rule costs seconds and what follows."""

from prefect import flow

from dataflow.rules.evaluate import VERSION, filter_part
from dataflow.store.manifest import Part
from flows.curate import curated_parts
from flows.recipe import Recipe
from flows.runner import Job
from flows.session import session


@flow(name="filter", flow_run_name="filter {recipe.name}")
def filter_flow(recipe: Recipe) -> None:
    """Decide for every document: kept, or every rule that it fails."""
    with session(recipe) as run:
        jobs = []
        for name, manifest in curated_parts(run).items():
            source, shard = name.split("/", 1)
            signals = f"signals/{name}.parquet"
            config = {"rules": recipe.rules.model_dump(mode="json")}
            part = Part("filter", name, VERSION, config, {signals: manifest.hashes()[signals]})
            jobs.append(Job(part, filter_part, (run.store, source, shard, recipe.rules)))
        run.make("filter", jobs)

"""The story: from raw files to a trained model, step by step.

Each step is a Prefect flow of its own in the file of its name and can be run alone; each does only what is missing,
so running the line again continues it. Where a recipe has no section for a step, the step does nothing.
"""

from prefect import flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from dataflow.catalog.conservation import check_conservation
from flows.curate import curate_flow
from flows.decontaminate import decontaminate_flow
from flows.dedup import dedup_flow
from flows.filter import filter_flow
from flows.instruct import instruct_flow
from flows.mix import mix_flow
from flows.quality import quality_flow
from flows.recipe import Recipe
from flows.recipe_check import check_recipe
from flows.report import report_flow
from flows.session import session
from flows.tokenizer import tokenize_flow, tokenizer_flow
from flows.train import evaluate_flow, pretrain_flow, sft_flow

STEPS = {
    "quality": quality_flow,
    "curate": curate_flow,
    "filter": filter_flow,
    "dedup": dedup_flow,
    "decontaminate": decontaminate_flow,
    "mix": mix_flow,
    "instruct": instruct_flow,
    "tokenizer": tokenizer_flow,
    "tokenize": tokenize_flow,
    "pretrain": pretrain_flow,
    "sft": sft_flow,
    "evaluate": evaluate_flow,
    "report": report_flow,
}
"""Every step by the name that the command line and the recipe use, in the order of the line."""


_DECIDING = ("curate", "filter", "dedup", "decontaminate", "mix", "instruct")


@flow(name="dataflow", flow_run_name="{recipe.name}")
def pipeline(recipe: Recipe, first: str = "quality", only: str = "") -> None:
    """Run the line.

    Args:
        recipe: what to make.
        first: begin with this step; the steps before it must have run.
        only: run just this step.
    """
    names = [only] if only else list(STEPS)[list(STEPS).index(first) :]
    check_recipe(recipe, names)
    # The line's own heartbeat tells that it lives; ending one costs up to a second, so the steps have none.
    deciding = [name for name in names if name in _DECIDING]
    with session(recipe) as run, temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        for name in names:
            before = run.n_made
            STEPS[name](recipe)
            # A step that made nothing was asked when it did; the last is asked always, before anything trains.
            if name in deciding and (run.n_made > before or name == deciding[-1]):
                check_conservation(run.store, name)

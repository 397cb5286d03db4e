"""``dataflow demo``: the whole line on real text that pip brought along, ending in tables worth reading."""

import importlib.resources
import time
from typing import Any

import yaml
from prefect import flow

from dataflow.catalog.render import show
from dataflow.store.storage import Storage
from flows.demo_text import write_demo_text
from flows.pipeline import pipeline
from flows.progress import console
from flows.recipe import Recipe, apply_override, parse_recipe
from flows.summary import summary


def demo_recipe(out: str, overrides: list[str]) -> Recipe:
    """The demo's recipe with its inputs below ``out``."""
    text = (importlib.resources.files("flows") / "recipes" / "demo.yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(text)
    values["out"] = out
    folder = Storage(parse_recipe(values, "demo").folder)
    for source in (*values["sources"], *values["instructions"]):
        source["path"] = folder.path(source["path"])
    for override in overrides:
        apply_override(values, override)
    return parse_recipe(values, "demo")


@flow(name="demo", flow_run_name="demo in {out}")
def demo_flow(out: str = "out/demo", overrides: list[str] = []) -> None:  # noqa: B006 - shown in the form
    """Write the demo's input text to a folder and run the whole line on it.

    Args:
        out: folder to write to.
        overrides: recipe keys to change, e.g. `pretrain.steps=20` for a quicker run.
    """
    _run(demo_recipe(out, overrides))


def run_demo(out: str, overrides: list[str]) -> None:
    """The demo from the command line, with the closing tables."""
    started = time.monotonic()
    recipe = demo_recipe(out, overrides)
    _run(recipe)
    store = Storage(recipe.folder)
    show(summary(store))
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    print(f"Done in {minutes} min {seconds} s. All of it lies in {out}. What to type next:\n")
    for command, purpose in _NEXT:
        print(f"  {command.format(out=out):<76} {purpose}")


def _run(recipe: Recipe) -> None:
    store = Storage(recipe.folder)
    with console.status("Writing the demo's input text"):
        write_demo_text(store)
    pipeline(recipe)


_NEXT = (
    ("dataflow check {out}", "every record has one fate, every file is whole"),
    ("dataflow sample {out} --rule gopher_duplicate_5gram", "documents that a rule dropped"),
    (
        'dataflow whatif {out} --set language_score="language_score >= 0.4"',
        "what another threshold would keep",
    ),
    ('dataflow stats {out} "SELECT language, avg(quality) FROM signals GROUP BY 1"', "any question in SQL"),
    ("python -m trainer chat {out}/runs/sft", "talk to the model"),
    ("dataflow serve", "run it from the Prefect UI"),
)

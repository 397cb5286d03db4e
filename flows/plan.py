"""``dataflow plan``: what would run, on how much, and what is already there. Writes nothing and starts nothing."""

from rich.console import Console
from rich.tree import Tree

from dataflow.catalog.render import render
from dataflow.catalog.table import Table
from dataflow.readers.files import find_files, guess_format
from dataflow.store.manifest import manifests
from dataflow.store.shards import plan_shards
from dataflow.store.storage import Storage
from flows.recipe import Recipe
from flows.steps import STEPS


def show_plan(recipe: Recipe, console: Console) -> None:
    """Print inputs, the mixture as a tree, and the steps with what they have done so far."""
    store = Storage(recipe.folder)
    console.print(f"{recipe.name} -> {recipe.folder}\n")
    console.print(render(_inputs(recipe)))
    console.print(_mixture(recipe))
    console.print()
    console.print(render(_steps(recipe, store)))


def _inputs(recipe: Recipe) -> Table:
    rows = []
    for source in recipe.sources:
        files = find_files(source)
        formats = ", ".join(sorted({guess_format(file, source) for file in files}))
        shards = len(plan_shards(source, recipe.shard_bytes))
        rows.append((source.name, source.kind, formats, len(files), sum(file.size for file in files), shards))
    sums = (sum(int(row[n]) for row in rows) for n in (3, 4, 5))
    total = ("all", "", "", *sums)
    return Table("Inputs", ("source", "kind", "format", "files", "bytes", "shards"), (*rows, total))


def _mixture(recipe: Recipe) -> Tree:
    budget = recipe.mixture.budget or "every kept document once"
    tree = Tree(f"Mixture: {budget}, at most {recipe.mixture.max_epochs:g} epochs of a source")
    for phase in recipe.mixture.phases:
        conditions = "".join(
            f", {key} {value}" for key, value in (("where", phase.where), ("order", phase.order)) if value
        )
        branch = tree.add(f"{phase.name}: {phase.share:.1%}{conditions}")
        total = sum(phase.weights.values())
        for source, weight in phase.weights.items():
            branch.add(f"{source}: {weight / total:.1%}")
        if not phase.weights:
            branch.add("every source in proportion to its size")
    return tree


def _steps(recipe: Recipe, store: Storage) -> Table:
    """Each step that this recipe has work for, and how many of its parts are on disk."""
    idle = {
        "quality": recipe.quality is None or bool(recipe.quality.model),
        "instruct": not recipe.instructions,
        "tokenizer": recipe.tokenizer is None,
        "tokenize": recipe.tokenizer is None,
        "pretrain": recipe.pretrain is None,
        "sft": recipe.sft is None,
        "evaluate": recipe.pretrain is None,
    }
    rows = [
        (name, description, "" if idle.get(name) else len(manifests(store, name)))
        for name, description in STEPS.items()
        if not idle.get(name)
    ]
    return Table("Steps", ("step", "what it does", "parts on disk"), tuple(rows))

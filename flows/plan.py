"""``dataflow plan``: what would run, on how much, at what cost, and what is already there.

Writes nothing and starts nothing. Texts are not read: before a run, sizes of files stand for sizes of texts by the
ratios below, and every figure made from them says that it is an estimate.
"""

import shutil
from collections import defaultdict
from pathlib import Path

from rich.console import Console

from dataflow.catalog.render import render
from dataflow.catalog.table import Table
from dataflow.mixture import tree
from dataflow.readers.source import Source
from dataflow.store.manifest import manifests
from dataflow.store.storage import Storage
from flows.recipe import Recipe
from flows.recipe_check import check_recipe, input_files, input_sources
from flows.steps import STEPS

# Ratios measured on some 60 MB of web pages, books, mail, reviews and manuals in eight languages, on two cores.
_PACKED = 3.0  # bytes in a byte of .gz or .zst
_TEXT = {
    "parquet": 1.6,
    "html": 1 / 3,
    "warc": 1 / 3,
    "arc": 1 / 3,
}  # bytes of text in a byte unpacked; others 1
_DOCUMENTS = 0.5  # bytes on disk for a byte of text in documents/ (zstd)
_SIGNATURE = 1_000  # bytes on disk for a document: MinHash signature, hashes, signals
_DOCUMENT = 3_000  # bytes of text in a document
_CORPUS = 0.45  # bytes on disk for a byte of text in corpus/ (zstd)
_TOKEN = 1.4  # bytes on disk for a token in tokens/ (uint16, zstd)
_CURATED_A_SECOND = 3_000_000  # bytes of text that one core curates


def show_plan(recipe: Recipe, console: Console) -> None:
    """Print inputs, the mixture as a tree, the steps with what they have done so far, and what it will cost."""
    check_recipe(recipe, list(STEPS))
    store = Storage(recipe.folder)
    text = {source.name: _text_bytes(source) for source in recipe.sources}
    branches = _planned(recipe, store)
    console.print(f"{recipe.name} -> {recipe.folder}\n")
    console.print(render(_inputs(recipe, text)))
    known = "as planned by the last run" if branches else "estimated, were all text kept"
    branches = branches or tree.estimate(recipe.mixture, text)
    console.print(f"Mixture, {known}, at most {recipe.mixture.max_epochs:g} epochs of a document\n")
    console.print(tree.describe(branches, recipe.mixture.bytes_per_token) + "\n", markup=False)
    for line in _beyond_the_cap(recipe, branches):
        console.print(line, style="yellow", markup=False)
    console.print(render(_costs(recipe, store, text, branches)))
    console.print(render(_steps(recipe, store)))


def _text_bytes(source: Source) -> int:
    """Bytes of text to expect from the files of a source."""
    amount = 0.0
    for file, form in input_files(source).items():
        packed = file.relative.lower().endswith((".gz", ".zst", ".zstd"))
        amount += file.size * (_PACKED if packed else 1) * _TEXT.get(form, 1)
    return round(amount)


def _inputs(recipe: Recipe, text: dict[str, int]) -> Table:
    rows = []
    for source in input_sources(recipe):
        files = input_files(source)
        formats = ", ".join(sorted(set(files.values())))
        kind = source.kind if source.name in text else "conversations"
        size = sum(file.size for file in files)
        rows.append((source.name, kind, formats, len(files), size, text.get(source.name)))
    sums = (sum(int(row[n] or 0) for row in rows) for n in (3, 4, 5))
    columns = ("source", "kind", "format", "files", "bytes", "text_(estimate)")
    return Table("Inputs", columns, (*rows, ("all", "", "", *sums)))


def _planned(recipe: Recipe, store: Storage) -> list[tree.Branch]:
    """The mixture as ``mix`` planned it; nothing where it has not run, or with other settings."""
    if not store.exists("plan/mixture.json") or not store.exists("recipe.json"):
        return []
    before, now = store.read_json("recipe.json"), recipe.model_dump(mode="json")
    decisive = ("sources", "rules", "dedup", "decontaminate", "validation", "mixture", "seed")
    return tree.planned(store) if all(before.get(key) == now[key] for key in decisive) else []


def _beyond_the_cap(recipe: Recipe, branches: list[tree.Branch]) -> list[str]:
    """Sources of which the mixture asks for more than the cap on epochs lets them give: ``mix`` would refuse."""
    asked: dict[str, float] = defaultdict(float)
    for branch in branches:
        asked[branch.source] += branch.epochs
    return [
        f"{source}: {epochs:.1f} epochs are asked for, and max_epochs is {recipe.mixture.max_epochs:g}. "
        "Lower mixture.budget or its weight, or raise mixture.max_epochs.\n"
        for source, epochs in asked.items()
        if epochs > recipe.mixture.max_epochs
    ]


def _costs(recipe: Recipe, store: Storage, text: dict[str, int], branches: list[tree.Branch]) -> Table:
    """Rough figures, each with what it assumes; they err by a factor of two where text is unusual."""
    read, drawn = sum(text.values()), sum(branch.n_bytes for branch in branches)
    workers = recipe.runner.n_workers
    tokens = drawn / recipe.mixture.bytes_per_token
    documents = round(read * _DOCUMENTS + read / _DOCUMENT * _SIGNATURE)
    corpus = round(drawn * _CORPUS)
    encoded = round(tokens * _TOKEN) if recipe.tokenizer is not None else 0
    rows: list[tuple[str, object, str]] = [
        ("documents/", documents, f"half of the text, and 1 kB for each document of {_DOCUMENT // 1000} kB"),
        (
            "corpus/",
            corpus,
            f"{_CORPUS:g} of the text that the mixture draws; the same again while it is written",
        ),
        ("tokens/", encoded, f"{_TOKEN:g} bytes a token of {recipe.mixture.bytes_per_token:g} bytes of text"),
        ("all", documents + 2 * corpus + encoded, "bytes on disk"),
    ]
    if store.is_local:
        there = next(folder for folder in (Path(store.root), *Path(store.root).parents) if folder.exists())
        rows.append(("free", shutil.disk_usage(there).free, "bytes on that disk now"))
    seconds = read / (_CURATED_A_SECOND * workers)
    rows.append(("curate", _duration(seconds), f"3 MB of text a second on each of {workers} cores"))
    return Table("Disk (bytes) and time, rough estimates", ("what", "estimate", "assuming"), tuple(rows))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _steps(recipe: Recipe, store: Storage) -> Table:
    """Each step that this recipe has work for, and how many of its parts are on disk."""
    idle = {
        "quality": recipe.quality is None or bool(recipe.quality.model),
        "decontaminate": recipe.decontaminate is None,
        "instruct": not recipe.instructions,
        "tokenizer": recipe.tokenizer is None,
        "tokenize": recipe.tokenizer is None,
        "pretrain": recipe.pretrain is None,
        "sft": recipe.sft is None,
        "evaluate": recipe.pretrain is None,
    }
    rows = [
        (name, description, len(manifests(store, name)))
        for name, description in STEPS.items()
        if not idle.get(name)
    ]
    return Table("Steps", ("step", "what it does", "parts on disk"), tuple(rows))

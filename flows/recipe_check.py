"""What a recipe names, looked up before any work: signals, rules, SQL, transforms, models, input files.

``flows.recipe`` checks what can be seen in the recipe alone. Here stands what asks the code behind it or the
disk, so that a slip of the pen costs a second and not the hours until the step that stumbles over it. No text
is read. Every fault is a ``RecipeError``.
"""

import re
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

from dataflow.config import nearest
from dataflow.dedup.contamination.sets import find_sets
from dataflow.dedup.index import open_indexes
from dataflow.errors import RecipeError
from dataflow.mixture.expressions import check as check_mixture
from dataflow.readers.files import InputFile, find_files, guess_format
from dataflow.readers.source import Source
from dataflow.rules.evaluate import active_rules
from dataflow.rules.sql import Checker
from dataflow.signals.table import part_schema
from dataflow.store.storage import Storage
from dataflow.transforms.table import TRANSFORMS
from flows.recipe import Recipe

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_READ_INPUT = {"quality", "curate", "instruct"}


def check_recipe(recipe: Recipe, steps: list[str]) -> None:
    """Refuse what could not work in one of ``steps``."""
    columns = signal_columns(recipe)
    _check_lists(recipe)
    for name in recipe.transforms:
        if name not in TRANSFORMS:
            raise RecipeError(f'unknown transform "{name}"', "transforms", nearest(name, list(TRANSFORMS)))
    active_rules(recipe.rules, columns)
    Checker(columns).order(recipe.dedup.survivor, "dedup.survivor")
    _check_earlier(recipe, steps)
    check_mixture(recipe.mixture, [source.name for source in recipe.sources], columns)
    _check_models(recipe)
    _check_training(recipe)
    if _READ_INPUT & set(steps):
        for source in input_sources(recipe):
            input_files(source)
    if recipe.decontaminate is not None and {"decontaminate", "instruct"} & set(steps):
        find_sets(recipe.decontaminate)


def signal_columns(recipe: Recipe) -> pa.Schema:
    """The columns of the signals that this recipe computes."""
    quality = ["quality"] if recipe.quality is not None else []
    counted = ["n_tokens"] if recipe.tokenizer is not None and recipe.tokenizer.path else []
    return part_schema(recipe.signals, quality + counted)


def input_sources(recipe: Recipe) -> list[Source]:
    """All sources, of text and of conversations."""
    return [*recipe.sources, *(source.as_source() for source in recipe.instructions)]


def input_files(source: Source) -> dict[InputFile, str]:
    """The files of a source with the format of each."""
    return {file: guess_format(file, source) for file in find_files(source)}


def _check_lists(recipe: Recipe) -> None:
    """Families that need lists or models have them, and what is named is used."""
    options = recipe.signal_options
    named = {
        "url": (options.url_domains or options.url_words, "url_domains or url_words"),
        "bad_words": (options.bad_words, "bad_words"),
        "perplexity": (options.perplexity, "perplexity"),
    }
    for family, (files, key) in named.items():
        if files and family not in recipe.signals:
            raise RecipeError(
                f'{key} is named, and the family "{family}" that uses it is not among the signals',
                "signal_options",
                f"Add {family} to signals.",
            )
        if family == "url" or family not in recipe.signals:
            continue
        if not files:
            raise RecipeError(
                f'the family "{family}" needs a file for each language',
                "signals",
                f"Write `signal_options: {{{key}: {{en: PATH}}}}`.",
            )
        if "language" not in recipe.signals:
            raise RecipeError(
                f'the family "{family}" goes by the language of a document',
                "signals",
                "Add language to signals.",
            )
    if "perplexity" in recipe.signals and find_spec("kenlm") is None:
        raise RecipeError(
            "perplexity needs the package kenlm, which is not installed",
            "signals",
            'pip install "dataflow-corpus[kenlm]"',
        )


def _check_earlier(recipe: Recipe, steps: list[str]) -> None:
    """Earlier corpora have names that can stand in a path, lie elsewhere, and have an index that fits."""
    for name, folder in recipe.dedup.against.items():
        where = f"dedup.against.{name}"
        if not _NAME.fullmatch(name):
            raise RecipeError(
                f'"{name}" is no name for a corpus',
                "dedup.against",
                "Use letters, digits, dot, dash, underscore.",
            )
        if Storage(folder).root == Storage(recipe.folder).root:
            raise RecipeError(
                "the earlier corpus lies in the output folder of this run",
                where,
                "Give this run a folder of its own.",
            )
    if "dedup" in steps:
        open_indexes(recipe.dedup)


def _check_models(recipe: Recipe) -> None:
    if recipe.quality is not None and not recipe.quality.model and not recipe.quality.positive:
        raise RecipeError(
            "neither sources to learn from nor a ready model are named",
            "quality",
            "Write `quality: {positive: [...], negative: [...]}`, or leave the section out.",
        )
    named = {
        **{f"signal_options.{name}": path for name, path in recipe.signal_options.files().items()},
        "quality.model": recipe.quality.model if recipe.quality else None,
        "tokenizer.path": recipe.tokenizer.path if recipe.tokenizer else None,
    }
    for key, path in named.items():
        if path and not Path(path).exists():
            raise RecipeError(
                f'no such file: "{path}"', key, "Check the path; a relative one starts where you run."
            )


def _check_training(recipe: Recipe) -> None:
    if recipe.pretrain is None:
        return
    length = recipe.pretrain.seq_len
    if not length:
        raise RecipeError(
            "a model needs a context of at least one token", "pretrain.seq_len", "256, for example."
        )
    asked = {"pretrain": (recipe.pretrain.batch_tokens, length)}
    if recipe.sft is not None:
        asked["sft"] = (recipe.sft.batch_tokens, recipe.sft.seq_len or length)
        if recipe.sft.seq_len > length:
            raise RecipeError(
                f"{recipe.sft.seq_len:,} tokens are beyond the model's context of {length:,}",
                "sft.seq_len",
                "Lower it, or raise pretrain.seq_len.",
            )
    for section, (batch, row) in asked.items():
        if batch % row:
            raise RecipeError(
                f"{batch:,} tokens do not divide into rows of {row:,}",
                f"{section}.batch_tokens",
                f"Choose a multiple, such as {max(1, round(batch / row)) * row}.",
            )

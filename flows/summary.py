"""What a person sees at the end of a run: what each step did, and how well the models learned."""

import json
import textwrap
from collections import Counter
from typing import Any

import duckdb

from dataflow.catalog import duplicates
from dataflow.catalog.contamination import contamination_summary
from dataflow.catalog.recipe import recipe_of_run
from dataflow.catalog.stats import (
    funnel_by_language,
    funnel_by_source,
    reasons,
    tokens,
)
from dataflow.catalog.table import Table
from dataflow.catalog.views import connect
from dataflow.rules.config import Rules
from dataflow.rules.report import remarks
from dataflow.store.manifest import manifests
from dataflow.store.storage import Storage


def corpus_tables(con: duckdb.DuckDBPyConnection) -> list[Table]:
    """The corpus in a few tables, each cut to what one looks at."""
    tables = (
        funnel_by_source(con),
        _head(funnel_by_language(con), 8),
        _head(reasons(con), 10),
        *duplicates.tables(con, most=5),
        contamination_summary(con),
        tokens(con),
    )
    return [table for table in tables if table.rows]


def rule_remarks(store: Storage, con: duckdb.DuckDBPyConnection) -> Table:
    """Rules that drop more than was declared, never drop anything, or had nothing to judge."""
    counts: Counter[str] = Counter()
    for manifest in manifests(store, "filter"):
        counts.update(manifest.counts)
    if not counts["documents"]:
        return Table("Rules worth a look", (), ())
    rules = Rules.model_validate(recipe_of_run(con).get("rules") or {})
    rows = tuple((textwrap.fill(names, _NAMES_WIDTH), what) for names, what in remarks(rules, counts))
    return Table("Rules worth a look", ("rule", "what"), rows)


def training_tables(store: Storage) -> list[Table]:
    """Loss and bits per byte before and after, beside what counting tokens and compressors need."""
    return [
        _scores(store, step, title) for step, title in _TITLES.items() if store.exists(_summary_path(step))
    ]


_TITLES = {"pretrain": "Pretraining, on held-out text", "sft": "Fine-tuning, on held-out conversations"}
_SAMPLE_WIDTH = 70
_NAMES_WIDTH = 60
_BASELINES = {"unigram": "unigram tokens", "gzip": "gzip -9", "xz": "xz -9"}


def _summary_path(step: str) -> str:
    return f"runs/{step}/summary.json"


def _scores(store: Storage, step: str, title: str) -> Table:
    run: dict[str, Any] = store.read_json(_summary_path(step))
    scores = {f"model at step {one['step']}": one for one in run["validations"]}
    scores |= {_BASELINES[name]: one for name, one in run["baseline"].items()}
    size = f"{run['parameters']:,} parameters, {run['tokens_trained']:,} tokens"
    if not scores:  # nothing was held out
        return Table(f"{title}: {size}", ("", "loss"), (("training, last step", run["final_loss"]),))
    first, unigram = next(iter(scores.values())), scores["unigram tokens"]
    rows = tuple(
        (name, one.get("loss"), one["bits_per_byte"], _against(one, first), _against(one, unigram))
        for name, one in scores.items()
    )
    columns = ("", "loss", "bits per byte", "against the first", "against unigram")
    return Table(f"{title}: {size}", columns, rows)


def _against(one: dict[str, float], other: dict[str, float]) -> str:
    return f"{one['bits_per_byte'] / other['bits_per_byte'] - 1:+.1%}"


def samples_table(store: Storage) -> Table:
    """What the model wrote, as it wrote it, before and after fine-tuning."""
    rows = []
    for step in ("pretrain", "sft"):
        path = f"runs/{step}/samples.jsonl"
        if store.exists(path):
            for line in store.read_bytes(path).decode().splitlines():
                one = json.loads(line)
                when = f"{step}, step {one['step']}"
                rows.append(
                    (when, one["prompt"], textwrap.fill(" ".join(one["text"].split()), _SAMPLE_WIDTH))
                )
    return Table("What it writes", ("model", "prompt", "text"), tuple(rows))


def summary(store: Storage) -> list[Table]:
    """All tables of a run that have something to say."""
    with connect(store) as con:
        tables = [
            *corpus_tables(con),
            rule_remarks(store, con),
            *training_tables(store),
            samples_table(store),
        ]
    return [table for table in tables if table.rows]


def _head(table: Table, most: int) -> Table:
    """The first rows and the row of sums, and in the title how many there are."""
    sums = tuple(row for row in table.rows if row[0] == "all")
    rows = tuple(row for row in table.rows if row[0] != "all")
    if len(rows) <= most:
        return table
    return Table(f"{table.title} (first {most} of {len(rows)})", table.columns, rows[:most] + sums)

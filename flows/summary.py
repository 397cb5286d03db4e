"""What a person sees at the end of a run: what each step did, and how well the models learned."""

import json
from typing import Any

import duckdb

from dataflow.catalog.stats import (
    duplicates,
    funnel_by_language,
    funnel_by_source,
    reasons,
    tokens,
)
from dataflow.catalog.table import Table
from dataflow.catalog.views import connect
from dataflow.store.storage import Storage


def corpus_tables(con: duckdb.DuckDBPyConnection) -> list[Table]:
    """The corpus in five tables, each cut to what one looks at."""
    tables = (
        funnel_by_source(con),
        _head(funnel_by_language(con), 8),
        _head(reasons(con), 10),
        duplicates(con),
        tokens(con),
    )
    return [table for table in tables if table.rows]


def training_tables(store: Storage) -> list[Table]:
    """Loss and bits per byte before and after, with what a compressor and a word count would need."""
    tables = []
    pretrained, tuned = _summary(store, "pretrain"), _summary(store, "sft")
    if pretrained:
        rows = [
            (f"model at step {one['step']}", one["loss"], one["bits_per_byte"])
            for one in pretrained["validations"]
        ]
        rows += [
            (name, one.get("loss"), one["bits_per_byte"]) for name, one in pretrained["baseline"].items()
        ]
        tables.append(
            Table(
                f"Pretraining: {_size(pretrained)}, on held-out text",
                ("", "loss", "bits per byte"),
                tuple(rows),
            )
        )
    if tuned:
        rows = [
            (f"model at step {one['step']}", one["loss"], one["bits_per_byte"])
            for one in tuned["validations"]
        ]
        tables.append(
            Table("Fine-tuning, on held-out conversations", ("", "loss", "bits per byte"), tuple(rows))
        )
    return tables


def samples_table(store: Storage) -> Table:
    """What the model wrote, as it wrote it, before and after fine-tuning."""
    rows = []
    for step in ("pretrain", "sft"):
        path = f"runs/{step}/samples.jsonl"
        if store.exists(path):
            for line in store.read_bytes(path).decode().splitlines():
                one = json.loads(line)
                when = f"{step}, step {one['step']}"
                rows.append((when, one["prompt"], " ".join(one["text"].split())))
    return Table("What it writes", ("model", "prompt", "text"), tuple(rows))


def summary(store: Storage) -> list[Table]:
    """All tables of a run that have something to say."""
    with connect(store) as con:
        tables = [*corpus_tables(con), *training_tables(store), samples_table(store)]
    return [table for table in tables if table.rows]


def _summary(store: Storage, step: str) -> dict[str, Any] | None:
    path = f"runs/{step}/summary.json"
    return dict(store.read_json(path)) if store.exists(path) else None


def _size(run: dict[str, Any]) -> str:
    return f"{run['parameters'] / 1e6:.1f} M parameters, {run['tokens_trained'] / 1e6:.2f} M tokens"


def _head(table: Table, most: int) -> Table:
    """The first rows and the row of sums, and in the title how many there are."""
    sums = tuple(row for row in table.rows if row[0] == "all")
    rows = tuple(row for row in table.rows if row[0] != "all")
    if len(rows) <= most:
        return table
    return Table(f"{table.title} (first {most} of {len(rows)})", table.columns, rows[:most] + sums)

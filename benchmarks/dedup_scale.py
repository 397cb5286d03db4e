"""Join and components of millions of signatures under a memory limit: time, peak memory, bytes, and how they grow.

Documents are made up (``dedup_synthetic``): it is known who repeats whom, so that what is found is checked as well as
timed. All rounds run as a run makes them (``dedup_rounds``), one task at a time; a row of each table is a round::

    python -m benchmarks.dedup_scale --documents 1e6 3e6 1e7 --folder /large/disk    # 10 GB of signatures, 7 more
    python -m benchmarks.dedup_scale --page        # benchmarks/SCALE.md, from the figures of the last measurement
"""

import argparse
import json
import math
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import dedup_synthetic
from benchmarks.dedup_recall import found_probability
from benchmarks.dedup_rounds import run_rounds
from benchmarks.dedup_run import NEAR
from benchmarks.dedup_synthetic import Planted
from dataflow.dedup.config import Dedup
from dataflow.store.storage import Storage

FIGURES = Path(__file__).with_name("dedup_scale.json")
"""Where what was measured is kept for the page."""

Figures = dict[str, Any]

console = Console(width=118)


def measure(n: int, folder: Path, memory: int) -> Figures:
    """Make ``n`` documents in ``folder``, run all rounds on them, check what is found."""
    store = Storage(str(folder))
    planted = dedup_synthetic.plant(n)
    shards = dedup_synthetic.write(store, planted)
    signatures = sum(path.stat().st_size for path in (folder / "documents").rglob("*.parquet"))
    rounds = run_rounds(store, shards, Dedup(memory_limit=memory))
    return {
        "documents": n,
        "parts": len(shards),
        "memory_limit": memory,
        "signatures": signatures / 1e6,
        "rounds": [asdict(one) for one in rounds],
        "found": check(store, planted),
    }


def check(store: Storage, planted: Planted) -> dict[str, float]:
    """Decisions against what was planted."""
    decided = np.full(len(planted.cluster), -1, np.int64)  # by document: the first of its cluster as decided
    removed = np.zeros(len(planted.cluster), np.bool_)
    for path in store.list("decisions/dedup"):
        table = store.read_table(path, ["id", "cluster", "removed"])
        numbers = dedup_synthetic.numbers_of(table["id"])
        decided[numbers] = dedup_synthetic.numbers_of(table["cluster"])
        removed[numbers] = table["removed"].to_numpy()
    told = np.flatnonzero(decided >= 0)
    wrong = planted.cluster[told] != planted.cluster[decided[told]]
    sizes = np.bincount(planted.cluster)
    order = np.argsort(planted.cluster, kind="stable")
    first = order[np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)[:-1]])]
    pairs = np.flatnonzero(sizes == 2)
    one, other = first[pairs], order[np.cumsum(sizes)[pairs] - 1]
    near = ~planted.copy[one] & ~planted.copy[other]
    one, other = one[near], other[near]
    needed = math.ceil(round(NEAR.similarity * NEAR.permutations, 6))
    alike = (planted.similarity[one] * planted.similarity[other]).astype(
        float
    )  # the centre is one of the two
    grid = np.linspace(0, 1, 401)
    expected = np.interp(alike, grid, [found_probability(float(j), needed) for j in grid])
    large = planted.cluster < planted.n_large
    return {
        "pairs": len(alike),
        "pairs_found": int(((decided[one] >= 0) & (decided[one] == decided[other])).sum()),
        "pairs_expected": float(expected.sum()),
        "pairs_deviation": float(np.sqrt((expected * (1 - expected)).sum())),
        "pairs_high": int((alike >= 0.87).sum()),
        "pairs_high_found": int(
            ((decided[one] >= 0) & (decided[one] == decided[other]) & (alike >= 0.87)).sum()
        ),
        "copies": int(planted.copy.sum()),
        "copies_found": int((decided[planted.copy] >= 0).sum()),
        "large": int(large.sum()),
        "large_clusters": len(np.unique(decided[large])),
        "large_kept": int((large & ~removed).sum()),
        "clusters_planted": int((sizes > 1).sum()),
        "clusters_merged": len(np.unique(decided[told[wrong]])),
        "removed": int(removed.sum()),
    }


def rounds_table(run: Figures) -> Table:
    """A row a round."""
    gigabytes, limit = run["signatures"] / 1e3, run["memory_limit"] / 1e9
    shown = Table(
        title=f"{run['documents']:,} documents in {run['parts']} parts, {gigabytes:.1f} GB of signatures, a task"
        f" may hold {limit:g} GB"
    )
    for name in (
        "round",
        "tasks",
        "CPU s",
        "wall s",
        "longest task, CPU s",
        "peak MB of a task",
        "MB written",
        "MB spilled",
    ):
        shown.add_column(name, justify="left" if name == "round" else "right")
    for one in run["rounds"]:
        shown.add_row(
            one["name"], f"{one['tasks']:,}", f"{one['cpu']:.1f}", f"{one['wall']:.1f}", f"{one['longest']:.1f}",
            f"{one['peak']:,.0f}", f"{one['written']:,.0f}", f"{one['spilled']:,.0f}", end_section=one is run["rounds"][-1],
        )  # fmt: skip
    total = {
        name: sum(one[name] for one in run["rounds"])
        for name in ("tasks", "cpu", "wall", "written", "spilled")
    }
    shown.add_row(
        "all", f"{total['tasks']:,}", f"{total['cpu']:.1f}", f"{total['wall']:.1f}",
        f"{max(one['longest'] for one in run['rounds']):.1f}",
        f"{max(one['peak'] for one in run['rounds']):,.0f}", f"{total['written']:,.0f}", f"{total['spilled']:,.0f}",
    )  # fmt: skip
    return shown


def exponent(sizes: list[float], values: list[float]) -> float:
    """The power of the size that a value grows with: least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def growth_table(runs: list[Figures]) -> Table:
    """How CPU time, memory and bytes of each round grow with the documents."""
    shown = Table(
        title="Growth from "
        + " to ".join(f"{run['documents']:,}" for run in (runs[0], runs[-1]))
        + " documents: the power of n"
    )
    for name in (
        "round",
        "CPU s",
        "peak MB",
        "MB written",
        *(f"CPU µs a document at {run['documents']:,}" for run in runs),
    ):
        shown.add_column(name, justify="left" if name == "round" else "right")
    sizes = [run["documents"] for run in runs]
    for name, *rounds in _by_round(runs):
        fitted = [
            f"{exponent(sizes, [max(one[key], 1e-3) for one in rounds]):.2f}"
            for key in ("cpu", "peak", "written")
        ]
        each = [f"{1e6 * one['cpu'] / size:.2f}" for one, size in zip(rounds, sizes, strict=True)]
        shown.add_row(name, *fitted, *each)
    return shown


def _by_round(runs: list[Figures]) -> list[tuple[Any, ...]]:
    """The rounds of all runs by name, and their sum."""
    found: list[tuple[Any, ...]] = [
        (rounds[0]["name"], *rounds) for rounds in zip(*(run["rounds"] for run in runs), strict=True)
    ]
    sums = [
        {
            "cpu": sum(one["cpu"] for one in run["rounds"]),
            "peak": max(one["peak"] for one in run["rounds"]),
            "written": sum(one["written"] for one in run["rounds"]),
        }
        for run in runs
    ]
    return [*found, ("all", *sums)]


def found_table(runs: list[Figures]) -> Table:
    """What was planted and what was found of it."""
    shown = Table(title="What was planted, and what was found")
    for name in (
        "documents",
        "clusters",
        "two of them merged",
        "pairs",
        "found",
        "expected by theory",
        "of J >= .87",
        "copies found",
        "large clusters",
        "removed",
    ):
        shown.add_column(name, justify="right")
    for run in runs:
        f = run["found"]
        shown.add_row(
            f"{run['documents']:,}", f"{f['clusters_planted']:,}", f"{f['clusters_merged']:,}", f"{f['pairs']:,}",
            f"{f['pairs_found']:,}", f"{f['pairs_expected']:,.0f} ± {f['pairs_deviation']:.0f}",
            f"{100 * f['pairs_high_found'] / f['pairs_high']:.2f} %", f"{100 * f['copies_found'] / f['copies']:.2f} %",
            f"{f['large_clusters']} of {f['large']:,}, {f['large_kept']} kept", f"{f['removed']:,}",
        )  # fmt: skip
    return shown


def main() -> None:
    """Measure and print; with ``--page`` alone, write the page from what was measured before."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=float, nargs="+", help="how many, for each run")
    parser.add_argument("--memory", type=float, default=2e9, help="bytes that a task may hold")
    parser.add_argument(
        "--folder", type=Path, help="where there is room for the signatures; emptied afterwards"
    )
    parser.add_argument("--figures", type=Path, default=FIGURES, help="JSON file of what was measured")
    parser.add_argument("--page", action="store_true", help="write benchmarks/SCALE.md")
    arguments = parser.parse_args()
    if arguments.documents:
        runs = []
        for n in arguments.documents:
            folder = Path(tempfile.mkdtemp(prefix="dedup-scale-", dir=arguments.folder))
            try:
                runs.append(measure(round(n), folder, round(arguments.memory)))
            finally:
                shutil.rmtree(folder)
            console.print(rounds_table(runs[-1]))
        arguments.figures.write_text(json.dumps(runs, indent=1) + "\n")
    runs = json.loads(arguments.figures.read_text())
    console.print(found_table(runs))
    if len(runs) > 1:
        console.print(growth_table(runs))


if __name__ == "__main__":
    main()

"""``SCALE.md``: what near-dedup of a billion documents takes, worked out from what ``dedup_scale`` measured.

The page says of every figure whether it was measured or worked out, and how. What is worked out stands on four
things: the work per document of the largest run, the time to read one task's share of a file that was written for
many (measured by the number of shares), the code's own formulas of how many partitions and groups there are, and
the memory of the one task that holds all documents.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.dedup_run import NEAR
from dataflow.dedup.near.bands import count_partitions
from dataflow.dedup.near.verify import largest_group

Figures = dict[str, Any]

SIZES = ((10**9, 2e9), (10**9, 16e9), (10**10, 16e9), (10**10, 128e9))
"""Documents, and bytes that a task may hold."""
ALONE = ("rank", "groups", "decide")
"""Rounds of one task."""
SORTING = ("rank", "decide")
_ROUNDS = """
- **rank** sorts all documents and groups equal texts: one task, DuckDB, spills
- **bands** turns the signatures of a part into band keys, laid out by partition
- **buckets** sorts the keys of a partition
- **groups** runs a union-find over all buckets and cuts the candidates into groups: one task
- **gathered** lays out the signatures of a part's candidates by group
- **verified** compares the pairs of a group and decides
- **decide** writes decisions by part, with ids: one task, DuckDB, spills"""


@dataclass(frozen=True)
class Sheet:
    """A table, for the terminal and for the page."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table, the first column to the left, under its title."""
        lines = [f"{self.title}:", "", _line(self.head), "| --- |" + " ---: |" * (len(self.head) - 1)]
        return "\n".join([*lines, *map(_line, self.rows)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The power of the size that a value grows with: least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


# Measured ---------------------------------------------------------------------------------------------------

_MEASURED = {
    "tasks": ("tasks", ",d"),
    "CPU s": ("cpu", ",.1f"),
    "wall s": ("wall", ",.1f"),
    "longest task, CPU s": ("longest", ",.1f"),
    "peak MB of a task": ("peak", ",.0f"),
    "MB written": ("written", ",.0f"),
    "MB spilled": ("spilled", ",.0f"),
}


def rounds_sheet(run: Figures) -> Sheet:
    """A row for each round of a run, and one for all."""
    rounds = run["rounds"]
    together = {key: sum(r[key] for r in rounds) for key, _ in _MEASURED.values()}
    together |= {key: max(r[key] for r in rounds) for key in ("peak", "longest")}
    rows = [
        [r["name"], *(format(r[key], form) for key, form in _MEASURED.values())]
        for r in [*rounds, {"name": "all", **together}]
    ]
    gigabytes, limit = run["signatures"] / 1e3, run["memory_limit"] / 1e9
    title = f"{run['documents']:,} documents in {run['parts']} parts, {gigabytes:.1f} GB; a task may hold {limit:g} GB"
    return Sheet(title, ["round", *_MEASURED], rows)


def growth_sheet(runs: Sequence[Figures]) -> Sheet:
    """How time, memory and bytes of each round grow."""
    sizes = [run["documents"] for run in runs]
    rows = []
    for rounds in zip(*(run["rounds"] for run in runs), strict=True):
        powers = [
            f"{exponent(sizes, [max(r[key], 1e-3) for r in rounds]):.2f}"
            for key in ("cpu", "peak", "written")
        ]
        each = [f"{1e6 * r['cpu'] / n:.2f}" for r, n in zip(rounds, sizes, strict=True)]
        rows.append([rounds[0]["name"], *powers, *each])
    sums = [sum(r["cpu"] for r in run["rounds"]) for run in runs]
    each = [f"{1e6 * cpu / n:.2f}" for cpu, n in zip(sums, sizes, strict=True)]
    rows.append(["all", f"{exponent(sizes, sums):.2f}", "", "", *each])
    head = ["round", "CPU", "peak", "written", *(f"µs a document, {n:,}" for n in sizes)]
    return Sheet("Growth, as the power of the number of documents (least squares of logarithms)", head, rows)


def found_sheet(runs: Sequence[Figures]) -> Sheet:
    """What was planted, and what was found."""
    rows = []
    for run in runs:
        f = run["found"]
        rows.append([
            f"{run['documents']:,}", f"{f['clusters_planted']:,}", f"{f['clusters_merged']:,}", f"{f['pairs']:,}",
            f"{f['pairs_found']:,}", f"{f['pairs_expected']:,.0f} ± {f['pairs_deviation']:.0f}",
            f"{100 * f['pairs_high_found'] / f['pairs_high']:.2f} %",
            f"{100 * f['copies_found'] / f['copies']:.2f} %", f"{f['large_kept']} of {f['large']:,}",
            f"{f['removed']:,}",
        ])  # fmt: skip
    head = ["documents", "clusters", "merged wrongly", "of two", "found", "by theory", "found of J >= .87"]
    head += ["copies found", "kept of equal signatures", "removed"]
    return Sheet("What was planted, and what of it was found", head, rows)


# Worked out -------------------------------------------------------------------------------------------------


def estimate(measured: Figures, n: int, limit: float) -> list[Figures]:
    """What each round takes for ``n`` documents."""
    run = measured["runs"][-1]
    base = run["documents"]
    shards = math.ceil(n / (base / run["parts"]))
    partitions = count_partitions(n, NEAR, int(limit))
    candidates = next(r for r in run["rounds"] if r["name"] == "groups")["counts"]["candidates"] / base * n
    groups = max(32, math.ceil(candidates / largest_group(NEAR, int(limit))))
    found = []
    for r in run["rounds"]:
        name = r["name"]
        cpu = r["cpu"] / base * n * (math.log(n) / math.log(base) if name in SORTING else 1)
        tasks, memory = 1, limit / 1e9
        if name in ("bands", "gathered"):
            tasks, memory = shards, r["peak"] / 1e3
        elif name == "buckets":
            tasks, cpu = partitions, cpu + shards * partitions * _read(measured, partitions)
        elif name == "verified":
            tasks, cpu = groups, cpu + (shards + partitions) * groups * _read(measured, groups)
        elif name == "groups":
            memory = 2 * (4 if n < 2**31 else 8) * n / 1e9
        found.append({
            "name": name, "tasks": tasks, "memory": memory, "written": r["written"] / base * n / 1e3,
            "hours": cpu / 3600, "longest": cpu / tasks / 3600,
        })  # fmt: skip
    return found


def _read(measured: Figures, shares: int) -> float:
    """CPU seconds to read one of so many shares of a file: between measured ones, in proportion beyond."""
    known = sorted((int(key), seconds) for key, seconds in measured["reads"].items())
    sizes = np.array([size for size, _ in known])
    within = float(np.interp(shares, sizes, [seconds for _, seconds in known]))
    return within * max(1.0, shares / float(sizes[-1]))


_ESTIMATED = {
    "tasks": ("tasks", ",d"),
    "GB a task holds": ("memory", ",.1f"),
    "GB written": ("written", ",.0f"),
    "core-hours": ("hours", ",.1f"),
    "hours of one task": ("longest", ",.2f"),
}


def estimate_sheet(measured: Figures, n: int, limit: float) -> Sheet:
    """A row for each round, and one for all; its longest time is that of the rounds one after another."""
    found = estimate(measured, n, limit)
    together = {key: sum(r[key] for r in found) for key, _ in _ESTIMATED.values()}
    together |= {"name": "all", "memory": max(r["memory"] for r in found)}
    rows = [
        [r["name"], *(format(r[key], form) for key, form in _ESTIMATED.values())] for r in [*found, together]
    ]
    return Sheet(f"{n:,} documents, `memory_limit` {limit / 1e9:g} GB", ["round", *_ESTIMATED], rows)


# The page ---------------------------------------------------------------------------------------------------


def page(measured: Figures) -> str:
    """The whole page in Markdown."""
    runs = measured["runs"]
    largest = runs[-1]
    tables = [rounds_sheet(run).markdown() for run in runs]
    estimates = [estimate_sheet(measured, n, limit).markdown() for n, limit in SIZES]
    return "\n\n".join([
        _OPENING.format(
            n=largest["documents"], permutations=NEAR.permutations, bands=NEAR.bands, rows=NEAR.rows, rounds=_ROUNDS
        ),
        "## Measured",
        *tables,
        growth_sheet(runs).markdown(),
        found_sheet(runs).markdown(),
        _WORKED_OUT.format(signatures=largest["signatures"] / largest["documents"] * 1e6),
        *estimates,
        _ending(measured),
    ])  # fmt: skip


_OPENING = """# Deduplication of a billion documents

Written by `python -m benchmarks.dedup_scale --page` from the figures of its last measurement, `dedup_scale.json`: up to
{n:,} synthetic signatures of {permutations} values ({bands} bands of {rows} rows) with planted clusters (30 %
near-duplicates, 5 % copies, sizes with a heavy tail, three clusters of 10,000 equal signatures), in parts of 50,000
documents. Tasks ran one after another in one worker. CPU seconds are those of all threads; the peak is the
resident size of the process, libraries and mapped files included, of which an idle worker has some 400 MB;
spilled is what went to disk beside the output.
{rounds}"""

_WORKED_OUT = """## Worked out, not measured

Work and bytes per document are those of the largest run, times log n for the two sorts; the tasks follow from the
code's formulas; to that comes, for every file of which a task reads its share, the measured time to do so. The
signatures themselves are {signatures:,.0f} GB a billion and are read twice, by bands and by gathered. "Hours of one
task" is the mean; in the last row, the least time of a whole run, with as many workers as tasks."""


def _ending(measured: Figures) -> str:
    run = measured["runs"][-1]
    alone = sum(r["cpu"] for r in run["rounds"] if r["name"] in ALONE)
    share = alone / sum(r["cpu"] for r in run["rounds"])
    hours = sum(r["hours"] for r in estimate(measured, 10**9, 16e9) if r["name"] in ALONE)
    reads = ", ".join(f"{1e3 * seconds:.2f} ms of {shares}" for shares, seconds in measured["reads"].items())
    spilled = sum(r["spilled"] for r in run["rounds"]) / 1e3
    n_reads = count_partitions(10**10, NEAR, 16 * 10**9) * 200_000
    return f"""## Where it stops being linear

- **Three rounds are one task each**, {100 * share:.0f} % of all CPU time here: rank, groups, decide. They bound how far
  more workers help: for a billion documents they take {hours:.1f} hours of one core, of which DuckDB spreads the two
  sorts over the threads of its machine. What does not fit in memory is on disk meanwhile, some 100 bytes a document;
  that was measured with {spilled:.1f} GB of it, and sorts of a hundred times as much may take more passes.
- **groups holds two numbers a document**: 8 GB for a billion (32 bits), 160 GB for ten (64 bits). Where the limit is
  less, the arrays are files mapped into memory and looked up at random: right, but slow as the disk is. It is the
  one task that wants a large machine; the figures above suppose that it has one.
- **Shuffles read a share of every file.** At a given memory limit, partitions times parts grow with the square of
  the documents. Reading one share took {reads} in a file. At ten billion and
  16 GB these are {n_reads:,} reads, on an object store as many requests: larger parts and a higher limit both
  divide them.
- **A component that cannot be divided** is one task, 448 bytes a document, on disk where it exceeds the limit. Equal
  texts are one document to these rounds, so it takes hundreds of millions of near-duplicates of one another.
- **Comparisons depend on the clusters.** Their sizes were drawn from one distribution, cut at 10,000 documents, which
  the smallest run does not reach: hence the growth of verified there. The comparisons of a bucket whose members are
  *not* alike grow with its square; the planted clusters have such, and so has real text (menus, licences).

Content hashes and the flush to disk of every file are part of all figures; curation, in which signatures are made
as the text is read, is not."""

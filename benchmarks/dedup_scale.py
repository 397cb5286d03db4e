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
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks import dedup_synthetic
from benchmarks.dedup_page import Figures, Sheet, found_sheet, growth_sheet, page, rounds_sheet
from benchmarks.dedup_recall import found_probability
from benchmarks.dedup_rounds import run_rounds
from benchmarks.dedup_run import NEAR
from benchmarks.dedup_synthetic import Planted
from dataflow.dedup.batched import read_batches, write_batches
from dataflow.dedup.config import Dedup
from dataflow.dedup.near.bands import ENTRIES
from dataflow.store.storage import Storage

FIGURES = Path(__file__).with_name("dedup_scale.json")
"""Where what was measured is kept for the page."""

PAGE = Path(__file__).with_name("SCALE.md")

READS = (8, 64, 512, 4096)
"""Batches of a file, when the time of reading one of them is measured."""

console = Console(width=136)


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


def read_seconds(n_batches: int) -> float:
    """CPU seconds of a task that reads its batch of one part's band keys, laid out for so many tasks."""
    chance = np.random.default_rng(1)
    n = dedup_synthetic.PART * NEAR.bands // n_batches
    batch = pa.record_batch([chance.integers(0, 2**63, n, np.uint64), np.arange(n)], schema=ENTRIES)
    with tempfile.TemporaryDirectory() as name:
        store = Storage(name)
        numbers = list(range(n_batches))
        write_batches(store, "bands", ENTRIES, ((number, batch) for number in numbers), numbers)
        drawn = chance.integers(0, n_batches, 50).tolist()
        begun = time.process_time()
        for number in drawn:
            sum(len(one) for one in read_batches(store, ["bands"], number))
        return (time.process_time() - begun) / len(drawn)


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


def show(sheet: Sheet) -> None:
    """Print a table."""
    shown = Table(title=sheet.title)
    for name in sheet.head:
        shown.add_column(name, justify="left" if name == "round" else "right")
    for row in sheet.rows:
        shown.add_row(*row)
    console.print(shown)


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
            show(rounds_sheet(runs[-1]))
        measured = {"runs": runs, "reads": {batches: read_seconds(batches) for batches in READS}}
        arguments.figures.write_text(json.dumps(measured, indent=1) + "\n")
        show(found_sheet(runs))
        if len(runs) > 1:
            show(growth_sheet(runs))
    if arguments.page:
        PAGE.write_text(page(json.loads(arguments.figures.read_text())))


if __name__ == "__main__":
    main()

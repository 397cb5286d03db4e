"""Peak memory of a worker of ``curate``: a 50 MB line, many of them, a million documents.

Each case is read by a process of its own, and the peak is its resident size at the end, the interpreter, models
and compiled kernels included (the case ``nothing``). Texts are real ones, joined or cut::

    python -m benchmarks.memory
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.text_plane import chain, read_texts, write_jsonl

HUGE = 50_000_000


def huge_texts(texts: list[str], count: int) -> Iterator[str]:
    """``count`` documents of 50 million characters."""
    joined = "\n\n".join(texts)
    stretched = joined * (2 + HUGE // len(joined))
    return (stretched[n * 1009 :][:HUGE] for n in range(count))


def short_texts(texts: list[str], count: int) -> Iterator[str]:
    """``count`` documents of some 500 characters."""
    pieces = [text[at : at + 500] for text in texts for at in range(0, len(text), 500)]
    return islice(cycle(pieces), count)


CASES: dict[str, Callable[[list[str]], Iterator[str]]] = {
    "nothing": lambda texts: iter(texts[:1]),
    "one line of 50 MB": lambda texts: huge_texts(texts, 1),
    "6 lines of 50 MB": lambda texts: huge_texts(texts, 6),
    "100,000 documents": lambda texts: short_texts(texts, 100_000),
    "1,000,000 documents": lambda texts: short_texts(texts, 1_000_000),
}


def measured(source: Path, folder: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of a process that takes ``source`` through the chain."""
    command = [sys.executable, "-m", "benchmarks.memory", "--source", str(source), "--folder", str(folder)]
    begun = time.perf_counter()
    peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    return time.perf_counter() - begun, int(peak) / 1024


def main() -> None:
    """Measure every case and print a table; with ``--source``, be the process that is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--documents", help="JSONL file with the field text; default: the shared English data"
    )
    parser.add_argument("--case", action="append", choices=list(CASES), help="only this one; may be repeated")
    parser.add_argument("--source", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.source:
        chain(Path(arguments.source), Path(arguments.folder))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    texts = list(islice(read_texts(arguments.documents), 2_000))
    shown = Table(title="Peak memory of a worker")
    for name in ("input", "MB of text", "seconds", "peak MB"):
        shown.add_column(name, justify="left" if name == "input" else "right")
    for case in arguments.case or CASES:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "documents.jsonl"
            megabytes = write_jsonl(source, CASES[case](texts))
            seconds, peak = measured(source, Path(folder) / "out")
        shown.add_row(case, f"{megabytes:,.0f}", f"{seconds:.0f}", f"{peak:,.0f}")
    Console(width=100).print(shown)


if __name__ == "__main__":
    main()

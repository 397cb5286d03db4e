"""Near-dedup from raw JSONL to files of what is kept, beside datatrove's four stages: CPU seconds of one core.

Both sides read the same JSONL (``id``, ``text``), sign it with 14 x 8 values of 64 bits over 5-word shingles, find
which documents repeat others, and write those that stay to Parquet (zstd). Each side runs in a process of its own.

- Ours: ``curate`` (no transforms, no PII, no signals but the counts that are always made; documents stored with
  text, exact hash and signature), ``filter`` without rules, all rounds of ``dedup`` (pairs verified, every
  duplicate with its survivor), then the texts that stand written. CPU time is that of all threads.
- datatrove: signatures, buckets, cluster, filter with its writer. It verifies nothing and hashes no whole texts.

Where the input is larger than ``--peer-megabytes`` datatrove gets evenly drawn documents of that much text; its
stages are linear in what they read, so megabytes a second are compared::

    python -m benchmarks.dedup_whole mixed.jsonl --megabytes 100 1000
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.dedup_run import curated, deduplicated
from benchmarks.peer import peer_python, run_peer
from dataflow.dedup.config import Dedup
from dataflow.dedup.parts import DedupPart
from dataflow.store.standing import standing
from dataflow.store.storage import Storage

KEPT = ("id", "text")

console = Console(width=118)


@dataclass(frozen=True)
class Input:
    """A JSONL file made for both sides."""

    path: Path
    documents: int
    megabytes: float  # of text


def drawn(documents: Path, megabytes: float, path: Path) -> Input:
    """Every n-th document of a JSONL file, as many as hold about so much text; all of them where it has less."""
    whole = documents.stat().st_size / 1e6
    step = max(1, round(whole / megabytes))
    count, n_bytes = 0, 0
    with path.open("wb") as out:
        for text in _texts(documents, step):
            out.write(orjson.dumps({"id": str(count), "text": text}) + b"\n")
            count, n_bytes = count + 1, n_bytes + len(text.encode())
            if n_bytes >= megabytes * 1e6:
                break
    return Input(path, count, n_bytes / 1e6)


def _texts(documents: Path, step: int) -> Iterator[str]:
    with documents.open("rb") as lines:
        for number, line in enumerate(lines):
            if number % step == 0:
                yield orjson.loads(line)["text"]


def ours(source: Path, folder: Path) -> dict[str, float]:
    """CPU seconds of each part of our way, and ``kept`` documents; the peak of memory in MB."""
    import resource

    store = Storage(str(folder))
    seconds: dict[str, float] = {}
    begun = time.process_time()

    def lap(name: str) -> None:
        nonlocal begun
        now = time.process_time()
        seconds[name], begun = now - begun, now

    parts = curated(source, store)
    lap("signatures")
    deduplicated(store, parts, Dedup())
    lap("dedup")
    kept = write_kept(store, parts)
    lap("writing")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**seconds, "kept": kept, "peak": peak}


def write_kept(store: Storage, parts: list[DedupPart]) -> int:
    """Ids and texts of the documents that stand after dedup, a file a part; how many."""
    kept = 0
    for part in parts:
        stands = standing(store, part.source, part.shard, "dedup")
        with (
            store.open(part.table) as stream,
            store.create(f"kept/{part.name}.parquet") as out,
        ):
            reader = pq.ParquetFile(stream)
            schema = pa.schema([reader.schema_arrow.field(name) for name in KEPT])
            with pq.ParquetWriter(out, schema, compression="zstd", use_dictionary=False) as writer:
                at = 0
                for batch in reader.iter_batches(4_096, columns=list(KEPT)):
                    writer.write_batch(batch.filter(pa.array(stands[at : at + len(batch)])))
                    at += len(batch)
        kept += int(stands.sum())
    return kept


def measured(source: Input, warm: Input, folder: Path) -> dict[str, float]:
    """``ours`` in a fresh process, in which ``warm`` went the same way before."""
    command = [sys.executable, "-m", "benchmarks.dedup_whole", str(source.path)]
    command += ["--warm", str(warm.path), "--inside", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


@dataclass(frozen=True)
class Measured:
    """What one side took for an input."""

    tool: str
    source: Input
    seconds: tuple[float, float, float]  # of CPU: signatures, finding duplicates, writing what is kept
    kept: int
    peak: float  # MB

    @property
    def speed(self) -> float:
        """Megabytes of text a CPU second."""
        return self.source.megabytes / sum(self.seconds)


def compare(documents: Path, sizes: list[float], peer: str | None, peer_megabytes: float) -> Table:
    """A row for each size of ours, and one for the peer."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm = drawn(documents, 1, folder / "warm.jsonl")
        for size in sizes:
            source = drawn(documents, size, folder / "ours.jsonl")
            a = measured(source, warm, folder / "ours")
            taken = (a["signatures"], a["dedup"], a["writing"])
            found.append(Measured("dataflow", source, taken, round(a["kept"]), a["peak"]))
            shutil.rmtree(folder / "ours")
            console.print(f"{source.megabytes:,.0f} MB: {found[-1].speed:.2f} MB a CPU second")
        if peer:
            source = drawn(documents, peer_megabytes, folder / "peer.jsonl")
            asked = {"documents": str(source.path), "folder": str(folder / "theirs")}
            b = run_peer(peer, "peer_dedup.py", asked)
            s = b["seconds"]
            taken = (s["signatures"], s["buckets"] + s["cluster"], s["filter"])
            found.append(Measured("datatrove", source, taken, b["kept"], b["peak"]))
    return _table(found)


def _table(found: list[Measured]) -> Table:
    shown = Table(title="Near-dedup, JSONL in, kept documents out; CPU seconds of one core")
    figures = ("documents", "MB of text", "signatures", "dedup", "kept out", "all", "MB a CPU s", "times")
    for name in ("", *figures, "kept", "peak MB"):
        shown.add_column(name, justify="left" if not name else "right")
    theirs = next((one.speed for one in found if one.tool == "datatrove"), None)
    for one in found:
        shown.add_row(
            one.tool, f"{one.source.documents:,}", f"{one.source.megabytes:,.0f}",
            *(f"{seconds:,.1f}" for seconds in (*one.seconds, sum(one.seconds))), f"{one.speed:.3g}",
            f"{one.speed / theirs:.0f}" if theirs else "-", f"{one.kept:,}", f"{one.peak:,.0f}",
        )  # fmt: skip
    return shown


def main() -> None:
    """Measure and print; with ``--inside``, be the process that is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("documents", type=Path, help="JSONL file with the field text")
    parser.add_argument("--megabytes", type=float, nargs="+", default=[100.0], help="sizes of our runs")
    parser.add_argument("--peer-megabytes", type=float, default=100.0, help="text that datatrove is given")
    parser.add_argument(
        "--peer", help="Python of an environment with datatrove; without, only ours is measured"
    )
    parser.add_argument("--warm", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        ours(arguments.warm, arguments.inside / "warm")
        print(json.dumps(ours(arguments.documents, arguments.inside / "out")))
        return
    peer = peer_python(arguments.peer)
    console.print(compare(arguments.documents, arguments.megabytes, peer, arguments.peer_megabytes))


if __name__ == "__main__":
    main()

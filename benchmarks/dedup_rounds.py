"""The rounds of step ``dedup`` as a run makes them, every task of them measured.

The rounds are those of ``flows/dedup``, with their manifests; only who does the work differs: one worker, in which
a thousand documents went through all rounds before (libraries and kernels are loaded, as in a worker that lives
long), makes one task after another. The peak of each task's memory is the system's (``VmHWM``, set back before
each), the interpreter and mapped files included.
"""

import ctypes
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from benchmarks import dedup_synthetic
from dataflow.dedup.config import Dedup
from dataflow.dedup.decide import decide
from dataflow.dedup.parts import DedupPart
from dataflow.dedup.rank import rank
from dataflow.dedup.whole import deduplicate
from dataflow.store.manifest import Manifest, Part, ensure
from dataflow.store.storage import Storage
from flows.dedup_near import near_rounds
from flows.runner import Job
from flows.session import Session


@dataclass
class Round:
    """What one round took."""

    name: str
    tasks: int = 0
    cpu: float = 0.0  # seconds, of all threads
    wall: float = 0.0
    peak: float = 0.0  # MB, of the largest task
    written: float = 0.0  # MB of output
    spilled: float = 0.0  # MB written beside it: temporary files
    longest: float = 0.0  # CPU seconds of the longest task
    counts: dict[str, int] = field(default_factory=dict)


class MeasuredRun(Session):
    """A run that keeps account."""

    def __init__(self, store: Storage, config: Dedup, worker: ProcessPoolExecutor) -> None:
        self.recipe: Any = SimpleNamespace(dedup=config)
        self.store = store
        self.worker = worker
        self.rounds: list[Round] = []

    def make(self, step: str, jobs: Sequence[Job], *_: object, **__: object) -> list[Manifest]:
        """Every job, one after another."""
        done = Round(step.removeprefix("dedup-"), len(jobs))
        manifests = []
        for job in jobs:
            manifest, cpu, wall, peak, disk = self.worker.submit(_measured, self.store, job).result()
            written = sum(entry["bytes"] for entry in manifest.outputs.values()) / 1e6
            done.cpu, done.wall = done.cpu + cpu, done.wall + wall
            done.peak, done.longest = max(done.peak, peak), max(done.longest, cpu)
            done.written, done.spilled = done.written + written, done.spilled + max(disk - written, 0)
            for name, count in manifest.counts.items():
                done.counts[name] = done.counts.get(name, 0) + count
            manifests.append(manifest)
        self.rounds.append(done)
        return manifests


def run_rounds(store: Storage, shards: Sequence[str], config: Dedup) -> list[Round]:
    """All rounds over parts of ``dedup_synthetic``; what each of them took."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_warm_up) as worker:
        run = MeasuredRun(store, config, worker)
        parts = [DedupPart(dedup_synthetic.SOURCE, shard) for shard in shards]
        ranking = Job(Part("dedup-ranks", "all", 1, {}, {}), rank, (store, parts, config))
        [ranked] = run.make("rank", [ranking])
        for part in parts:
            tables = (f"{table}/{part.name}.parquet" for table in ("documents", "signals"))
            outputs = {path: {"bytes": 0, "hash": ""} for path in tables}
            curated = Manifest("curate", part.name, 1, "", {}, outputs, {})
            store.write_json(f"manifests/curate/{part.name}.json", asdict(curated))
        verified = list(near_rounds(run, parts, ranked))
        deciding = Job(Part("dedup", "all", 1, {}, {}), decide, (store, parts, verified, config, {}))
        run.make("decide", [deciding])
    return run.rounds


def _measured(store: Storage, job: Job) -> tuple[Manifest, float, float, float, float]:
    """A job's manifest, CPU and wall seconds, the peak of memory in MB, and all MB written to disk."""
    pa.default_memory_pool().release_unused()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what earlier rounds left is not this one's
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    cpu, wall, disk = _cpu_seconds(), time.perf_counter(), _disk_bytes()
    manifest, _ = ensure(store, job.part, lambda: job.function(*job.arguments))
    cpu, wall = _cpu_seconds() - cpu, time.perf_counter() - wall
    peak = int(_told("status")["VmHWM"].split()[0]) * 1024 / 1e6
    return manifest, cpu, wall, peak, (_disk_bytes() - disk) / 1e6


def _told(name: str) -> dict[str, str]:
    """What the system tells of this process."""
    lines = Path(f"/proc/self/{name}").read_text().splitlines()
    return {key: value for key, _, value in (line.partition(":") for line in lines)}


def _disk_bytes() -> int:
    return int(_told("io")["write_bytes"])


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _warm_up() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Storage(folder)
        shards = dedup_synthetic.write(store, dedup_synthetic.plant(1_000))
        deduplicate(store, [DedupPart(dedup_synthetic.SOURCE, shard) for shard in shards], Dedup())

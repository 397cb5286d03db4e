"""Who does the work: a pool of long-lived spawned processes, handed batches of parts by Prefect tasks.

A part is made in a worker by ``ensure``: skipped where its manifest says it is current. Models and compiled
kernels stay loaded in the workers from one batch to the next; text never travels between processes.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from dataflow.config import Config
from dataflow.errors import DataflowError
from dataflow.store.manifest import Made, Manifest, Part, ensure
from dataflow.store.storage import Storage


class Runner(Config):
    """What the work is spread over. No setting here changes a byte of the output."""

    kind: Literal["local"] = "local"
    """`local`: worker processes on this machine."""
    workers: int = Field(0, ge=0)
    """Worker processes; 0: one for each core."""

    @property
    def n_workers(self) -> int:
        """Worker processes, at least one."""
        if self.workers:
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Job:
    """A part to make and the function that makes it; the function and its arguments travel to a worker."""

    part: Part
    function: Callable[..., Made]
    arguments: tuple[Any, ...]


class Workers:
    """The pool. Processes start with the first job, so that a run with nothing to do starts none."""

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers
        self._pool = ProcessPoolExecutor(
            n_workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
        )

    def make(self, store: Storage, jobs: Sequence[Job]) -> Iterator[tuple[Manifest, bool]]:
        """The manifests of the jobs' parts, in order, and whether each was made now."""
        futures: list[Future[tuple[Manifest, bool]]] = [self._pool.submit(_make, store, job) for job in jobs]
        try:
            for job, future in zip(jobs, futures, strict=True):
                try:
                    yield future.result()
                except BrokenProcessPool as error:
                    raise DataflowError(
                        "a worker process was killed, most likely because memory ran out",
                        f"{job.part.step}, {job.part.name}",
                        "Use fewer workers (--set runner.workers=1) or smaller shards (--set shard_bytes=16M) "
                        "and run again: it continues.",
                    ) from error
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """End the processes, without waiting for work that has not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def worker_pool(n_workers: int) -> Iterator[Workers]:
    """The pool of a run; a flow inside another flow uses the pool of the outer one."""
    global _shared
    if _shared is not None:
        yield _shared
        return
    _shared = Workers(n_workers)
    try:
        yield _shared
    finally:
        _shared.close()
        _shared = None


_shared: Workers | None = None


def _make(store: Storage, job: Job) -> tuple[Manifest, bool]:
    return ensure(store, job.part, lambda: job.function(*job.arguments))


def _begin_worker() -> None:
    """One thread a process (the pool is the parallelism), and an end with the parent, however that dies."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "ARROW_NUM_THREADS"):
        os.environ[variable] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def end_with_parent() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()

"""What all steps of a run share: the recipe, the folder, the worker pool, and one way to make parts.

A step lists the parts that should exist; ``Session.make`` makes those that are missing, as Prefect tasks of one
batch of parts each (a task costs milliseconds, so never one task a document, seldom one a shard), shows progress
and returns all manifests in the step's own order.
"""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.utilities.annotations import quote

from dataflow.errors import DataflowError
from dataflow.store.manifest import Made, Manifest, Part, current, ensure, load, prune
from dataflow.store.storage import Storage
from flows.interrupts import raise_again
from flows.log import say
from flows.progress import Advance, step_progress
from flows.recipe import Recipe
from flows.runner import Job, Workers, worker_pool

_TASKS_A_STEP = 32
_SAID = (
    "records",
    "documents",
    "passed",
    "duplicates",
    "documents_cut",
    "contaminated",
    "quarantined",
    "skipped",
    "tokens",
)


@dataclass
class StepResult:
    """What a step did: parts made now, parts that were current, and its counts added up."""

    step: str
    made: int = 0
    current: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        figures = [f"{self.counts[name]:,} {name.replace('_', ' ')}" for name in _SAID if self.counts[name]]
        done = f"{self.made} made" + (f", {self.current} already there" if self.current else "")
        return f"{self.step:<15} {done:<26} {self.seconds:>6.1f} s   {', '.join(figures)}"


@dataclass
class Session:
    """An open run on an output folder."""

    recipe: Recipe
    store: Storage
    workers: Workers
    n_made: int = 0
    """Parts made by all steps so far; those that were current are not among them."""

    def make(
        self, step: str, jobs: Sequence[Job], quiet: bool = False, since: float | None = None
    ) -> list[Manifest]:
        """Make what is missing of a step's parts; parts that are no longer wanted are removed.

        Args:
            step: name for progress and results (a step may have several rounds with manifests of their own).
            jobs: every part that should exist afterwards, in order.
            quiet: say nothing when they are made: a round of which only the last speaks.
            since: when the first round began, by the monotonic clock.
        """
        raise_again()
        started = time.monotonic() if since is None else since
        done = {job.part.name: manifest for job in jobs if (manifest := current(self.store, job.part))}
        missing = [job for job in jobs if job.part.name not in done]
        result = StepResult(step, made=len(missing), current=len(done))
        self.n_made += len(missing)
        if missing:
            size = max(1, -(-len(missing) // max(_TASKS_A_STEP, 4 * self.workers.n_workers)))
            batches = [missing[start : start + size] for start in range(0, len(missing), size)]
            with step_progress(step, len(missing)) as advance:
                futures = [
                    self._submit(f"{step} {number + 1} of {len(batches)}", batch, advance)
                    for number, batch in enumerate(batches)
                ]
                for future in futures:
                    done |= {manifest.part: manifest for manifest in future.result()}
                    raise_again()
        if jobs:
            prune(self.store, jobs[0].part.step, [job.part.name for job in jobs])
        manifests = [done[job.part.name] for job in jobs]
        for manifest in manifests:
            result.counts.update(manifest.counts)
        result.seconds = time.monotonic() - started
        if not quiet:
            say(str(result))
        return manifests

    def _submit(self, name: str, jobs: Sequence[Job], advance: Advance) -> PrefectFuture[list[Manifest]]:
        work: Any = quote(
            (self.workers, self.store, jobs, advance)
        )  # unquoted on arrival: Prefect must not walk it
        return _make_batch.with_options(task_run_name=name).submit(work)

    def make_here(self, part: Part, make: Callable[[], Made]) -> Manifest:
        """One part that is made by this process and not by a worker, where it is missing."""
        raise_again()
        started = time.monotonic()
        manifest, made = ensure(self.store, part, make)
        self.n_made += made
        result = StepResult(part.step, int(made), int(not made), time.monotonic() - started)
        result.counts.update(manifest.counts)
        say(str(result))
        return manifest

    def finished(self, step: str, name: str) -> Manifest:
        """The manifest of a part that an earlier step must have made."""
        manifest = load(self.store, f"manifests/{step}/{name}.json")
        if manifest is None:
            raise missing_step(self.store, step)
        return manifest


def missing_step(store: Storage, step: str) -> DataflowError:
    """The error of a step whose input has not been made."""
    return DataflowError(
        f'the step "{step}" has not run yet',
        store.url,
        f"Run `dataflow {step} RECIPE`, or the whole line with `dataflow run`.",
    )


@task(cache_policy=NO_CACHE, persist_result=False)  # type: ignore[untyped-decorator, unused-ignore]
def _make_batch(work: tuple[Workers, Storage, Sequence[Job], Advance]) -> list[Manifest]:
    """One batch of parts, made in the workers while this thread waits."""
    workers, store, jobs, advance = work
    manifests = []
    for manifest, _ in workers.make(store, jobs):
        manifests.append(manifest)
        advance(1)
    return manifests


@contextmanager
def session(recipe: Recipe) -> Iterator[Session]:
    """The open run on the recipe's folder; a flow inside another flow joins the outer one's."""
    global _open
    if _open is not None and _open.recipe == recipe:
        yield _open
        return
    store = Storage(recipe.folder)
    with _only_run(store), worker_pool(recipe.runner.n_workers) as workers:
        if store.is_local:  # and so locked: whatever is half written, nobody is writing any more
            store.remove_partial()
        store.write_json("recipe.json", recipe.model_dump(mode="json"))
        _open = Session(recipe, store, workers)
        try:
            yield _open
        finally:
            _open = None


_open: Session | None = None


@contextmanager
def _only_run(store: Storage) -> Iterator[None]:
    """Two runs in one folder would undo each other; the lock goes with the process, however it ends."""
    if not store.is_local:
        yield
        return
    handle = _open_lock(Path(store.path("manifests/lock")))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise DataflowError(
            "another run is working in this folder", store.root, "Wait for it, or stop it."
        ) from error
    try:
        yield
    finally:
        os.close(handle)


def _open_lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise DataflowError(
            f"cannot write: {error.strerror}", str(path.parent), "Choose another folder with --out."
        ) from error

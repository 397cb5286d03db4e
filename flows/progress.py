"""Progress on anything that takes longer than a moment: a bar on a terminal, a line now and then elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Advance = Callable[[int], None]
_SECONDS_BETWEEN_LINES = 10.0

console = Console(stderr=True, highlight=False, soft_wrap=True)  # a line is a line, also in a log file


@contextmanager
def step_progress(step: str, total: int) -> Iterator[Advance]:
    """Shows ``total`` parts of a step being done; call the yielded function with how many more are finished."""
    if sys.stderr.isatty():
        with Progress(
            TextColumn("[bold]{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        ) as progress:
            shown = progress.add_task(step, total=total)
            yield lambda parts: progress.advance(shown, parts)
        return
    with _lines(step, total) as advance:
        yield advance


@contextmanager
def _lines(step: str, total: int) -> Iterator[Advance]:
    lock, done, last = threading.Lock(), 0, time.monotonic()

    def advance(parts: int) -> None:
        nonlocal done, last
        with lock:
            done += parts
            if done < total and time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                console.print(f"{step:<12} {done} of {total} parts")

    yield advance

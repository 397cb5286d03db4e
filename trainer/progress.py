"""What a person sees on stderr while training: a bar in a terminal, a plain line now and then elsewhere."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 15.0


class Reporter:
    """Progress of one run."""

    def __init__(self, name: str, total: int, done: int, quiet: bool) -> None:
        self._name, self._total, self._quiet = name, total, quiet
        self._last = 0.0
        self._bar: Progress | None = None
        if sys.stderr.isatty() and not quiet:
            columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[said]}"), console=Console(stderr=True))
            self._task = self._bar.add_task(name, total=total, completed=done, said="")
            self._bar.start()

    def step(self, step: int, said: str) -> None:
        """After some steps: how many are done, and the latest numbers."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step, said=said)
        elif not self._quiet and (time.monotonic() - self._last >= PLAIN_SECONDS or step >= self._total):
            self._last = time.monotonic()
            print(f"{self._name}: step {step}/{self._total}  {said}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._bar is not None:
            self._bar.console.print(f"{self._name}: {text}", highlight=False, markup=False)
        elif not self._quiet:
            print(f"{self._name}: {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

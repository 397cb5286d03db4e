"""What surrounds training in a process: the folder's lock, the signals that end it well, the clock."""

import fcntl
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from trainer.errors import TrainerError
from trainer.parallel import World


class Clock:
    """Seconds of training, validations and saves left out, and tokens a second."""

    def __init__(self, flops_per_token: int, tokens: int) -> None:
        self._flops = flops_per_token
        self._first_tokens = self._tokens = tokens
        self._seconds = 0.0
        self._lap_began = self._began = time.perf_counter()
        self._paused = 0.0
        self.skipped_in_a_row = 0

    def pause(self) -> None:
        """What follows is not training."""
        self._paused = time.perf_counter()

    def go_on(self) -> None:
        """Training goes on."""
        self._lap_began += time.perf_counter() - self._paused

    def lap(self, tokens: int) -> dict[str, float]:
        """Timing since the last lap."""
        now = time.perf_counter()
        seconds, trained = max(1e-9, now - self._lap_began), tokens - self._tokens
        self._seconds += seconds
        self._lap_began, self._tokens = now, tokens
        return {"seconds": self._seconds, **self._rates(trained, seconds)}

    def total(self, tokens: int) -> dict[str, float]:
        """Timing since this process began to train."""
        wall = time.perf_counter() - self._began
        rates = self._rates(tokens - self._first_tokens, max(1e-9, self._seconds))
        return {"training_seconds": self._seconds, "wall_seconds": wall, **rates}

    def _rates(self, tokens: int, seconds: float) -> dict[str, float]:
        per_second = tokens / seconds
        return {"tokens_per_second": per_second, "teraflops": per_second * self._flops / 1e12}


@contextmanager
def locked(folder: Path, world: World) -> Iterator[None]:
    """Two trainers never share a run folder: the first process holds ``lock`` while it lives."""
    if not world.is_first:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / "lock").open("w")
    except OSError as error:
        raise TrainerError(
            f"cannot write: {error.strerror}", str(folder), "Choose another folder."
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainerError(
                "another trainer is at work in this folder",
                str(folder),
                "Wait for it, or choose another folder.",
            ) from error
        yield


@contextmanager
def stop_signals() -> Iterator[list[str]]:
    """A list that holds the name of the first SIGTERM or SIGINT; the second SIGINT ends at once."""
    seen: list[str] = []

    def note(number: int, frame: FrameType | None) -> None:
        if seen and number == signal.SIGINT:
            raise KeyboardInterrupt
        seen.append(signal.Signals(number).name)

    before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}
    try:
        for one in (signal.SIGTERM, signal.SIGINT):
            before[one] = signal.signal(one, note)
    except ValueError:
        before = {}  # not the main thread: signals are someone else's to handle
    try:
        yield seen
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)

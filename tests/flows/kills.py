"""SIGKILL at a moment in the middle of a step."""

import shutil
import time
from pathlib import Path

import pytest
from command_line import CommandLine

_SECONDS = 2.0
_TRIES = 6


def killed_midway(
    dataflow: CommandLine,
    command: tuple[object, ...],
    before: Path,
    folder: Path,
    begun: str,
    ended: str,
    share: int,
) -> Path:
    """An output folder on which a command was killed after it began its work and before it ended it.

    Args:
        dataflow: the command line.
        command: what is killed, without ``--out``.
        before: the output folder that it works on; each try gets a copy.
        folder: where the copies go.
        begun: a path in the output folder that is there once the work has begun.
        ended: one that is there once it has ended.
        share: when to kill, in hundredths of about the time between them; half as late with every try that came
            too late.
    """
    for attempt in range(_TRIES):
        out = shutil.copytree(before, folder / f"out-{attempt}")
        moment = _Moment(out / begun, share / 100 * _SECONDS / 2**attempt)
        if dataflow.killed(moment, *command, "--out", out) and not (out / ended).exists():
            return out
    pytest.fail(f"dataflow {command[0]} was never hit in its middle")


class _Moment:
    """True so many seconds after something was there."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._seconds = path, seconds
        self._first: float | None = None

    def __call__(self) -> bool:
        if self._first is None and self._path.exists():
            self._first = time.monotonic()
        return self._first is not None and time.monotonic() - self._first >= self._seconds

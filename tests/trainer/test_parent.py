"""A trainer whose starter was killed saves what it has and ends."""

import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer import checkpoint
from trainer.config import TrainRun

_STARTER = """
import os, subprocess, sys
environment = {**os.environ, "DATAFLOW_PARENT": str(os.getpid())}
subprocess.run([*LAUNCHER, sys.executable, "-m", "trainer", "pretrain", "--config", sys.argv[1]], env=environment)
"""


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param([], id="child"),
        pytest.param(["sh", "-c", '"$@"; exit', "sh"], id="grandchild", marks=pytest.mark.slow),
    ],
)
def test_a_trainer_ends_with_the_program_that_started_it(
    make_run: Callable[..., TrainRun], tmp_path: Path, launcher: list[str]
) -> None:
    folder = tmp_path / "run"
    run = make_run(folder=str(folder), steps=0, epochs=3000, checkpoint_every=100_000, log_every=1)
    config = tmp_path / "run.json"
    config.write_text(run.model_dump_json())
    code = _STARTER.replace("*LAUNCHER", f"*{launcher!r}")
    starter = subprocess.Popen([sys.executable, "-c", code, str(config)], stderr=subprocess.DEVNULL)
    _wait_for(lambda: (folder / "metrics.jsonl").is_file() and (folder / "metrics.jsonl").stat().st_size > 0)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    _wait_for(lambda: not _is_locked(folder / "lock"))
    assert len(checkpoint.completed(folder / "checkpoints")) == 1
    assert not (folder / "summary.json").exists()


def _is_locked(path: Path) -> bool:
    with path.open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)

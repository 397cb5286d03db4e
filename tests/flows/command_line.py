"""The real command line in a process of its own, as a user starts it, and ways to kill it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class CommandLine:
    """``dataflow(...)`` runs the command ``dataflow`` to its end."""

    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 300
    """A command that takes longer has failed."""

    def __call__(
        self, *arguments: object, status: int | None = 0, cwd: Path | None = None, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """The finished process with what it printed.

        Args:
            arguments: of the command; paths may be ``Path``.
            status: the exit status that it must end with; None: whatever it is.
            cwd: where it runs.
            environment: variables for this call only.
        """
        call = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
        done = subprocess.run(
            call, cwd=cwd, env=self._with(environment), capture_output=True, text=True, timeout=self.seconds
        )
        if status is not None and done.returncode != status:
            raise AssertionError(
                f"dataflow {' '.join(map(str, arguments))} ended with {done.returncode}, not {status}\n"
                f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
            )
        return done

    def killed(self, when: Callable[[], bool], *arguments: object, **environment: str) -> bool:
        """Start the command and SIGKILL its whole process group as soon as ``when()``; False: it ended before."""
        status = self._stopped(when, lambda pid: os.killpg(pid, signal.SIGKILL), arguments, environment)
        return status == -signal.SIGKILL

    def terminated(self, when: Callable[[], bool], *arguments: object, **environment: str) -> int | None:
        """SIGTERM for the command alone as soon as ``when()``; its exit status, or None where it ended before."""
        return self._stopped(when, lambda pid: os.kill(pid, signal.SIGTERM), arguments, environment)

    def _stopped(
        self,
        when: Callable[[], bool],
        stop: Callable[[int], None],
        arguments: tuple[object, ...],
        environment: Mapping[str, str],
    ) -> int | None:
        call = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
        process = subprocess.Popen(
            call,
            env=self._with(environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + self.seconds
        try:
            while process.poll() is None and time.monotonic() < deadline:
                if when():
                    stop(process.pid)
                    return process.wait(timeout=self.seconds)
                time.sleep(0.002)
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _with(self, environment: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, **self.environment, **environment}

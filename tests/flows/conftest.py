"""One Prefect server for all tests of this folder, so that no command starts (and waits for) one of its own."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import CommandLine
from small_corpus import write_small_corpus

_SECONDS_TO_START = 180
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no process is left alone with one; of them the one that makes ``whole``."""
    items.sort(key=lambda item: (item.path.parent.name != "flows", item.path.name != "test_determinism.py"))


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect server's API; its state lies in a folder of its own."""
    home = tmp_path_factory.mktemp("prefect")
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = os.environ | _QUIET | {"PREFECT_HOME": str(home), "PREFECT_API_URL": url}
    call = [sys.executable, "-m", "prefect", "server", "start", "--no-services"]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*call, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_healthy(server, url, home / "server.log")
        yield url
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.fixture(scope="session")
def dataflow(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """``dataflow("run", recipe)``: the real command in a process of its own, against ``prefect_server``."""
    home = tmp_path_factory.mktemp("prefect-client")
    return CommandLine(_QUIET | {"PREFECT_HOME": str(home), "PREFECT_API_URL": prefect_server})


@pytest.fixture(scope="session")
def in_process(prefect_server: str) -> Iterator[Callable[..., None]]:
    """``in_process("run", recipe)``: the same command in this process, with one pool of workers for all calls.

    For tests of what a run makes, where a start of Python, Prefect and workers for each call would cost more than
    the run.
    """
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_LEVEL, temporary_settings

    from flows.cli import app
    from flows.runner import worker_pool

    def call(*arguments: object) -> None:
        app([*map(str, arguments)], standalone_mode=False)

    settings = {PREFECT_API_URL: prefect_server, PREFECT_LOGGING_LEVEL: "CRITICAL"}
    with temporary_settings(settings), worker_pool(2):
        yield call


@pytest.fixture(scope="session")
def recipe(shared_folder: Path) -> Path:
    """The recipe of a small corpus, its inputs beside it."""
    return _made_once(shared_folder / "small", write_small_corpus)


@pytest.fixture(scope="session")
def whole(dataflow: CommandLine, recipe: Path, shared_folder: Path) -> Path:
    """The output of an undisturbed run of the whole line, by one worker. Not to be changed."""

    def run(folder: Path) -> Path:
        dataflow("run", recipe, "--out", folder / "out", "--set", "runner.workers=1", PYTHONHASHSEED="1")
        return folder / "out"

    return _made_once(shared_folder / "whole", run)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this call of pytest, the same in all its processes."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def _made_once(folder: Path, make: Callable[[Path], Path]) -> Path:
    """What ``make(folder)`` returns; the other processes wait for the one that came first."""
    made = folder.with_name(f"{folder.name}-made")
    with folder.with_name(f"{folder.name}-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder.mkdir()
            made.write_text(str(make(folder)))
        return Path(made.read_text())


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_until_healthy(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"the Prefect server does not answer:\n{log.read_text(errors='replace')[-3000:]}")

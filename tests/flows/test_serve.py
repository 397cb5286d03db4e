"""``dataflow serve``: a real server, real deployments, and a run that is started as the UI starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.steps import STEPS

_SECONDS = 240
_TEXT = "A sentence of seven words is here. Then another one comes and it goes on for a while.\n"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of the API of a ``dataflow serve`` whose runs start in ``tmp_path``."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    with (tmp_path / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "serve", "--port", str(port)],
            cwd=tmp_path,
            env=environment | {"PREFECT_HOME": str(tmp_path / "prefect")},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}/api"
    try:
        _until(lambda: "Relative paths" in (tmp_path / "serve.log").read_text())
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    _until(lambda: not _listening(port))


@pytest.mark.slow
def test_a_run_started_through_the_api_completes_and_leaves_its_tables(served: str, tmp_path: Path):
    deployments = _deployments(served)
    assert deployments["whole line"]["parameter_openapi_schema"]["definitions"]["Source"]["properties"][
        "path"
    ]

    (tmp_path / "text").mkdir()
    for number in range(4):
        (tmp_path / "text" / f"{number}.txt").write_text(_TEXT * (number + 5))
    recipe = {"name": "small", "sources": [{"name": "notes", "path": "text"}], "rules": {"sets": []}}
    asked = {"parameters": {"recipe": {**recipe, "validation": {"share": 0}}}}
    run = _ask(served, f"deployments/{deployments['whole line']['id']}/create_flow_run", asked)
    state = _until(lambda: _finished(_ask(served, f"flow_runs/{run['id']}")))
    assert state == "COMPLETED"
    assert (tmp_path / "out" / "small" / "catalog.duckdb").exists()

    artifacts = {one["key"] for one in _ask(served, "artifacts/filter", {})}
    assert "records-by-source" in artifacts

    def said() -> bool:  # logs reach the server a little after the state
        lines = [one["message"] for one in _ask(served, "logs/filter", {"limit": 200})]
        return any(line.startswith("curate") and "4 documents" in line for line in lines)

    assert _until(said)


@pytest.mark.slow
def test_a_run_that_fails_says_why_in_one_line(served: str):
    deployments = _deployments(served)
    recipe = {"name": "wrong", "sources": [{"name": "notes", "path": "nowhere/*.txt"}]}
    asked = {"parameters": {"recipe": recipe}}
    run = _ask(served, f"deployments/{deployments['whole line']['id']}/create_flow_run", asked)
    assert _until(lambda: _finished(_ask(served, f"flow_runs/{run['id']}"))) == "FAILED"

    def said() -> bool:  # logs reach the server a little after the state
        return any("nowhere/*.txt" in one["message"] for one in _ask(served, "logs/filter", {"limit": 200}))

    assert _until(said)


def _deployments(url: str) -> dict[str, Any]:
    """Every flow's deployment by name; they are registered one after the other."""
    expected = {"whole line", "demo", *STEPS}

    def registered() -> dict[str, Any] | None:
        found = {one["name"]: one for one in _ask(url, "deployments/filter", {})}
        return found if set(found) == expected else None

    found: dict[str, Any] = _until(registered)
    return found


def _ask(url: str, path: str, body: Any = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/{path}", content, {"content-type": "application/json"})

    def answered() -> Any:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return [json.load(answer)]
        except urllib.error.HTTPError as error:
            if error.code != 503:  # the server's database is busy; Prefect's own client asks again too
                raise
            return None

    return _until(answered)[0]


def _finished(run: dict[str, Any]) -> str:
    return run["state_type"] if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else ""


def _until(ask: Any) -> Any:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(1)
    raise AssertionError(f"not within {_SECONDS} s")


def _listening(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0

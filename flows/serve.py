"""``dataflow serve``: every flow as a deployment in the Prefect UI, with the recipe as a form.

Where no Prefect server is configured (``PREFECT_API_URL``), one is started for as long as this command runs.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dataflow.errors import DataflowError
from flows.progress import console

_SECONDS_TO_START = 180


def serve(host: str, port: int) -> None:
    """Register and serve all flows until interrupted."""
    with _server(host, port) as url:
        from prefect import serve as serve_deployments

        from flows.demo import demo_flow
        from flows.pipeline import STEPS, pipeline

        flows: dict[str, Any] = {"whole line": pipeline, "demo": demo_flow, **STEPS}
        deployments = [flow.to_deployment(name=name, tags=["dataflow"]) for name, flow in flows.items()]
        console.print(f"Prefect UI: {url}/deployments  (Ctrl-C ends it)")
        serve_deployments(*deployments, print_starting_message=False)


@contextmanager
def _server(host: str, port: int) -> Iterator[str]:
    configured = os.environ.get("PREFECT_API_URL")
    if configured:
        yield configured.removesuffix("/api")
        return
    url = f"http://{host}:{port}"
    os.environ["PREFECT_API_URL"] = f"{url}/api"
    environment = os.environ | {"PREFECT_UI_API_URL": f"{url}/api", "PREFECT_SERVER_API_PORT": str(port)}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        with console.status("Starting a Prefect server"):
            _wait_until_healthy(server, url)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_until_healthy(server: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            message = (
                server.stderr.read().decode(errors="replace").strip().splitlines() if server.stderr else []
            )
            raise DataflowError(
                f"the Prefect server ended at once: {message[-1] if message else 'no message'}",
                url,
                "Is the port in use? Choose another with --port.",
            )
        try:
            with urllib.request.urlopen(f"{url}/api/health", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise DataflowError(f"the Prefect server did not answer within {_SECONDS_TO_START} s", url)

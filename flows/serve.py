"""``dataflow serve``: every flow as a deployment in the Prefect UI, with the recipe as a form.

Where no Prefect server is configured, one is started for as long as this command runs. Runs are child processes of
this one, in its working directory: that is what relative paths in a recipe start from.
"""

import atexit
from pathlib import Path
from typing import Any

from dataflow.errors import DataflowError
from flows.progress import console
from flows.server import is_configured, start_server


def serve(host: str, port: int) -> None:
    """Register and serve all flows until interrupted."""
    if not is_configured():
        server = start_server(host, port, ui=True)
        atexit.register(server.stop)
        with console.status("Starting a Prefect server"):
            server.wait()
    from prefect import serve as serve_deployments
    from prefect.settings import PREFECT_API_URL
    from prefect.types.entrypoint import EntrypointType

    from flows.demo import demo_flow
    from flows.pipeline import STEPS, pipeline

    url = PREFECT_API_URL.value()
    if not url:
        raise DataflowError(
            "Prefect's settings name no server", "PREFECT_API_URL", "Set it, or leave all out."
        )
    flows: dict[str, Any] = {"whole line": pipeline, "demo": demo_flow, **STEPS}
    deployments = [
        flow.to_deployment(
            name=name,
            tags=["dataflow"],
            description=_describe(flow),
            entrypoint_type=EntrypointType.MODULE_PATH,  # wherever runs start from, the module is installed
        )
        for name, flow in flows.items()
    ]
    console.print(f"Prefect UI: {url.removesuffix('/api')}/deployments  (Ctrl-C ends it)", soft_wrap=True)
    console.print(f"Relative paths in recipes start from {Path.cwd()}", soft_wrap=True)
    serve_deployments(*deployments, print_starting_message=False)


def _describe(flow: Any) -> str:
    return f"{flow.description}\n\nRelative paths start from `{Path.cwd()}`."

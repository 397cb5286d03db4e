"""A Prefect server of our own, for as long as a command runs, where the user's settings name none.

Prefect would start one by itself, but later (after our imports instead of beside them), by importing the whole
server into our process, and one that stays behind when we are killed. This one shares the user's ``PREFECT_HOME``,
so that runs of the command line are there to be looked at in the UI later.
"""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import tomllib
from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import DataflowError

_SECONDS_TO_START = 180
_SECONDS_TO_STOP = 20
_NAMES_A_SERVER = re.compile(r"PREFECT_API_URL|^\[(tool\.prefect\.)?api\]", re.MULTILINE)


@dataclass(frozen=True)
class Server:
    """A server that has been started and may not answer yet."""

    url: str
    process: "subprocess.Popen[bytes]"

    def wait(self) -> None:
        """Return when it answers; it listens from the start, so that one patient request is enough."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=_SECONDS_TO_START)
        try:
            connection.request("GET", "/api/health")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise DataflowError(
                f"the Prefect server did not start ({error})",
                self.url,
                "Try `prefect server start`, which says more.",
            ) from error
        finally:
            connection.close()

    def stop(self) -> None:
        """End it and wait for that."""
        self.process.terminate()
        try:
            self.process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def is_configured() -> bool:
    """Whether the user's Prefect settings name a server; asked before Prefect is imported, which reads them once."""
    if os.environ.get("PREFECT_API_URL") or os.environ.get("PREFECT_PROFILE"):
        return True
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml"))
    if path.exists():
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
        if "PREFECT_API_URL" in profiles.get("profiles", {}).get(profiles.get("active"), {}):
            return True
    files = [Path(name) for name in (".env", "prefect.toml", "pyproject.toml")]
    return any(_NAMES_A_SERVER.search(file.read_text(encoding="utf-8")) for file in files if file.exists())


def start_server(host: str = "127.0.0.1", port: int = 0, ui: bool = False) -> Server:
    """Start a server and point Prefect, not imported yet, to it; it ends when stopped, and with this process.

    Args:
        host: address to listen on.
        port: 0 for any free one.
        ui: with the UI and the services of a long-lived server (schedules, late runs, automations).
    """
    listener = _listen(host, port)
    here = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://{here}:{listener.getsockname()[1]}"
    command = [sys.executable, "-m", "flows.server", str(listener.fileno()), "ui" if ui else "api"]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PREFECT_UI_API_URL": "/api"},  # of whatever name the browser reaches us by
        stdin=subprocess.PIPE,  # closed when this process ends, however it does
        stdout=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        start_new_session=True,  # Ctrl-C is for us: runs report their end to the server before it goes
    )
    listener.close()
    os.environ["PREFECT_API_URL"] = f"{url}/api"
    return Server(url, process)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family)
    except OSError as error:
        raise DataflowError(
            f"cannot listen there: {os.strerror(error.errno or 0)}",
            f"{host}:{port}",
            "Choose another port with --port.",
        ) from error
    return listener


def _serve(descriptor: int, ui: bool) -> None:
    """The server process: serve on a socket that is listening already."""
    import uvicorn
    from prefect.server.api.server import create_app

    server = uvicorn.Server(uvicorn.Config(create_app(ephemeral=not ui, final=True), log_level="error"))

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2] == "ui")

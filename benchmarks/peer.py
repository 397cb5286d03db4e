"""Runs a script in the peer's own virtual environment, for comparisons in one run on the same documents.

datatrove and this project each pin a different fork of fastText, so the peer lives apart::

    python3 -m venv peer && peer/bin/pip install 'datatrove[processing]==0.10.0' spacy orjson
    python -m benchmarks.text_plane --peer peer/bin/python

The script gets its arguments as one JSON object on standard input and answers with one on its last line of
standard output.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

VARIABLE = "DATAFLOW_PEER_PYTHON"
"""Names the peer's Python where ``--peer`` is left out."""


def peer_python(given: str | None) -> str | None:
    """The peer's Python: the one given, else that of the environment variable, else none."""
    return given or os.environ.get(VARIABLE)


def run_peer(python: str, script: str, arguments: dict[str, Any]) -> Any:
    """What ``script`` (a file beside this one) answers, run by ``python`` on one thread."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    done = subprocess.run(
        [python, str(Path(__file__).with_name(script))],
        input=json.dumps(arguments),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **single},
    )
    return json.loads(done.stdout.splitlines()[-1])

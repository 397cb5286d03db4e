"""All tables of deduplication in one run: signatures, the whole of near-dedup, recall, scale, decontamination.

Every part is a program of its own, in a process of its own; run alone it says more of what it can::

    export DATAFLOW_PEER_PYTHON=peer/bin/python                      # datatrove, see peer.py
    export DATAFLOW_SIGNATURE_PEER_PYTHON=signatures/bin/python      # see dedup_signatures.py
    python -m benchmarks.dedup mixed.jsonl --folder /large/disk      # 15 minutes, 17 GB of disk
    python -m benchmarks.dedup mixed.jsonl --small                   # some minutes, figures of no account

``mixed.jsonl`` has documents of many languages with the fields ``text`` and, for recall by language, ``lang``; 1 GB of
it for the largest run.
"""

import argparse
import subprocess
import sys
from pathlib import Path


def parts(documents: str, folder: str | None, small: bool) -> dict[str, list[str]]:
    """Arguments of each part, by the name of its module."""
    sizes = ["10"] if small else ["100", "1000"]
    scale = ["--documents", *(["1e5", "3e5"] if small else ["1e6", "3e6", "1e7"])]
    scale += ["--figures", "/dev/null"] if small else ["--page"]
    return {
        "dedup_signatures": ["--documents", documents, "--megabytes", "1" if small else "10"],
        "dedup_whole": [documents, "--megabytes", *sizes, "--peer-megabytes", "2" if small else "100"],
        "dedup_recall": ["--documents", documents, *(["--pairs", "40", "--rounds", "1"] if small else [])],
        "dedup_scale": [*scale, *(["--folder", folder] if folder else [])],
        "decontamination": [],
    }


def main() -> None:
    """Run every part, or the one asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("documents", help="JSONL file with the field text")
    parser.add_argument("--folder", help="where there is room for the signatures of ten million documents")
    parser.add_argument("--small", action="store_true", help="a trial of every part")
    parser.add_argument("--part", action="append", help="only this one; may be repeated")
    arguments = parser.parse_args()
    for name, given in parts(arguments.documents, arguments.folder, arguments.small).items():
        if arguments.part is None or name in arguments.part:
            print(f"\n{name}\n{'=' * len(name)}", flush=True)
            command = [sys.executable, "-m", f"benchmarks.{name}", *given]
            subprocess.run(command, check=True, cwd=Path(__file__).parents[1])


if __name__ == "__main__":
    main()

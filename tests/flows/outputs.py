"""What lies in an output folder, in forms that two runs can be compared by."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

MADE = ("documents", "signals", "pii", "quarantine", "decisions", "plan", "corpus", "tokenizer", "tokens")
"""Folders of the line up to the token shards."""
ALL = (*MADE, "instructions", "models/quality")


def digests(out: Path, *folders: str) -> dict[str, str]:
    """SHA-256 of every file below the folders, by its path."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted((out / folder).rglob("*"))
        if path.is_file()
    }


def stamps(out: Path, *folders: str) -> dict[str, int]:
    """When every file below the folders was written, in nanoseconds, by its path."""
    return {
        str(path.relative_to(out)): path.stat().st_mtime_ns
        for folder in folders
        for path in sorted((out / folder).rglob("*"))
        if path.is_file()
    }


def metrics(out: Path, run: str) -> list[dict[str, Any]]:
    """The lines of a training run without its clock."""
    lines = (out / "runs" / run / "metrics.jsonl").read_text().splitlines()
    return [_timeless(json.loads(line)) for line in lines]


def summary(out: Path, run: str) -> dict[str, Any]:
    """What a training run ended with, without its clock."""
    return _timeless(json.loads((out / "runs" / run / "summary.json").read_text()))


def manifests(out: Path) -> dict[str, int]:
    """When the manifest of every part was written: a part that is made again gets a new one."""
    return {path: when for path, when in stamps(out, "manifests").items() if path.endswith(".json")}


def made_since(before: dict[str, int], out: Path) -> Counter[str]:
    """How many parts of each step were made since ``before``."""
    new = (path for path, when in manifests(out).items() if before.get(path) != when)
    return Counter(path.split("/")[1] for path in new)


def _timeless(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "timing"}

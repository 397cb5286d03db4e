"""``metrics.jsonl``: a line for each step, whatever happens between, as if the run had never stopped.

Numbers stay on the device until a flush fetches all of them at once. A checkpoint records the file's
length; a resume cuts the file to it. So a resumed file equals an undisturbed one but for ``timing``, where
wall-clock stands.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class Metrics:
    """The file of one run; ``path`` None (on all ranks but the first) writes nothing."""

    def __init__(self, path: Path | None, length: int = 0) -> None:
        self._pending: list[tuple[dict[str, Any], Tensor]] = []
        self._stream = None
        if path is not None:
            path.touch()
            os.truncate(path, length)
            self._stream = path.open("ab")

    def add(self, known: dict[str, Any], measured: Tensor) -> None:
        """Keep a step's line: what the host knows, and what the device will tell."""
        self._pending.append((known, measured))

    def fetch(self) -> list[tuple[dict[str, Any], list[float]]]:
        """All steps since the last fetch, their numbers brought to the host in one transfer."""
        if not self._pending:
            return []
        table = torch.stack([measured for _, measured in self._pending]).tolist()
        lines = [(known, row) for (known, _), row in zip(self._pending, table, strict=True)]
        self._pending = []
        return lines

    def write(self, line: dict[str, Any]) -> None:
        """Append a line."""
        if self._stream is not None:
            self._stream.write((json.dumps(line, ensure_ascii=False) + "\n").encode())
            self._stream.flush()

    def length(self) -> int:
        """Bytes written, all of them on disk."""
        if self._stream is None:
            return 0
        os.fsync(self._stream.fileno())
        return self._stream.tell()

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

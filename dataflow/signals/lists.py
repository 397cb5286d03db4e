"""Lists that a user gives: one entry a line, ``#`` for comments, plain, gzip or Zstandard, UTF-8."""

import gzip
import re
import zlib
from pathlib import Path

import zstandard

from dataflow.errors import DataflowError

_COMMENT = re.compile(r"(?:^|\s)#.*")

Stamp = tuple[str, int, int]
"""A file as it is now: path, time of change in nanoseconds, bytes. What is cached under it is never stale."""


def stamp(path: str) -> Stamp:
    """What tells this version of a file from others; a DataflowError where it cannot be read."""
    try:
        found = Path(path).stat()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    return path, found.st_mtime_ns, found.st_size


def read_list(path: str) -> list[str]:
    """The entries of a list, without comments and outer white space, in their order."""
    try:
        raw = Path(path).read_bytes()
        if path.lower().endswith(".gz"):
            raw = gzip.decompress(raw)
        elif path.lower().endswith((".zst", ".zstd")):
            raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except (EOFError, zlib.error, zstandard.ZstdError) as error:
        raise _unreadable(path, f"damaged: {error}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataflowError(
            f"line {line} is not UTF-8 text", path, "Save the list as UTF-8, one entry a line."
        ) from error
    lines = (_COMMENT.sub("", line) if "#" in line else line for line in text.split("\n"))
    entries = [entry for line in lines if (entry := line.strip())]
    if not entries:
        raise DataflowError("the list has no entries", path, "Write one a line; what follows # is a comment.")
    return entries


def _unreadable(path: str, why: str) -> DataflowError:
    return DataflowError(f"the list cannot be read ({why})", path, "Check the path and the file.")

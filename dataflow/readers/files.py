"""Which files a source is made of: files, folders, globs and fsspec URLs, and the format each name promises.

A file's ``relative`` path, below the folder or the fixed part of the glob it was found by, is part of every
document's id: it does not change when the data moves, and no two files of a source may share one.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, get_args

import fsspec

from dataflow.errors import DataflowError, RecipeError
from dataflow.readers import huggingface
from dataflow.readers.source import Format, Source

SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".markdown": "text",
    ".html": "html",
    ".htm": "html",
    ".warc": "warc",
    ".wat": "warc",
    ".wet": "wet",
    ".arc": "arc",
}
"""Format by suffix, after ``.gz``, ``.zst`` or ``.zstd`` is taken away."""

_PACKED = (".gz", ".zst", ".zstd")
_WEB = ("http://", "https://")


@dataclass(frozen=True)
class InputFile:
    """One file of a source."""

    path: str
    """Where it is: an absolute path, or a URL that fsspec opens."""

    relative: str
    """Its name within the source, with ``/`` between the parts."""

    size: int
    """Bytes as stored; 0 where the server does not say."""


def find_files(source: Source) -> list[InputFile]:
    """Every file of a source, sorted by relative path; a pattern without files is an error."""
    found: dict[str, InputFile] = {}
    taken: dict[str, str] = {}
    for entry in source.paths:
        for file in _expand(entry, source.name, source.format == "hf"):
            if file.path in found:
                continue
            if file.relative in taken:
                both = f"{taken[file.relative]} and {file.path}"
                raise RecipeError(
                    f'two files would both be called "{file.relative}": {both}',
                    f'source "{source.name}"',
                    "Name the folder above both, or make two sources of them.",
                )
            found[file.path] = file
            taken[file.relative] = file.path
    return sorted(found.values(), key=lambda file: file.relative)


def guess_format(file: InputFile, source: Source) -> Format:
    """The source's format, or what the file's suffix promises."""
    if source.format is not None:
        return source.format
    name = PurePosixPath(file.relative.lower())
    suffix = PurePosixPath(name.stem).suffix if name.suffix in _PACKED else name.suffix
    if suffix not in SUFFIXES:
        known = f"{', '.join(SUFFIXES)}; packed: .gz, .zst"
        raise RecipeError(
            f'the suffix of "{file.relative}" is of no format known here ({known})',
            f'source "{source.name}", file {file.path}',
            f"Give the source a format: {', '.join(get_args(Format))}.",
        )
    return SUFFIXES[suffix]


def _expand(entry: str, name: str, saved: bool) -> list[InputFile]:
    """The files of one file, folder or glob; of a dataset ``saved`` to disk, those of its data."""
    where = f'source "{name}"'
    try:
        fs, path = fsspec.core.url_to_fs(entry)
    except (ValueError, ImportError) as error:
        raise RecipeError(f'cannot open "{entry}": {error}', where) from error
    if entry.startswith(_WEB) and "*" not in entry:
        return [_file(fs, entry, fs.info(path), entry.split("?")[0].rstrip("/").rpartition("/")[2])]
    path = str(path).rstrip("/") or "/"
    try:
        if fs.isfile(path):
            return [_file(fs, entry, fs.info(path), path.rpartition("/")[2])]
        root, listing = _list(fs, path)
    except PermissionError as error:
        raise DataflowError(f'cannot read "{entry}": permission denied', where) from error
    listing = huggingface.data_files(fs, listing, entry, where, saved)
    prefix = len(root.rstrip("/")) + 1
    files = [
        _file(fs, entry, info, str(info["name"])[prefix:])
        for info in listing
        if info["type"] == "file" and not _hidden(str(info["name"])[prefix:])
    ]
    if not files:
        what = (
            "no file matches"
            if _is_glob(path)
            else "no file in the folder"
            if fs.isdir(path)
            else "no such file:"
        )
        raise RecipeError(f'{what} "{entry}"', where, "Check the path; a relative one starts where you run.")
    return files


def _list(fs: Any, path: str) -> tuple[str, list[dict[str, Any]]]:
    """The fixed part of a folder or glob, and all that was found below it."""
    if fs.isdir(path):
        return path, list(fs.find(path, detail=True).values())
    if not _is_glob(path):
        return path, []
    fixed: list[str] = []
    for part in path.split("/")[:-1]:
        if _is_glob(part):
            break
        fixed.append(part)
    return "/".join(fixed), list(fs.glob(path, detail=True).values())


def _is_glob(path: str) -> bool:
    return any(sign in path for sign in "*?[")


def _hidden(relative: str) -> bool:
    return any(part.startswith(".") for part in relative.split("/"))


def _file(fs: Any, entry: str, info: dict[str, Any], relative: str) -> InputFile:
    path = str(info["name"])
    if "::" in entry:  # a chained URL, such as zip://*.txt::books.zip: the outer file stays as it was written
        path = f"{entry.split('://')[0]}://{path}::{entry.split('::', 1)[1]}"
    elif "file" not in fs.protocol and "://" not in path:
        path = str(fs.unstrip_protocol(path))
    return InputFile(path, relative, int(info.get("size") or 0))

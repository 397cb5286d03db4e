"""The one door to all formats: find a source's files, split them into pieces, read a piece as Arrow batches.

Every record of a file comes out exactly once, as a document or as a reject with its reason. Reading the pieces
of a file in order gives the rows of the whole, numbers included. A new format is one file beside this one and
one line below.
"""

from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any

from dataflow.errors import DataflowError
from dataflow.readers.batches import Batch, Record
from dataflow.readers.files import InputFile, find_files
from dataflow.readers.pieces import Piece
from dataflow.readers.source import Extract, Format, Source
from dataflow.readers.split import split

__all__ = ["Batch", "InputFile", "Piece", "Record", "find_files", "read", "read_records", "split"]

VERSION = 2
"""Raised when the rows read from the same bytes change."""

_READERS: dict[Format, str] = {
    "jsonl": "jsonl",
    "json": "json_file",
    "parquet": "parquet",
    "arrow": "arrow",
    "hf": "arrow",
    "csv": "delimited",
    "tsv": "delimited",
    "text": "text",
    "html": "html",
    "warc": "warc",
    "wet": "warc",
    "arc": "arc",
}
"""Module of each format, imported when it is needed: the extractor of HTML is heavy. Each has ``read(piece, source)``,
those of web pages with ``extract``; those of records with fields also have ``records(piece, source)``."""

_WEB = ("html", "warc", "wet", "arc")
_RECORD_GROUP = 1000


def _reader(piece: Piece) -> Any:
    return import_module(f"dataflow.readers.{_READERS[piece.format]}")


def read(piece: Piece, source: Source, extract: Extract | None = None) -> Iterator[Batch]:
    """The documents of a piece and, beside them, the records that are none, in batches of about 16 MB."""
    reader = _reader(piece)
    batches: Iterator[Batch]
    if piece.format == "html":
        batches = reader.read(piece.path, piece.relative, extract or Extract())
    elif piece.format in _WEB:
        batches = reader.read(piece, source, extract or Extract())
    else:
        batches = reader.read(piece, source)
    return batches


def read_records(piece: Piece, source: Source) -> Iterator[list[Record]]:
    """The records of a piece as they are (instruction data), in lists of up to 1,000."""
    reader = _reader(piece)
    if not hasattr(reader, "records"):
        raise DataflowError(
            f"records with fields cannot be read from {piece.format} files",
            f'source "{source.name}", file {piece.path}',
            "Give JSONL, JSON, Parquet, Arrow or CSV files.",
        )
    records: Iterator[Record] = reader.records(piece, source)
    for first in records:
        yield [first, *islice(records, _RECORD_GROUP - 1)]

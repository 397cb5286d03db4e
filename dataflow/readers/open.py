"""The one door to all formats: find a source's files, split them into pieces, read a piece as Arrow batches.

Every record of a file comes out exactly once, as a document or as a reject with its reason. A piece is what
one worker reads: a byte range of plain JSONL, a range of row groups of Parquet, a whole file of anything
else. Reading the pieces in order gives the rows of the whole file, numbers included.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from dataflow.errors import DataflowError
from dataflow.readers import jsonl, parquet, text
from dataflow.readers.batches import Batch, Builder, Record, add_record
from dataflow.readers.files import InputFile, find_files, guess_format
from dataflow.readers.source import Extract, Format, Source
from dataflow.readers.streams import blocks, compression, open_file

__all__ = ["Batch", "InputFile", "Piece", "Record", "find_files", "read", "read_records", "split"]

VERSION = 1
"""Raised when the rows read from the same bytes change."""

_RECORD_GROUP = 1000


@dataclass(frozen=True)
class Piece:
    """What is read in one go: a file or a range of one."""

    path: str
    """Where the file is."""

    relative: str
    """Its name within the source."""

    format: Format
    """How it is read."""

    start: int = 0
    """First byte (JSONL) or row group (Parquet)."""

    end: int | None = None
    """Byte or row group after the last; None: to the end of the file."""

    first_record: int = 0
    """Number of its first record in the file."""


def split(file: InputFile, source: Source, shard_bytes: int) -> list[Piece]:
    """Pieces of about ``shard_bytes`` where the format allows; one whole where the source has a ``limit``."""
    kind = guess_format(file, source)
    whole = Piece(file.path, file.relative, kind)
    if source.limit is not None or file.size <= shard_bytes:
        return [whole]
    if kind == "parquet":
        return _split_parquet(whole, shard_bytes)
    if kind == "jsonl" and _is_plain(file.path):
        return _split_lines(whole, file.size, shard_bytes)
    return [whole]


def _split_parquet(whole: Piece, shard_bytes: int) -> list[Piece]:
    groups = parquet.row_groups(whole.path)
    pieces: list[Piece] = []
    start = n_bytes = 0
    for group in groups:
        n_bytes += group.n_bytes
        if n_bytes >= shard_bytes or group is groups[-1]:
            first = groups[start].first_row
            pieces.append(Piece(whole.path, whole.relative, whole.format, start, group.index + 1, first))
            start, n_bytes = group.index + 1, 0
    return pieces if len(pieces) > 1 else [whole]


def _split_lines(whole: Piece, size: int, shard_bytes: int) -> list[Piece]:
    """Cuts after the first newline past each multiple of ``shard_bytes``; lines are counted on the way."""
    cuts = [(0, 0)]  # byte, number of the line that begins there
    target, position, n_lines = shard_bytes, 0, 0
    for block in blocks(whole.path, 0, size):
        begun = 0
        while target <= position + len(block):
            newline = block.find(b"\n", max(begun, target - 1 - position))
            if newline < 0:
                break
            n_lines += block.count(b"\n", begun, newline + 1)
            begun = newline + 1
            cuts.append((position + begun, n_lines))
            target = max(target + shard_bytes, position + begun + 1)
        n_lines += block.count(b"\n", begun)
        position += len(block)
    cuts = [cut for cut in cuts if cut[0] < size] + [(size, n_lines)]
    pieces = [
        Piece(whole.path, whole.relative, whole.format, start, end, first)
        for (start, first), (end, _) in pairwise(cuts)
    ]
    return pieces if len(pieces) > 1 else [whole]


def _is_plain(path: str) -> bool:
    with open_file(path) as stream:
        return not compression(stream.read(4)) and not path.lower().endswith((".gz", ".zst", ".zstd"))


def read(piece: Piece, source: Source, extract: Extract | None = None) -> Iterator[Batch]:
    """The documents of a piece and, beside them, the records that are none, in batches of about 16 MB."""
    if piece.format == "parquet":
        return parquet.read(
            piece.path, piece.relative, source.fields, piece.start, piece.end, piece.first_record
        )
    if piece.format == "text":
        return text.read(piece.path, piece.relative)
    if piece.format in ("html", "warc", "wet", "arc"):
        return _read_web(piece, extract or Extract())
    return _read_json(piece, source)


def _read_web(piece: Piece, extract: Extract) -> Iterator[Batch]:
    from dataflow.readers import html, warc  # the extractor is heavy, and many corpora hold no HTML

    if piece.format == "html":
        return html.read(piece.path, piece.relative, extract)
    if piece.format == "arc":
        return warc.read_arc(piece.path, piece.relative, extract)
    return warc.read(piece.path, piece.relative, extract)


def _read_json(piece: Piece, source: Source) -> Iterator[Batch]:
    builder = Builder(piece.relative)
    for record in _json_records(piece):
        add_record(builder, record, source.fields)
        yield from builder.take()
    yield from builder.take(last=True)


def _json_records(piece: Piece) -> Iterator[Record]:
    if piece.format == "json":
        return jsonl.read_json(piece.path, piece.relative)
    return jsonl.read_lines(piece.path, piece.relative, piece.start, piece.end, piece.first_record)


def read_records(piece: Piece, source: Source) -> Iterator[list[Record]]:
    """The records of a JSON or Parquet piece as they are (instruction data), in lists of up to 1,000."""
    if piece.format == "parquet":
        records = parquet.read_records(piece.path, piece.relative, piece.start, piece.end, piece.first_record)
    elif piece.format in ("json", "jsonl"):
        records = _json_records(piece)
    else:
        raise DataflowError(
            f"records with fields cannot be read from {piece.format} files",
            f'source "{source.name}", file {piece.path}',
            "Give JSONL, JSON or Parquet files.",
        )
    for first in records:
        yield [first, *islice(records, _RECORD_GROUP - 1)]

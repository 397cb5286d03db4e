"""CSV and TSV: a header, then one record a row; all cells are strings.

A row ends at a newline before which the quotes are even (RFC 4180). A row that is no row (too many or too few cells,
a stray or open quote) is quarantined with its number, and reading goes on. Where a quote is at fault, the row's
first line alone is taken for broken and the lines that it swallowed are read again: a quote left open does not cost
the rest of the file. The delimiter of a ``csv`` file is the one of ``, ; tab |`` that its header has most of. Blank
lines are no records.
"""

import csv
from bisect import bisect_left
from codecs import BOM_UTF8
from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np

from dataflow.readers.batches import RAW_BYTES, Batch, Record, batches_of
from dataflow.readers.lines import LongLine, chunks
from dataflow.readers.pieces import Piece
from dataflow.readers.source import Source
from dataflow.readers.streams import Damaged, utf8_blocks

_DELIMITERS = ",;\t|"


def read(piece: Piece, source: Source) -> Iterator[Batch]:
    """The documents of a file, and the rows that are none."""
    return batches_of(records(piece, source), piece.relative, source.fields)


def records(piece: Piece, source: Source) -> Iterator[Record]:
    """Every row of a file as an object of its cells."""
    csv.field_size_limit(1 << 40)  # of this process; what counts is the source's limit
    stream = chunks(utf8_blocks(piece.path, max_ratio=source.max_ratio), source.max_record_bytes)
    header: list[str] = []
    number = 0
    try:
        for row in _rows(stream, "\t" if piece.format == "tsv" else "", source.max_record_bytes):
            fault = row.fault
            if not header and not fault:
                header = _distinct(row.cells)
                continue
            if not header:
                fault = f"{fault}, in the header; the rest of the file is not read"
            elif not fault and len(row.cells) != len(header):
                fault = f"malformed_csv: {len(row.cells)} cells, and the header has {len(header)}"
            value = None if fault else dict(zip(header, row.cells, strict=True))
            yield Record(number, piece.relative, value, fault, row.raw, row.n_bytes)
            number += 1
            if not header:
                return
    except Damaged as damage:
        yield Record(number, piece.relative, None, damage.reason, damage.raw, damage.bytes_in)


class _Row(NamedTuple):
    cells: list[str]
    fault: str
    raw: bytes
    n_bytes: int


def _rows(stream: Iterator[bytes | LongLine], delimiter: str, limit: int) -> Iterator[_Row]:
    """Rows of whole lines; the delimiter, where it is not given, is told by the first line."""
    rest = b""
    begun = False
    for chunk in stream:
        if isinstance(chunk, LongLine):
            yield from _rows_of(rest, delimiter, limit, final=True)
            reason = f"record_too_long: a line of {chunk.n_bytes} bytes, at most {limit} are read"
            yield _Row([], reason, chunk.raw, chunk.n_bytes)
            rest = b""
            continue
        if not begun:
            chunk = chunk.removeprefix(BOM_UTF8)
            delimiter = delimiter or _delimiter(chunk.lstrip().partition(b"\n")[0])
            begun = True
        rest = yield from _rows_of(rest + chunk, delimiter, limit, final=False)
    yield from _rows_of(rest, delimiter, limit, final=True)


def _rows_of(buffer: bytes, delimiter: str, limit: int, final: bool) -> Generator[_Row, None, bytes]:
    """The rows of some lines; returns what begins a row that may end in the lines to come."""
    content = np.frombuffer(buffer, np.uint8)
    ends = np.flatnonzero(content == 10)
    if final and not buffer.endswith(b"\n"):
        ends = np.append(ends, len(buffer))
    odd = np.searchsorted(np.flatnonzero(content == 34), ends) & 1  # quotes before each end of a line
    by_parity = (ends[odd == 0].tolist(), ends[odd == 1].tolist())
    begin = parity = 0
    while begin < len(buffer):
        candidates = by_parity[parity]
        at = bisect_left(candidates, begin)
        end = candidates[at] if at < len(candidates) else -1
        if end < 0 and not final and len(buffer) - begin <= limit:
            return buffer[begin:]
        row = _row(buffer[begin:end], delimiter, limit) if end >= 0 else None
        if row is None or (row.fault and b"\n" in buffer[begin:end]):
            end = buffer.find(b"\n", begin)
            end = end if end >= 0 else len(buffer)
            row = _row(buffer[begin:end], delimiter, limit)
            parity ^= buffer.count(b'"', begin, end) & 1
        begin = end + 1
        if row.cells or row.fault:
            yield row
    return b""


def _row(line: bytes, delimiter: str, limit: int) -> _Row:
    """The cells of a row, or why it is none; neither for a blank line."""
    cells: list[str] = []
    fault = ""
    try:
        if len(line) > limit:
            fault = f"record_too_long: {len(line)} bytes, at most {limit} are read"
        elif line and not line.isspace():
            cells = next(csv.reader([line.decode()], delimiter=delimiter, strict=True))
    except csv.Error as error:
        fault = f"malformed_csv: {error}"
    except UnicodeDecodeError as error:
        fault = f"invalid_utf8: {error.reason} at byte {error.start} of the row"
    return _Row(cells, fault, line[:RAW_BYTES], len(line))


def _delimiter(line: bytes) -> str:
    return max(_DELIMITERS, key=lambda sign: line.count(sign.encode()))


def _distinct(header: list[str]) -> list[str]:
    """Names of columns; one that lacks its own is told apart by the column's number, from 1."""
    names: list[str] = []
    for number, name in enumerate(header, 1):
        names.append(f"{name or 'column'}.{number}" if not name or name in names else name)
    return names

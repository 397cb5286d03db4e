"""CSV and TSV: a header, then one record a row; all cells are strings.

A row that is no row (too many or too few cells, a stray or open quote) is quarantined with its number, and reading
goes on. Where a quote is at fault, the row's first line alone is taken for broken and the lines that it swallowed
are read again: a quote left open does not cost the rest of the file. The delimiter of a ``csv`` file is the one of
``, ; tab |`` that its header has most of; quotes and newlines within them are as in RFC 4180. Blank lines are no
records.
"""

import csv
from collections import deque
from collections.abc import Iterator

from dataflow.readers.batches import RAW_BYTES, Batch, Builder, Record, add_record
from dataflow.readers.lines import LongLine, lines
from dataflow.readers.pieces import Piece
from dataflow.readers.source import Source
from dataflow.readers.streams import Damaged, utf8_blocks

_DELIMITERS = ",;\t|"


def read(piece: Piece, source: Source) -> Iterator[Batch]:
    """The documents of a file, and the rows that are none."""
    builder = Builder(piece.relative)
    for record in records(piece, source):
        add_record(builder, record, source.fields)
        yield from builder.take()
    yield from builder.take(last=True)


def records(piece: Piece, source: Source) -> Iterator[Record]:
    """Every row of a file as an object of its cells."""
    csv.field_size_limit(1 << 40)  # of this process; what counts is the source's limit
    number = 0
    try:
        feed = _Feed(
            lines(utf8_blocks(piece.path, max_ratio=source.max_ratio), source.max_record_bytes), source
        )
        header: list[str] = []
        reader = csv.reader(feed, delimiter=_delimiter(piece, feed), strict=True)
        while feed.begin_row():
            cells, fault = _row(reader, feed)
            if not cells and not fault:
                continue  # a blank line
            if not header and not fault:
                header = _distinct(cells)
                continue
            if not header:
                fault = f"{fault}, in the header; the rest of the file is not read"
            elif not fault and len(cells) != len(header):
                fault = f"malformed_csv: {len(cells)} cells, and the header has {len(header)}"
            value = None if fault else dict(zip(header, cells, strict=True))
            raw = b"\n".join(feed.taken)
            yield Record(number, piece.relative, value, fault, raw[:RAW_BYTES], feed.n_bytes)
            number += 1
            if not header:
                return
    except Damaged as damage:
        yield Record(number, piece.relative, None, damage.reason, damage.raw, damage.bytes_in)


class _Feed:
    """Lines for the parser, which remembers those that make the row at hand and can be given them back."""

    def __init__(self, stream: Iterator[bytes | LongLine], source: Source) -> None:
        self._stream = stream
        self._limit = source.max_record_bytes
        self._waiting: deque[bytes | LongLine] = deque()
        self.taken: list[bytes] = []
        self.n_bytes = 0
        self.fault = ""

    def peek(self) -> bytes | LongLine | None:
        """The next line, which stays the next; None at the end."""
        if not self._waiting and (line := next(self._stream, None)) is not None:
            self._waiting.append(line)
        return self._waiting[0] if self._waiting else None

    def begin_row(self) -> bool:
        """Forget the row before; whether there is another."""
        self.taken, self.n_bytes, self.fault = [], 0, ""
        return self.peek() is not None

    def skip_long(self) -> LongLine | None:
        """Pass over a line beyond the limit, if that is what the row begins with."""
        line = self.peek()
        if not isinstance(line, LongLine):
            return None
        self._waiting.popleft()
        self.taken, self.n_bytes = [line.raw], line.n_bytes
        return line

    def give_back(self) -> None:
        """All lines of the row but its first are to be read again."""
        self._waiting.extendleft(reversed(self.taken[1:]))
        self.taken, self.n_bytes = self.taken[:1], len(self.taken[0])

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self.peek()
        if line is None or isinstance(line, LongLine) or self.n_bytes + len(line) > self._limit:
            raise StopIteration
        self._waiting.popleft()
        self.taken.append(line)
        self.n_bytes += len(line)
        try:
            return line.decode() + "\n"
        except UnicodeDecodeError as error:
            self.fault = f"invalid_utf8: {error.reason} at byte {error.start} of the line"
            return line.decode(errors="replace") + "\n"


def _row(reader: Iterator[list[str]], feed: _Feed) -> tuple[list[str], str]:
    """The cells of the next row, or why it is none."""
    if long := feed.skip_long():
        return [], f"record_too_long: a line of {long.n_bytes} bytes"
    try:
        cells = next(reader)
    except csv.Error as error:
        feed.give_back()
        return [], f"malformed_csv: {error}"
    return cells, feed.fault


def _delimiter(piece: Piece, feed: _Feed) -> str:
    first = feed.peek()
    if piece.format == "tsv" or not isinstance(first, bytes):
        return "\t" if piece.format == "tsv" else ","
    return max(_DELIMITERS, key=lambda sign: first.count(sign.encode()))


def _distinct(header: list[str]) -> list[str]:
    """Names of columns, where they lack one or share it made distinct by the column's number from 1."""
    header[0] = header[0].removeprefix("\ufeff")
    names: list[str] = []
    for number, name in enumerate(header, 1):
        names.append(f"{name or 'column'}.{number}" if not name or name in names else name)
    return names

"""The range of a file that is read in one go, and the parts that a table in a file is made of."""

from dataclasses import dataclass

from dataflow.readers.source import Format


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
    """First byte as stored (JSONL), row group (Parquet) or record batch (Arrow)."""

    end: int | None = None
    """Byte, row group or record batch after the last; None: to the end of the file."""

    first_record: int = 0
    """Number of its first record in the file."""

    skip: int = 0
    """Of packed JSONL: bytes to pass over, unpacked from ``start`` on."""

    n_bytes: int | None = None
    """Of packed JSONL: bytes to read after those; None: all."""


@dataclass(frozen=True)
class RowGroup:
    """Where a row group (Parquet) or record batch (Arrow) stands in its file, and how large it is on disk."""

    index: int
    first_row: int
    n_rows: int
    n_bytes: int

"""Parquet, row group by row group.

A record's number is its row in the file. Row groups are read one at a time, so that a file split by row groups
gives the same rows as a whole read, and a damaged row group costs only its own rows from the damage on.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.readers import table
from dataflow.readers.batches import BATCH_BYTES, Batch, Record
from dataflow.readers.pieces import Piece, RowGroup
from dataflow.readers.source import Source
from dataflow.readers.streams import open_file, unreadable

_FAULTS = (pa.ArrowException, OSError, UnicodeDecodeError)


def row_groups(path: str) -> list[RowGroup]:
    """The row groups of a file; none where its footer cannot be read."""
    with open_file(path) as stream:
        try:
            footer = pq.ParquetFile(stream).metadata
            n_bytes = stream.seek(0, 2)
        except _FAULTS as error:
            raise_if_of_the_system(path, error)
            return []
        return _groups(footer, n_bytes)


def _groups(footer: Any, file_bytes: int) -> list[RowGroup]:
    """Row groups, their bytes estimated by their share of the file.

    The footer has the true sizes column by column, but pyarrow ends the process when it is asked for a column
    whose entry is damaged.
    """
    found = [footer.row_group(index) for index in range(footer.num_row_groups)]
    unpacked = max(1, sum(group.total_byte_size for group in found))
    groups, row = [], 0
    for index, group in enumerate(found):
        groups.append(RowGroup(index, row, group.num_rows, file_bytes * group.total_byte_size // unpacked))
        row += group.num_rows
    return groups


def read(piece: Piece, source: Source) -> Iterator[Batch]:
    """Documents of the row groups of a piece."""
    return table.batches(_parts(piece), piece.relative, source)


def records(piece: Piece, source: Source) -> Iterator[Record]:
    """Rows of the row groups of a piece as objects."""
    del source
    return table.records(_parts(piece), piece.relative)


def _parts(piece: Piece) -> Iterator[table.Rows | table.Damage]:
    """Rows with the number of the first; where a row group cannot be read on, a ``Damage``."""
    with open_file(piece.path) as stream:
        try:
            file = pq.ParquetFile(stream)
            footer = file.metadata
            groups = _groups(footer, 0)
            if fault := table.unreadable_name(file.schema_arrow):
                raise pa.ArrowInvalid(fault)
        except _FAULTS as error:
            raise_if_of_the_system(piece.path, error)
            yield table.Damage(piece.first_record, f"corrupt_parquet: {table.first_line(error)}")
            return
        for group in groups[piece.start : piece.end]:
            row, after = group.first_row, group.first_row + group.n_rows
            n_bytes = footer.row_group(group.index).total_byte_size
            size = max(1, min(table.SLICE_ROWS, BATCH_BYTES * group.n_rows // max(1, n_bytes)))
            try:
                for batch in file.iter_batches(size, row_groups=[group.index]):
                    yield row, batch
                    row += batch.num_rows
            except _FAULTS as error:
                raise_if_of_the_system(piece.path, error)
                where = f"rows {row} to {after - 1} in row group {group.index}"
                yield table.Damage(row, f"corrupt_parquet: {where}: {table.first_line(error)}")


def raise_if_of_the_system(path: str, error: Exception) -> None:
    """Arrow reports damage as OSError too, but without an error number."""
    if isinstance(error, OSError) and error.errno is not None:
        raise unreadable(path, error) from error

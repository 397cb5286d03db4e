"""Arrow IPC: files, streams and Feather, record batch by record batch.

What a file holds is told by its first bytes. Local files are mapped into memory, so that counting rows or
passing over batches reads next to nothing. Arrow trusts what it reads: every batch is checked in full before
a value is touched. A batch that fails counts as one record; the batches after it are read where the file has
a footer, while a stream ends at the first fault.
"""

from collections.abc import Iterator
from typing import Any

import fsspec
import pyarrow as pa

from dataflow.readers import table
from dataflow.readers.batches import BATCH_BYTES, Batch, Record
from dataflow.readers.parquet import raise_if_of_the_system
from dataflow.readers.pieces import Piece, RowGroup
from dataflow.readers.source import Source
from dataflow.readers.streams import open_file

_FAULTS = (pa.ArrowException, OSError, UnicodeDecodeError, EOFError)
_BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}


def read(piece: Piece, source: Source) -> Iterator[Batch]:
    """Documents of the record batches of a piece."""
    return table.batches(_parts(piece), piece.relative, source)


def records(piece: Piece, source: Source) -> Iterator[Record]:
    """Rows of the record batches of a piece as objects."""
    del source
    return table.records(_parts(piece), piece.relative)


def record_batches(path: str) -> list[RowGroup]:
    """The record batches of a file up to where it can be read; a damaged one has one row."""
    groups, row = [], 0
    for index, (batch, _) in enumerate(_batches(path)):
        n_rows, n_bytes = (1, 0) if batch is None else (batch.num_rows, batch.get_total_buffer_size())
        groups.append(RowGroup(index, row, n_rows, n_bytes))
        row += n_rows
    return groups


def _parts(piece: Piece) -> Iterator[table.Rows | table.Damage]:
    """Rows with the number of the first; for a batch that cannot be read, a ``Damage``."""
    row = piece.first_record
    for index, (batch, fault) in enumerate(_batches(piece.path)):
        if index < piece.start:
            continue
        if piece.end is not None and index >= piece.end:
            return
        fault = fault if batch is None else _fault(batch)
        if batch is None or fault:
            yield table.Damage(row, f"corrupt_arrow: record batch {index}: {fault}")
            row += 1 if batch is None else batch.num_rows
            continue
        size = BATCH_BYTES * batch.num_rows // max(1, batch.get_total_buffer_size())
        size = max(1, min(table.SLICE_ROWS, size))
        for begin in range(0, batch.num_rows, size):
            yield row + begin, batch.slice(begin, size)
        row += batch.num_rows


def _batches(path: str) -> Iterator[tuple[pa.RecordBatch | None, str]]:
    """Each record batch, or None with what is wrong with it."""
    with open_file(path) as stream:
        magic = stream.read(6)
        stream.seek(0)
        try:
            if magic.startswith(b"FEA1"):
                raise pa.ArrowInvalid("Feather version 1; write it again as version 2")
            fs, name = fsspec.core.url_to_fs(path)
            content: Any = pa.memory_map(name) if "file" in fs.protocol else pa.PythonFile(stream)
            if magic == b"ARROW1":
                yield from _of_file(path, pa.ipc.open_file(content))
            else:
                for batch in pa.ipc.open_stream(content):
                    yield batch, ""
                if content.read(1):  # zeros in the place of a message look like the end
                    yield None, f"the stream ends at byte {content.tell() - 1}, and the file goes on"
        except _FAULTS as error:
            raise_if_of_the_system(path, error)
            yield None, table.first_line(error)


def _of_file(path: str, file: Any) -> Iterator[tuple[pa.RecordBatch | None, str]]:
    for index in range(file.num_record_batches):
        try:
            batch, fault = file.get_batch(index), ""
        except _FAULTS as error:
            raise_if_of_the_system(path, error)
            batch, fault = None, table.first_line(error)
        yield batch, fault


def _fault(batch: pa.RecordBatch) -> str:
    """What makes a batch unsafe to read; strings that are no UTF-8 are not, they are dealt with row by row."""
    if fault := table.unreadable_name(batch.schema):
        return fault
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            try:
                column.view(_as_bytes(column.type)).validate(full=True)
            except pa.ArrowException as error:
                return f'column "{name}": {table.first_line(error)}'
    return ""


def _as_bytes(kind: pa.DataType) -> pa.DataType:
    """The type with binary in the place of every string."""
    if pa.types.is_struct(kind):
        return pa.struct(
            [kind.field(i).with_type(_as_bytes(kind.field(i).type)) for i in range(kind.num_fields)]
        )
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_as_bytes(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_as_bytes(kind.value_type)))
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _as_bytes(kind.value_type), kind.ordered)
    return _BYTES.get(kind, kind)

"""Parquet, row group by row group: the text column moves as Arrow, all other columns become JSON.

A record's number is its row in the file. Row groups are read one at a time, so that a file split by row
groups gives the same rows as a whole read, and a damaged row group costs only its own rows from the damage
on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.readers.batches import (
    BATCH_BYTES,
    BATCH_ROWS,
    QUARANTINED,
    RAW_BYTES,
    SKIPPED,
    Batch,
    Builder,
    Record,
    describe,
    to_json,
)
from dataflow.readers.source import Fields
from dataflow.readers.streams import open_file, unreadable
from dataflow.store.documents import READ

_FAULTS = (pa.ArrowException, OSError, UnicodeDecodeError)
_VALUES = (pa.ArrowException, ValueError, OverflowError)
_TEXT_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
    pa.types.is_null,
)


@dataclass(frozen=True)
class RowGroup:
    """Where a row group stands in its file, and how large it is on disk."""

    index: int
    first_row: int
    n_rows: int
    n_bytes: int


def row_groups(path: str) -> list[RowGroup]:
    """The row groups of a file; none where its footer cannot be read."""
    with open_file(path) as stream:
        try:
            footer = pq.ParquetFile(stream).metadata
        except _FAULTS as error:
            _raise_if_of_the_system(path, error)
            return []
        return _groups(footer)


def _groups(footer: Any) -> list[RowGroup]:
    groups, row = [], 0
    for index in range(footer.num_row_groups):
        group = footer.row_group(index)
        n_bytes = sum(group.column(i).total_compressed_size for i in range(group.num_columns))
        groups.append(RowGroup(index, row, group.num_rows, n_bytes))
        row += group.num_rows
    return groups


@dataclass(frozen=True)
class _Damage:
    number: int
    reason: str


def _read(
    path: str, start: int, end: int | None, number: int
) -> Iterator[tuple[int, pa.RecordBatch] | _Damage]:
    """Batches with the number of their first row; where a row group cannot be read on, a ``_Damage``."""
    with open_file(path) as stream:
        try:
            file = pq.ParquetFile(stream)
            footer = file.metadata
            groups = _groups(footer)
        except _FAULTS as error:
            _raise_if_of_the_system(path, error)
            yield _Damage(number, f"corrupt_parquet: {_first_line(error)}")
            return
        for group in groups[start:end]:
            row, after = group.first_row, group.first_row + group.n_rows
            n_bytes = footer.row_group(group.index).total_byte_size
            size = max(1, min(BATCH_ROWS, BATCH_BYTES * group.n_rows // max(1, n_bytes)))
            try:
                for batch in file.iter_batches(size, row_groups=[group.index]):
                    yield row, batch
                    row += batch.num_rows
            except _FAULTS as error:
                _raise_if_of_the_system(path, error)
                where = f"rows {row} to {after - 1} in row group {group.index}"
                yield _Damage(row, f"corrupt_parquet: {where}: {_first_line(error)}")


def _raise_if_of_the_system(path: str, error: Exception) -> None:
    """Arrow reports damage as OSError too, but without an error number."""
    if isinstance(error, OSError) and error.errno is not None:
        raise unreadable(path, error) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def read(
    path: str, relative: str, fields: Fields, start: int = 0, end: int | None = None, first_record: int = 0
) -> Iterator[Batch]:
    """Documents of row groups ``start`` to ``end``."""
    for part in _read(path, start, end, first_record):
        if isinstance(part, _Damage):
            builder = Builder(relative)
            builder.quarantine(part.number, part.reason)
            yield from builder.take(last=True)
        else:
            yield _documents(relative, *part, fields)


def read_records(
    path: str, relative: str, start: int = 0, end: int | None = None, first_record: int = 0
) -> Iterator[Record]:
    """Rows of row groups ``start`` to ``end`` as objects."""
    for part in _read(path, start, end, first_record):
        if isinstance(part, _Damage):
            yield Record(part.number, relative, None, part.reason, b"", 0)
            continue
        first, batch = part
        for number, row in enumerate(_rows(batch), first):
            raw = _raw(row)
            if isinstance(row, str):
                yield Record(number, relative, None, row, raw, len(raw))
            else:
                yield Record(number, relative, row, "", raw[:RAW_BYTES], len(raw))


def _documents(relative: str, first: int, batch: pa.RecordBatch, fields: Fields) -> Batch:
    """A batch of rows as documents and rejects; clean text never becomes Python objects."""
    index = batch.schema.get_field_index(fields.text)
    others = batch.drop_columns([fields.text]) if index >= 0 else batch
    known = ", ".join(batch.schema.names[:20])[:300]
    missing = f'missing_field: text "{fields.text}" (fields: {known})'
    texts, faults = (
        _strings(batch.column(index), fields.text) if index >= 0 else _none(batch.num_rows, missing)
    )
    rejects = Builder(relative)
    good: list[bool] = []
    described: list[tuple[str | None, str | None, str | None, str]] = []
    for i, (row, fault) in enumerate(zip(_rows(others), faults, strict=True)):
        reason = fault or (row if isinstance(row, str) else "")
        raw = _raw(row) if reason else b""
        try:
            if isinstance(row, dict) and not reason:
                described.append(describe(row, fields))
        except ValueError as error:
            reason, raw = str(error), _raw(row)
        good.append(not reason)
        if reason:
            fate = SKIPPED if reason.startswith("empty_text") else QUARANTINED
            rejects.reject(first + i, fate, reason, raw, len(raw))
    kept = texts.filter(pa.array(good, pa.bool_()))
    numbers = [first + i for i, is_good in enumerate(good) if is_good]
    columns = list(zip(*described, strict=True)) or [(), (), (), ()]
    arrays = [
        pa.array(numbers, pa.int64()),
        pa.array([relative] * len(numbers), pa.string()),
        kept,
        *(pa.array(column, pa.string()) for column in columns),
        pc.binary_length(kept).cast(pa.int64()),
    ]
    return Batch(pa.RecordBatch.from_arrays(arrays, schema=READ), rejects.rejects())


def _none(n_rows: int, reason: str) -> tuple[pa.Array, list[str]]:
    return pa.nulls(n_rows, pa.large_string()), [reason] * n_rows


def _strings(column: pa.Array, name: str) -> tuple[pa.Array, list[str]]:
    """A column as strings, and for each row why it is no text (empty where it is)."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_textual(column.type):
        return _none(len(column), f'not_a_string: text "{name}" is {column.type}')
    try:
        texts = column.cast(pa.large_string())
        texts.validate(full=True)
        wrong: dict[int, str] = {}
    except pa.ArrowInvalid:
        texts, wrong = _decode(column.cast(pa.large_binary()), name)
    for i in pc.indices_nonzero(pc.fill_null(pc.equal(pc.binary_length(texts), 0), True)).to_pylist():
        word = "empty_text" if texts[i].is_valid else "null_text"
        wrong.setdefault(i, f'{word}: field "{name}"')
    return texts, [wrong.get(i, "") for i in range(len(texts))]


def _is_textual(kind: pa.DataType) -> bool:
    return any(is_a(kind) for is_a in _TEXT_TYPES)


def _decode(column: pa.Array, name: str) -> tuple[pa.Array, dict[int, str]]:
    texts: list[str | None] = []
    wrong: dict[int, str] = {}
    for i, value in enumerate(column.to_pylist()):
        try:
            texts.append(None if value is None else value.decode())
        except UnicodeDecodeError as error:
            texts.append(None)
            wrong[i] = f'invalid_utf8: field "{name}": {error.reason} at byte {error.start}'
    return pa.array(texts, pa.large_string()), wrong


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | str]:
    """Each row as a dict, or the reason why it cannot be one."""
    batch = _without_nanoseconds(batch)
    if batch.num_columns == 0:
        yield from ({} for _ in range(batch.num_rows))
        return
    try:
        rows = batch.to_pylist()
    except _VALUES:
        rows = [_row(batch.slice(i, 1)) for i in range(batch.num_rows)]
    yield from rows


def _row(batch: pa.RecordBatch) -> dict[str, Any] | str:
    row: dict[str, Any] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            row[name] = column[0].as_py()
        except UnicodeDecodeError as error:
            return f'invalid_utf8: field "{name}": {error.reason} at byte {error.start}'
        except _VALUES as error:
            return f'unreadable_value: field "{name}": {_first_line(error)}'
    return row


def _without_nanoseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Python's times end at microseconds."""
    for i, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            column = batch.column(i).cast(pa.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(i, field.name, column)
    return batch


def _raw(row: dict[str, Any] | str) -> bytes:
    """The row as JSON, for quarantine; nothing where it cannot be written."""
    try:
        return to_json(row).encode() if isinstance(row, dict) else b""
    except ValueError:
        return b""

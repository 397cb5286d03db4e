"""Rows of Arrow record batches as documents: the text column moves as Arrow, all other columns become JSON.

Parquet and Arrow files share this. Text may be string, large_string, string_view, dictionary, or binary that is
UTF-8; a row where it is not is quarantined by itself. Text inside a struct (``meta.text``) goes row by row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataflow.readers.batches import (
    QUARANTINED,
    RAW_BYTES,
    SKIPPED,
    Batch,
    Builder,
    Described,
    Record,
    batches_of,
    describer,
    to_json,
)
from dataflow.readers.source import Source
from dataflow.store.documents import READ

SLICE_ROWS = 1 << 12
"""Rows that become Python objects at a time: a long value that a dictionary stores once is repeated only so often."""

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

Rows = tuple[int, pa.RecordBatch]
"""The number of the first row, and some rows."""


@dataclass(frozen=True)
class Damage:
    """Rows from ``number`` on that cannot be read, and why."""

    number: int
    reason: str


def batches(parts: Iterator[Rows | Damage], relative: str, source: Source) -> Iterator[Batch]:
    """Documents and rejects of the rows of a file."""
    for part in parts:
        if isinstance(part, Damage):
            builder = Builder(relative)
            builder.quarantine(part.number, part.reason)
            yield from builder.take(last=True)
        elif source.fields.text in part[1].schema.names:
            yield _documents(relative, *part, source)
        else:
            yield from batches_of(records(iter([part]), relative), relative, source.fields)


def records(parts: Iterator[Rows | Damage], relative: str) -> Iterator[Record]:
    """The rows of a file as objects."""
    for part in parts:
        if isinstance(part, Damage):
            yield Record(part.number, relative, None, part.reason, b"", 0)
            continue
        first, batch = part
        for number, row in enumerate(_rows(batch), first):
            raw = _raw(row)
            if isinstance(row, str):
                yield Record(number, relative, None, row, raw, len(raw))
            else:
                yield Record(number, relative, row, "", raw[:RAW_BYTES], len(raw))


def first_line(error: Exception) -> str:
    """What an error of Arrow says, without its trace."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def unreadable_name(schema: pa.Schema) -> str:
    """What is wrong with the names of a schema, those inside columns too: Arrow checks none until one is asked for."""
    try:
        for field in schema:
            _read_names(field)
    except UnicodeDecodeError:
        return "the name of a column is no UTF-8"
    return ""


def _read_names(field: pa.Field) -> str:
    return str(field.name) + "".join(_read_names(field.type.field(i)) for i in range(field.type.num_fields))


def _documents(relative: str, first: int, batch: pa.RecordBatch, source: Source) -> Batch:
    """Rows as documents and rejects; clean text never becomes Python objects."""
    fields = source.fields
    texts, faults = _strings(batch.column(fields.text), fields.text, source.max_record_bytes)
    others = batch.drop_columns([fields.text])
    rejects = Builder(relative)
    good: list[bool] = []
    described: list[Described] = []
    describe = describer(fields)
    for i, (row, fault) in enumerate(zip(_rows(others), faults, strict=True)):
        reason = fault or (row if isinstance(row, str) else "")
        raw = _raw(row) if reason else b""
        try:
            if isinstance(row, dict) and not reason:
                described.append(describe(row))
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


def _strings(column: pa.Array, name: str, limit: int) -> tuple[pa.Array, list[str]]:
    """A column as strings, and for each row why it is no text (empty where it is)."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_textual(column.type):
        reason = f'not_a_string: text "{name}" is {column.type}'
        return pa.nulls(len(column), pa.large_string()), [reason] * len(column)
    try:
        texts = column.cast(pa.large_string())
        texts.validate(full=True)
        wrong: dict[int, str] = {}
    except pa.ArrowInvalid:
        texts, wrong = _decode(column.cast(pa.large_binary()), name)
    lengths = pc.binary_length(texts)
    for i in pc.indices_nonzero(pc.fill_null(pc.equal(lengths, 0), True)).to_pylist():
        word = "empty_text" if texts[i].is_valid else "null_text"
        wrong.setdefault(i, f'{word}: field "{name}"')
    for i in pc.indices_nonzero(pc.greater(lengths, limit)).to_pylist():
        wrong[i] = f"record_too_long: a text of {lengths[i]} bytes, at most {limit} are read"
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
            return f'unreadable_value: field "{name}": {first_line(error)}'
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

"""What every reader yields: batches of documents, and beside them the records that are none.

A batch is closed when its records have brought about 16 MB (or 65,536 rows), a sum over the input alone, so
that the same file is cut in the same places on every machine, and memory does not grow with the file.
"""

import base64
import datetime
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from dataflow.readers.source import Fields
from dataflow.store.documents import READ

BATCH_BYTES = 16 << 20
"""Input bytes after which a batch is closed; the record that crosses it still belongs to it."""

BATCH_ROWS = 1 << 16
"""Records after which a batch is closed, however small they are."""

RAW_BYTES = 4096
"""How much of an unreadable record goes to quarantine."""

QUARANTINED, SKIPPED = "quarantined", "skipped"

REJECTS = pa.schema(
    {
        "record": pa.int64(),
        "input": pa.string(),
        "fate": pa.string(),  # quarantined (unreadable) or skipped (not a document)
        "reason": pa.string(),  # a word, then a colon and detail where there is any
        "raw": pa.binary(),  # first bytes of the record
        "bytes_in": pa.int64(),
    }
)


class Record(NamedTuple):
    """One record of a file as a JSON object, or the reason why it cannot be had."""

    number: int
    """Number of the record in its file, from 0; of a JSONL file, its line, blank ones counted."""

    input: str
    """The file, below the source's root."""

    value: dict[str, Any] | None
    """The object; None where it could not be read."""

    reason: str
    """Why it could not be read; empty where it could."""

    raw: bytes
    """The first 4 kB of it as it came."""

    bytes_in: int
    """All its bytes."""


@dataclass(frozen=True)
class Batch:
    """Documents (schema ``READ``) and, beside them, the records that are none (schema ``REJECTS``)."""

    documents: pa.RecordBatch
    rejects: pa.RecordBatch


class Reject(Exception):  # noqa: N818 - a decision about a record, not a failure
    """A record is no document; raised where that is found, caught where rows are added."""

    def __init__(self, fate: str, reason: str) -> None:
        super().__init__(fate, reason)
        self.fate, self.reason = fate, reason


class Builder:
    """Gathers rows until a batch is full."""

    def __init__(self, input_path: str) -> None:
        self._input = input_path
        self._clear()

    def _clear(self) -> None:
        self._documents: list[tuple[Any, ...]] = []
        self._rejects: list[tuple[Any, ...]] = []
        self._bytes = 0

    def document(
        self,
        number: int,
        text: str,
        *,
        input_id: str | None = None,
        url: str | None = None,
        date: str | None = None,
        metadata: str = "{}",
        bytes_in: int,
        weight: int | None = None,
    ) -> None:
        """Add a document; ``weight`` is what it adds to the batch where that differs from ``bytes_in``."""
        self._documents.append((number, self._input, text, input_id, url, date, metadata, bytes_in))
        self._bytes += bytes_in if weight is None else weight

    def reject(self, number: int, fate: str, reason: str, raw: bytes, bytes_in: int) -> None:
        """Add a record that is no document."""
        self._rejects.append((number, self._input, fate, reason, bytes(raw[:RAW_BYTES]), bytes_in))
        self._bytes += bytes_in

    def quarantine(self, number: int, reason: str, raw: bytes = b"", bytes_in: int | None = None) -> None:
        """Add a record that could not be read."""
        self.reject(number, QUARANTINED, reason, raw, len(raw) if bytes_in is None else bytes_in)

    def skip(self, number: int, reason: str, raw: bytes = b"", bytes_in: int | None = None) -> None:
        """Add a record that was read and is not a document."""
        self.reject(number, SKIPPED, reason, raw, len(raw) if bytes_in is None else bytes_in)

    def take(self, last: bool = False) -> Iterator[Batch]:
        """The batch gathered so far, if it is full or, at the ``last``, not empty."""
        n_rows = len(self._documents) + len(self._rejects)
        if n_rows and (last or self._bytes >= BATCH_BYTES or n_rows >= BATCH_ROWS):
            batch = Batch(_table(self._documents, READ), self.rejects())
            self._clear()
            yield batch

    def rejects(self) -> pa.RecordBatch:
        """The rejects gathered so far."""
        return _table(self._rejects, REJECTS)


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def adder(builder: Builder, fields: Fields) -> Callable[[Record], None]:
    """What adds a record as a document, or says why it is none."""
    describe = describer(fields)

    def add(record: Record) -> None:
        value = record.value
        if value is None:
            builder.quarantine(record.number, record.reason, record.raw, record.bytes_in)
            return
        holder, key = field(value, fields.text)
        text = holder.get(key)
        if type(text) is not str or not text:
            fate, reason = no_text(value, fields.text)
            builder.reject(record.number, fate, reason, record.raw, record.bytes_in)
            return
        try:
            input_id, url, date, metadata = describe(value)
        except ValueError as error:
            builder.quarantine(record.number, str(error), record.raw, record.bytes_in)
            return
        n_bytes = len(text) if text.isascii() else len(text.encode())
        builder.document(
            record.number,
            text,
            input_id=input_id,
            url=url,
            date=date,
            metadata=metadata,
            bytes_in=n_bytes,
            weight=record.bytes_in,
        )

    return add


def batches_of(records: Iterable[Record], input_path: str, fields: Fields) -> Iterator[Batch]:
    """Records of one file as documents and rejects."""
    builder = Builder(input_path)
    add = adder(builder, fields)
    for record in records:
        add(record)
        yield from builder.take()
    yield from builder.take(last=True)


def no_text(value: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Fate and reason of a record whose text is missing, null, empty or not a string."""
    holder, key = field(value, name)
    if key not in holder:
        known = ", ".join(sorted(value)[:20])
        return QUARANTINED, f'missing_field: text "{name}" (fields: {known[:300]})'
    text = holder[key]
    if text is None:
        return QUARANTINED, f'null_text: field "{name}"'
    if text == "":
        return SKIPPED, f'empty_text: field "{name}"'
    return QUARANTINED, f'not_a_string: text "{name}" is {_JSON_NAMES.get(type(text), type(text).__name__)}'


_JSON_NAMES = {dict: "an object", list: "a list", bool: "a boolean", int: "a number", float: "a number"}


def field(value: Mapping[str, Any], name: str) -> tuple[Any, str]:
    """The object that holds a field, and its key there: ``a.b`` is ``b`` of ``a`` where nothing is called ``a.b``."""
    if "." not in name or name in value:
        return value, name
    holder: Any = value
    *path, key = name.split(".")
    for part in path:
        holder = holder.get(part)
        if not isinstance(holder, dict):
            return value, name
    return holder, key


Described = tuple[str | None, str | None, str | None, str]
"""Input id, url and date as strings, and all other fields as a JSON object."""


def describer(fields: Fields) -> Callable[[dict[str, Any]], Described]:
    """What describes a record besides its text.

    It empties the record of the four fields, and raises ValueError with the reason where they cannot be written.
    """
    names = (fields.text, fields.id, fields.url, fields.date)
    if len(set(names)) < len(names) or any("." in name for name in names):
        return lambda value: _describe(value, names)
    text_name, id_name, url_name, date_name = names

    def describe(value: dict[str, Any]) -> Described:
        value.pop(text_name, None)
        input_id, url, date = value.pop(id_name, None), value.pop(url_name, None), value.pop(date_name, None)
        if type(input_id) is not str and input_id is not None:
            input_id = as_string(input_id)
        if type(url) is not str and url is not None:
            url = as_string(url)
        if type(date) is not str and date is not None:
            date = as_string(date)
        return input_id, url, date, to_json(value) if value else "{}"

    return describe


def _describe(value: dict[str, Any], names: tuple[str, ...]) -> Described:
    places = [field(value, name) for name in names]
    input_id, url, date = (as_string(holder.get(key)) for holder, key in places[1:])
    for holder, key in places:
        holder.pop(key, None)
    return input_id, url, date, to_json(value) if value else "{}"


def as_string(value: object) -> str | None:
    """An id, url or date as a string: numbers and dates in their usual form, null as None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and not abs(value) < 2.0**63:
        raise ValueError(f"huge_number: {value!r} as id, url or date has lost digits; write it as a string")
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return str(_plain(value))
    return to_json(value)


def to_json(value: object) -> str:
    """Any value of JSON or Arrow as JSON: keys sorted, dates ISO 8601, bytes as UTF-8 or else base64."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # nested deeper than orjson writes, or an integer beyond 64 bits
        return _to_json_slowly(value)


def _to_json_slowly(value: object) -> str:
    try:
        return json.dumps(value, default=_plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("deep_nesting: the other fields nest too deep") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"unwritable_field: {error}") from None


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value)

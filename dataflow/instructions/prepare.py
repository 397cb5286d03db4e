"""One shard of instruction data: read, convert, scrub, check, write.

Writes four parts under ``instructions/``: the conversations as stored (dropped ones too), the reasons why
some are dropped, the records that are no conversation, and the audit of personal data. Places in the audit
count characters of a conversation's contents joined by one line break. A shard is held in lists of a thousand
records, no more.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.dedup.exact import exact_hashes
from dataflow.instructions.forms import InstructionSource, Message, convert
from dataflow.instructions.validate import failing_rules
from dataflow.readers.batches import QUARANTINED, as_string, to_json
from dataflow.readers.open import Piece, Record, read_records
from dataflow.store.documents import FILTER, INSTRUCTIONS, MESSAGES, PII, QUARANTINE
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage
from dataflow.transforms.metadata import scrub_metadata
from dataflow.transforms.pii import Pii, scrub, scrub_strings

VERSION = 1
"""Raised when the same records and settings would give other bytes."""

_TABLES = {
    "documents": INSTRUCTIONS,
    "pii": PII,
    "quarantine": QUARANTINE,
    "decisions/filter": FILTER,
}


def prepare(pieces: Sequence[Piece], source: InstructionSource, part: str, pii: Pii, store: Storage) -> Made:
    """Write the parts of one shard.

    Counts: ``records`` read, of which ``documents`` and ``quarantined``; of the documents ``passed``, and
    ``failed:<rule>`` for each rule; ``bytes_in``, ``bytes_out`` and ``pii_spans``.
    """
    outputs = {name: f"instructions/{name}/{source.name}/{part}.parquet" for name in _TABLES}
    counts = Counter[str](
        records=0, documents=0, quarantined=0, passed=0, bytes_in=0, bytes_out=0, pii_spans=0
    )
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(store.parquet_writer(outputs[name], schema))
            for name, schema in _TABLES.items()
        }
        for records in _limited(pieces, source):
            for name, columns in _process(records, source, pii, counts).items():
                writers[name].write_table(pa.table(columns, schema=_TABLES[name]))
    return Made(tuple(outputs.values()), dict(sorted(counts.items())))


def rendered(turns: Sequence[Message]) -> str:
    """A conversation as one text: what is hashed to find duplicates."""
    return "\n".join(f"{turn.role}: {turn.content}" for turn in turns)


def _limited(pieces: Sequence[Piece], source: InstructionSource) -> Iterator[list[Record]]:
    left = source.limit
    for piece in pieces:
        for records in read_records(piece, source.as_source()):
            taken = records if left is None else records[:left]
            if taken:
                yield taken
            if left is not None:
                left -= len(taken)
                if left == 0:
                    return


class _Row(NamedTuple):
    """A converted record, before scrubbing."""

    id: str
    turns: tuple[Message, ...]
    input_id: str | None
    task: str | None
    metadata: str
    bytes_in: int


def _process(
    records: list[Record], source: InstructionSource, pii: Pii, counts: Counter[str]
) -> dict[str, dict[str, pa.Array]]:
    """The rows of all four tables for some records."""
    rows, rejects = _convert_all(records, source)
    conversations, spans = _scrub([row.turns for row in rows], pii)
    reasons = [failing_rules(turns, source.max_characters) for turns in conversations]
    sizes = [sum(len(turn.content.encode()) for turn in turns) for turns in conversations]
    ids = _strings([row.id for row in rows])
    counts.update(
        records=len(records),
        documents=len(rows),
        quarantined=len(rejects),
        passed=sum(not failed for failed in reasons),
        bytes_in=sum(row.bytes_in for row in rows),
        bytes_out=sum(sizes),
        pii_spans=spans.num_rows,
    )
    counts.update(f"failed:{rule}" for failed in reasons for rule in failed)
    texts = pa.array([rendered(turns) for turns in conversations], pa.large_string())
    return {
        "documents": {
            "id": ids,
            "input_id": scrub_strings(_strings([row.input_id for row in rows]), pii),
            "source": _strings([source.name] * len(rows)),
            "messages": _as_array(conversations),
            "task": scrub_strings(_strings([row.task for row in rows]), pii),
            "metadata": scrub_metadata(_strings([row.metadata for row in rows]), pii),
            "n_bytes": pa.array(sizes, pa.int64()),
            "bytes_in": pa.array([row.bytes_in for row in rows], pa.int64()),
            "exact_hash": exact_hashes(texts),
        },
        "decisions/filter": {
            "id": ids,
            "passed": pa.array([not failed for failed in reasons], pa.bool_()),
            "reasons": pa.array(reasons, pa.list_(pa.string())),
        },
        "pii": {
            "id": ids.take(spans["row"].combine_chunks()),
            **{name: spans[name].combine_chunks() for name in PII.names if name != "id"},
        },
        "quarantine": {
            "id": _strings([_id(source, record) for record, _ in rejects]),
            "source": _strings([source.name] * len(rejects)),
            "input": _strings([record.input for record, _ in rejects]),
            "record": pa.array([record.number for record, _ in rejects], pa.int64()),
            "fate": _strings([QUARANTINED] * len(rejects)),
            "reason": _strings([reason for _, reason in rejects]),
            "raw": pa.array([record.raw for record, _ in rejects], pa.binary()),
            "bytes_in": pa.array([record.bytes_in for record, _ in rejects], pa.int64()),
        },
    }


def _convert_all(
    records: list[Record], source: InstructionSource
) -> tuple[list[_Row], list[tuple[Record, str]]]:
    """The conversations among some records, and the others with the reason why they are none."""
    rows, rejects = [], []
    for record in records:
        if record.value is None:
            rejects.append((record, record.reason))
            continue
        try:
            found = convert(record.value, source)
            identity, task, metadata = as_string(found.input_id), as_string(found.task), to_json(found.extra)
        except ValueError as error:  # NotConvertible, or a field that cannot be written as JSON
            rejects.append((record, str(error)))
            continue
        row = _Row(_id(source, record), found.messages, identity, task, metadata, record.bytes_in)
        rows.append(row)
    return rows, rejects


def _id(source: InstructionSource, record: Record) -> str:
    return f"{source.name}/{record.input}#{record.number}"


def _scrub(conversations: list[tuple[Message, ...]], pii: Pii) -> tuple[list[tuple[Message, ...]], pa.Table]:
    """Conversations without personal data, and the spans: ``row`` is the conversation."""
    owner = np.repeat(np.arange(len(conversations)), [len(turns) for turns in conversations])
    contents = [turn.content for turns in conversations for turn in turns]
    found = scrub(pa.array(contents, pa.large_string()), pii)
    if found.spans.num_rows == 0:
        return conversations, found.spans
    clean = iter(found.texts.to_pylist())
    scrubbed = [tuple(Message(turn.role, next(clean)) for turn in turns) for turns in conversations]
    turn_of = found.spans["row"].to_numpy()
    places = {
        "row": owner[turn_of],
        "start": found.spans["start"].to_numpy() + _starts(conversations)[turn_of],
        "new_start": found.spans["new_start"].to_numpy() + _starts(scrubbed)[turn_of],
    }
    spans = found.spans
    for name, values in places.items():
        spans = spans.set_column(spans.schema.get_field_index(name), name, pa.array(values, pa.int64()))
    return scrubbed, spans


def _starts(conversations: list[tuple[Message, ...]]) -> np.ndarray:
    """Where each turn's content begins among its conversation's joined by line breaks, in characters."""
    starts = []
    for turns in conversations:
        at = 0
        for turn in turns:
            starts.append(at)
            at += len(turn.content) + 1
    return np.array(starts, np.int64)


def _as_array(conversations: list[tuple[Message, ...]]) -> pa.ListArray:
    offsets = np.cumsum([0, *map(len, conversations)])
    turns = [turn for conversation in conversations for turn in conversation]
    structs = pa.StructArray.from_arrays(
        [_strings([turn.role for turn in turns]), _strings([turn.content for turn in turns])],
        fields=list(MESSAGES.value_type),
    )
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs).cast(MESSAGES)


def _strings(values: Sequence[str | None]) -> pa.StringArray:
    return pa.array(values, pa.string())

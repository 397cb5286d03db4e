"""JSONL: one object a line.

A record's number is the number of its line, blank lines counted, so that a file split among workers by counting
newlines numbers its records as a whole read does. A kernel takes the text out of a line, and the parser sees
what is left (see ``kernels/json_text.py``); a line that is in any way unusual, and every line of instruction
data, is parsed whole. Both ways give the same rows.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.readers.batches import (
    BATCH_ROWS,
    RAW_BYTES,
    Batch,
    Builder,
    Described,
    Record,
    adder,
    describer,
)
from dataflow.readers.lines import LongLine, chunks, lines, lines_of
from dataflow.readers.pieces import Piece
from dataflow.readers.source import Source
from dataflow.readers.streams import Damaged, utf8_blocks
from dataflow.store.documents import READ

KERNEL_BYTES = 1 << 15
"""Chunks below this are parsed whole: for a file of a few lines the kernel's arrays cost more than they save."""

_REASONS = (
    ("surrogate", "lone_surrogate"),
    ("not valid UTF-8", "invalid_utf8"),
    ("depth limit", "deep_nesting"),
    ("number is infinity", "huge_number"),
)


def read(piece: Piece, source: Source) -> Iterator[Batch]:
    """The documents of a piece, and the lines that are none."""
    number = piece.first_record
    builder = Builder(piece.relative)
    add = adder(builder, source.fields)
    try:
        for chunk in chunks(_bytes(piece, source), source.max_record_bytes):
            if isinstance(chunk, LongLine) or len(chunk) < KERNEL_BYTES:
                for line in lines_of(chunk, source.max_record_bytes):
                    if not _is_blank(line):
                        add(_record(line, piece.relative, number, source))
                    number += 1
                yield from builder.take(last=True)
                continue
            for starts, ends in _line_ranges(chunk):
                yield from _batch(chunk, starts, ends, number, piece.relative, source)
                number += len(starts)
    except Damaged as damage:
        builder.quarantine(number, damage.reason, damage.raw, damage.bytes_in)
    yield from builder.take(last=True)


def records(piece: Piece, source: Source) -> Iterator[Record]:
    """Every record of a piece as an object."""
    number = piece.first_record
    try:
        for line in lines(_bytes(piece, source), source.max_record_bytes):
            if not _is_blank(line):
                yield _record(line, piece.relative, number, source)
            number += 1
    except Damaged as damage:
        yield Record(number, piece.relative, None, damage.reason, damage.raw, damage.bytes_in)


def _is_blank(line: bytes | LongLine) -> bool:
    return isinstance(line, bytes) and (not line or line.isspace())


def _bytes(piece: Piece, source: Source) -> Iterator[bytes]:
    """The bytes of a piece, unpacked; a file that was split has been held against its ``max_ratio`` then."""
    whole = piece.start == 0 and piece.end is None
    stream = utf8_blocks(piece.path, piece.start, piece.end, source.max_ratio if whole else None)
    left, skip = piece.n_bytes, piece.skip
    try:
        for block in stream:
            if skip:
                block, skip = block[skip:], max(0, skip - len(block))
            if left is not None:
                block = block[:left]
                left -= len(block)
            if block:
                yield block
            if left == 0:
                return
    finally:
        stream.close()


def _line_ranges(chunk: bytes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Beginnings and ends of the lines of a chunk, at most a batch of them at a time."""
    starts, begin = [0], 0
    while (begin := chunk.find(b"\n", begin) + 1) and begin < len(chunk):
        starts.append(begin)
    bounds = np.array([*starts, len(chunk) + (not chunk.endswith(b"\n"))])
    for first in range(0, len(starts), BATCH_ROWS):
        some = bounds[first : first + BATCH_ROWS + 1]
        yield some[:-1].copy(), some[1:] - 1


def _batch(
    chunk: bytes, starts: np.ndarray, ends: np.ndarray, number: int, relative: str, source: Source
) -> Iterator[Batch]:
    """Rows of some lines: those whose text the kernel found, and among them those that were parsed whole."""
    from dataflow.kernels.json_text import FOUND, UNUSUAL, text_values  # compiled code: not for `--help`

    if number == 0 and chunk.startswith(BOM_UTF8):
        starts[0] += len(BOM_UTF8)
    content = np.frombuffer(chunk, np.uint8)
    state, begins, afters, offsets, values = text_values(content, starts, ends, source.fields.text)
    state[(state == FOUND) & (ends - starts > source.max_record_bytes)] = UNUSUAL
    if source.fields.text in (source.fields.id, source.fields.url, source.fields.date):
        state[state == FOUND] = UNUSUAL
    texts = _texts(offsets, values, state)
    found: list[int] = []
    described: list[Described] = []
    describe = describer(source.fields)
    builder = Builder(relative)
    add = adder(builder, source.fields)
    lines_of_chunk = zip(
        state.tolist(), starts.tolist(), ends.tolist(), begins.tolist(), afters.tolist(), strict=True
    )
    for i, (what, start, end, begin, after) in enumerate(lines_of_chunk):
        if what == FOUND:
            try:
                described.append(describe(orjson.loads(chunk[start:begin] + b'""' + chunk[after:end])))
                found.append(i)
                continue
            except ValueError:
                pass  # parsed whole below, to say why not
        elif what != UNUSUAL:
            continue  # a blank line
        long = end - start > source.max_record_bytes
        line = LongLine(chunk[start : start + RAW_BYTES], end - start) if long else chunk[start:end]
        add(_record(line, relative, number + i, source))
    columns: list[tuple[Any, ...]] = list(zip(*described, strict=True)) or [()] * 4
    kept = texts if len(found) == len(texts) else texts.take(pa.array(found, pa.int64()))
    documents = pa.RecordBatch.from_arrays(
        [
            pa.array(np.asarray(found, np.int64) + number),
            pa.repeat(relative, len(found)),
            kept,
            *(pa.array(column, pa.string()) for column in columns),
            pc.binary_length(kept),
        ],
        schema=READ,
    )
    for others in builder.take(last=True):
        if others.documents.num_rows:
            documents = pa.concat_batches([documents, others.documents])
            documents = documents.take(pc.sort_indices(documents.column("record")))
        yield Batch(documents, others.rejects)
        return
    if found:
        yield Batch(documents, builder.rejects())


def _texts(offsets: np.ndarray, values: np.ndarray, state: np.ndarray) -> pa.LargeStringArray:
    """The values as strings; a line whose value is no UTF-8 becomes one to be parsed whole."""
    from dataflow.kernels.json_text import FOUND, UNUSUAL

    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(values)]
    texts = pa.Array.from_buffers(pa.large_string(), len(state), buffers)
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        raw = values.tobytes()
        for i in np.flatnonzero(state == FOUND):
            try:
                raw[offsets[i] : offsets[i + 1]].decode()
            except UnicodeDecodeError:
                state[i] = UNUSUAL
    return texts


def _record(line: bytes | LongLine, relative: str, number: int, source: Source) -> Record:
    if isinstance(line, LongLine):
        reason = f"line_too_long: {line.n_bytes} bytes, at most {source.max_record_bytes} are read"
        return Record(number, relative, None, reason, line.raw, line.n_bytes)
    if number == 0:
        line = line.removeprefix(BOM_UTF8)
    raw, reason, value = line[:RAW_BYTES], "", None
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        reason = parse_reason(error)
    if value is not None and type(value) is not dict:
        reason, value = f"not_an_object: the line holds a {type(value).__name__}", None
    elif value is None and not reason:
        reason = "not_an_object: the line holds null"
    return Record(number, relative, value, reason, raw, len(line))


def parse_reason(error: orjson.JSONDecodeError) -> str:
    """Why a JSON text cannot be parsed: one of our words, and the parser's."""
    message = str(error)
    for sign, word in _REASONS:
        if sign in message and not (word == "lone_surrogate" and "not valid UTF-8" in message):
            return f"{word}: {message}"
    return f"malformed_json: {message}"

"""A JSON file: an array of objects, one object, or (which is what many are) objects one a line.

An array is parsed at once and is therefore limited in size; ``max_record_bytes`` holds for all of it.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator

import orjson

from dataflow.readers import jsonl
from dataflow.readers.batches import RAW_BYTES, Batch, Record, batches_of, to_json
from dataflow.readers.lines import LongLine, lines
from dataflow.readers.pieces import Piece
from dataflow.readers.source import Source
from dataflow.readers.streams import Damaged, utf8_blocks


def read(piece: Piece, source: Source) -> Iterator[Batch]:
    """The documents of a file, and the items that are none."""
    if _begins_with_an_object(piece, source):
        return jsonl.read(piece, source)
    return batches_of(records(piece, source), piece.relative, source.fields)


def records(piece: Piece, source: Source) -> Iterator[Record]:
    """Every record of a file as an object."""
    if _begins_with_an_object(piece, source):
        yield from jsonl.records(piece, source)
        return
    content, reason = _whole(piece, source)
    text = content.removeprefix(BOM_UTF8).lstrip()
    value: object = None
    if text and not reason:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            if not text.startswith(b"["):
                yield from jsonl.records(piece, source)
                return
            reason = jsonl.parse_reason(error)
    if reason:
        yield Record(0, piece.relative, None, reason, content[:RAW_BYTES], len(content))
    elif text:
        for number, item in enumerate(value if type(value) is list else [value]):
            yield _item(item, piece.relative, number)


def _item(item: object, relative: str, number: int) -> Record:
    try:
        raw = to_json(item).encode()
    except ValueError as error:
        return Record(number, relative, None, str(error), b"", 0)
    if type(item) is dict:
        return Record(number, relative, item, "", raw[:RAW_BYTES], len(raw))
    reason = f"not_an_object: the item is a {type(item).__name__}"
    return Record(number, relative, None, reason, raw[:RAW_BYTES], len(raw))


def _begins_with_an_object(piece: Piece, source: Source) -> bool:
    stream = utf8_blocks(piece.path, max_ratio=source.max_ratio)
    try:
        first = next(
            (line for line in lines(stream, source.max_record_bytes) if line and not _blank(line)), b""
        )
        return isinstance(first, bytes) and type(orjson.loads(first.removeprefix(BOM_UTF8))) is dict
    except (Damaged, orjson.JSONDecodeError):
        return False
    finally:
        stream.close()


def _blank(line: bytes | LongLine) -> bool:
    return isinstance(line, bytes) and line.isspace()


def _whole(piece: Piece, source: Source) -> tuple[bytes, str]:
    """The file up to the limit of a record, and what is wrong with it."""
    parts: list[bytes] = []
    n_bytes = 0
    stream = utf8_blocks(piece.path, max_ratio=source.max_ratio)
    try:
        for block in stream:
            parts.append(block)
            n_bytes += len(block)
            if n_bytes > source.max_record_bytes:
                reason = (
                    f"too_large: an array of more than {source.max_record_bytes} bytes; write it as JSONL"
                )
                return b"".join(parts), reason
    except Damaged as damage:
        return b"".join(parts) or damage.raw, damage.reason
    finally:
        stream.close()
    return b"".join(parts), ""

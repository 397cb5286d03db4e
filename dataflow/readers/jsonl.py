"""JSON: one object a line (JSONL), or a file that is one array of objects.

A record's number is the number of its line, blank lines counted, so that a file split among workers by
counting newlines numbers its records as a whole read does. An array is parsed at once and is therefore
limited in size. A ``.json`` file whose first line is a whole object is read as JSONL, which is what many
such files are.
"""

from collections.abc import Iterator

import orjson

from dataflow.readers.batches import RAW_BYTES, Record, to_json
from dataflow.readers.streams import Damaged, blocks

LINE_BYTES = 256 << 20
"""A line longer than this is quarantined unread."""

ARRAY_BYTES = 256 << 20
"""A JSON array longer than this is quarantined unread."""

_BOM = b"\xef\xbb\xbf"
_REASONS = (
    ("surrogate", "lone_surrogate"),
    ("not valid UTF-8", "invalid_utf8"),
    ("depth limit", "deep_nesting"),
    ("number is infinity", "huge_number"),
)


class _TooLong(bytes):
    """The beginning of a line that was not kept whole."""

    n_bytes: int


def lines(stream: Iterator[bytes], limit: int = LINE_BYTES) -> Iterator[bytes]:
    """Lines without their newline; of one longer than ``limit`` only the beginning, as ``_TooLong``.

    Where the stream is damaged, ``Damaged`` comes after the last whole line and carries the beginning of the
    cut one.
    """
    parts: list[bytes] = []
    n_bytes = 0

    try:
        for block in stream:
            pieces = block.split(b"\n")
            if len(pieces) > 1:
                parts.append(pieces[0])
                n_bytes += len(pieces[0])
                yield _line(parts, n_bytes, limit)
                inner = pieces[1:-1]
                yield from (
                    inner if len(block) <= limit else [_line([line], len(line), limit) for line in inner]
                )
                parts, n_bytes = [], 0
            n_bytes += len(pieces[-1])
            if pieces[-1] and (n_bytes <= limit or sum(map(len, parts)) < RAW_BYTES):
                parts.append(pieces[-1])
            elif n_bytes > limit:
                parts = [b"".join(parts)[:RAW_BYTES]]
    except Damaged as damage:
        raise Damaged(
            damage.reason, b"".join(parts)[:RAW_BYTES] or damage.raw, n_bytes or damage.bytes_in
        ) from None
    if n_bytes:
        yield _line(parts, n_bytes, limit)


def _line(parts: list[bytes], n_bytes: int, limit: int) -> bytes:
    if n_bytes <= limit:
        return b"".join(parts)
    line = _TooLong(b"".join(parts)[:RAW_BYTES])
    line.n_bytes = n_bytes
    return line


def read_lines(
    path: str, relative: str, start: int = 0, end: int | None = None, first_record: int = 0
) -> Iterator[Record]:
    """Every record of a JSONL file, or of a byte range of one."""
    return _records(lines(blocks(path, start, end)), relative, first_record)


def _records(stream: Iterator[bytes], relative: str, number: int) -> Iterator[Record]:
    try:
        for line in stream:
            if number == 0 and line.startswith(_BOM):
                line = line[len(_BOM) :]
            if line and not line.isspace():
                yield _record(line, relative, number)
            number += 1
    except Damaged as damage:
        yield Record(number, relative, None, damage.reason, damage.raw, damage.bytes_in)


def _record(line: bytes, relative: str, number: int) -> Record:
    raw, reason, value = line[:RAW_BYTES], "", None
    if isinstance(line, _TooLong):
        reason = f"line_too_long: {line.n_bytes} bytes, at most {LINE_BYTES} are read"
        return Record(number, relative, None, reason, raw, line.n_bytes)
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


def read_json(path: str, relative: str) -> Iterator[Record]:
    """Every record of a JSON file: the objects of an array, one object, or objects one a line."""
    if _begins_with_an_object(path):
        yield from read_lines(path, relative)
        return
    content, reason = _whole(path)
    text = content.removeprefix(_BOM).lstrip()
    value: object = None
    if text and not reason:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            if not text.startswith(b"["):
                yield from read_lines(path, relative)
                return
            reason = parse_reason(error)
    if reason:
        yield Record(0, relative, None, reason, content[:RAW_BYTES], len(content))
    elif text:
        for number, item in enumerate(value if type(value) is list else [value]):
            yield _item(item, relative, number)


def _item(item: object, relative: str, number: int) -> Record:
    try:
        raw = to_json(item).encode()
    except ValueError as error:
        return Record(number, relative, None, str(error), b"", 0)
    if type(item) is dict:
        return Record(number, relative, item, "", raw[:RAW_BYTES], len(raw))
    reason = f"not_an_object: the item is a {type(item).__name__}"
    return Record(number, relative, None, reason, raw[:RAW_BYTES], len(raw))


def _begins_with_an_object(path: str) -> bool:
    try:
        first = next((line for line in lines(blocks(path)) if line and not line.isspace()), b"")
        return type(orjson.loads(first.removeprefix(_BOM))) is dict
    except (Damaged, orjson.JSONDecodeError):
        return False


def _whole(path: str) -> tuple[bytes, str]:
    """The file up to the limit of an array, and what is wrong with it."""
    parts: list[bytes] = []
    n_bytes = 0
    try:
        for block in blocks(path):
            parts.append(block)
            n_bytes += len(block)
            if n_bytes > ARRAY_BYTES:
                return b"".join(
                    parts
                ), f"too_large: an array of more than {ARRAY_BYTES} bytes; write it as JSONL"
    except Damaged as damage:
        return b"".join(parts) or damage.raw, damage.reason
    return b"".join(parts), ""

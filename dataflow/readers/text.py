"""A text file is one document, in UTF-8 (or UTF-16 where a byte order mark says so)."""

import codecs
from collections.abc import Iterator

from dataflow.readers.batches import RAW_BYTES, Batch, Builder
from dataflow.readers.streams import Damaged, blocks

FILE_BYTES = 256 << 20
"""A longer text or HTML file is quarantined: as one document it would not pass through any later step."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def whole(path: str) -> bytes:
    """All bytes of a file, decompressed; ``Damaged`` where they cannot be had or are too many."""
    parts: list[bytes] = []
    n_bytes = 0
    try:
        for block in blocks(path):
            parts.append(block)
            n_bytes += len(block)
            if n_bytes > FILE_BYTES:
                raise Damaged(f"too_large: more than {FILE_BYTES} bytes in one document")
    except Damaged as damage:
        raise Damaged(
            damage.reason, b"".join(parts)[:RAW_BYTES] or damage.raw, n_bytes or damage.bytes_in
        ) from None
    return b"".join(parts)


def read(path: str, relative: str) -> Iterator[Batch]:
    """The file as one document, record 0."""
    builder = Builder(relative)
    try:
        content = whole(path)
        text = content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")
        if text:
            builder.document(0, text, bytes_in=len(content))
        else:
            builder.skip(0, "empty_text: the file is empty")
    except Damaged as damage:
        builder.quarantine(0, damage.reason, damage.raw, damage.bytes_in)
    except UnicodeDecodeError as error:
        reason = f"invalid_utf8: {error.reason} at byte {error.start}"
        builder.quarantine(0, reason, error.object[:RAW_BYTES], len(error.object))
    yield from builder.take(last=True)

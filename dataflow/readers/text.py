"""A text file is one document, in UTF-8 (or UTF-16 or UTF-32 where a byte order mark says so)."""

from collections.abc import Iterator

from dataflow.readers.batches import RAW_BYTES, Batch, Builder
from dataflow.readers.pieces import Piece
from dataflow.readers.source import Source
from dataflow.readers.streams import MAX_RATIO, Damaged, blocks, utf8_blocks

FILE_BYTES = 256 << 20
"""A longer HTML file is quarantined."""


def whole(path: str, limit: int = FILE_BYTES, max_ratio: int = MAX_RATIO, as_utf8: bool = False) -> bytes:
    """All bytes of a file, decompressed; ``Damaged`` where they cannot be had or are more than ``limit``."""
    parts: list[bytes] = []
    n_bytes = 0
    stream = (utf8_blocks if as_utf8 else blocks)(path, max_ratio=max_ratio)
    try:
        for block in stream:
            parts.append(block)
            n_bytes += len(block)
            if n_bytes > limit:
                raise Damaged(f"too_large: more than {limit} bytes in one document")
    except Damaged as damage:
        raise Damaged(
            damage.reason, b"".join(parts)[:RAW_BYTES] or damage.raw, n_bytes or damage.bytes_in
        ) from None
    finally:
        stream.close()
    return b"".join(parts)


def read(piece: Piece, source: Source) -> Iterator[Batch]:
    """The file as one document, record 0."""
    builder = Builder(piece.relative)
    try:
        content = whole(piece.path, source.max_record_bytes, source.max_ratio, as_utf8=True)
        text = content.decode("utf-8-sig")
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

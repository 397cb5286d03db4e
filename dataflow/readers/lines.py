"""Lines of a stream of bytes, in chunks of about 16 MB, with a limit on what one line may hold.

A chunk ends after the line that makes it full, wherever the blocks of the stream end. Of a line beyond the limit
only the beginning is kept, so that a file without newlines is never held in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dataflow.readers.batches import BATCH_BYTES, RAW_BYTES
from dataflow.readers.streams import BLOCK_BYTES, Damaged


@dataclass(frozen=True)
class LongLine:
    """A line beyond the limit: its first 4 kB, and how long it is."""

    raw: bytes
    n_bytes: int


def chunks(stream: Iterator[bytes], limit: int, size: int = BATCH_BYTES) -> Iterator[bytes | LongLine]:
    """Whole lines that make ``size`` bytes or more together, their newlines included; a long line by itself.

    A line that ends in the block in which it passes the limit may still come whole. Where the stream is damaged,
    ``Damaged`` comes after the last whole line and carries the beginning of the cut one.
    """
    held: list[bytes] = []
    n_bytes = n_open = 0  # bytes held; of these, bytes after the last newline
    long, n_long = b"", 0  # a line beyond the limit that has not ended
    try:
        for block in stream:
            if n_long:
                newline = block.find(b"\n")
                n_long += len(block) if newline < 0 else newline
                if newline < 0:
                    continue
                yield LongLine(long, n_long)
                n_long, block = 0, block[newline + 1 :]
            held.append(block)
            newline = block.rfind(b"\n")
            n_open = n_open + len(block) if newline < 0 else len(block) - newline - 1
            n_bytes += len(block)
            if n_bytes - n_open < size and n_open <= limit:
                continue
            buffer = b"".join(held)
            begin = 0
            while (newline := buffer.find(b"\n", begin + size - 1)) >= 0:
                yield buffer[begin : newline + 1]
                begin = newline + 1
            if n_open > limit:
                if begin < n_bytes - n_open:
                    yield buffer[begin : n_bytes - n_open]
                begin = n_bytes - n_open
                long, n_long = buffer[begin:][:RAW_BYTES], n_open
                begin, n_open = n_bytes, 0
            held, n_bytes = [buffer[begin:]], n_bytes - begin
            del buffer
    except Damaged as damage:
        buffer = b"".join(held)
        if n_bytes > n_open:
            yield buffer[: n_bytes - n_open]
        raw, n_cut = (long, n_long) if n_long else (buffer[n_bytes - n_open :][:RAW_BYTES], n_open)
        raise Damaged(damage.reason, raw or damage.raw, n_cut or damage.bytes_in) from None
    if n_bytes:
        yield b"".join(held)
    if n_long:
        yield LongLine(long, n_long)


def lines(stream: Iterator[bytes], limit: int) -> Iterator[bytes | LongLine]:
    """Lines without their newline, and without an empty one after the last; ``Damaged`` as of ``chunks``."""
    for chunk in chunks(stream, limit, size=BLOCK_BYTES):
        yield from lines_of(chunk, limit)


def lines_of(chunk: bytes | LongLine, limit: int) -> Iterator[bytes | LongLine]:
    """The lines of a chunk."""
    if isinstance(chunk, LongLine):
        yield chunk
        return
    for line in chunk.removesuffix(b"\n").split(b"\n"):
        yield line if len(line) <= limit else LongLine(line[:RAW_BYTES], len(line))

"""Bytes of a file, decompressed block by block, with everything before a damaged place given out first.

Compression is told by the file's first bytes, not by its name; gzip files of many members and Zstandard
files of many frames read as one. A damaged or truncated file gives all bytes that can be had and then
raises ``Damaged``, so that the records before the damage are kept. Decoders drop what the failing call had
already made: that block is fed again byte by byte.
"""

import zlib
from collections.abc import Generator, Iterator
from typing import IO, Any

import fsspec
import zstandard

from dataflow.errors import DataflowError

BLOCK_BYTES = 1 << 18
"""Compressed or plain bytes read at a time."""

_DECOMPRESSED_BYTES = 1 << 20
_ZSTD_INPUT_BYTES = 1 << 13  # zstd's decoder has no limit on output: small bites bound what a bomb can make
_ZSTD_WINDOW = 1 << 31  # files packed with --long=31 are common among data dumps
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *(bytes([n, 0x2A, 0x4D, 0x18]) for n in range(0x50, 0x60)))


class Damaged(Exception):  # noqa: N818 - a state of the file, and it is always handled
    """The rest of a file cannot be read; ``reason`` goes to quarantine, ``raw`` begins the cut-off record."""

    def __init__(self, reason: str, raw: bytes = b"", bytes_in: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.raw = raw
        self.bytes_in = len(raw) if bytes_in is None else bytes_in


def open_file(path: str) -> IO[bytes]:
    """A file on any filesystem, for reading from its first byte as stored."""
    try:
        fs, name = fsspec.core.url_to_fs(path)
        opened: IO[bytes] = fs.open(name, "rb")
    except OSError as error:
        raise unreadable(path, error) from error
    return opened


def unreadable(path: str, error: OSError) -> DataflowError:
    """The error for a file the system does not let us read; it may pass, so it is no fact about the text."""
    why = error.strerror or str(error) or type(error).__name__
    return DataflowError(
        f"cannot read the file: {why[:1].lower()}{why[1:]}",
        path,
        "Make it readable or leave it out of the source, and run the same command again: it continues.",
    )


def compression(head: bytes) -> str:
    """``gzip``, ``zstd`` or nothing, from a file's first four bytes."""
    if head.startswith(_GZIP_MAGIC):
        return "gzip"
    return "zstd" if head.startswith(_ZSTD_MAGICS) else ""


def blocks(path: str, start: int = 0, end: int | None = None) -> Generator[bytes, None, None]:
    """The file's bytes, decompressed; with ``start`` or ``end``, a range of a plain file."""
    with open_file(path) as stream:
        try:
            if start or end is not None:
                yield from _plain(stream, start, end)
                return
            kind = compression(stream.read(4))
            stream.seek(0)
            if kind == "gzip":
                yield from _gunzip(stream)
            elif kind == "zstd":
                yield from _unzstd(stream)
            elif promised := _promised(path):
                raise Damaged(
                    f"corrupt_{promised}: the file does not begin as {promised} does", stream.read(4096)
                )
            else:
                yield from _plain(stream, 0, None)
        except OSError as error:
            raise unreadable(path, error) from error


def _promised(path: str) -> str:
    name = path.lower().split("?")[0]
    return "gzip" if name.endswith(".gz") else "zstd" if name.endswith((".zst", ".zstd")) else ""


def _plain(stream: IO[bytes], start: int, end: int | None, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    stream.seek(start)
    left = end - start if end is not None else None
    while block := stream.read(size if left is None else min(size, left)):
        if left is not None:
            left -= len(block)
        yield block


def _gunzip(stream: IO[bytes]) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=31)
    started = False
    while block := stream.read(BLOCK_BYTES):
        while block:
            if not started and not (
                block := block.lstrip(b"\0")
            ):  # zeros pad files to a block of tape or disk
                break
            saved = decoder.copy() if started else zlib.decompressobj(wbits=31)
            decoder = decoder if started else zlib.decompressobj(wbits=31)
            started = True
            given = 0
            pending = block
            try:
                while True:
                    out = decoder.decompress(pending, _DECOMPRESSED_BYTES)
                    given += len(out)
                    if out:
                        yield out
                    pending = decoder.unconsumed_tail
                    if decoder.eof or (not pending and len(out) < _DECOMPRESSED_BYTES):
                        break
            except zlib.error as error:
                yield from _salvage(saved, block, given, zlib.error)
                raise Damaged(f"corrupt_gzip: {error}") from None
            if decoder.eof:
                started = False
            block = decoder.unused_data if decoder.eof else b""
    if started:
        raise Damaged("truncated_gzip: the file ends inside a gzip member")


def _unzstd(stream: IO[bytes]) -> Iterator[bytes]:
    context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    decoder: Any = None
    frame_start = position = given = 0
    while bite := stream.read(_ZSTD_INPUT_BYTES):
        while bite:
            if decoder is None:
                decoder, frame_start, given = context.decompressobj(), position, 0
            try:
                out = decoder.decompress(bite)
            except zstandard.ZstdError as error:
                decoder = context.decompressobj()
                for again in _plain(stream, frame_start, position, _ZSTD_INPUT_BYTES):
                    given -= len(decoder.decompress(again))
                yield from _salvage(decoder, bite, given, zstandard.ZstdError)
                raise Damaged(f"corrupt_zstd: {error}") from None
            if out:
                given += len(out)
                yield out
            rest = decoder.unused_data if decoder.eof else b""
            position += len(bite) - len(rest)
            if decoder.eof:
                decoder = None
            bite = rest
    if decoder is not None:
        raise Damaged("truncated_zstd: the file ends inside a Zstandard frame")


def _salvage(decoder: Any, block: bytes, given: int, fault: type[Exception]) -> Iterator[bytes]:
    """What ``decoder`` makes of a damaged block before it fails, less the ``given`` bytes that are out."""
    for i in range(len(block)):
        try:
            out = decoder.decompress(block[i : i + 1])
        except fault:
            return
        if len(out) > given:
            yield out[given:]
        given = max(0, given - len(out))


class ArchiveStream:
    """A decompressed file with ``read``, which ends where the damage begins and keeps it in ``damage``."""

    def __init__(self, path: str) -> None:
        self.damage: Damaged | None = None
        self._blocks = blocks(path)
        self._buffer = b""
        self._position = 0
        self._begin = 0

    @property
    def left(self) -> int:
        """Bytes read from the file and not yet given out."""
        return len(self._buffer) - self._begin

    def read(self, size: int = -1) -> bytes:
        """``size`` bytes, or fewer at the end only; all there are where it is negative."""
        while (size < 0 or self.left < size) and self._fill():
            pass
        end = len(self._buffer) if size < 0 else min(len(self._buffer), self._begin + size)
        return self._give(end)

    def readline(self, limit: int) -> bytes:
        """Up to and with the next newline, at most ``limit`` bytes."""
        while (newline := self._buffer.find(b"\n", self._begin)) < 0 and self.left < limit and self._fill():
            pass
        end = newline + 1 if newline >= 0 else len(self._buffer)
        return self._give(min(end, self._begin + limit))

    def skip(self, size: int) -> None:
        """Pass over ``size`` bytes without keeping them."""
        while size > 0 and (part := self.read(min(size, BLOCK_BYTES))):
            size -= len(part)

    def tell(self) -> int:
        """Bytes given out."""
        return self._position

    def close(self) -> None:
        """Close the file."""
        self._blocks.close()

    def _give(self, end: int) -> bytes:
        given = self._buffer[self._begin : end]
        self._begin = end
        self._position += len(given)
        return given

    def _fill(self) -> bool:
        try:
            block = next(self._blocks, b"")
        except Damaged as damage:
            self.damage = damage
            return False
        self._buffer = self._buffer[self._begin :] + block
        self._begin = 0
        return bool(block)

"""Bytes of a file, decompressed block by block, with everything before a damaged place given out first.

Compression is told by the file's first bytes, not by its name; gzip files of many members and Zstandard
files of many frames read as one, or from one member on. A damaged or truncated file gives all bytes that can
be had and then raises ``Damaged``, so that the records before the damage are kept; so does one that unpacks
to more than ``max_ratio`` times its size. Decoders drop what the failing call had already made: for gzip,
the member is read again by zlib, which is slower than isal and can be asked byte by byte.
"""

import codecs
import re
import zlib
from collections.abc import Generator, Iterator
from typing import IO, Any

import fsspec
import zstandard
from isal import isal_zlib

from dataflow.errors import DataflowError

BLOCK_BYTES = 1 << 18
"""Compressed or plain bytes read at a time."""

MAX_RATIO = 1000
"""Decompressed bytes for each compressed one beyond which a file is taken for a bomb."""

_FREE_BYTES = 1 << 20  # what any file may unpack to, whatever the ratio
_DECOMPRESSED_BYTES = 1 << 20
_ZSTD_INPUT_BYTES = 1 << 13  # zstd's decoder has no limit on output: small bites bound what a bomb can make
_ZSTD_WINDOW = 1 << 31  # files packed with --long=31 are common among data dumps
_REFUSED: Any = isal_zlib.error  # its stub says an instance
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
_ZSTD_MAGICS = (_ZSTD_FRAME, *(bytes([n, 0x2A, 0x4D, 0x18]) for n in range(0x50, 0x60)))
_ZSTD_DICTIONARY = b"\x5d\x2a\x4d\x18"  # the skippable frame with which a .warc.zst begins
_MEMBER = {
    "gzip": re.compile(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff]", re.DOTALL),
    "zstd": re.compile(re.escape(_ZSTD_FRAME)),
}
_UTF = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Damaged(Exception):  # noqa: N818 - a state of the file, and it is always handled
    """The rest of a file cannot be read; ``reason`` goes to quarantine, ``raw`` begins the cut-off record."""

    def __init__(
        self, reason: str, raw: bytes = b"", bytes_in: int | None = None, member: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.raw = raw
        self.bytes_in = len(raw) if bytes_in is None else bytes_in
        self.member = (
            member  # where the one packed member that cannot be read begins; None: no more can be read
        )


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


def encoding(head: bytes) -> str:
    """UTF-16 or UTF-32 as a byte order mark tells it; empty where there is none."""
    return next((name for mark, name in _UTF if head.startswith(mark)), "")


def blocks(
    path: str, start: int = 0, end: int | None = None, max_ratio: int | None = MAX_RATIO
) -> Generator[bytes, None, None]:
    """The file's bytes, decompressed; with ``start`` or ``end``, a range of them as stored."""
    decoded = member_blocks(path, start, end, max_ratio)
    try:
        for _, block in decoded:
            yield block
    finally:
        decoded.close()


def utf8_blocks(
    path: str, start: int = 0, end: int | None = None, max_ratio: int | None = MAX_RATIO
) -> Generator[bytes, None, None]:
    """As ``blocks``; a file that begins with a UTF-16 or UTF-32 mark comes as UTF-8."""
    stream = blocks(path, start, end, max_ratio)
    try:
        first = b"" if start else next(stream, b"")
        name = encoding(first)
        if not name:
            if first:
                yield first
            yield from stream
            return
        decoder = codecs.getincrementaldecoder(name)("surrogatepass")
        try:
            yield decoder.decode(first)[1:].encode("utf-8", "surrogatepass")
            for block in stream:
                yield decoder.decode(block).encode("utf-8", "surrogatepass")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise Damaged(f"invalid_{name.replace('-', '')}: {error.reason}") from None
    finally:
        stream.close()


def member_blocks(
    path: str, start: int = 0, end: int | None = None, max_ratio: int | None = None
) -> Generator[tuple[int, bytes], None, None]:
    """Blocks as of ``blocks``, each with the place in the file where its member (gzip) or frame (zstd) begins."""
    with open_file(path) as stream:
        try:
            kind = compression(stream.read(4))
            if kind:
                decode = _gunzip if kind == "gzip" else _unzstd
                yield from _bounded(decode(stream, start, end), start, max_ratio)
            elif promised := _promised(path):
                stream.seek(0)
                raise Damaged(
                    f"corrupt_{promised}: the file does not begin as {promised} does", stream.read(4096)
                )
            else:
                yield from ((0, block) for block in _plain(stream, start, end))
        except OSError as error:
            raise unreadable(path, error) from error


def next_member(path: str, after: int) -> int | None:
    """Where a compressed file has the next bytes that begin a gzip member or zstd frame; None: nowhere."""
    with open_file(path) as stream:
        pattern = _MEMBER[compression(stream.read(4)) or "gzip"]
        tail, position = b"", after
        for block in _plain(stream, after, None):
            window = tail + block
            if match := pattern.search(window):
                return position - len(tail) + match.start()
            tail = window[-16:]
            position += len(block)
    return None


def _bounded(
    decoded: Iterator[tuple[int, int, bytes]], start: int, max_ratio: int | None
) -> Iterator[tuple[int, bytes]]:
    n_bytes = 0
    for member, position, block in decoded:
        n_bytes += len(block)
        if max_ratio is not None and n_bytes > (limit := _FREE_BYTES + max_ratio * (position - start)):
            yield member, block[: len(block) - (n_bytes - limit)]
            raise Damaged(
                f"decompression_bomb: more than {limit} bytes out of {position - start}, beyond {max_ratio} to one; "
                "the rest of the file is not read"
            )
        yield member, block


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


def _gunzip(stream: IO[bytes], start: int, end: int | None) -> Iterator[tuple[int, int, bytes]]:
    """(begin of the member, place in the file, bytes), by isal; from a member that it refuses on, by zlib."""
    decoder: Any = None
    member = position = start
    given = 0
    for block in _plain(stream, start, end):
        while block:
            if decoder is None:
                n_padding = len(block) - len(block.lstrip(b"\0"))  # up to a block of tape or disk
                block, position = block[n_padding:], position + n_padding
                if not block:
                    break
                decoder, member, given = isal_zlib.decompressobj(wbits=31), position, 0
            after = position + len(block)
            try:
                for out in _outputs(decoder, block):
                    given += len(out)
                    yield member, after, out
            except _REFUSED:
                yield from _gunzip_slowly(stream, member, end, given)
                return
            block = decoder.unused_data if decoder.eof else b""
            position = after - len(block)
            decoder = None if decoder.eof else decoder
    if decoder is not None:
        yield from _gunzip_slowly(stream, member, end, given)


def _outputs(decoder: Any, block: bytes) -> Iterator[bytes]:
    """What a decoder makes of a block, in parts of bounded size."""
    while True:
        out = decoder.decompress(block, _DECOMPRESSED_BYTES)
        if out:
            yield out
        block = decoder.unconsumed_tail
        if decoder.eof or (not block and len(out) < _DECOMPRESSED_BYTES):
            return


def _gunzip_slowly(
    stream: IO[bytes], start: int, end: int | None, given: int
) -> Iterator[tuple[int, int, bytes]]:
    """One member and what follows, less the ``given`` bytes that are out; ``Damaged`` where it cannot be read."""
    decoder = zlib.decompressobj(wbits=31)
    position = start
    made = 0  # bytes made of this member
    for block in _plain(stream, start, end):
        saved, before = decoder.copy(), made
        try:
            for out in _outputs(decoder, block):
                made += len(out)
                if new := out[max(0, len(out) - (made - given)) :] if made > given else b"":
                    yield start, position + len(block), new
        except zlib.error as error:
            already = max(made, given) - before
            for out in _salvage(saved, block, already, zlib.error):
                yield start, position + len(block), out
            raise Damaged(f"corrupt_gzip: {error}", member=start) from None
        position += len(block)
        if decoder.eof:
            yield from _gunzip(stream, position - len(decoder.unused_data), end)
            return
    raise Damaged("truncated_gzip: the file ends inside a gzip member", member=start)


def _unzstd(stream: IO[bytes], start: int, end: int | None) -> Iterator[tuple[int, int, bytes]]:
    """(begin of the frame, place in the file, bytes)."""
    context = zstandard.ZstdDecompressor(dict_data=_dictionary(stream), max_window_size=_ZSTD_WINDOW)
    decoder: Any = None
    frame = position = start
    given = 0
    for bite in _plain(stream, start, end, _ZSTD_INPUT_BYTES):
        while bite:
            if decoder is None:
                decoder, frame, given = context.decompressobj(), position, 0
            after = position + len(bite)
            try:
                out = decoder.decompress(bite)
            except zstandard.ZstdError as error:
                decoder = context.decompressobj()
                for again in _plain(stream, frame, position, _ZSTD_INPUT_BYTES):
                    given -= len(decoder.decompress(again))
                for out in _salvage(decoder, bite, given, zstandard.ZstdError):
                    yield frame, after, out
                raise Damaged(f"corrupt_zstd: {error}", member=frame) from None
            given += len(out)
            if out:
                yield frame, after, out
            bite = decoder.unused_data if decoder.eof else b""
            position = after - len(bite)
            decoder = None if decoder.eof else decoder
    if decoder is not None:
        raise Damaged("truncated_zstd: the file ends inside a Zstandard frame", member=frame)


def _dictionary(stream: IO[bytes]) -> Any:
    """The dictionary that a ``.warc.zst`` begins with (IIPC, Zstandard Compression for WARC Files 1.0); or None."""
    stream.seek(0)
    head = stream.read(8)
    if not head.startswith(_ZSTD_DICTIONARY):
        return None
    content = stream.read(int.from_bytes(head[4:8], "little"))
    try:
        if content.startswith(_ZSTD_FRAME):
            content = zstandard.ZstdDecompressor().decompress(content, max_output_size=BLOCK_BYTES << 8)
        return zstandard.ZstdCompressionDict(content)
    except (zstandard.ZstdError, ValueError) as error:
        raise Damaged(f"corrupt_zstd: the dictionary at the beginning: {error}") from None


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

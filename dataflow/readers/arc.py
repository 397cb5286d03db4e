"""ARC, the Internet Archive's format before WARC (versions 1 and 2).

A record is a line ``URL IP date type length`` (version 2: five more fields before the length), as many
bytes, and a newline. A URL may hold spaces. Where a line is no such header, or its length is no number,
that is one faulty record and reading goes on at the next line that is a header.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dataflow.readers import response
from dataflow.readers.archive import ArchiveStream
from dataflow.readers.batches import QUARANTINED, RAW_BYTES, SKIPPED, Batch, Builder, Reject, to_json
from dataflow.readers.pieces import Piece
from dataflow.readers.source import Extract, Source
from dataflow.readers.web import web_page

_HEADER = re.compile(r"^(\S+:.*) (\S+) (\d{8,20}) (\S+)((?: \S+){5})? (\S+)$")
_LINE_BYTES = 1 << 16


@dataclass(frozen=True)
class Capture:
    """One record; ``fault`` says why it could not be read."""

    url: str
    date: str
    media_type: str
    block: bytes
    size: int
    fault: str = ""


def read(piece: Piece, source: Source, extract: Extract) -> Iterator[Batch]:
    """Every record of an ARC file."""
    limit = source.max_record_bytes
    stream = ArchiveStream(piece.path, source.max_ratio)
    builder = Builder(piece.relative)
    for number, capture in enumerate(captures(stream, limit)):
        try:
            if capture.fault:
                raise Reject(QUARANTINED, capture.fault)
            if capture.url.startswith("filedesc:"):
                raise Reject(SKIPPED, "record_type: filedesc")
            if not capture.url.lower().startswith("http"):
                raise Reject(SKIPPED, f"media_type: {capture.media_type[:80]}")
            text, about, n_bytes = web_page(response.parse(capture.block), capture.size, limit, extract)
            builder.document(
                number, text, url=capture.url, date=capture.date, metadata=to_json(about), bytes_in=n_bytes
            )
        except Reject as reject:
            builder.reject(number, reject.fate, reject.reason, capture.block, capture.size)
        yield from builder.take()
    stream.close()
    yield from builder.take(last=True)


def captures(stream: ArchiveStream, limit: int) -> Iterator[Capture]:
    """Every record of a file; of one larger than ``limit`` only the beginning is kept."""
    lost = False  # inside the remains of a faulty record
    while line := stream.readline(_LINE_BYTES):
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        header = _HEADER.match(text)
        if not header:
            if text.strip() and not lost:
                lost = True
                yield Capture(
                    "", "", "", line[:RAW_BYTES], len(line), _reason(stream, "malformed_arc: no header")
                )
            continue
        url, _, date, media_type, _, length = header.groups()
        if not (length.isascii() and length.isdigit()):
            lost = True
            fault = _reason(stream, f'malformed_arc: length "{length[:20]}"')
            yield Capture(url, date, media_type, line[:RAW_BYTES], len(line), fault)
            continue
        lost = False
        size = int(length)
        block = stream.read(min(size, limit))
        stream.skip(size - len(block) if len(block) == limit else 0)
        short = len(block) < min(size, limit)
        fault = _reason(stream, f"truncated_record: {len(block)} of {size} bytes") if short else ""
        yield Capture(url, date, media_type, block, len(block) if short else size, fault)
    if stream.damage is not None:
        yield Capture("", "", "", stream.damage.raw, stream.damage.bytes_in, stream.damage.reason)


def _reason(stream: ArchiveStream, otherwise: str) -> str:
    """The damage of the file where that is what cut the record off (told once), else what was found."""
    if stream.damage is None or stream.left:
        return otherwise
    reason, stream.damage = stream.damage.reason, None
    return reason

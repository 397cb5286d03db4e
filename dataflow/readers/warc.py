"""Web archives: WARC responses and WET conversions and ARC captures become documents, all else skipped rows.

Every record has a row: requests, revisits, metadata (and with it all of a WAT file), errors, images and
empty pages are skipped with their reason. fastwarc frames the records; HTTP is parsed here, leniently.
Damage ends a file: the records before it are kept, one more row tells where it was. An archive is never
split.
"""

from collections.abc import Iterator
from typing import Any

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from dataflow.readers import arc, response
from dataflow.readers.archive import ArchiveStream
from dataflow.readers.batches import QUARANTINED, SKIPPED, Batch, Builder, Reject, to_json
from dataflow.readers.html import HTML_BYTES, page_text
from dataflow.readers.source import Extract

RECORD_BYTES = 256 << 20
"""The payload of a larger record is not read."""

_HEADER_BYTES = 1 << 16


def read(path: str, relative: str, extract: Extract) -> Iterator[Batch]:
    """Every record of a WARC, WET or WAT file."""
    stream = ArchiveStream(path)
    builder = Builder(relative)
    number = 0
    archive: Any = stream  # fastwarc never seeks where it need not detect compression
    records = ArchiveIterator(archive, parse_http=False, stream_detect=False)
    try:
        for record in records:
            size = _declared_bytes(record)
            block = record.reader.read(_HEADER_BYTES if size is not None and size > RECORD_BYTES else -1)
            if size is None or (len(block) < size <= RECORD_BYTES):
                reason = f"truncated_record: {len(block)} of {size} bytes"
                if size is None:
                    reason = "malformed_record: no valid Content-Length"
                if stream.damage is not None:
                    reason, stream.damage = stream.damage.reason, None
                builder.quarantine(number, reason, block)
            else:
                _add(builder, number, record, block, size, extract)
            number += 1
            yield from builder.take()
    except OSError as error:
        reason = f"malformed_warc: {error}; the rest of the file is not read"
        builder.quarantine(number, stream.damage.reason if stream.damage else reason)
    else:
        if stream.damage is not None:
            builder.quarantine(number, stream.damage.reason, stream.damage.raw, stream.damage.bytes_in)
    stream.close()
    yield from builder.take(last=True)


def _declared_bytes(record: WarcRecord) -> int | None:
    value = (record.headers.get("Content-Length") or "").strip()
    return int(value) if value.isascii() and value.isdigit() else None


def _add(
    builder: Builder, number: int, record: WarcRecord, block: bytes, size: int, extract: Extract
) -> None:
    """Add a whole record as a document, or with the reason why it is none."""
    try:
        text, about, n_bytes = _document(record, block, size, extract)
    except Reject as reject:
        builder.reject(number, reject.fate, reject.reason, block, size)
        return
    headers = record.headers
    builder.document(
        number,
        text,
        input_id=_clean(headers.get("WARC-Record-ID")),
        url=_clean(headers.get("WARC-Target-URI")),
        date=_clean(headers.get("WARC-Date")),
        metadata=to_json(about),
        bytes_in=n_bytes,
    )


def _document(
    record: WarcRecord, block: bytes, size: int, extract: Extract
) -> tuple[str, dict[str, str], int]:
    """Text, what else is known, and bytes of the payload."""
    kind = record.record_type
    if kind == WarcRecordType.conversion:
        return _conversion(record, block)
    if kind == WarcRecordType.resource:
        media_type = (record.headers.get("Content-Type") or "").split(";")[0].strip().lower()
        answer = response.Response(
            200, {"content-type": record.headers.get("Content-Type") or media_type}, block
        )
    elif kind == WarcRecordType.response:
        if not (record.headers.get("WARC-Target-URI") or "").strip("<> ").lower().startswith("http"):
            raise Reject(SKIPPED, "record_type: response of another protocol than HTTP")
        answer = response.parse(block)
    else:
        raise Reject(SKIPPED, f"record_type: {str(kind).rpartition('.')[2]}")
    return web_page(answer, size, extract)


def _conversion(record: WarcRecord, block: bytes) -> tuple[str, dict[str, str], int]:
    if not block.strip():
        raise Reject(SKIPPED, "empty_payload")
    try:
        text = block.decode()
    except UnicodeDecodeError as error:
        raise Reject(QUARANTINED, f"invalid_utf8: {error.reason} at byte {error.start}") from None
    languages = record.headers.get("WARC-Identified-Content-Language")
    return text, {"languages": languages} if languages else {}, len(block)


def web_page(answer: response.Response, size: int, extract: Extract) -> tuple[str, dict[str, str], int]:
    """Text, media type and charset, and bytes of the body of a response that is an HTML page."""
    if answer.status != 200:
        raise Reject(SKIPPED, f"http_status: {answer.status}")
    if not answer.body:
        raise Reject(SKIPPED, "empty_payload")
    media_type = answer.media_type
    if media_type not in (
        "",
        "text/html",
        "application/xhtml+xml",
        "application/octet-stream",
        "unk",
        "no-type",
    ):
        raise Reject(SKIPPED, f"media_type: {media_type[:80]}")
    if size > RECORD_BYTES:
        raise Reject(QUARANTINED, f"too_large: a record of {size} bytes, at most {RECORD_BYTES} are read")
    body = response.payload(answer, HTML_BYTES)
    if not body.strip():
        raise Reject(SKIPPED, "empty_payload")
    if not response.is_html(media_type, body):
        raise Reject(SKIPPED, f"media_type: {media_type or 'unknown'}, and the content is no HTML")
    text, charset = page_text(body, answer.charset, extract)
    return text, {"charset": charset, "content_type": media_type}, len(answer.body)


def _clean(value: str | None) -> str | None:
    """A header's value as it can be stored; some writers put the URI in angle brackets."""
    return value.strip().strip("<>").encode("utf-8", "replace").decode() if value else None


def read_arc(path: str, relative: str, extract: Extract) -> Iterator[Batch]:
    """Every record of an ARC file."""
    stream = ArchiveStream(path)
    builder = Builder(relative)
    for number, capture in enumerate(arc.captures(stream, RECORD_BYTES)):
        try:
            if capture.fault:
                raise Reject(QUARANTINED, capture.fault)
            if capture.url.startswith("filedesc:"):
                raise Reject(SKIPPED, "record_type: filedesc")
            if not capture.url.lower().startswith("http"):
                raise Reject(SKIPPED, f"media_type: {capture.media_type[:80]}")
            text, about, n_bytes = web_page(response.parse(capture.block), capture.size, extract)
            builder.document(
                number, text, url=capture.url, date=capture.date, metadata=to_json(about), bytes_in=n_bytes
            )
        except Reject as reject:
            builder.reject(number, reject.fate, reject.reason, capture.block, capture.size)
        yield from builder.take()
    stream.close()
    yield from builder.take(last=True)

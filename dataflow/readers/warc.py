"""Web archives: WARC responses and WET conversions become documents, all else skipped rows.

Every record has a row: requests, revisits, metadata (and with it all of a WAT file), errors, images and empty pages
are skipped with their reason; a damaged stretch is quarantined with its place, and the records after it are read.
An archive is never split.
"""

from collections.abc import Iterator

from dataflow.readers import response
from dataflow.readers.archive import ArchiveStream
from dataflow.readers.batches import QUARANTINED, SKIPPED, Batch, Builder, Reject, to_json
from dataflow.readers.pieces import Piece
from dataflow.readers.source import Extract, Source
from dataflow.readers.warc_records import WarcRecord, records
from dataflow.readers.web import web_page


def read(piece: Piece, source: Source, extract: Extract) -> Iterator[Batch]:
    """Every record of a WARC, WET or WAT file."""
    stream = ArchiveStream(piece.path, source.max_ratio)
    builder = Builder(piece.relative)
    limit = source.max_record_bytes
    for number, record in enumerate(records(stream, limit)):
        try:
            if record.fault:
                raise Reject(QUARANTINED, record.fault)
            text, about, n_bytes = _document(record, limit, extract)
            builder.document(
                number,
                text,
                input_id=_clean(record.headers.get("warc-record-id")),
                url=_clean(record.headers.get("warc-target-uri")),
                date=_clean(record.headers.get("warc-date")),
                metadata=to_json(about),
                bytes_in=n_bytes,
            )
        except Reject as reject:
            builder.reject(number, reject.fate, reject.reason, record.block, record.size)
        yield from builder.take()
    stream.close()
    yield from builder.take(last=True)


def _document(record: WarcRecord, limit: int, extract: Extract) -> tuple[str, dict[str, str], int]:
    """Text, what else is known, and bytes of the payload."""
    kind = record.headers.get("warc-type", "").lower()
    content_type = record.headers.get("content-type", "")
    if kind == "conversion":
        return _conversion(record, limit)
    if kind == "resource":
        answer = response.Response(200, {"content-type": content_type}, record.block)
    elif kind == "response":
        if not (record.headers.get("warc-target-uri") or "").strip("<> ").lower().startswith("http"):
            raise Reject(SKIPPED, "record_type: response of another protocol than HTTP")
        answer = response.parse(record.block)
    else:
        raise Reject(SKIPPED, f"record_type: {kind[:40] or 'none'}")
    return web_page(answer, record.size, limit, extract)


def _conversion(record: WarcRecord, limit: int) -> tuple[str, dict[str, str], int]:
    if not record.block.strip():
        raise Reject(SKIPPED, "empty_payload")
    if record.size > limit:
        raise Reject(QUARANTINED, f"too_large: a record of {record.size} bytes, at most {limit} are read")
    try:
        text = record.block.decode()
    except UnicodeDecodeError as error:
        raise Reject(QUARANTINED, f"invalid_utf8: {error.reason} at byte {error.start}") from None
    languages = record.headers.get("warc-identified-content-language")
    return text, {"languages": languages} if languages else {}, len(record.block)


def _clean(value: str | None) -> str | None:
    """A header's value; some writers put the URI in angle brackets."""
    return value.strip().strip("<>") if value else None

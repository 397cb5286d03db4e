"""An HTTP response as crawlers stored it: status, headers, and the body with its encodings undone.

Archives are lenient places: bodies are stored decoded while their headers still say chunked or gzip, and
are cut off by size limits. What can be read is read; what cannot is a ``Reject`` with its reason.
"""

import re
import zlib
from dataclasses import dataclass

import zstandard

from dataflow.readers.batches import QUARANTINED, Reject

_STATUS = re.compile(rb"^HTTP/\d(?:\.\d)?\s+(\d{3})")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r?\n")
_BLANK = re.compile(rb"\r?\n[ \t]*\r?\n")


@dataclass(frozen=True)
class Response:
    """Status, headers (names in lower case, the first of each) and body as stored."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """``text/html`` and the like, in lower case; empty where the server did not say."""
        return self.headers.get("content-type", "").split(";")[0].split(",")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The charset that the header declares."""
        match = _CHARSET.search(self.headers.get("content-type", ""))
        return match[1] if match else None


def parse(block: bytes) -> Response:
    """The response that a record holds."""
    status = _STATUS.match(block)
    if not status:
        raise Reject(QUARANTINED, "malformed_http: the record does not begin with an HTTP status line")
    blank = _BLANK.search(block)
    head, body = (block[: blank.start()], block[blank.end() :]) if blank else (block, b"")
    headers: dict[str, str] = {}
    for line in head.split(b"\n")[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    return Response(int(status[1]), headers, body)


def payload(response: Response, limit: int) -> bytes:
    """The body with transfer and content encodings undone, at most ``limit`` bytes and one."""
    body = response.body
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        body = dechunk(body)
    names = [name.strip().lower() for name in response.headers.get("content-encoding", "").split(",")]
    for name in reversed(names):
        body = _decoded(body, name, limit)
    return body


def dechunk(body: bytes) -> bytes:
    """Chunks joined; a body that is not chunked, as it is; from a broken chunk on, the rest as it stands."""
    parts: list[bytes] = []
    position = 0
    while position < len(body):
        match = _CHUNK.match(body, position)
        if not match:
            parts.append(body[position:])
            break
        size = int(match[1], 16)
        if size == 0:
            break
        parts.append(body[match.end() : match.end() + size])
        position = match.end() + size
        position += 2 if body[position : position + 2] == b"\r\n" else body[position : position + 1] == b"\n"
    return b"".join(parts)


def _decoded(body: bytes, name: str, limit: int) -> bytes:
    if name in ("", "identity", "none", "utf-8") or not body:
        return body
    if name in ("gzip", "x-gzip"):
        return _inflate(body, 31, limit) if body.startswith(b"\x1f\x8b") else body  # else stored decoded
    if name == "deflate":
        return _deflate(body, limit)
    if name == "zstd":
        return _unzstd(body, limit) if body.startswith(b"\x28\xb5\x2f\xfd") else body
    if _looks_like_html(body):
        return body
    raise Reject(QUARANTINED, f"content_encoding: {name[:40]} cannot be decoded")


def _inflate(body: bytes, wbits: int, limit: int) -> bytes:
    """All that can be had: crawlers cut bodies off, so a missing end is no fault."""
    decoder = zlib.decompressobj(wbits=wbits)
    try:
        return decoder.decompress(body, limit + 1)
    except zlib.error as error:
        raise Reject(QUARANTINED, f"content_encoding: {error}") from None


def _deflate(body: bytes, limit: int) -> bytes:
    """Deflate with the zlib header that the standard asks for, or without, as some servers send it."""
    if body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0:
        return _inflate(body, 15, limit)
    return body if _looks_like_html(body) else _inflate(body, -15, limit)


def _unzstd(body: bytes, limit: int) -> bytes:
    try:
        with zstandard.ZstdDecompressor().stream_reader(body) as reader:
            return reader.read(limit + 1)
    except zstandard.ZstdError as error:
        raise Reject(QUARANTINED, f"content_encoding: {error}") from None


_HTML = re.compile(rb"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)


def _looks_like_html(body: bytes) -> bool:
    return _HTML.search(body[:2048]) is not None


def is_html(media_type: str, body: bytes) -> bool:
    """Whether a decoded body is a page: by its declared type or, where there is none, by its first bytes."""
    if media_type in ("text/html", "application/xhtml+xml"):
        return b"\0" not in body[:1024] or body.startswith((b"\xff\xfe", b"\xfe\xff"))
    return media_type in ("", "application/octet-stream", "unk", "no-type") and _looks_like_html(body)

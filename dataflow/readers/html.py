"""HTML bytes to the text a reader of the page came for: find the charset, decode, keep the main content.

Servers lie about charsets, most often by calling UTF-8 something else; bytes above ASCII that are valid
UTF-8 are hardly ever anything else. So UTF-8 that holds wins over a declared one-byte charset, the header
over the meta tag, both over statistics. A page cut off by the crawler may end inside a character, and a few
stray bytes do not change the charset of the rest.
"""

import codecs
import re
from collections.abc import Iterator

from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

from dataflow.readers.batches import QUARANTINED, Batch, Builder, Reject, to_json
from dataflow.readers.extract_head import describe
from dataflow.readers.extraction import extract_text
from dataflow.readers.source import Extract
from dataflow.readers.streams import Damaged
from dataflow.readers.text import whole

HTML_BYTES = 64 << 20
"""A larger page is quarantined."""

_META = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)
_META_BYTES = 4096
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WHATWG = {
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gbk": "gb18030",
    "big5": "big5hkscs",
}  # as browsers read them
_MANY_BYTES = {"cp932", "cp949", "gb18030", "big5hkscs", "euc_jp", "iso2022_jp", "utf-16-le", "utf-16-be"}
_ASCII = bytes(range(128))
_STRAY_SHARE = 0.05  # replacement characters for each byte above ASCII; a wrong charset gives nearly 1


def decode(content: bytes, declared: str | None = None) -> tuple[str, str]:
    """The text of HTML bytes and the charset it was read in; ``declared`` is what the HTTP header says."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace"), encoding
    named = [charset for name in (declared, _meta_charset(content)) if name and (charset := _codec(name))]
    is_ascii = content.isascii()
    trials = [charset for charset in named if charset in _MANY_BYTES]
    trials += (
        ["utf-8"] if not is_ascii or (not named and b"\x1b" not in content) else []
    )  # ISO-2022 has escapes
    for charset in [*trials, *named]:
        if (text := _strictly(content, charset)) is not None:
            return text, charset
    n_high = len(content.translate(None, _ASCII))
    for charset in [*trials, *named]:
        text = content.decode(charset, "replace")
        if text.count("\ufffd") <= 1 + _STRAY_SHARE * n_high:
            return text, charset
    detected = _detected(content)
    return bytes_to_str(content, detected), detected


def _detected(content: bytes) -> str:
    """The charset that statistics suggest, UTF-8 where they do not know."""
    name = detect_encoding(content, html5_compatible=False) or "utf-8"  # compatible names leave out cp949
    if charset := _codec(name):
        return charset
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"


def _strictly(content: bytes, charset: str) -> str | None:
    try:
        return content.decode(charset)
    except UnicodeDecodeError:
        return None


def _meta_charset(content: bytes) -> str | None:
    match = _META.search(content[:_META_BYTES])
    name = match[1].decode("ascii") if match else None
    return (
        "utf-8" if name and name.lower().startswith("utf-16") else name
    )  # it was read as ASCII: it cannot be 16


def _codec(name: str) -> str | None:
    """The Python codec for a charset as browsers understand its name; None for unknown ones."""
    mapped = map_encoding_to_html5(name.strip(), fallback_utf8=False)
    return _WHATWG.get(mapped, mapped) if mapped else None


def page_text(
    content: bytes, extract: Extract, charset: str | None = None, language: str | None = None
) -> tuple[str, dict[str, str]]:
    """Text of an HTML page and what is known of it; ``Reject`` where it has none.

    ``charset`` and ``language`` are what the HTTP headers declare. Known are the ``charset`` it was read in, the
    ``extractor`` that found the text, and, where the page tells them, its ``title`` and ``language_hint``.
    """
    if len(content) > HTML_BYTES:
        raise Reject(QUARANTINED, f"too_large: a page of {len(content)} bytes, at most {HTML_BYTES} are read")
    page, charset = decode(content, charset)
    text, extractor = extract_text(page, extract)
    return text, {"charset": charset, "extractor": extractor, **describe(page, language)}


def read(path: str, relative: str, extract: Extract) -> Iterator[Batch]:
    """An HTML file as one document, record 0."""
    builder = Builder(relative)
    try:
        content = whole(path)
        try:
            text, about = page_text(content, extract)
            builder.document(0, text, metadata=to_json(about), bytes_in=len(content))
        except Reject as reject:
            builder.reject(0, reject.fate, reject.reason, content, len(content))
    except Damaged as damage:
        builder.quarantine(0, damage.reason, damage.raw, damage.bytes_in)
    yield from builder.take(last=True)

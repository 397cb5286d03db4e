"""HTML bytes to the text a reader of the page came for: find the charset, decode, keep the main content.

Servers lie about charsets, most often by calling UTF-8 something else; bytes above ASCII that are valid
UTF-8 are hardly ever anything else. So UTF-8 that holds wins over a declared one-byte charset, the header
over the meta tag, both over statistics. A page cut off by the crawler may end inside a character, and a few
stray bytes do not change the charset of the rest.
"""

import codecs
import re
from collections.abc import Iterator
from itertools import accumulate

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

from dataflow.readers.batches import QUARANTINED, SKIPPED, Batch, Builder, Reject
from dataflow.readers.source import Extract
from dataflow.readers.streams import Damaged
from dataflow.readers.text import whole

HTML_BYTES = 64 << 20
"""A larger page is quarantined."""

MAX_DEPTH = 2000
"""Elements nested deeper are quarantined: extraction takes time quadratic in depth (5,000 levels: 1 s)."""

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
_TAGS = re.compile(
    r"<(/?)(?!(?:area|base|br|col|dd|dt|embed|hr|img|input|li|link|meta|option|p|param|source|td|th|tr|track|wbr)\b)"
    r"[a-zA-Z]",
    re.IGNORECASE,
)


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
    detected = detect_encoding(content)
    fallback = (_codec(detected) if detected else None) or "utf-8"
    return bytes_to_str(content, fallback), fallback


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


def extract_text(html: str, extract: Extract) -> str:
    """Main content of a page as plain text with its paragraphs and lists; ``Reject`` where there is none."""
    del extract  # one engine so far
    if html.count("<") > MAX_DEPTH and _depth(html) > MAX_DEPTH:
        raise Reject(QUARANTINED, f"deep_nesting: elements nest deeper than {MAX_DEPTH}")
    text: str = extract_plain_text(html, main_content=True, alt_texts=False, preserve_formatting=True)
    if not (text := text.strip()):
        raise Reject(SKIPPED, "no_text: nothing is left of the page's main content")
    return text


def _depth(html: str) -> int:
    """Depth of elements, an upper bound: tags that need no closing are left out."""
    return max(accumulate(-1 if slash else 1 for slash in _TAGS.findall(html)), default=0)


def page_text(content: bytes, declared: str | None, extract: Extract) -> tuple[str, str]:
    """Text and charset of an HTML page; ``Reject`` where it has none."""
    if len(content) > HTML_BYTES:
        raise Reject(QUARANTINED, f"too_large: a page of {len(content)} bytes, at most {HTML_BYTES} are read")
    html, charset = decode(content, declared)
    return extract_text(html, extract), charset


def read(path: str, relative: str, extract: Extract) -> Iterator[Batch]:
    """An HTML file as one document, record 0."""
    builder = Builder(relative)
    try:
        content = whole(path)
        try:
            text, charset = page_text(content, None, extract)
            builder.document(0, text, metadata=f'{{"charset":"{charset}"}}', bytes_in=len(content))
        except Reject as reject:
            builder.reject(0, reject.fate, reject.reason, content, len(content))
    except Damaged as damage:
        builder.quarantine(0, damage.reason, damage.raw, damage.bytes_in)
    yield from builder.take(last=True)

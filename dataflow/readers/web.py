"""From an HTTP response to the text of a page: what WARC and ARC share."""

from dataflow.readers import response
from dataflow.readers.batches import QUARANTINED, SKIPPED, Reject
from dataflow.readers.html import HTML_BYTES, page_text
from dataflow.readers.source import Extract

_PAGES = ("", "text/html", "application/xhtml+xml", "application/octet-stream", "unk", "no-type")


def web_page(
    answer: response.Response, size: int, limit: int, extract: Extract
) -> tuple[str, dict[str, str], int]:
    """Text of a response that is an HTML page, what is known of it, and bytes of its body.

    Of a record of more than ``limit`` bytes (``size``) only the beginning has been read.
    """
    if answer.status != 200:
        raise Reject(SKIPPED, f"http_status: {answer.status}")
    if not answer.body:
        raise Reject(SKIPPED, "empty_payload")
    media_type = answer.media_type
    if media_type not in _PAGES:
        raise Reject(SKIPPED, f"media_type: {media_type[:80]}")
    if size > limit:
        raise Reject(QUARANTINED, f"too_large: a record of {size} bytes, at most {limit} are read")
    body = response.payload(answer, HTML_BYTES)
    if not body.strip():
        raise Reject(SKIPPED, "empty_payload")
    if not response.is_html(media_type, body):
        raise Reject(SKIPPED, f"media_type: {media_type or 'unknown'}, and the content is no HTML")
    text, about = page_text(body, extract, answer.charset, answer.headers.get("content-language"))
    return text, {**about, "content_type": media_type}, len(answer.body)

"""What a page says about itself before its body: the title, and the language it claims to be in.

Regular expressions over the head suffice and cost microseconds; where the head is damaged the answer is
none, never a wrong part of the page. The language is a hint: pages often keep the one of their template.
"""

import html
import re

HEAD_CHARACTERS = 1 << 17
"""Nothing is looked for beyond these, should the body not have begun before."""

TITLE_CHARACTERS = 500
"""A longer title is cut."""

_BODY = re.compile(r"<body[\s>/]", re.IGNORECASE)
_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style|svg)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(r"<html\b[^>]{0,2000}", re.IGNORECASE)
_META = re.compile(r"<meta\b[^>]{0,2000}", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([A-Za-z:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8}){0,3}")


def describe(page: str, content_language: str | None = None) -> dict[str, str]:
    """``title`` and ``language_hint``, each where the page has it; ``content_language`` is the HTTP header's."""
    head = page[:HEAD_CHARACTERS]
    body = _BODY.search(head)
    head = _UNSEEN.sub("", head[: body.start()] if body else head)
    metas = [_attributes(tag) for tag in _META.findall(head)]
    named = {
        (meta.get("property") or meta.get("name") or "").lower(): meta.get("content", "") for meta in metas
    }
    equivalent = {meta.get("http-equiv", "").lower(): meta.get("content", "") for meta in metas}
    title = _TITLE.search(head)
    opening = _HTML.search(head)
    root = _attributes(opening[0]) if opening else {}
    found: dict[str, str] = {}
    for text in (title[1] if title else "", named.get("og:title", "")):
        if words := " ".join(html.unescape(text).split()):
            found["title"] = words[:TITLE_CHARACTERS].rstrip()
            break
    claims = (root.get("lang"), root.get("xml:lang"), content_language, equivalent.get("content-language"))
    for claim in (*claims, named.get("og:locale")):
        language = (claim or "").split(",")[0].strip().lower().replace("_", "-")
        if _LANGUAGE.fullmatch(language):
            found["language_hint"] = language
            break
    return found


def _attributes(tag: str) -> dict[str, str]:
    return {name.lower(): a or b or c for name, a, b, c in _ATTRIBUTE.findall(tag)}

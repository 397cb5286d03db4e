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

_STEP = re.compile(r"<(?:!--|(?:html|meta|title|script|style|svg|body)(?=[\s/>]))", re.IGNORECASE)
_TAG = re.compile(r"<[^>]{0,2000}")
_TITLE = re.compile(r"[^<>]*>([^<]*)</title", re.IGNORECASE)
_ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style", "svg")} | {
    "!--": re.compile("-->")
}
_ATTRIBUTE = re.compile(r"""([A-Za-z:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8}){0,3}")


def describe(page: str, content_language: str | None = None) -> dict[str, str]:
    """``title`` and ``language_hint``, each where the page has it; ``content_language`` is the HTTP header's."""
    title, root, metas = _read_head(page[:HEAD_CHARACTERS])
    named = {
        (meta.get("property") or meta.get("name") or "").lower(): meta.get("content", "") for meta in metas
    }
    equivalent = {meta.get("http-equiv", "").lower(): meta.get("content", "") for meta in metas}
    found: dict[str, str] = {}
    for text in (title, named.get("og:title", "")):
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


def _read_head(head: str) -> tuple[str, dict[str, str], list[dict[str, str]]]:
    """The first title, and the attributes of the ``html`` tag and of every ``meta`` before the body."""
    title = ""
    root: dict[str, str] = {}
    metas: list[dict[str, str]] = []
    position = 0
    while step := _STEP.search(head, position):
        position = step.end()
        name = step[0][1:].lower()
        if name == "body":
            break
        if name == "title":
            inside = _TITLE.match(head, position)
            title = title or (inside[1] if inside else "")
            position = inside.end() if inside else position
        elif name in _ENDS:
            end = _ENDS[name].search(head, position)
            if end is None:
                break
            position = end.end()
        else:
            tag = _TAG.match(head, step.start())
            attributes = _attributes(tag[0]) if tag else {}
            if name == "html":
                root = root or attributes
            else:
                metas.append(attributes)
    return title, root, metas


def _attributes(tag: str) -> dict[str, str]:
    return {name.lower(): a or b or c for name, a, b, c in _ATTRIBUTE.findall(tag)}

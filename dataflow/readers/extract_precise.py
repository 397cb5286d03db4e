"""The precise engine: trafilatura, with three plain rules about when not to believe it.

Trafilatura in its precise mode, without readers' comments, is the most exact extractor of articles that we
measured (``benchmarks/extraction.py``), but it is made for articles. It drops a repeated paragraph, and where a
page is short or odd it keeps next to nothing. So a page in which the fast engine finds nothing to leave out is
taken as it is; a text shorter than ``SHORT_CHARACTERS`` is looked for again in trafilatura's balanced mode, then by
the fast engine, and the longest wins; a page with more tags than ``MAX_TAGS`` goes to the fast engine, since
trafilatura takes time quadratic in the links of a paragraph and the items of a list. The text is rendered in
the fast engine's way.
"""

import logging
from collections.abc import Callable
from typing import Any

from trafilatura import bare_extraction

SHORT_CHARACTERS = 250
"""A shorter text is looked for again (trafilatura's own bound for a suspicious extraction)."""

MAX_TAGS = 6_000
"""A page with more goes to the fast engine; at worst (all of them items of one list) so many take some 20 s."""

FAST, PRECISE = "resiliparse", "trafilatura"

_APART = {"ab", "div", "head", "list", "p", "quote", "table"}
"""A blank line stands before and after these."""

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
logging.getLogger("justext").setLevel(logging.CRITICAL)


def better(html: str, fast: str, all_text: Callable[[str], str]) -> tuple[str, str]:
    """The page's main content and the engine that found it; ``fast`` is what the fast engine found."""
    if html.count("<") > MAX_TAGS or (fast and _squeezed(fast) == _squeezed(all_text(html))):
        return fast, FAST
    text = precise_text(html, favor_precision=True)
    if len(text) < SHORT_CHARACTERS:
        text = max(text, precise_text(html, favor_precision=False), key=len)
    if len(text) < SHORT_CHARACTERS and len(fast) > len(text):
        return fast, FAST
    return text, PRECISE


def _squeezed(text: str) -> str:
    return "".join(text.split())


def precise_text(html: str, *, favor_precision: bool) -> str:
    """Main content by trafilatura; empty where it finds none or fails on the page."""
    try:
        found: Any = bare_extraction(html, include_comments=False, favor_precision=favor_precision)
    except (
        Exception
    ):  # a page trafilatura cannot read is one in which it finds nothing: the caller's rules go on
        return ""
    return "" if found is None else render(found.body)


def render(body: Any) -> str:
    """Trafilatura's tree as text: paragraphs apart by a blank line, one line for an item or a table's row."""
    page = _Lines()
    page.add(body, 0)
    page.end_line()
    return "\n".join(page.lines).strip("\n")


class _Lines:
    """Lines of text, the last of them still open: what is inline goes there, with its white space folded."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._open: list[str] = []
        self._mark = ""  # indent and bullet of the item that begins here

    def add(self, element: Any, level: int, number: int = 0) -> None:
        """Add an element with all it holds: an item is the ``number``-th of its list, ``level`` lists deep."""
        tag = element.tag
        if tag == "lb":
            self.end_line()
        elif tag == "row":
            self._add_row(element)
        elif _is_verbatim(element):
            self._blank()
            self.lines += [line.rstrip() for line in "".join(element.itertext()).strip("\r\n").splitlines()]
            self._blank()
        else:
            end = self._blank if tag in _APART and not level else self.end_line
            if tag in _APART or tag == "item":
                end()
                self._mark = "  " * level + _bullet(element, number) if tag == "item" else self._mark
                self._add_inside(element, level + (tag == "list"))
                end()
            else:
                self._add_inside(element, level)

    def _add_inside(self, element: Any, level: int) -> None:
        self._open.append(element.text or "")
        number = 0
        for child in element:
            number += child.tag == "item"
            if isinstance(child.tag, str):  # neither a comment nor an instruction
                self.add(child, level, number)
            self._open.append(child.tail or "")

    def _add_row(self, row: Any) -> None:
        self.end_line()
        cells = (" ".join(" ".join(cell.itertext()).split()) for cell in row)
        self.lines.append("\t\t".join(cells).strip())

    def end_line(self) -> None:
        """Close the open line; a blank one is none."""
        words = "".join(self._open).split()
        self._open.clear()
        if words:
            self.lines.append(self._mark + " ".join(words))
            self._mark = ""

    def _blank(self) -> None:
        self.end_line()
        if self.lines and self.lines[-1]:
            self.lines.append("")


def _is_verbatim(element: Any) -> bool:
    """Whether the lines of an element are the author's: code, and ``pre``, which trafilatura makes a quote."""
    return element.tag in ("code", "quote") and not len(element) and "\n" in (element.text or "").strip()


def _bullet(item: Any, number: int) -> str:
    parent = item.getparent()
    return f"{number}. " if parent is not None and parent.get("rend") == "ol" else "• "

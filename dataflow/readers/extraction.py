"""The main content of a decoded page: what a reader came for, without navigation, comments and adverts.

Two engines. The fast one is resiliparse's rules with boxes of boilerplate cut out beforehand: comment forms,
newsletters, side bars, page ends, bylines and picture credits, named as sites name them; a box that holds a
heading, an article or the main element is never cut. The precise one is ``extract_precise``. Both are measured by
``benchmarks/extraction.py``, where each box of the list below earned its place on one half of the pages.
"""

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLParserException

from dataflow.kernels.nesting import depth_bound
from dataflow.readers.batches import QUARANTINED, SKIPPED, Reject
from dataflow.readers.source import Extract

MAX_DEPTH = 2000
"""Elements nested deeper are quarantined: extraction takes time quadratic in depth (5,000 levels: 1 s)."""

PRECISE_MAX_DEPTH = 240
"""A deeper page goes to the fast engine: libxml2, under the precise one, cuts off what lies below 256 levels."""

SOFT_HYPHEN = "\u00ad"
"""Where a browser may break a word: typesetting, no part of the text, and left out of it."""

FAST, PRECISE = "resiliparse", "trafilatura"

_COMMENTS = "#respond, .comment-respond, .comment-form, #commentform, .comments-area, .comment-wrapper"
_NEWSLETTER = '[class*="newsletter" i], [class*="subscribe" i], [class*="subscription" i]'
_AROUND = '#sidebar, .sidebar, [id*="sidebar" i], [id*="footer" i], div[class*="footer" i]'
_COOKIES = '[class*="cookie" i], [id*="cookie" i]'
_BYLINE = (
    '[class*="byline" i], [class*="copyright" i], [class*="entry-meta" i], [class*="post-meta" i], .entry-utility, '
    '[class*="article-meta" i], [class*="article__meta" i]'
)
_AUTHOR = '[class*="author-box" i], [class*="author-bio" i], [class*="author-info" i], [id*="author-info" i]'
_PICTURE = 'figcaption, [class*="credit" i]'
_BOXES = ", ".join((_COMMENTS, _NEWSLETTER, _AROUND, _COOKIES, _BYLINE, _AUTHOR, _PICTURE))
_TAGS = "div, section, aside, footer, form, figure, figcaption, ul, p, span, small"  # spares the rest a close look
BOILERPLATE = [f":is({_TAGS}):is({_BOXES}):not(:has(h1, article, main))"]
"""CSS selectors of what the fast engine cuts out."""


def extract_text(html: str, extract: Extract) -> tuple[str, str]:
    """Main content as plain text with its paragraphs and lists, and the engine that found it.

    ``Reject`` where there is none. The precise engine leaves some pages to the fast one.
    """
    n_tags = html.count("<")  # fewer tags cannot nest deeper
    worth_a_look = PRECISE_MAX_DEPTH if extract.engine == PRECISE else MAX_DEPTH
    depth = depth_bound(html.encode("utf-8", "surrogatepass")) if n_tags > worth_a_look else n_tags
    if depth > MAX_DEPTH:
        raise Reject(QUARANTINED, f"deep_nesting: elements nest deeper than {MAX_DEPTH}")
    try:
        text, engine = fast_text(html), FAST
        if extract.engine == PRECISE and depth <= PRECISE_MAX_DEPTH:
            from dataflow.readers import extract_precise  # heavy, and not asked for by most

            text, engine = extract_precise.better(html, text, all_text)
    except HTMLParserException as error:
        raise Reject(QUARANTINED, f"malformed_html: {error}") from None
    text = text.replace(SOFT_HYPHEN, "")
    if not text.strip():
        raise Reject(SKIPPED, "no_text: nothing is left of the page's main content")
    return text, engine


def fast_text(html: str) -> str:
    """Main content by the fast engine; empty where it finds none."""
    text: str = extract_plain_text(
        html, main_content=True, alt_texts=False, preserve_formatting=True, skip_elements=BOILERPLATE
    )
    return text.strip()


def all_text(html: str) -> str:
    """Every visible word of a page."""
    text: str = extract_plain_text(html, main_content=False, alt_texts=False, preserve_formatting=True)
    return text

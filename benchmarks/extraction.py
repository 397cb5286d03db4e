"""Main text out of HTML: our two engines and the libraries they stand on, against pages with known content.

    python benchmarks/extraction.py [--data ../shared/data/web]

Three sets. ``trafilatura_pages``: segments that must be kept and segments that must go; precision and recall count
segments over all pages. ``article_extraction``: the whole article; the measure is that of the benchmark it comes from
(scrapinghub/article-extraction-benchmark: shingles of four words as a multiset, precision and recall of a page, their
means over pages; a page without output has no precision). ``readability_pages``: the same against the text of
the expected HTML. White space is folded and Unicode normalised (NFC) on both sides. What was tuned saw only
the half of the pages whose address has an even SHA-256. "Alone" is a library with its own defaults: resiliparse on
the page as we decode it, trafilatura on the bytes. A last table measures the charsets found in
``manuals_multilingual``. The engines are timed by the processor's clock, one page after the other.
"""

import argparse
import base64
import gzip
import hashlib
import json
import logging
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trafilatura
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text

from dataflow.readers import html, response
from dataflow.readers.batches import Reject
from dataflow.readers.source import Extract

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "web"
SETS = ("trafilatura_pages", "article_extraction", "readability_pages")
SHINGLE = 4
_TOKEN = re.compile(r"\w+")

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Page:
    """A page and what should come out of it: a text, or segments to keep and segments to drop."""

    key: str
    content: bytes
    text: str = ""
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    @property
    def held_out(self) -> bool:
        """Whether tuning never saw it."""
        return int(hashlib.sha256(self.key.encode()).hexdigest(), 16) % 2 == 1


@dataclass(frozen=True)
class Score:
    precision: float
    recall: float
    pages_per_second: float = 0.0

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def load(data: Path, name: str) -> list[Page]:
    """The pages of a set."""
    return [_page(name, json.loads(line)) for line in gzip.open(data / f"{name}.jsonl.gz")]


def _page(name: str, row: dict[str, Any]) -> Page:
    content = base64.b64decode(row["html_b64"]) if "html_b64" in row else row["html"].encode()
    if name == "trafilatura_pages":
        return Page(row["url"], content, keep=tuple(row["with"]), drop=tuple(row["without"]))
    if name == "article_extraction":
        return Page(row["id"], content, row["article"])
    return Page(row["name"], content, extract_plain_text(row["expected_html"], alt_texts=False))


def _ours(engine: Any) -> Callable[[bytes], str]:
    def extract(content: bytes) -> str:
        try:
            return html.page_text(content, Extract(engine=engine))[0]
        except Reject:
            return ""

    return extract


EXTRACTORS: dict[str, Callable[[bytes], str]] = {
    "ours, fast": _ours("resiliparse"),
    "ours, precise": _ours("trafilatura"),
    "resiliparse alone": lambda content: extract_plain_text(html.decode(content)[0], main_content=True),
    "trafilatura alone": lambda content: trafilatura.extract(content) or "",
}


def score(pages: list[Page], texts: list[str]) -> Score:
    """Precision and recall of the texts extracted from pages of one set."""
    if not pages[0].text:
        return _score_segments(pages, texts)
    precisions, recalls = [], []
    for page, text in zip(pages, texts, strict=True):
        found, expected = _shingles(text), _shingles(page.text)
        common = (found & expected).total()
        if found:
            precisions.append(common / found.total())
        if expected:
            recalls.append(common / expected.total())
    return Score(sum(precisions) / max(1, len(precisions)), sum(recalls) / max(1, len(recalls)))


def _score_segments(pages: list[Page], texts: list[str]) -> Score:
    kept = wrongly_kept = expected = 0
    for page, text in zip(pages, texts, strict=True):
        folded = _folded(text)
        kept += sum(_folded(segment) in folded for segment in page.keep)
        wrongly_kept += sum(_folded(segment) in folded for segment in page.drop)
        expected += len(page.keep)
    return Score(kept / max(1, kept + wrongly_kept), kept / expected)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _shingles(text: str) -> Counter[tuple[str, ...]]:
    tokens = _TOKEN.findall(_folded(text))
    if len(tokens) < SHINGLE:
        return Counter([tuple(tokens)] if tokens else [])
    return Counter(zip(*(tokens[i:] for i in range(SHINGLE)), strict=False))


def measure(pages: list[Page], halves: dict[str, list[bool]]) -> dict[tuple[str, str], Score]:
    """Scores of every extractor by (extractor, half)."""
    scores = {}
    for name, extract in EXTRACTORS.items():
        extract(pages[0].content)  # imports and compilation
        started = time.process_time()
        texts = [extract(page.content) for page in pages]
        speed = len(pages) / (time.process_time() - started)
        for half, members in halves.items():
            chosen = [(p, t) for p, t, member in zip(pages, texts, members, strict=True) if member]
            found = score([p for p, _ in chosen], [t for _, t in chosen])
            scores[name, half] = Score(found.precision, found.recall, speed)
    return scores


def measure_all(data: Path) -> dict[tuple[str, str, str], Score]:
    """Scores by (set, extractor, half), the halves being ``tuning``, ``held-out`` and ``all``."""
    scores = {}
    for name in SETS:
        pages = load(data, name)
        halves = {
            "tuning": [not page.held_out for page in pages],
            "held-out": [page.held_out for page in pages],
            "all": [True] * len(pages),
        }
        scores |= {(name, *key): found for key, found in measure(pages, halves).items()}
    return scores


def charsets(data: Path) -> Iterator[tuple[str, str, str, bool]]:
    """For each page of the multilingual archive, as it is and with no charset declared anywhere.

    Its true charset, where that is declared, what it was read as, and whether every character came out right.
    """
    with open(data / "manuals_multilingual.meta.jsonl") as lines:
        truth = {row["url"]: row for row in map(json.loads, lines)}
    with gzip.open(data / "manuals_multilingual.warc.gz") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=False):
            page = response.parse(record.reader.read())
            row = truth.get(record.headers.get("WARC-Target-URI"))
            if row is None or page.status != 200 or page.media_type != "text/html" or not page.body:
                continue
            body = response.payload(page, html.HTML_BYTES)
            bare = re.sub(rb"(?:charset|encoding)\s*=", b"x=", body)
            declared = "in the header" if page.charset else "in the page"
            for content, charset, where in ((body, page.charset, declared), (bare, None, "nowhere")):
                text, found = html.decode(content, charset)
                right = text == content.decode(row["charset"]).removeprefix("\ufeff")
                yield row["charset"], where, found, right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the sets (default: %(default)s)")
    data = parser.parse_args().data
    scores = measure_all(data)
    print(
        f"{'set':20} {'extractor':18} {'precision':>9} {'recall':>7} {'F1':>7} "
        f"{'tuning':>7} {'held out':>8} {'pages/s':>8}"
    )
    for name in (*SETS, "mean of the three"):
        for extractor in EXTRACTORS:
            if name in SETS:
                found = scores[name, extractor, "all"]
                f1s = [scores[name, extractor, half].f1 for half in ("all", "tuning", "held-out")]
                parts = f"{found.precision:9.4f} {found.recall:7.4f}"
                speed = f"{found.pages_per_second:8.0f}"
            else:
                f1s = [mean_f1(scores, extractor, half) for half in ("all", "tuning", "held-out")]
                parts, speed = f"{'':9} {'':7}", ""
            print(f"{name:20} {extractor:18} {parts} {f1s[0]:7.4f} {f1s[1]:7.4f} {f1s[2]:8.4f} {speed}")
    print(f"\n{'charset':14} {'declared':14} {'pages':>6} {'right':>6}  read as")
    groups: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    for charset, where, found_charset, right in charsets(data):
        groups.setdefault((charset, where), []).append((found_charset, right))
    for (charset, where), results in sorted(groups.items()):
        read_as = ", ".join(f"{name} {n}" for name, n in Counter(name for name, _ in results).most_common())
        print(f"{charset:14} {where:14} {len(results):6} {sum(right for _, right in results):6}  {read_as}")


def mean_f1(scores: dict[tuple[str, str, str], Score], extractor: str, half: str) -> float:
    """Mean F1 of an extractor over the three sets."""
    return sum(scores[name, extractor, half].f1 for name in SETS) / len(SETS)


if __name__ == "__main__":
    main()

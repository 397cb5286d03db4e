"""How our decisions and values compare with those of established tools; the table that the README shows.

    python -m benchmarks.conformance                          # published cases only
    python -m benchmarks.conformance --peer peer/bin/python   # and datatrove, on real documents

``peer.py`` says how to make the peer. It takes minutes; its answers are kept (``--cache``). The comparison
itself is that of ``tests/conformance``.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# ruff: noqa: E402 - the comparison stands beside its tests, which are no package
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

import yaml
from comparison import SETS, differences, equal, our_tables, our_values, read_pages
from real_documents import corpus_paths, english_documents, peer_cache
from rich.console import Console
from rich.table import Table
from switched_definitions import MEASURES, On, Page
from tool_cases import FILES, FOLDER, agrees, answer, cases

from benchmarks.peer import peer_python

DIFFERENCES = yaml.safe_load(
    (ROOT / "tests" / "conformance" / "differences.yaml").read_text(encoding="utf-8")
)
N_ARITHMETIC, N_DECISIONS = 2000, 5000

console = Console(width=None if sys.stdout.isatty() else 150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", help="Python with datatrove")
    parser.add_argument(
        "--corpus", type=Path, nargs="+", help="JSONL files (.gz or not) instead of ../shared/data"
    )
    parser.add_argument("--cache", type=Path, default=peer_cache(), help="folder for the peer's answers")
    arguments = parser.parse_args()

    published_cases()
    peer = peer_python(arguments.peer)
    if peer is None:
        console.print("No --peer: datatrove itself was not asked.")
        return
    documents = english_documents(arguments.corpus or corpus_paths(), N_DECISIONS)
    pages = read_pages(peer, documents, arguments.cache)
    tables = our_tables(pages)
    arithmetic(pages[:N_ARITHMETIC], our_values(tables))
    decisions(pages, tables)


def published_cases() -> None:
    """Cases, how many agree, and why the others do not."""
    listed: dict[str, str] = DIFFERENCES["cases"]
    table = _table("Published cases", "file", "cases", "agree", "differ", "why: cases")
    for file in FILES:
        found = cases(file) if FOLDER.exists() else []
        differ = [case["id"] for case in found if not agrees(case, answer(case))]
        why = Counter(listed.get(name, "NOT LISTED") for name in differ)
        _row(table, file, len(found), len(found) - len(differ), len(differ), _counts(why))
    console.print(table)
    _definitions(set(listed.values()))


def arithmetic(pages: Sequence[Page], ours: dict[str, list[float]]) -> None:
    """Values equal as they are, and with the definitions exchanged that the table names."""
    title = (
        f"Values on {len(pages):,} documents: equal as they are, and with datatrove's words and definitions"
    )
    table = _table(title, "measure", "as is", "exchanged", "definitions exchanged")
    used: set[str] = set()
    for name, (measure, switches) in MEASURES.items():
        theirs = [page.answer["values"][name] for page in pages]
        exchanged = [measure(page, On(switches)) for page in pages]
        as_is = sum(map(equal, ours[name], theirs))
        _row(table, name, as_is, sum(map(equal, exchanged, theirs)), ", ".join(switches))
        used |= set(switches)
    console.print(table)
    _definitions(used)


def decisions(pages: Sequence[Page], tables: dict) -> None:
    """Agreement of each rule set, by source of the documents too, and every difference by its cause."""
    found = {rules: differences(pages, tables[rules], rules) for rules in SETS}
    n = len(pages)
    agreement = _table(f"Decisions on {n:,} documents, our own words", "documents", "", *SETS)
    _row(agreement, "all", n, *(f"{1 - len(found[rules]) / n:.3f}" for rules in SETS))
    commonest = [max(Counter(one.causes for one in found[rules]).values(), default=0) for rules in SETS]
    others = [1 - (len(found[rules]) - most) / n for rules, most in zip(SETS, commonest, strict=True)]
    _row(agreement, "all, but for the commonest cause", n, *(f"{one:.3f}" for one in others))
    for source, of_source in sorted(Counter(page.source for page in pages).items()):
        differ = [sum(one.page.source == source for one in found[rules]) for rules in SETS]
        _row(agreement, source, of_source, *(f"{1 - one / of_source:.3f}" for one in differ))
    console.print(agreement)

    causes = _table(
        "Every difference by its cause", "rule", "dropped by", "documents", "definitions that make it"
    )
    for rules in SETS:
        counted = Counter((one.rule, one.dropped_by, ", ".join(one.causes)) for one in found[rules])
        for (rule, dropped_by, cause), times in counted.most_common():
            _row(causes, rule, dropped_by, times, cause)
        causes.add_section()
    console.print(causes)


def _definitions(keys: Iterable[str]) -> None:
    table = Table(box=None, show_header=False)
    for key in sorted(keys):
        table.add_row(key, DIFFERENCES["reasons"][key])
    console.print(table, "")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


def _row(table: Table, *cells: object) -> None:
    table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells))


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{key} {n}" for key, n in counts.most_common())


if __name__ == "__main__":
    main()

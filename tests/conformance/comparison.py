"""Our signals and decisions beside datatrove's on the same real pages, and the cause of every difference.

The cause of a difference is the least set of definitions (``switched_definitions``) which, exchanged for
datatrove's, make our value fall on its side of the threshold.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pyarrow as pa
from real_documents import ask_peer, peer_punctuation
from switched_definitions import MEASURES, On, Page
from tool_cases import failing_rules

from dataflow.kernels.scan import analyse
from dataflow.rules.evaluate import load_set
from dataflow.signals.signal import Documents
from dataflow.signals.table import compute
from dataflow.transforms.table import TRANSFORMS

SETS = ("gopher_quality", "gopher_repetition", "fineweb", "c4")

OF_C4 = ("n_sentences", "has_curly_bracket", "has_lorem_ipsum")
"""Measures of what the line rules of C4 left."""

FINEWEB_DUPLICATES = "fineweb_duplicate_line_character_share"
"""FineWeb and Gopher count the characters of duplicate lines with one signal of ours, datatrove with two."""

UNEXPLAINED = ("unexplained",)


@dataclass(frozen=True)
class Difference:
    """One page that one tool keeps and the other drops."""

    page: Page
    dropped_by: str
    """``datatrove`` or ``ours``."""
    rule: str
    """The first rule by which it is dropped."""
    causes: tuple[str, ...]
    """Definitions that make the difference."""


def read_pages(python: str, documents: Sequence[dict[str, str]], cache: Path) -> list[Page]:
    """The documents with datatrove's answers."""
    characters = peer_punctuation(python)
    punctuation, terminal = frozenset(characters["punctuation"]), tuple(characters["terminal"])
    pages = []
    for document, answer in zip(documents, ask_peer(python, documents, cache), strict=True):
        c4 = answer["failing"]["c4"]
        answer["values"]["has_curly_bracket"] = "c4_curly_bracket" in c4
        answer["values"]["has_lorem_ipsum"] = "c4_lorem_ipsum" in c4
        pages.append(Page(document["text"], document["source"], answer, punctuation, terminal))
    return pages


def our_tables(pages: Sequence[Page]) -> dict[str, pa.Table]:
    """Signals of the pages for each rule set; for C4 of what its line rules leave."""
    texts = pa.array([page.text for page in pages], pa.large_string())
    whole = _signals(texts)
    return dict.fromkeys(SETS, whole) | {"c4": _signals(TRANSFORMS["c4_lines"](texts)[0])}


def our_values(tables: dict[str, pa.Table]) -> dict[str, list[float]]:
    """The value of each shared measure."""
    return {
        name: tables["c4" if name in OF_C4 else "fineweb"][name.removeprefix("fineweb_")].to_pylist()
        for name in MEASURES
    }


def equal(a: float, b: float) -> bool:
    """As equal as float32 can tell."""
    return abs(a - b) <= 1e-6 * max(1.0, abs(a))


def differences(pages: Sequence[Page], table: pa.Table, rules: str) -> list[Difference]:
    """Every page on which the decisions of a rule set differ."""
    found = []
    for page, ours in zip(pages, failing_rules(table, (rules,)), strict=True):
        theirs = page.answer["failing"][rules]
        if bool(ours) != bool(theirs):
            dropping = [name for name in load_set(rules).rules if name in (ours or theirs)]
            why = [causes(page, rules, rule, passes_there=not theirs) for rule in dropping]
            cause = UNEXPLAINED if UNEXPLAINED in why else why[0]
            found.append(Difference(page, "ours" if ours else "datatrove", dropping[0], cause))
    return found


def causes(page: Page, rules: str, rule: str, passes_there: bool) -> tuple[str, ...]:
    """The least set of switches that makes ``rule`` decide as datatrove does; fewer before more."""
    name, passes = condition(rules, rule)
    measure, switches = MEASURES[name]
    for n in range(1, len(switches) + 1):
        for on in combinations(switches, n):
            if passes(measure(page, On(on))) == passes_there:
                return on
    return UNEXPLAINED


def condition(rules: str, rule: str) -> tuple[str, Callable[[float], bool]]:
    """The measure that a published rule is about, and whether a value of it passes."""
    keep = load_set(rules).rules[rule].keep
    if flag := re.fullmatch(r"NOT (\w+)", keep):
        return flag[1], lambda value: not value
    if between := re.fullmatch(r"(\w+) BETWEEN (\S+) AND (\S+)", keep):
        return between[1], lambda value: float(between[2]) <= value <= float(between[3])
    bound = re.fullmatch(r"(\w+) (<=|>=) (\S+)", keep)
    if not bound:
        raise ValueError(f"rule {rule} is of a form unknown here: {keep}")
    name = FINEWEB_DUPLICATES if rule.startswith("fineweb_duplicate") else bound[1]
    limit = float(bound[3])
    return name, (lambda value: value <= limit) if bound[2] == "<=" else (lambda value: value >= limit)


def _signals(texts: pa.LargeStringArray) -> pa.Table:
    n = len(texts)
    documents = Documents(texts, pa.nulls(n, pa.string()), "web", analyse(texts, 0, 5))
    known = {"kind": ["web"] * n, "language": ["en"] * n, "language_score": [1.0] * n}
    return pa.table(known | compute(documents, ("gopher", "c4", "fineweb")))

"""Recall and precision of near-dedup on pairs whose exact Jaccard similarity is known, by language and likeness.

Two kinds of corpora, each written as JSONL, curated and deduplicated as a run does it, its decisions read back:

- *planted*: passages of real text in ten languages, each with one edited copy (``dedup_planted``). A pair is found
  when both are in one cluster; beside it stands the theory, the mean over the pairs' own similarities J of
  1 - (1 - J^8)^14 (they share a bucket) and of that with enough equal values as well (they are verified);
- *real*: licences, copyright files, help in two kinds of English, news with plagiarised articles, where *all*
  pairs are known (``dedup_truth``). A pair is found when both are in one cluster; missed for good when both stay.

Precision: the exact similarity of every removed document to the survivor that it names::

    python -m benchmarks.dedup_recall --documents mixed.jsonl        # fields text and lang, for more text a language
"""

import argparse
import gzip
import math
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.dedup_planted import Line, Pair, distinct_lines, planted_pairs
from benchmarks.dedup_run import NEAR, curated, decisions, deduplicated, stored_texts
from benchmarks.dedup_truth import Shingles, jaccard, shingles, similar_pairs
from dataflow.dedup.config import Dedup, Near
from dataflow.store.storage import Storage

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
LANGUAGES = {
    "English": ("en",),
    "German": ("de",),
    "French": ("fr",),
    "Russian": ("ru",),
    "Arabic": ("ar",),
    "Hindi": ("hi",),
    "Korean": ("ko",),
    "Chinese": ("zh", "zh_CN", "zh_TW"),
    "Japanese": ("ja",),
    "Thai": ("th",),
}
LANGUAGE_BYTES = 3_000_000
"""Text of a language that passages are made of, at most."""
BANDS = ((0.6, 0.7), (0.7, 0.75), (0.75, 0.8), (0.8, 0.87), (0.87, 0.95), (0.95, 1.01))
HIGH = 0.87
WRONG = 0.5
REAL = ("spdx_licences", "debian_copyright_files", "lo_help_en_US_en_GB", "news_plagiarism_2500")
VERIFIED: dict[str, Dedup] = {
    verify: Dedup(near=Near(verify=verify))
    for verify in ("signature", "exact")  # type: ignore[arg-type]
}

console = Console(width=136)


@dataclass
class Removed:
    """What was removed as near-duplicate in a kind of corpora, and what was compared to find it."""

    documents: int = 0
    similarities: list[float] = field(default_factory=list)  # exact, to the survivor
    recorded: list[float] = field(default_factory=list)  # the same as the decision says
    compared: int = 0
    verified: int = 0

    def add(self, run: "Run") -> None:
        """Count what a run removed."""
        self.documents += len(run.texts)
        self.compared += run.counts.get("compared", 0)
        self.verified += run.counts.get("verified", 0)
        for row in (row for row in run.removed if row["kind"] == "near"):
            self.similarities.append(jaccard(run.shingles(row["id"]), run.shingles(row["survivor"])))
            self.recorded.append(row["similarity"])


@dataclass
class Run:
    """A corpus that was deduplicated."""

    texts: Mapping[str, tuple[str, str]]  # id -> the input's own id, text
    cluster: Mapping[str, str]
    removed: list[dict[str, Any]]
    counts: Mapping[str, int]

    def __post_init__(self) -> None:
        self.by_own = {own: name for name, (own, _) in self.texts.items()}
        self._shingles: dict[str, Shingles] = {}

    def shingles(self, name: str) -> Shingles:
        """Of a document's stored text."""
        if name not in self._shingles:
            self._shingles[name] = shingles(self.texts[name][1])
        return self._shingles[name]

    def together(self, a: str, b: str) -> bool:
        """Whether two documents, by the input's ids, are in one cluster."""
        clusters = [self.cluster.get(self.by_own[own]) for own in (a, b)]
        return clusters[0] is not None and clusters[0] == clusters[1]


def run(texts: Mapping[str, str], config: Dedup) -> Run:
    """Texts by id through JSONL, ``curate`` and ``dedup``."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "documents.jsonl"
        source.write_bytes(
            b"".join(orjson.dumps({"id": own, "text": text}) + b"\n" for own, text in texts.items())
        )
        store = Storage(f"{name}/out")
        parts = curated(source, store)
        counts = deduplicated(store, parts, config)
        rows = decisions(store).to_pylist()
        removed = [row for row in rows if row["removed"]]
        return Run(stored_texts(store, parts), {row["id"]: row["cluster"] for row in rows}, removed, counts)


# Planted pairs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A planted pair, how alike its texts are, and whether it was found."""

    pair: Pair
    similarity: float
    found: bool


def planted(
    lines: Mapping[str, list[Line]], n_pairs: int, n_rounds: int, config: Dedup, removed: Removed
) -> list[Outcome]:
    """So many corpora of ``n_pairs`` pairs a language, each deduplicated by itself."""
    outcomes = []
    for number in range(n_rounds):
        pairs = [
            pair
            for language, own in lines.items()
            for pair in planted_pairs(language, own, n_pairs, f"{language} {number}")
        ]
        texts = {}
        for place, pair in enumerate(pairs):
            texts |= {f"{place} original": pair.original, f"{place} edited": pair.edited}
        done = run(texts, config)
        removed.add(done)
        for place, pair in enumerate(pairs):
            a, b = f"{place} original", f"{place} edited"
            similarity = jaccard(*(done.shingles(done.by_own[own]) for own in (a, b)))
            outcomes.append(Outcome(pair, similarity, done.together(a, b)))
    return outcomes


def candidate_probability(similarity: float) -> float:
    """That a pair shares a bucket."""
    return float(1 - (1 - similarity**NEAR.rows) ** NEAR.bands)


@cache
def found_probability(similarity: float, needed: int) -> float:
    """That a pair shares a bucket and has ``needed`` equal values, all values being equal with this chance."""
    rows = NEAR.rows
    band = np.array(
        [math.comb(rows, k) * similarity**k * (1 - similarity) ** (rows - k) for k in range(rows + 1)]
    )
    none_full = np.where(np.arange(rows + 1) < rows, band, 0)
    any_band, no_full = np.ones(1), np.ones(1)
    for _ in range(NEAR.bands):
        any_band, no_full = np.convolve(any_band, band), np.convolve(no_full, none_full)
    return float((any_band - np.pad(no_full, (0, len(any_band) - len(no_full))))[needed:].sum())


def recall_table(outcomes: list[Outcome], title: str, key: str, exact: bool) -> Table:
    """Share of pairs found by ``key`` of the pair and by how alike they are."""
    needed = 0 if exact else math.ceil(round(NEAR.similarity * NEAR.permutations, 6))
    shown = Table(title=title, caption="pairs found in % (of how many)")
    shown.add_column("")
    bands = [*BANDS, (HIGH, 1.01)]
    for low, high in bands:
        shown.add_column(f"{low:.2f}-{min(high, 1):.2f}", justify="right")
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[getattr(outcome.pair, key)].append(outcome)
    for name, group in [*groups.items(), ("all", outcomes)]:
        cells = []
        for low, high in bands:
            held = [o.found for o in group if low <= o.similarity < high]
            cells.append(f"{100 * sum(held) / len(held):.1f} ({len(held):,})" if held else "-")
        shown.add_row(name, *cells, end_section=name == list(groups)[-1])
    for name, theory in (
        ("theory, in a bucket", candidate_probability),
        (
            "theory, and verified",
            lambda j: found_probability(round(j, 4), needed) * (not exact or j >= NEAR.similarity),
        ),
    ):
        means = []
        for low, high in bands:
            expected = [theory(o.similarity) for o in outcomes if low <= o.similarity < high]
            means.append(f"{100 * sum(expected) / len(expected):.1f}" if expected else "-")
        shown.add_row(name, *means)
    return shown


# Real pairs -------------------------------------------------------------------------------------------------


def real_texts(name: str) -> dict[str, str]:
    """Documents of a shared corpus by id."""
    texts = {}
    with gzip.open(SHARED / "neardup" / f"{name}.jsonl.gz") as rows:
        for number, row in enumerate(map(orjson.loads, rows)):
            if "text_a" in row:
                texts |= {f"{row['path']} {row[f'lang_{side}']}": row[f"text_{side}"] for side in "ab"}
            else:
                texts[f"{number} {row['id']}"] = row["text"]
    return texts


@cache
def real_pairs(name: str) -> list[tuple[str, str, float]]:
    """All similar pairs of a shared corpus."""
    texts = real_texts(name)
    names = list(texts)
    found = similar_pairs([shingles(text) for text in texts.values()], BANDS[1][0])
    return [(names[a], names[b], similarity) for a, b, similarity in found]


def real_table(config: Dedup, removed: Removed) -> Table:
    """All pairs of the shared corpora: how many are in one cluster, and of how many both documents stay."""
    shown = Table(
        title="Real corpora: all their pairs",
        caption="pairs in one cluster in % (of how many)",
    )
    shown.add_column("corpus")
    shown.add_column("documents", justify="right")
    bands = [*BANDS[1:], (HIGH, 1.01)]
    for low, high in bands:
        shown.add_column(f"{low:.2f}-{min(high, 1):.2f}", justify="right")
    shown.add_column(f"both stay, J >= {HIGH}", justify="right")
    for name in REAL:
        done = run(real_texts(name), config)
        removed.add(done)
        pairs = [(done.by_own[a], done.by_own[b], similarity) for a, b, similarity in real_pairs(name)]
        cells = []
        for low, high in bands:
            held = [(a, b) for a, b, similarity in pairs if low <= similarity < high]
            found = sum(a in done.cluster and done.cluster[a] == done.cluster.get(b) for a, b in held)
            cells.append(f"{100 * found / len(held):.1f} ({len(held):,})" if held else "-")
        gone = {row["id"] for row in done.removed}
        stay = sum(gone.isdisjoint((a, b)) for a, b, similarity in pairs if similarity >= HIGH)
        shown.add_row(name, f"{len(done.texts):,}", *cells, f"{stay:,}")
    return shown


# Precision --------------------------------------------------------------------------------------------------

_STEPS = (0.0, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.01)


def precision_table(removed: Mapping[str, Removed]) -> Table:
    """Exact similarity of removed documents to the survivors they name."""
    shown = Table(title="Removed as near-duplicates: exact similarity to the survivor")
    shown.add_column("")
    for name in removed:
        shown.add_column(name, justify="right")
    held = {name: np.array(one.similarities) for name, one in removed.items()}
    shown.add_row("documents", *(f"{one.documents:,}" for one in removed.values()))
    shown.add_row("removed as near", *(f"{len(values):,}" for values in held.values()), end_section=True)
    for low, high in pairwise(_STEPS):
        counted = (np.count_nonzero((values >= low) & (values < high)) for values in held.values())
        shown.add_row(
            f"J {low:.2f}-{min(high, 1):.2f}", *(f"{count:,}" for count in counted), end_section=high > 1
        )
    shown.add_row("least J", *(f"{values.min():.3f}" if len(values) else "-" for values in held.values()))
    errors = (np.array(one.recorded) - held[name] for name, one in removed.items())
    shown.add_row(
        "error of the recorded similarity (RMS)",
        *(f"{np.sqrt((e**2).mean()):.4f}" if len(e) else "-" for e in errors),
    )
    shown.add_row("pairs compared", *(f"{one.compared:,}" for one in removed.values()))
    shown.add_row(
        "of them false positives",
        *(
            f"{100 * (1 - one.verified / one.compared):.1f} %" if one.compared else "-"
            for one in removed.values()
        ),
    )
    return shown


def language_lines(documents: str | None) -> dict[str, list[Line]]:
    """Distinct lines of each language, of the shared data and of a JSONL file with ``text`` and ``lang``."""
    names = {code: language for language, codes in LANGUAGES.items() for code in codes}
    texts: dict[str, list[Line]] = {language: [] for language in LANGUAGES}
    room = dict.fromkeys(LANGUAGES, LANGUAGE_BYTES)
    shared = [
        SHARED / "lang" / f"{name}.jsonl.gz" for name in ("debian_docs_multilingual", "lingua_sentences")
    ]
    for path in [*shared, *([Path(documents)] if documents else [])]:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as rows:
            for row in map(orjson.loads, rows):
                language = names.get(row.get("lang"))
                if language and room[language] > 0 and row.get("kind") != "word_pair":
                    texts[language].append(row["text"])
                    room[language] -= len(row["text"].encode())
    return {language: distinct_lines(iter(own)) for language, own in texts.items()}


def measure(documents: str | None, n_pairs: int, n_rounds: int) -> None:
    """Print all tables."""
    lines = language_lines(documents)
    removed: dict[str, Removed] = {}
    for verify, config in VERIFIED.items():
        exact = verify == "exact"
        by = "shingles" if exact else "signature"
        outcomes = planted(
            lines, n_pairs, n_rounds, config, removed.setdefault(f"planted, by {by}", Removed())
        )
        console.print(
            recall_table(outcomes, f"Planted pairs by language, verified by {by}", "language", exact)
        )
        if not exact:
            console.print(recall_table(outcomes, "Planted pairs by edit", "edit", exact))
        console.print(real_table(config, removed.setdefault(f"real, by {by}", Removed())))
    console.print(precision_table(removed))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", help="JSONL file with the fields text and lang, for more text")
    parser.add_argument("--pairs", type=int, default=150, help="pairs of a language in a corpus")
    parser.add_argument("--rounds", type=int, default=8, help="corpora of planted pairs")
    arguments = parser.parse_args()
    measure(arguments.documents, arguments.pairs, arguments.rounds)


if __name__ == "__main__":
    main()

"""Documents to look at: some that a rule dropped or of one fate, the value beside the threshold, the place marked.

Drawn by a hash of the id and a seed, so the same question shows the same documents, on any machine and in
any order of files. Only the texts of the documents shown are read, and of a very long one only the beginning.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from dataflow.catalog import cluster
from dataflow.catalog.difference import Difference, summary
from dataflow.catalog.excerpt import WIDTH, Line, excerpt
from dataflow.catalog.judge import Judgement, among, judge, shown_values
from dataflow.catalog.ledger import FATES
from dataflow.catalog.offending import MARKS, Span, offending
from dataflow.catalog.passages import LISTED, Cuts, Hit, cuts_of, hits_of, places
from dataflow.catalog.recipe import rules_as_written
from dataflow.catalog.texts import read_texts
from dataflow.config import nearest
from dataflow.errors import RecipeError

TEXT_CHARACTERS = 200_000  # of a text are read and marked
RAW_BYTES = 400  # of an unreadable record are shown
DIFFERING_LINES = 12  # of a duplicate are shown


@dataclass(frozen=True)
class Sample:
    """A record, its fate and why, and what there is to see of it."""

    id: str
    fate: str
    notes: list[str]  # why, a line each
    judgements: list[Judgement]  # the rules asked for that it fails
    marked: list[str]  # what the marks in the text are
    lines: list[Line]
    difference: Difference | None = None  # of a duplicate, from the text it repeats


def sample(
    con: duckdb.DuckDBPyConnection,
    rule: str | None = None,
    fate: str | None = None,
    n: int = 5,
    seed: int = 1,
    width: int = WIDTH,
) -> list[Sample]:
    """``n`` records that fail ``rule`` (or have it among the reasons of their fate) and have ``fate``."""
    if fate is not None and fate not in FATES:
        raise RecipeError(f'unknown fate "{fate}"', "--fate", nearest(fate, list(FATES)))
    rules = rules_as_written(con) if _has_recipe(con) else []
    drawn = _drawn(con, rule, fate, n, seed)
    if not drawn and rule is not None:
        _refuse_unknown(con, rule, [one.name for one in rules])
    asked = [one for one in rules if rule in (None, one.name)]
    ids = [row["id"] for row in drawn]
    judged = judge(con, ids, asked)
    said = _Said.of(con, drawn)
    texts = _texts(con, drawn, said)
    raws = _raws(con, [row["id"] for row in drawn if row["fate"] in ("quarantined", "skipped")])
    return [_sample(row, rule, judged.get(row["id"], []), texts, raws, said, width) for row in drawn]


def show_sample(con: duckdb.DuckDBPyConnection, entry: dict[str, Any], judgements: list[Judgement]) -> Sample:
    """One record, given its row of the ledger and what the rules say of it."""
    ids = [entry["id"]]
    raws = _raws(con, ids) if entry["fate"] in ("quarantined", "skipped") else {}
    said = _Said(hits_of(con, ids), cuts_of(con, ids), {}, {})
    return _sample(entry, None, judgements, _texts(con, [entry], said), raws, said, WIDTH)


@dataclass(frozen=True)
class _Said:
    """What dedup and decontamination say of some records, by id."""

    hits: dict[str, list[Hit]]
    cuts: dict[str, Cuts]
    repeated: dict[str, dict[str, Any]]  # rows of `duplicates` of those that were removed
    differences: dict[str, Difference]

    @classmethod
    def of(cls, con: duckdb.DuckDBPyConnection, entries: Sequence[dict[str, Any]]) -> "_Said":
        ids = [entry["id"] for entry in entries]
        gone = {
            entry["id"]: cluster.rows_of(con, entry["id"])
            for entry in entries
            if entry["fate"] == "duplicate"
        }
        repeated = {name: rows[0] for name, rows in gone.items() if rows and rows[0]["removed"]}
        found = {name: cluster.difference_of(con, row, DIFFERING_LINES) for name, row in repeated.items()}
        differences = {name: one for name, one in found.items() if one is not None}
        return cls(hits_of(con, ids), cuts_of(con, ids), repeated, differences)


def verdict(judgement: Judgement) -> str:
    """``min_words: n_words = 3, keep n_words >= 20``."""
    values = shown_values(judgement)
    return f"{judgement.rule}: {values}{', ' if values else ''}keep {judgement.keep}"


def _texts(con: duckdb.DuckDBPyConnection, entries: Sequence[dict[str, Any]], said: _Said) -> dict[str, str]:
    """Texts to be shown; a conversation in which something is marked as it was searched, without roles."""
    texts = read_texts(con, [entry["id"] for entry in entries], TEXT_CHARACTERS)
    searched = [entry["id"] for entry in entries if entry["stage"] == "instruct" and entry["id"] in said.hits]
    return texts | read_texts(con, searched, TEXT_CHARACTERS, roles=False)


def _drawn(
    con: duckdb.DuckDBPyConnection, rule: str | None, fate: str | None, n: int, seed: int
) -> list[dict[str, Any]]:
    """Ledger entries of the records drawn; what rules dropped is drawn from their decisions, which is quicker."""
    draw = "ORDER BY md5($seed || id), id LIMIT $n"
    ids = None
    if rule is not None and fate in (None, "dropped"):
        decided = "SELECT id, reasons FROM stored.filter UNION ALL SELECT id, reasons FROM stored.instructions_filter"
        found = con.execute(
            f"SELECT id FROM ({decided}) WHERE list_contains(reasons, $rule) {draw}",
            {"rule": rule, "seed": f"{seed}:", "n": n},
        )
        ids = [row[0] for row in found.fetchall()]
    if ids:
        answer = con.execute(
            f"FROM ledger WHERE {among(ids)} ORDER BY md5($seed || id), id", {"seed": f"{seed}:"}
        )
    else:
        answer = con.execute(
            f"""
            FROM ledger
            WHERE ($rule IS NULL OR list_contains(reasons, $rule)) AND ($fate IS NULL OR fate = $fate) {draw}
            """,
            {"rule": rule, "fate": fate, "seed": f"{seed}:", "n": n},
        )
    names = [column[0] for column in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _sample(
    entry: dict[str, Any],
    rule: str | None,
    judgements: list[Judgement],
    texts: dict[str, str],
    raws: dict[str, tuple[bytes | None, int]],
    said: _Said,
    width: int,
) -> Sample:
    failing = [one for one in judgements if one.fails]
    name = entry["id"]
    notes = _notes(entry, said, {one.rule for one in failing})
    if name in raws:
        raw, n_bytes = raws[name]
        shown = Line(escaped(raw)) if raw else Line("the bytes of the record were not kept", gap=True)
        return Sample(name, entry["fate"], [*notes, f"{n_bytes:,} bytes, which begin:"], failing, [], [shown])
    text = texts.get(name, "")
    # The first rule that can be pointed at: marks of several would hide each other.
    signals: list[str] = next(
        (names for one in failing if (names := [*one.values.keys() & MARKS.keys()])), []
    )
    spans, marked = offending(text, sorted(signals))
    if not spans:
        spans, marked = _passages(text, said.hits.get(name, []), said.cuts.get(name))
    lines, found = excerpt(text, spans, width), said.differences.get(name)
    return Sample(name, entry["fate"], notes, failing, marked if spans else [], lines, found)


def _passages(text: str, hits: Sequence[Hit], cuts: Cuts | None) -> tuple[list[Span], list[str]]:
    """Passages of evaluation sets, or else those that dedup cuts."""
    if hits and (spans := places(text, [span for hit in hits for span in hit.spans])):
        return spans, ["what it has of " + ", ".join(sorted({hit.set for hit in hits}))]
    if cuts is not None:
        return places(text, cuts.spans), ["what is cut" if cuts.applied else "what is repeated"]
    return [], []


def _notes(entry: dict[str, Any], said: _Said, judged: set[str]) -> list[str]:
    """Why a record has its fate, as far as no rule with its values says so."""
    reasons = [reason for reason in entry["reasons"] if reason not in judged]
    fate, name = entry["fate"], entry["id"]
    if fate == "duplicate":
        return [*_repeats(name, said)] or [f"{', '.join(reasons)} duplicate of {entry['duplicate_of']}"]
    if fate == "contaminated":
        return [hit.said() for hit in said.hits.get(name, [])[:LISTED]] or reasons
    if fate in ("quarantined", "skipped"):
        return [*reasons, f"file {entry['input']}, record {entry['record']:,}"]
    if fate in ("train", "validation") and entry["phase"]:
        times = f", {entry['epochs']} times" if entry["epochs"] > 1 else ""
        return [f"in {entry['phase']}{times}", *(cuts.said() for cuts in [said.cuts.get(name)] if cuts)]
    if not reasons:
        return []
    return [f"also fails {', '.join(reasons)}" if judged else ", ".join(reasons)]


def _repeats(name: str, said: _Said) -> Iterator[str]:
    if name in said.repeated:
        row = said.repeated[name]
        yield cluster.likeness(row) + (f", in the earlier corpus {row['earlier']}" if row["earlier"] else "")
    elif name in said.cuts:
        yield said.cuts[name].said()
    if name in said.differences:
        yield summary(said.differences[name])


def escaped(raw: bytes) -> str:
    """The beginning of some bytes, every one that is no printable text as an escape."""
    text = raw[:RAW_BYTES].decode("utf-8", "backslashreplace")
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return f"{shown} ..." if len(raw) > RAW_BYTES else shown


def _raws(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, tuple[bytes | None, int]]:
    if not ids:
        return {}
    rows = con.execute(f"SELECT id, raw, bytes_in FROM quarantine WHERE {among(ids)}").fetchall()
    return {name: (raw, n_bytes or 0) for name, raw, n_bytes in rows}


def _has_recipe(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(con.execute("SELECT count(*) FROM stored.recipe").fetchall()[0][0])


def _refuse_unknown(con: duckdb.DuckDBPyConnection, rule: str, rules: list[str]) -> None:
    if rule in rules:
        return
    seen = [row[0] for row in con.execute("SELECT DISTINCT unnest(reasons) FROM ledger").fetchall()]
    if rule not in seen:
        raise RecipeError(f'no rule or reason is named "{rule}"', "--rule", nearest(rule, [*rules, *seen]))

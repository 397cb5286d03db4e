"""All that happened to one document, in the order in which it happened.

Every answer is a look-up by id in the catalog's views; of texts only the document's own and its survivor's
are read.
"""

import difflib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from dataflow.catalog.excerpt import Line
from dataflow.catalog.judge import Judgement, judge, shown_values
from dataflow.catalog.recipe import rules_as_written
from dataflow.catalog.render import cell
from dataflow.catalog.sample import read_texts, show_sample
from dataflow.catalog.table import Table, ask
from dataflow.errors import RecipeError

DIFF_CHARACTERS = 20_000  # of each text are compared
DIFF_LINES = 60  # of the difference are shown
_LINE_WIDTH = 100


@dataclass(frozen=True)
class Explanation:
    """The story of one record."""

    id: str
    ledger: dict[str, Any]
    identity: dict[str, Any]  # of a document: its own id in the input, url, date, licence, metadata
    signals: dict[str, Any]
    rules: list[Judgement]
    story: Table  # what each step did with it, in order
    duplicates: Table  # the document's own row and, of a survivor, those of its duplicates
    diff: list[str]  # from the survivor's text to this one's
    contamination: Table
    pii: Table
    plan: Table
    tokens: Table
    lines: list[
        Line
    ]  # the beginning of its text, or what speaks against it, or the bytes that could not be read

    @property
    def tables(self) -> list[Table]:
        """The story as tables, empty ones left out."""
        failing = tuple(
            (one.rule, one.set, shown_values(one), one.keep)
            for one in self.rules
            if one.applies and one.fails
        )
        tables = (
            self.story,
            Table("Rules that it fails", ("rule", "set", "value", "keeps"), failing),
            self.duplicates,
            self.contamination,
            self.plan,
            self.tokens,
            self.pii,
            Table(
                "Signals and rules", ("signal", "value", "rule", "verdict", "keeps"), tuple(self._measured())
            ),
        )
        return [table for table in tables if table.rows]

    def _measured(self) -> Iterator[tuple[Any, ...]]:
        """Every signal, and every rule beside the first signal that it reads."""
        for name, value in self.signals.items():
            beside = [one for one in self.rules if next(iter(one.values), None) == name]
            verdicts = [_verdict(one, name) for one in beside] or [("", "", "")]
            yield (name, cell(value), *verdicts[0])
            yield from (("", "", *verdict) for verdict in verdicts[1:])


def explain(con: duckdb.DuckDBPyConnection, name: str) -> Explanation:
    """Everything the catalog knows of the record whose id is ``name``."""
    ledger = ask(con, "SELECT * FROM ledger WHERE id = ?", "", [name]).dicts()
    if not ledger:
        raise RecipeError("no record has this id", name, _nearest_ids(con, name))
    entry = ledger[0]
    signals = _first(con, "SELECT * EXCLUDE (id, source, kind, url, date) FROM signals WHERE id = ?", name)
    judged = signals and entry["stage"] != "instruct"
    rules = judge(con, [name], rules_as_written(con)).get(name, []) if judged else []
    identity = _identity(con, name)
    pii = ask(
        con,
        "SELECT kind, action, count(*) AS spans FROM pii WHERE id = ? GROUP BY ALL ORDER BY kind, action",
        "Personal data replaced",
        [name],
    )
    seen = show_sample(con, entry, rules)
    return Explanation(
        id=name,
        ledger=entry,
        identity=identity,
        signals=signals,
        rules=rules,
        story=Table(
            f"{name}: {entry['fate']}",
            ("step", "what happened"),
            tuple(_story(entry, identity, signals, pii)),
        ),
        duplicates=_duplicates(con, name),
        diff=list(_diff(con, entry["duplicate_of"], name)) if entry["duplicate_of"] else [],
        contamination=ask(
            con,
            'SELECT "set", item, overlap FROM contamination WHERE id = ? ORDER BY "set", item',
            "Contaminated by",
            [name],
        ),
        pii=pii,
        plan=ask(
            con,
            "SELECT phase, position, epoch FROM plan WHERE id = ? ORDER BY epoch, phase, position",
            "In the corpus",
            [name],
        ),
        tokens=ask(
            con,
            "SELECT DISTINCT phase, len(tokens) AS n_tokens, n_bytes FROM tokens WHERE id = ? ORDER BY phase",
            "Tokens",
            [name],
        ),
        lines=seen.lines,
    )


def _story(
    entry: dict[str, Any], identity: dict[str, Any], signals: dict[str, Any], pii: Table
) -> Iterator[tuple[str, str]]:
    """What each step did with the record, as far as the run has come and the record with it."""
    yield "read", f"source {entry['source']}, file {entry['input']}, record {entry['record']:,}"
    known = {name: value for name, value in identity.items() if value not in (None, "", "{}")}
    for name, value in known.items():
        yield "", f"{name.replace('_', ' ')}: {cell(value)}"
    fate, reasons = entry["fate"], ", ".join(entry["reasons"])
    if fate in ("quarantined", "skipped"):
        yield entry["stage"], f"{fate}: {reasons}"
        return
    kinds = ", ".join(f"{row['spans']:,} {row['kind']}" for row in pii.dicts())
    scrubbed = f"; personal data replaced: {kinds}" if kinds else ""
    yield "stored", f"{entry['bytes_in']:,} bytes read, {entry['bytes_out']:,} stored{scrubbed}"
    if signals:
        yield "measured", ", ".join(_sizes(signals))
    passed = {
        "dropped": ("rules", f"dropped: fails {reasons}"),
        "duplicate": (
            "dedup",
            f"{reasons} duplicate of {entry['duplicate_of']}, similarity {entry['similarity'] or 0:.3f}",
        ),
        "contaminated": ("decontaminate", f"contaminated by {reasons}"),
        "unused": ("mix", "kept; beyond the budget") if entry["stage"] in ("mix", "instruct") else ("", ""),
    }
    step, said = passed.get(fate, ("mix", f"in {entry['phase']}{_times(entry['epochs'])}"))
    yield (step, said) if said else (entry["stage"], "kept so far; the steps after have not run")


def _sizes(signals: dict[str, Any]) -> Iterator[str]:
    if signals.get("language"):
        score = signals.get("language_score")
        yield f"language {signals['language']}" + (f" ({score:.2f})" if score is not None else "")
    for name in ("n_words", "n_lines", "n_characters", "n_tokens"):
        if signals.get(name) is not None:
            yield f"{signals[name]:,} {name.removeprefix('n_')}"
    if signals.get("quality") is not None:
        yield f"quality {signals['quality']:.3f}"


def _times(epochs: int) -> str:
    return f", {epochs:,} times" if epochs > 1 else ""


def _verdict(judgement: Judgement, signal: str) -> tuple[str, str, str]:
    verdict = "FAILS" if judgement.fails else "passes" if judgement.applies else "not about it"
    return judgement.rule, verdict, judgement.keep.removeprefix(f"{signal} ")


def _first(con: duckdb.DuckDBPyConnection, sql: str, name: str) -> dict[str, Any]:
    rows = ask(con, sql, "", [name]).dicts()
    return rows[0] if rows else {}


def _identity(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    document = _first(con, "SELECT input_id, url, date, licence, metadata FROM documents WHERE id = ?", name)
    return document or _first(con, "SELECT input_id, task, metadata FROM instructions WHERE id = ?", name)


def _duplicates(con: duckdb.DuckDBPyConnection, name: str) -> Table:
    sql = """
        SELECT id, CASE WHEN id = survivor THEN 'survivor' ELSE 'duplicate' END AS role,
            similarity, kind, cluster_size
        FROM duplicates
        WHERE $name IN (id, survivor) OR id = (SELECT min(survivor) FROM duplicates WHERE id = $name)
        ORDER BY id = survivor DESC, id = $name DESC, id LIMIT 12
    """
    return ask(con, sql, "Its cluster of duplicates", {"name": name})


def _diff(con: duckdb.DuckDBPyConnection, survivor: str, name: str) -> Iterator[str]:
    texts = read_texts(con, [survivor, name], DIFF_CHARACTERS)
    before, after = (_lines(texts.get(one, "")) for one in (survivor, name))
    lines = list(difflib.unified_diff(before, after, survivor, name, n=1, lineterm=""))
    yield from lines[:DIFF_LINES]
    if len(lines) > DIFF_LINES:
        yield f"... and {len(lines) - DIFF_LINES:,} more lines"


def _lines(text: str) -> list[str]:
    """Lines short enough to show; a paragraph without line breaks is broken between words."""
    return [part for line in text.splitlines() for part in textwrap.wrap(line, _LINE_WIDTH) or [""]]


def _nearest_ids(con: duckdb.DuckDBPyConnection, name: str) -> str:
    sql = "SELECT id FROM ledger ORDER BY jaro_winkler_similarity(id, ?) DESC, id LIMIT 3"
    near = [row[0] for row in con.execute(sql, [name]).fetchall()]
    return f"Nearest: {', '.join(near)}." if near else "The run has no records yet."

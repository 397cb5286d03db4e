"""All that happened to one document, in the order in which it happened.

Every answer is a look-up by id in the catalog's views; of texts only the document's own, its survivor's and the
beginnings of a few of its cluster are read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from dataflow.catalog import cluster, passages
from dataflow.catalog.difference import SHOWN_LINES, Difference
from dataflow.catalog.excerpt import Line
from dataflow.catalog.judge import Judgement, judge, shown_values
from dataflow.catalog.recipe import rules_as_written
from dataflow.catalog.render import cell
from dataflow.catalog.sample import TEXT_CHARACTERS, show_sample
from dataflow.catalog.table import Table, ask
from dataflow.catalog.texts import read_texts
from dataflow.errors import RecipeError


@dataclass(frozen=True)
class Explanation:
    """The story of one record."""

    id: str
    ledger: dict[str, Any]
    identity: dict[str, Any]  # of a document: its own id in the input, url, date, licence, metadata
    signals: dict[str, Any]
    rules: list[Judgement]
    story: Table  # what each step did with it, in order
    duplicates: Table  # its cluster
    survivor: str  # what it repeats, where that is a document of this run
    difference: Difference | None  # from the survivor's text to this one's
    cuts: Table  # passages cut from it
    keeps: Table  # documents that lose passages because this one keeps them
    contamination: Table
    pii: Table
    plan: Table
    tokens: Table
    marked: list[str]  # what is marked in its lines
    lines: list[Line]  # what speaks against it, else the beginning of its text, or of what could not be read

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
            self.cuts,
            self.keeps,
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
    repeated = cluster.rows_of(con, name)
    cuts = passages.cuts_of(con, [name]).get(name)
    hits = passages.hits_of(con, [name]).get(name, [])
    text = read_texts(con, [name], TEXT_CHARACTERS).get(name, "") if cuts else ""
    said = [
        *(("dedup", cluster.said(con, row)) for row in repeated),
        *([("dedup", cuts.said())] if cuts else []),
        *(("decontaminate", f"{_DONE.get(hit.action, hit.action)} {hit.said()}") for hit in hits[:_HITS]),
    ]
    copy = next((row for row in repeated if cluster.repeats(row)), None)
    return Explanation(
        id=name,
        ledger=entry,
        identity=identity,
        signals=signals,
        rules=rules,
        story=Table(
            f"{name}: {entry['fate']}",
            ("step", "what happened"),
            tuple(_story(entry, identity, signals, pii, said)),
        ),
        duplicates=cluster.table(con, repeated),
        survivor=copy["survivor"] if copy else "",
        difference=cluster.difference_of(con, copy, SHOWN_LINES) if copy else None,
        cuts=passages.cuts_table(cuts, text),
        keeps=passages.keeps_table(con, name),
        contamination=passages.hits_table(hits),
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
        marked=seen.marked,
        lines=seen.lines,
    )


_HITS = 3  # items of evaluation sets that the story names
_DONE = {"drop": "contaminated by", "cut": "cut, for it has", "annotate": "annotated only, though it has"}


def _story(
    entry: dict[str, Any],
    identity: dict[str, Any],
    signals: dict[str, Any],
    pii: Table,
    said: Sequence[tuple[str, str]],
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
    stored = signals.get("n_bytes", entry["bytes_out"])  # the ledger's are less what is cut
    yield "stored", f"{entry['bytes_in']:,} bytes read, {stored:,} stored{scrubbed}"
    if signals:
        yield "measured", ", ".join(_sizes(signals))
    yield from said
    if fate == "dropped":
        yield "rules", f"dropped: fails {reasons}"
    elif fate in ("train", "validation"):
        yield "mix", f"in {entry['phase']}{_times(entry['epochs'])}"
    elif fate == "unused":
        done = entry["stage"] in ("mix", "instruct")
        yield (
            ("mix", "kept; beyond the budget")
            if done
            else (
                entry["stage"],
                "kept so far; the steps after have not run",
            )
        )


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


def _nearest_ids(con: duckdb.DuckDBPyConnection, name: str) -> str:
    sql = "SELECT id FROM ledger ORDER BY jaro_winkler_similarity(id, ?) DESC, id LIMIT 3"
    near = [row[0] for row in con.execute(sql, [name]).fetchall()]
    return f"Nearest: {', '.join(near)}." if near else "The run has no records yet."

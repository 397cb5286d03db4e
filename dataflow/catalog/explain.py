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

from dataflow.catalog.judge import Judgement, judge
from dataflow.catalog.recipe import rules_of_run
from dataflow.catalog.sample import EXCERPT_CHARACTERS, excerpts
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
    duplicates: Table  # the document's own row and, of a survivor, those of its duplicates
    diff: list[str]  # from the survivor's text to this one's
    contamination: Table
    pii: Table
    plan: Table
    tokens: Table
    excerpt: str

    @property
    def tables(self) -> list[Table]:
        """The story as tables, empty ones left out."""
        failing = [one for one in self.rules if one.fails]
        passing = [one for one in self.rules if one.applies and not one.fails]
        tables = (
            Table("What became of it", ("", "value"), _pairs(self.ledger)),
            Table("Document", ("", "value"), _pairs(self.identity)),
            _rules_table("Rules that it fails", failing),
            self.duplicates,
            self.contamination,
            self.plan,
            self.tokens,
            self.pii,
            _rules_table("Rules that it passes", passing),
            Table("Signals", ("signal", "value"), _pairs(self.signals)),
        )
        return [table for table in tables if table.rows]


def explain(con: duckdb.DuckDBPyConnection, name: str) -> Explanation:
    """Everything the catalog knows of the record whose id is ``name``."""
    ledger = ask(con, "SELECT * FROM ledger WHERE id = ?", "", [name]).dicts()
    if not ledger:
        raise RecipeError("no record has this id", name, _nearest_ids(con, name))
    entry = ledger[0]
    signals = _first(con, "SELECT * EXCLUDE (id, source, kind, url, date) FROM signals WHERE id = ?", name)
    rules = rules_of_run(con) if signals and entry["stage"] != "instruct" else []
    texts = excerpts(con, [name], EXCERPT_CHARACTERS)
    return Explanation(
        id=name,
        ledger=entry,
        identity=_identity(con, name),
        signals=signals,
        rules=judge(con, [name], rules).get(name, []),
        duplicates=_duplicates(con, name),
        diff=list(_diff(con, entry["duplicate_of"], name)) if entry["duplicate_of"] else [],
        contamination=ask(
            con,
            'SELECT "set", item, overlap FROM contamination WHERE id = ? ORDER BY "set", item',
            "Contaminated by",
            [name],
        ),
        pii=ask(
            con,
            "SELECT kind, action, count(*) AS spans FROM pii WHERE id = ? GROUP BY ALL ORDER BY kind, action",
            "Personal data replaced",
            [name],
        ),
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
        excerpt=texts.get(name, ""),
    )


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
    texts = excerpts(con, [survivor, name], DIFF_CHARACTERS)
    before, after = (_lines(texts.get(one, "")) for one in (survivor, name))
    lines = list(difflib.unified_diff(before, after, survivor, name, n=1, lineterm=""))
    yield from lines[:DIFF_LINES]
    if len(lines) > DIFF_LINES:
        yield f"... and {len(lines) - DIFF_LINES:,} more lines"


def _lines(text: str) -> list[str]:
    """Lines short enough to show; a paragraph without line breaks is broken between words."""
    return [part for line in text.splitlines() for part in textwrap.wrap(line, _LINE_WIDTH) or [""]]


def _pairs(values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in values.items() if value not in (None, "", [], "{}"))


def _rules_table(title: str, judgements: list[Judgement]) -> Table:
    columns = ("rule", "set", "values", "keep")
    return Table(title, columns, tuple((one.rule, one.set, _values(one), one.keep) for one in judgements))


def _values(judgement: Judgement) -> str:
    return ", ".join(
        f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in judgement.values.items()
    )


def _nearest_ids(con: duckdb.DuckDBPyConnection, name: str) -> str:
    sql = "SELECT id FROM ledger ORDER BY jaro_winkler_similarity(id, ?) DESC, id LIMIT 3"
    near = [row[0] for row in con.execute(sql, [name]).fetchall()]
    return f"Nearest: {', '.join(near)}." if near else "The run has no records yet."

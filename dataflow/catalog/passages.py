"""What steps marked inside a text: passages cut because another document has them, and passages of an evaluation set.

Decisions give places in bytes of the text as stored; here they become places in characters, of as much of the text
as is read to be shown.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from dataflow.catalog.judge import among
from dataflow.catalog.offending import Span
from dataflow.catalog.table import Table, ask

LISTED = 8  # passages of a document in a table
_BEGINNING = 80  # characters of a passage in a table


@dataclass(frozen=True)
class Cuts:
    """What deduplication cuts from one document."""

    spans: list[dict[str, Any]]  # start and length in bytes, kind
    bytes_cut: int
    bytes_left: int
    survivor: str  # the document that keeps most of it
    removed: bool  # too little was left
    applied: bool

    def said(self) -> str:
        """``3 passages (2 line, 1 paragraph), 412 bytes, cut; most of them stand in web/a#1``."""
        kinds = [span["kind"] for span in self.spans]
        counted = ", ".join(f"{kinds.count(kind):,} {kind}" for kind in dict.fromkeys(kinds))
        n = f"{len(kinds):,} passage{'' if len(kinds) == 1 else 's'} ({counted}), {self.bytes_cut:,} bytes"
        done = "cut" if self.applied else "repeated, only annotated"
        kept = f"{'most of them stand' if len(kinds) > 1 else 'it stands'} in {self.survivor}"
        left = f"; too little was left: {self.bytes_left:,} bytes" if self.removed else ""
        return f"{n}, {done}: {kept}{left}"


@dataclass(frozen=True)
class Hit:
    """One item of an evaluation set that a document has."""

    set: str
    item: str
    part: str
    overlap: float  # share of the item's n-grams
    n_grams: int
    action: str
    spans: list[dict[str, int]]  # start and length in bytes

    def said(self) -> str:
        """``quiz: 7 (prompt), 92 % of its n-grams``."""
        part = f" ({self.part})" if self.part else ""
        return f"{self.set}: {self.item}{part}, {self.overlap:.0%} of its n-grams"


def cuts_of(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, Cuts]:
    """What is cut from each document; those that nothing is cut from are left out."""
    columns = "spans, bytes_cut, bytes_left, survivor, removed, applied"
    return {name: Cuts(*rest) for name, *rest in _rows(con, ids, columns, "cuts", "id")}


def hits_of(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, list[Hit]]:
    """What each document has of evaluation sets, the largest overlaps first."""
    found: dict[str, list[Hit]] = defaultdict(list)
    columns = "\"set\", item, coalesce(part, ''), overlap, n_grams, action, coalesce(spans, [])"
    order = "id, action <> 'drop', overlap DESC, \"set\", item, part"
    for name, *rest in _rows(con, ids, columns, "contamination", order):
        found[name].append(Hit(*rest))
    return found


def _rows(
    con: duckdb.DuckDBPyConnection, ids: Sequence[str], columns: str, table: str, order: str
) -> list[tuple[Any, ...]]:
    if not ids:
        return []
    return con.execute(f"SELECT id, {columns} FROM {table} WHERE {among(ids)} ORDER BY {order}").fetchall()


def places(text: str, spans: Sequence[dict[str, Any]]) -> list[Span]:
    """Places in characters, joined where they touch; those beyond the text that was read are left out."""
    data = np.frombuffer(text.encode(), np.uint8)
    before = np.concatenate([[0], np.cumsum((data & 0xC0) != 0x80)])  # characters that begin before each byte
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: int(one["start"])):
        start, end = int(span["start"]), min(int(span["start"]) + int(span["length"]), len(data))
        if start >= end:
            continue
        first, last = int(before[start]), int(before[end])
        if found and first <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, last))
        else:
            found.append(Span(first, last))
    return found


def cuts_table(cuts: Cuts | None, text: str) -> Table:
    """The passages cut, each with its beginning."""
    columns = ("kind", "bytes", "passage")
    if cuts is None:
        return Table("", columns, ())
    data = text.encode()
    rows = []
    for span in cuts.spans[:LISTED]:
        passage = data[span["start"] : span["start"] + span["length"]].decode(errors="ignore")
        rows.append((span["kind"], span["length"], beginning(passage)))
    shown = f" (first {LISTED} of {len(cuts.spans):,})" if len(cuts.spans) > LISTED else ""
    done = "Cut from it" if cuts.applied else "Repeated in it (only annotated)"
    most = "most of it" if len(cuts.spans) > 1 else "it"
    return Table(f"{done}; {cuts.survivor} keeps {most}{shown}", columns, tuple(rows))


def keeps_table(con: duckdb.DuckDBPyConnection, name: str) -> Table:
    """Documents that lose passages because the document ``name`` keeps them."""
    sql = f"""
        SELECT id, len(spans) AS passages, bytes_cut, bytes_left, removed, count(*) OVER () AS n
        FROM cuts WHERE survivor = $name AND id <> $name ORDER BY bytes_cut DESC, id LIMIT {LISTED}
    """
    found = ask(con, sql, "", {"name": name})
    n = found.rows[0][-1] if found.rows else 0
    title = f"Keeps passages cut from {n:,} other document{'' if n == 1 else 's'}"
    shown = f" (first {LISTED})" if n > LISTED else ""
    return Table(title + shown, found.columns[:-1], tuple(row[:-1] for row in found.rows))


def hits_table(hits: Sequence[Hit]) -> Table:
    """Items of evaluation sets that a document has."""
    rows = tuple((hit.set, hit.item, hit.part, hit.overlap, hit.n_grams, hit.action) for hit in hits)
    columns = ("set", "item", "part", "overlap_share", "n_grams", "action")
    shown = f" (first {LISTED} of {len(rows):,})" if len(rows) > LISTED else ""
    return Table(f"Items of evaluation sets in it{shown}", columns, rows[:LISTED])


def beginning(text: str, n_characters: int = _BEGINNING) -> str:
    """The first words of a text in one line."""
    words = " ".join(text[: 4 * n_characters].split())
    return f"{words[:n_characters].rstrip()} ..." if len(words) > n_characters else words

"""What deduplication says of one document: whom it repeats and how closely, or for whom it stands; its cluster."""

from typing import Any

import duckdb

from dataflow.catalog.difference import COMPARED_CHARACTERS, Difference, difference
from dataflow.catalog.passages import beginning
from dataflow.catalog.recipe import recipe_of_run
from dataflow.catalog.table import Table, ask
from dataflow.catalog.texts import NO_TEXT, read_texts

LISTED = 10
"""Members of a cluster in a table."""

_FEW = 12  # lines of a difference where nothing says that the texts are alike


def rows_of(con: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
    """The document's rows in ``duplicates``, what removes it first: dedup, then duplicates by meaning."""
    sql = "FROM duplicates WHERE id = ? ORDER BY removed DESC, kind = 'semantic'"
    return ask(con, sql, "", [name]).dicts()


def repeats(row: dict[str, Any]) -> bool:
    """Whether the row is of a document that repeats another; ids of an earlier corpus may be the same as here."""
    return row["id"] != row["survivor"] or row["earlier"] is not None


def said(con: duckdb.DuckDBPyConnection, row: dict[str, Any]) -> str:
    """One line: ``near duplicate of web/a#1, similarity 0.812``, or for whom it stands."""
    if repeats(row):
        done = "" if row["removed"] else "; only annotated, so it stays"
        return f"{likeness(row)}{_where(con, row['earlier'])}{done}"
    counted = con.execute(
        "SELECT kind, count(*) FROM duplicates WHERE survivor = ? AND earlier IS NULL AND id <> survivor "
        "GROUP BY kind ORDER BY kind",
        [row["id"]],
    ).fetchall()
    if not counted:
        return f"stays: it is in a cluster of {row['cluster_size']:,}, but none of them repeats it"
    n = sum(count for _, count in counted)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in counted)
    return f"stays, and stands for {n:,} other{'' if n == 1 else 's'} ({kinds})"


def likeness(row: dict[str, Any]) -> str:
    """``near duplicate of web/a#1, similarity 0.812``."""
    if row["kind"] == "url":
        return f"duplicate of {row['survivor']} by its URL; the texts were not compared"
    if row["kind"] == "exact" and row["similarity"] is not None and row["similarity"] < 1:
        return f"copy of a near duplicate of {row['survivor']}, similarity {row['similarity']:.3f}"
    measure = "cosine" if row["kind"] == "semantic" else "similarity"
    alike = "" if row["similarity"] is None else f", {measure} {row['similarity']:.3f}"
    return f"{row['kind']} duplicate of {row['survivor']}{alike}"


def _where(con: duckdb.DuckDBPyConnection, earlier: str | None) -> str:
    if earlier is None:
        return ""
    folder = ((recipe_of_run(con).get("dedup") or {}).get("against") or {}).get(earlier)
    at = f" ({folder})" if folder else ""
    return f"; that one is in the earlier corpus {earlier}{at}, so its text is not here"


def table(con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> Table:
    """The cluster of a document: itself, what it repeats, others that stay, and the rest; and how each begins."""
    if not rows:
        return Table("", (), ())
    own = rows[0]
    repeats_another = "(id <> survivor OR earlier IS NOT NULL)"
    sql = f"""
        SELECT
            id, CASE WHEN removed THEN 'removed' ELSE 'stays' END AS fate,
            CASE WHEN {repeats_another} THEN kind END AS kind,
            CASE WHEN {repeats_another} THEN similarity END AS similarity,
            CASE WHEN {repeats_another} THEN coalesce(earlier || ':', '') || survivor END AS repeats,
            count(*) OVER () AS n, count(*) FILTER (NOT removed) OVER () AS n_stay
        FROM duplicates WHERE cluster = $cluster AND (kind = 'semantic') = $semantic
        ORDER BY id = $id DESC, id = $survivor DESC, {repeats_another}, id LIMIT {LISTED}
    """
    names = {name: own[name] for name in ("id", "survivor", "cluster")}
    found = ask(con, sql, "", {**names, "semantic": own["kind"] == "semantic"})
    texts = read_texts(con, [row[0] for row in found.rows], 400)
    n, stay = found.rows[0][-2:]
    shown = f" ({LISTED} shown)" if n > LISTED else ""
    size = f"{n:,} document{'' if n == 1 else 's'}, {stay:,} stay{'s' if stay == 1 else ''}"
    columns = (*found.columns[:-2], "begins")
    listed = tuple((*row[:-2], beginning(texts.get(row[0], ""), 60)) for row in found.rows)
    return Table(f"Its cluster of duplicates: {size}{shown}", columns, listed)


def difference_of(con: duckdb.DuckDBPyConnection, row: dict[str, Any], most: int) -> Difference | None:
    """From the text that a document repeats to its own; None where one of them is not here."""
    if not repeats(row) or row["earlier"] is not None:
        return None
    texts = read_texts(con, [row["survivor"], row["id"]], COMPARED_CHARACTERS + 1)
    before, after = (texts.get(row[name]) for name in ("survivor", "id"))
    if before is None or after is None or NO_TEXT in (before, after):
        return None
    return difference(before, after, most=most if row["kind"] in ("exact", "near") else min(most, _FEW))

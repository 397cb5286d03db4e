"""Evaluation sets and what a corpus holds of them: one row a set.

How many items a set has, and how many of them could not be looked for, is what the index counted while it was
made; what was found is what the steps decided about documents and conversations.
"""

from collections.abc import Iterable

import duckdb

from dataflow.catalog.recipe import manifests_of
from dataflow.catalog.table import Table, ask

_TITLE = "Evaluation sets"
_LEFT_OUT = {
    "short": "too_short",
    "shared": "only_shared_phrases",
    "repeated": "repeated",
    "unreadable": "unreadable",
}


def contamination_summary(con: duckdb.DuckDBPyConnection, instructions: bool = True) -> Table:
    """Items of each set, those that were found, and the documents that hold them, with what became of those.

    ``items``: all of the set; of them left out because they are shorter than any evidence, made of phrases that many
    items share, equal to another, or without text. ``items_found``: in a document or, with ``instructions``, in a
    conversation. ``bytes_gone``: of the text dropped or cut; text that holds items of two sets counts for both.
    """
    counts = {
        name: n
        for manifest in manifests_of(con, "decontaminate-index").values()
        for name, n in manifest.counts.items()
    }
    sets = [name.removeprefix("items:") for name in counts if name.startswith("items:")]
    lines = [("", "documents"), *([("instructions_", "conversations")] if instructions else [])]
    found = {
        kind: {row["set"]: row for row in ask(con, _FOUND.format(line=line)).dicts()} for line, kind in lines
    }
    items = {row["set"]: row["items"] for row in ask(con, _union(line for line, _ in lines)).dicts()}
    left_out = [fate for fate in _LEFT_OUT if any(counts.get(f"{fate}:{name}") for name in sets)]
    rows = []
    for name in sorted(sets):
        hits = [found[kind].get(name, {}) for _, kind in lines]
        rows.append(
            (
                name,
                counts[f"items:{name}"],
                *(counts.get(f"{fate}:{name}", 0) for fate in left_out),
                items.get(name, 0),
                *(hit.get("documents", 0) for hit in hits),
                sum(hit.get("dropped", 0) for hit in hits),
                sum(hit.get("bytes_gone", 0) for hit in hits),
            )
        )
    lost = (_LEFT_OUT[fate] for fate in left_out)
    hit = (f"{kind}_hit" for _, kind in lines)
    return Table(_TITLE, ("set", "items", *lost, "items_found", *hit, "dropped", "bytes_gone"), tuple(rows))


_FOUND = """
    WITH hits AS (
        SELECT "set", id, any_value(action) AS action, sum(list_sum(list_transform(spans, lambda span: span.length)))
            AS cut
        FROM stored.{line}contamination GROUP BY "set", id
    )
    SELECT
        "set", count(*) AS documents, count(*) FILTER (action = 'drop') AS dropped,
        sum(CASE action WHEN 'drop' THEN n_bytes WHEN 'cut' THEN cut ELSE 0 END)::BIGINT AS bytes_gone
    FROM hits JOIN (SELECT id, n_bytes FROM stored.{line}documents) USING (id) GROUP BY "set"
"""


def _union(lines: Iterable[str]) -> str:
    tables = " UNION ALL ".join(f'SELECT "set", item FROM stored.{line}contamination' for line in lines)
    return f'SELECT "set", count(DISTINCT item) AS items FROM ({tables}) GROUP BY "set"'

"""The standard tables about a run: what came in, what was kept, and why the rest was not.

All are queries over the catalog's views; of texts only the beginnings of the largest clusters' first documents are
read. Sums over all sources stand in the last row.
"""

from collections import Counter

import duckdb

from dataflow.catalog import duplicates
from dataflow.catalog.contamination import contamination_summary
from dataflow.catalog.recipe import manifests_of
from dataflow.catalog.table import Table, ask

LANGUAGES_SHOWN = 20
"""Languages with a row of their own; the others share the row ``other``."""

SHOWN_LANGUAGE = """
    CASE WHEN coalesce(language, 'unknown') IN (FROM largest) THEN coalesce(language, 'unknown') ELSE 'other' END
"""

_FUNNEL = """
    count(*) AS records,
    count(*) FILTER (fate NOT IN ('quarantined', 'skipped')) AS documents,
    count(*) FILTER (fate NOT IN ('quarantined', 'skipped', 'dropped')) AS passed,
    count(*) FILTER (fate NOT IN ('quarantined', 'skipped', 'dropped', 'duplicate')) AS "unique",
    count(*) FILTER (fate = 'train') AS train,
    count(*) FILTER (fate = 'validation') AS validation,
    count(*) FILTER (fate = 'unused') AS unused,
    count(*) FILTER (fate IN ('train', 'validation', 'unused')) / count(*) AS kept_share
"""
_BYTES = """
    coalesce(sum(bytes_in), 0)::BIGINT AS bytes_read,
    coalesce(sum(bytes_out), 0)::BIGINT AS bytes_stored,
    coalesce(sum(bytes_out) FILTER (fate IN ('train', 'validation', 'unused')), 0)::BIGINT AS bytes_kept,
    coalesce(sum(bytes_out) FILTER (fate = 'train'), 0)::BIGINT AS bytes_train
"""


def standard(con: duckdb.DuckDBPyConnection) -> list[Table]:
    """Every standard table that has something to say about this run."""
    tables = (
        funnel_by_source(con),
        bytes_by_source(con),
        funnel_by_language(con),
        reasons(con),
        *duplicates.tables(con),
        contamination_summary(con),
        mixture(con),
        tokens(con),
        quarantine(con),
        pii(con),
    )
    return [table for table in tables if table.rows]


def funnel_by_source(con: duckdb.DuckDBPyConnection) -> Table:
    """How many records of each source are left after each step."""
    return ask(con, _with_total("source", _FUNNEL, "ledger"), "Records by source")


def bytes_by_source(con: duckdb.DuckDBPyConnection) -> Table:
    """Bytes as they came, as stored after extraction and transforms, and of the documents kept."""
    return ask(con, _with_total("source", _BYTES, "ledger"), "Bytes by source")


def funnel_by_language(con: duckdb.DuckDBPyConnection) -> Table:
    """The same by language, most documents first, small ones together; a record that is no document has none."""
    if "language" not in con.table("signals").columns:
        return Table("Documents by language", (), ())
    from_ = f"ledger JOIN (SELECT id, {SHOWN_LANGUAGE} AS language FROM signals) USING (id)"
    largest = largest_languages("signals")
    order = "language = 'other', records DESC"
    return ask(con, largest + _with_total("language", _FUNNEL, from_, order), "Documents by language")


def largest_languages(table: str, size: str = "count(*)") -> str:
    """A WITH clause that names the languages of ``table``, by ``size``, that ``SHOWN_LANGUAGE`` leaves as they are."""
    return f"""
        WITH largest AS (
            SELECT coalesce(language, 'unknown') AS label FROM {table}
            GROUP BY label ORDER BY {size} DESC, label LIMIT {LANGUAGES_SHOWN}
        )
    """


def _with_total(key: str, figures: str, from_: str, order: str = "") -> str:
    # Where nothing is grouped, the empty grouping set would still give a row.
    return (
        f"SELECT CASE WHEN grouping({key}) = 1 THEN 'all' ELSE {key} END AS {key}, {figures} FROM {from_} "
        f"GROUP BY GROUPING SETS (({key}), ()) HAVING count(*) > 0 "
        f"ORDER BY grouping({key}), {order + ', ' if order else ''}{key}"
    )


def reasons(con: duckdb.DuckDBPyConnection) -> Table:
    """Documents each rule is about, those failing it, and those failing no other: what loosening it would keep.

    A rule that nothing fails has its row too. The share is of the documents that the rule is about.
    """
    sql = """
        WITH decided AS (
            SELECT reasons FROM stored.filter UNION ALL SELECT reasons FROM stored.instructions_filter
        ), failures AS (SELECT unnest(reasons) AS rule, len(reasons) = 1 AS alone FROM decided)
        SELECT rule, count(*) AS failing, count(*) FILTER (alone) AS failing_alone,
            (SELECT count(*) FROM decided) AS documents
        FROM failures GROUP BY rule
    """
    failing = {row["rule"]: row for row in ask(con, sql).dicts()}
    about: Counter[str] = Counter()
    for manifest in manifests_of(con, "filter").values():
        counted = {name: count for name, count in manifest.counts.items() if name.startswith(_ABOUT)}
        about.update({name.removeprefix(_ABOUT): count for name, count in counted.items()})
    rows = []
    for rule in failing.keys() | about.keys():
        found = failing.get(rule, {"failing": 0, "failing_alone": 0, "documents": 0})
        documents = about[rule] if rule in about else found["documents"]
        share = found["failing"] / documents if documents else 0.0
        rows.append((rule, documents, found["failing"], found["failing_alone"], share))
    rows.sort(key=lambda row: (-row[2], row[0]))
    columns = ("rule", "documents", "failing", "failing_alone", "failing_share")
    return Table("Documents that fail each rule", columns, tuple(rows))


_ABOUT = "applied:"  # what the step `filter` calls the count of documents a rule is about


def mixture(con: duckdb.DuckDBPyConnection) -> Table:
    """What the plan draws from each source for each phase."""
    sql = """
        SELECT
            phase, source, count(*) AS documents, count(DISTINCT id) AS different, max(epoch) + 1 AS epochs,
            sum(n_bytes)::BIGINT AS bytes,
            sum(n_bytes) / sum(sum(n_bytes)) OVER (PARTITION BY phase) AS bytes_share
        FROM plan GROUP BY phase, source ORDER BY phase, source
    """
    return ask(con, sql, "Mixture")


def tokens(con: duckdb.DuckDBPyConnection) -> Table:
    """Tokens by phase and source; for instructions also those that are trained on, whose bytes are counted."""
    sql = """
        WITH counted AS (
            SELECT phase, source, n_bytes, len(tokens) AS n_tokens,
                list_sum(list_transform(loss_spans, lambda span: span."end" - span.start)) AS n_trained
            FROM tokens
        )
        SELECT
            phase, source, count(*) AS documents, sum(n_tokens)::BIGINT AS tokens,
            sum(n_trained)::BIGINT AS trained_tokens, sum(n_bytes)::BIGINT AS bytes,
            round(sum(n_bytes) / nullif(sum(coalesce(n_trained, n_tokens)), 0), 3) AS bytes_per_token
        FROM counted GROUP BY phase, source ORDER BY phase, source
    """
    return ask(con, sql, "Tokens")


def quarantine(con: duckdb.DuckDBPyConnection) -> Table:
    """Records that became no document, by reason."""
    sql = """
        SELECT
            source, fate, reason, count(*) AS records,
            sum(bytes_in)::BIGINT AS bytes_in, min(input) AS example
        FROM quarantine GROUP BY source, fate, reason ORDER BY records DESC, source, fate, reason
    """
    return ask(con, sql, "Records that became no document")


def pii(con: duckdb.DuckDBPyConnection) -> Table:
    """Personal data replaced, by kind."""
    sql = """
        SELECT
            kind, action, count(*) AS spans,
            count(DISTINCT id) AS documents, count(DISTINCT hash) AS different
        FROM pii GROUP BY kind, action ORDER BY spans DESC, kind, action
    """
    return ask(con, sql, "Personal data replaced")

"""The ledger: one row for each input record, with its fate, as one SQL view over what each step decided.

A record meets the steps in their order, and the first one that takes it out gives its fate: unreadable or
not a document (``curate``), dropped by rules (``filter``), duplicate (``dedup``: of a document as a whole, by
meaning, or passage by passage until too little was left), contaminated (``decontaminate``). What is left is in the
plan (``train``, ``validation``) or is ``unused``; so it also is while the later steps have not run, and ``stage``
then says how far the run has come. Instruction records take the same way inside their one step, ``instruct``.

Joins are by id over narrow columns, and only with tables that are there; no text is read.
"""

from collections.abc import Collection

FATES = ("train", "validation", "unused", "dropped", "duplicate", "contaminated", "quarantined", "skipped")
KEPT = ("train", "validation", "unused")

# An id is `source/relative/path#record`; a path may hold `#` itself, a source holds no `/`.
_RECORD = "TRY_CAST(split_part(d.id, '#', -1) AS BIGINT)"
_INPUT = "d.id[length(d.source) + 2 : -length(split_part(d.id, '#', -1)) - 2]"

_LINE = """
SELECT
    d.id,
    d.source,
    {input} AS input,
    {record} AS record,
    CASE
        WHEN f.id IS NOT NULL THEN 'dropped'
        WHEN {duplicate} THEN 'duplicate'
        WHEN c.id IS NOT NULL THEN 'contaminated'
        WHEN p.held_out THEN 'validation'
        WHEN p.id IS NOT NULL THEN 'train'
        ELSE 'unused'
    END AS fate,
    CASE
        WHEN f.id IS NOT NULL THEN {filter}
        WHEN {duplicate} THEN {dedup}
        WHEN c.id IS NOT NULL THEN {contamination}
        ELSE {last}
    END AS stage,
    CASE
        WHEN f.id IS NOT NULL THEN f.reasons
        WHEN {duplicate} THEN {kinds}
        WHEN c.id IS NOT NULL THEN c.reasons
        ELSE []::VARCHAR[]
    END AS reasons,
    CASE WHEN f.id IS NULL THEN {survivor} END AS duplicate_of,
    CASE WHEN f.id IS NULL THEN {similarity} END AS similarity,
    {phase} AS phase,
    coalesce(p.epochs, 0) AS epochs,
    d.bytes_in,
    {bytes_out} AS bytes_out
FROM stored.{prefix}documents AS d
LEFT JOIN (SELECT * FROM stored.{prefix}filter WHERE NOT passed) AS f ON f.id = d.id
{duplicates}
LEFT JOIN (
    SELECT id, list(DISTINCT "set" || ': ' || item ORDER BY "set" || ': ' || item) AS reasons
    FROM stored.{prefix}contamination WHERE action = 'drop' GROUP BY id
) AS c ON c.id = d.id
LEFT JOIN (
    SELECT
        id,
        count(*) AS epochs,
        bool_or(phase IN ('validation', 'test')) AS held_out,
        min_by(phase, epoch) AS phase
    FROM stored.{prefix}plan GROUP BY id
) AS p ON p.id = d.id
"""

_UNREAD = """
SELECT
    id, source, input, record, fate, {stage} AS stage, [reason] AS reasons,
    NULL::VARCHAR AS duplicate_of, NULL::FLOAT AS similarity, NULL::VARCHAR AS phase, 0 AS epochs,
    bytes_in, 0 AS bytes_out
FROM stored.{prefix}quarantine
"""


_REPEATED = """
    SELECT id, [kind] AS kinds, coalesce(earlier || ':' || survivor, survivor) AS survivor, similarity
    FROM stored.{table} WHERE removed
"""
_CUT_AWAY = """
    SELECT
        id, list_sort(list_distinct(list_transform(spans, lambda span: span.kind))) AS kinds, survivor,
        (bytes_cut / nullif(bytes_cut + bytes_left, 0))::FLOAT AS similarity
    FROM stored.cuts WHERE removed
"""
_DUPLICATES = {"dedup": _REPEATED, "semantic": _REPEATED, "cuts": _CUT_AWAY}
"""Tables by which a document goes as a duplicate, in the order in which it meets them."""


def ledger_sql(present: Collection[str]) -> str:
    """SQL of the view, given the kinds of file that are there (which tell the steps that have run)."""
    steps = (("plan", "mix"), ("contamination", "decontaminate"), ("dedup", "dedup"), ("filter", "filter"))
    last = next((step for name, step in steps if name in present), "curate")
    documents = _LINE.format(
        prefix="",
        input=_INPUT,
        record=_RECORD,
        phase="p.phase",
        filter="'filter'",
        dedup="'dedup'",
        contamination="'decontaminate'",
        last=f"'{last}'",
        **_duplicates("", present),
    )
    instructions = _LINE.format(
        prefix="instructions_",
        input=_INPUT,
        record=_RECORD,
        phase="'sft/' || p.phase",
        filter="'instruct'",
        dedup="'instruct'",
        contamination="'instruct'",
        last="'instruct'",
        **_duplicates("instructions_", present),
    )
    unread = _UNREAD.format(prefix="", stage="'curate'")
    unread_instructions = _UNREAD.format(prefix="instructions_", stage="'instruct'")
    return " UNION ALL ".join((documents, unread, instructions, unread_instructions))


def _duplicates(prefix: str, present: Collection[str]) -> dict[str, str]:
    """What the ledger says of duplicates and of bytes, joining the tables that are there."""
    tables = {f"u_{name}": name for name in _DUPLICATES if name == "dedup" or prefix + name in present}
    joins = [
        f"LEFT JOIN ({_DUPLICATES[name].format(table=prefix + name)}) AS {alias} ON {alias}.id = d.id"
        for alias, name in tables.items()
    ]
    bytes_out = "d.n_bytes"
    if not prefix and {"cuts", "contamination"} & set(present):
        joins.append("LEFT JOIN stored.cut_bytes AS k ON k.id = d.id")
        bytes_out = "d.n_bytes - coalesce(k.n_bytes, 0)"

    def first(column: str) -> str:
        return f"coalesce({', '.join(f'{alias}.{column}' for alias in tables)})"

    return {
        "duplicate": f"{first('id')} IS NOT NULL",
        "kinds": first("kinds"),
        "survivor": first("survivor"),
        "similarity": first("similarity"),
        "bytes_out": bytes_out,
        "duplicates": "\n".join(joins),
    }


def cut_sql(present: Collection[str]) -> str:
    """SQL of the bytes that a document which stays has lost: of passages cut by either step, their union."""
    cuts = "SELECT id, {what} FROM stored.cuts WHERE applied AND NOT removed"
    if "contamination" not in present:
        return cuts.format(what="bytes_cut AS n_bytes")
    return f"""
        WITH hits AS (SELECT id, spans FROM stored.contamination WHERE action = 'cut'),
        twice AS ({cuts.format(what="spans")} AND id IN (SELECT id FROM hits)),
        spans AS (
            SELECT id, unnest(spans, recursive := true) FROM hits
            UNION ALL BY NAME SELECT id, unnest(spans, recursive := true) FROM twice
        ),
        ranges AS (
            SELECT id, start, start + length AS past, max(start + length) OVER (
                PARTITION BY id ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS reached FROM spans
        )
        SELECT id, sum(greatest(past - greatest(start, coalesce(reached, 0)), 0))::BIGINT AS n_bytes
        FROM ranges GROUP BY id
        UNION ALL {cuts.format(what="bytes_cut")} AND id NOT IN (SELECT id FROM hits)
    """

"""The ledger: one row for each input record, with its fate, as one SQL view over what each step decided.

A record meets the steps in their order, and the first one that takes it out gives its fate: unreadable or
not a document (``curate``), dropped by rules (``filter``), duplicate (``dedup``), contaminated
(``decontaminate``). What is left is in the plan (``train``, ``validation``) or is ``unused``; so it also is
while the later steps have not run, and ``stage`` then says how far the run has come. Instruction records
take the same way inside their one step, ``instruct``.

Joins are by id over narrow columns; no text is read.
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
        WHEN u.id IS NOT NULL THEN 'duplicate'
        WHEN c.id IS NOT NULL THEN 'contaminated'
        WHEN p.held_out THEN 'validation'
        WHEN p.id IS NOT NULL THEN 'train'
        ELSE 'unused'
    END AS fate,
    CASE
        WHEN f.id IS NOT NULL THEN {filter}
        WHEN u.id IS NOT NULL THEN {dedup}
        WHEN c.id IS NOT NULL THEN {contamination}
        ELSE {last}
    END AS stage,
    CASE
        WHEN f.id IS NOT NULL THEN f.reasons
        WHEN u.id IS NOT NULL THEN [u.kind]
        WHEN c.id IS NOT NULL THEN c.reasons
        ELSE []::VARCHAR[]
    END AS reasons,
    CASE WHEN f.id IS NULL THEN u.survivor END AS duplicate_of,
    CASE WHEN f.id IS NULL THEN u.similarity END AS similarity,
    {phase} AS phase,
    coalesce(p.epochs, 0) AS epochs,
    d.bytes_in,
    d.n_bytes AS bytes_out
FROM stored.{prefix}documents AS d
LEFT JOIN (SELECT * FROM stored.{prefix}filter WHERE NOT passed) AS f ON f.id = d.id
LEFT JOIN (SELECT * FROM stored.{prefix}dedup WHERE removed) AS u ON u.id = d.id
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
    )
    unread = _UNREAD.format(prefix="", stage="'curate'")
    unread_instructions = _UNREAD.format(prefix="instructions_", stage="'instruct'")
    return " UNION ALL ".join((documents, unread, instructions, unread_instructions))

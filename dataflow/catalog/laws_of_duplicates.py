"""Laws of what is removed or cut as a duplicate, or found in an evaluation set.

A duplicate names what it repeats, and that is a document which stays (or one of an earlier corpus, which is none
here). Each step decides about documents that the steps before it left. What is cut is inside the text, once.
"""

from collections.abc import Iterator

from dataflow.catalog.law import Law

# In SQL below, `{line}` and `{folder}` are filled in by `Law.of`.
_DOCUMENTS = "SELECT id FROM stored.{line}documents"


def _of_step(table: str, step: str, named: str, before: tuple[tuple[str, str], ...]) -> Iterator[Law]:
    """Laws of any decisions: they are about documents, and about such as the steps before left."""
    where = f"{{folder}}decisions/{table}"
    yield Law(
        step,
        f"{named} is no document",
        where,
        f"SELECT id FROM stored.{{line}}{table} WHERE id NOT IN ({_DOCUMENTS})",
        (table,),
    )
    for other, (says, condition) in zip(_ORDER, before, strict=False):
        yield Law(
            step,
            says,
            where,
            f"SELECT DISTINCT id FROM stored.{{line}}{table} JOIN stored.{{line}}{other} AS o USING (id)"
            f" WHERE {condition}",
            (table, other),
        )


_ORDER = ("filter", "dedup", "semantic", "cuts")
_GONE = ("NOT o.passed", "o.removed", "o.removed", "o.removed")


def _gone(did: str, n: int) -> tuple[tuple[str, str], ...]:
    """What is said of a document that ``did`` something although one of the first ``n`` steps took it out."""
    who = ("rules drop it", "it is a duplicate", "it is a duplicate by meaning", "too little was left of it")
    return tuple((f"document {did} although {why}", gone) for why, gone in zip(who[:n], _GONE, strict=False))


def _of_clusters(table: str, n_before: int) -> Iterator[Law]:
    """Laws of a table of clusters."""
    where = f"{{folder}}decisions/{table}"
    stored = f"stored.{{line}}{table}"
    took_part = _gone("took part in deduplication", n_before)
    yield from _of_step(table, "dedup", "member of a cluster of duplicates", took_part)
    for says, sql in (
        (
            "cluster of duplicates has not as many members as it says",
            f"SELECT cluster FROM {stored} GROUP BY cluster HAVING count(*) <> max(cluster_size)",
        ),
        (
            "survivor of duplicates is no document",
            f"""SELECT DISTINCT survivor FROM {stored}
            WHERE earlier IS NULL AND survivor NOT IN ({_DOCUMENTS})""",
        ),
        (
            "survivor of duplicates is itself a duplicate of another",
            f"""SELECT DISTINCT a.survivor FROM {stored} AS a JOIN {stored} AS b ON b.id = a.survivor
            WHERE a.earlier IS NULL AND (b.survivor <> b.id OR b.earlier IS NOT NULL)""",
        ),
        (
            "document is among duplicates more than once",
            f"SELECT id FROM {stored} GROUP BY id HAVING count(*) > 1",
        ),
        (
            "survivor of duplicates is removed",
            f"SELECT id FROM {stored} WHERE removed AND survivor = id AND earlier IS NULL",
        ),
        (
            "duplicate stays although others are removed",
            f"""SELECT id FROM {stored} WHERE NOT removed AND (survivor <> id OR earlier IS NOT NULL)
            AND (SELECT bool_or(removed) FROM {stored})""",
        ),
    ):
        yield Law("dedup", says, where, sql, (table,))


def _of_cuts() -> Iterator[Law]:
    where = "decisions/cuts"
    yield from _of_step("cuts", "dedup", "document that was cut", _gone("was cut", 3))
    for says, sql in (
        ("document was cut more than once", "SELECT id FROM stored.cuts GROUP BY id HAVING count(*) > 1"),
        ("cut is not inside its text, or overlaps the one before it", _misplaced("cuts")),
        (
            "bytes that were cut and that are left do not add up",
            """SELECT id FROM stored.cuts JOIN stored.documents AS d USING (id)
            WHERE bytes_cut <> list_sum(list_transform(spans, lambda span: span.length))
            OR bytes_cut + bytes_left <> d.n_bytes""",
        ),
        (
            "document that keeps what was cut from others does not stay",
            """SELECT DISTINCT survivor FROM stored.cuts AS c
            WHERE survivor NOT IN (SELECT id FROM stored.documents)
            OR (survivor <> id AND survivor IN (SELECT id FROM stored.cuts WHERE removed))
            OR survivor IN (SELECT id FROM stored.dedup WHERE removed)
            OR survivor IN (SELECT id FROM stored.semantic WHERE removed)""",
        ),
        (
            "document is removed for too little was left, although nothing was cut",
            "SELECT id FROM stored.cuts WHERE removed AND NOT applied",
        ),
    ):
        yield Law("dedup", says, where, sql, ("cuts", "documents"))


def _misplaced(table: str) -> str:
    """SQL of the documents whose spans are not in order, disjoint and inside the text."""
    follows = "lambda pair: pair[1].start < pair[2].start + pair[2].length"
    return f"""SELECT DISTINCT id FROM stored.{table} JOIN stored.documents AS d USING (id)
        WHERE len(spans) > 0 AND (
            spans[1].start < 0 OR spans[-1].start + spans[-1].length > d.n_bytes
            OR list_min(list_transform(spans, lambda span: span.length)) < 1
            OR list_bool_or(list_transform(list_zip(spans[2:], spans[:-2]), {follows}))
        )"""


LAWS_OF_A_LINE = (
    *_of_clusters("dedup", 1),
    *_of_step("contamination", "decontaminate", "contaminated document", _gone("was found contaminated", 4)),
)
"""Laws that hold of texts and of conversations."""

LAWS_OF_TEXT = (
    *(law.of("", "") for law in (*_of_clusters("semantic", 2), *_of_cuts())),
    Law(
        "decontaminate",
        "contaminated passage is not inside its text, or overlaps the one before it",
        "decisions/contamination",
        _misplaced("contamination"),
        ("contamination", "documents"),
    ),
)
"""Laws of what is done to texts alone."""

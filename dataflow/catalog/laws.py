"""Laws of the tables: statements that hold of every finished run, as SQL that finds what breaks them.

Each belongs to the step whose tables it is about; ``conservation`` asks them after every step, ``check`` again.
Those of duplicates, cuts and contamination stand in ``laws_of_duplicates``.
"""

from dataflow.catalog.law import Law, broken
from dataflow.catalog.laws_of_duplicates import LAWS_OF_A_LINE, LAWS_OF_TEXT

__all__ = ["LAWS", "TOKENS", "Law", "broken"]

_HELD_OUT_AND_TRAINED = """
    HAVING bool_or(phase IN ('validation', 'test')) AND bool_or(phase NOT IN ('validation', 'test'))
"""
_MIX = (
    Law(
        "mix",
        "planned document is not kept",
        "{folder}plan",
        """SELECT DISTINCT id FROM stored.{line}plan
        WHERE id NOT IN (SELECT id FROM ledger WHERE fate IN ('train', 'validation', 'unused'))""",
        ("plan",),
    ),
    Law(
        "mix",
        "document is both trained on and held out",
        "{folder}plan",
        f"SELECT id FROM stored.{{line}}plan GROUP BY id {_HELD_OUT_AND_TRAINED}",
        ("plan",),
    ),
    *(
        Law(
            "mix",
            "cluster of duplicates is both trained on and held out",
            "{folder}plan",
            f"""SELECT cluster FROM stored.{{line}}plan JOIN stored.{{line}}{table} USING (id)
            GROUP BY cluster {_HELD_OUT_AND_TRAINED}""",
            ("plan", table),
        )
        for table in ("dedup", "semantic")
    ),
    Law(
        "mix",
        "document is drawn twice in one epoch",
        "{folder}plan",
        "SELECT id FROM stored.{line}plan GROUP BY id, epoch HAVING count(*) > 1",
        ("plan",),
    ),
    Law(
        "mix",
        "phase has positions that are missing or taken twice",
        "{folder}plan",
        """SELECT phase FROM stored.{line}plan GROUP BY phase
        HAVING count(DISTINCT position) <> count(*) OR min(position) <> 0 OR max(position) <> count(*) - 1""",
        ("plan",),
    ),
)
_CORPUS = (
    Law(
        "mix",
        "row is in only one of plan and corpus",
        "corpus",
        """SELECT coalesce(a.id, b.id) FROM stored.plan AS a FULL JOIN stored.corpus AS b
        ON a.phase = b.phase AND a.position = b.position AND a.id = b.id
        WHERE a.id IS NULL OR b.id IS NULL""",
        ("plan", "corpus"),
    ),
    Law(
        "mix",
        "document of the corpus has not the bytes that are stored without those that were cut",
        "corpus",
        """SELECT c.id FROM stored.corpus AS c JOIN stored.documents AS d ON d.id = c.id
        LEFT JOIN stored.cut_bytes AS k ON k.id = c.id
        WHERE c.n_bytes IS DISTINCT FROM d.n_bytes - coalesce(k.n_bytes, 0)""",
        ("documents", "corpus"),
    ),
)
TOKENS = (
    Law(
        "tokenize",
        "document is not as often in tokens as in corpus",
        "tokens",
        """WITH a AS (SELECT phase, id, count(*) AS n FROM stored.corpus GROUP BY ALL),
        b AS (SELECT phase, id, count(*) AS n FROM tokens WHERE NOT starts_with(phase, 'sft/') GROUP BY ALL)
        SELECT coalesce(a.id, b.id) FROM a FULL JOIN b ON a.phase = b.phase AND a.id = b.id
        WHERE a.n IS DISTINCT FROM b.n""",
        ("corpus", "tokens"),
    ),
    Law(
        "tokenize",
        "conversation is not as often in tokens as in the plan",
        "instructions/tokens",
        """WITH a AS (SELECT 'sft/' || phase AS phase, id, count(*) AS n
            FROM stored.instructions_plan GROUP BY ALL),
        b AS (SELECT phase, id, count(*) AS n FROM tokens WHERE starts_with(phase, 'sft/') GROUP BY ALL)
        SELECT coalesce(a.id, b.id) FROM a FULL JOIN b ON a.phase = b.phase AND a.id = b.id
        WHERE a.n IS DISTINCT FROM b.n""",
        ("instructions_plan", "instructions_tokens"),
    ),
)
"""Laws of token shards, which the corpus does not wait for."""

LAWS = (
    *(
        law.of(line, folder)
        for line, folder in (("", ""), ("instructions_", "instructions/"))
        for law in (*LAWS_OF_A_LINE, *_MIX)
    ),
    *LAWS_OF_TEXT,
    *_CORPUS,
)
"""Laws of what became of every document, in both lines."""

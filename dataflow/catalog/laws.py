"""Laws of the tables: statements that hold of every finished run, as SQL that finds what breaks them.

A law counts what breaks it and names one example, so that a breach says where to look. Each belongs to the step
whose tables it is about; ``conservation`` asks them after every step, ``check`` again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import duckdb

from dataflow.errors import DataflowError

_AGAIN = "Run `dataflow run` with the recipe again: it makes what is missing or wrong."


@dataclass(frozen=True)
class Law:
    """A statement on the tables, and SQL for the ids (or places) that break it."""

    step: str  # that writes what the law is about
    says: str  # of one that breaks it
    where: str
    sql: str
    needs: tuple[str, ...]  # kinds of file without which there is nothing to ask

    def of(self, line: str, folder: str) -> "Law":
        """The law for one line: the corpus or the instructions, whose one step is ``instruct``."""
        return replace(
            self,
            step="instruct" if line else self.step,
            where=self.where.format(folder=folder),
            sql=self.sql.format(line=line),
            needs=tuple(line + kind for kind in self.needs),
        )


def broken(con: duckdb.DuckDBPyConnection, laws: Sequence[Law]) -> Iterator[DataflowError]:
    """An error for each law that does not hold; laws of tables that are not there hold."""
    steps = con.execute("SELECT steps FROM stored.about").fetchall()[0][0]
    for law in laws:
        if not set(law.needs) <= set(steps):
            continue
        sql = f"SELECT count(*), min(broken) FROM ({law.sql}) AS found(broken)"
        count, example = con.execute(sql).fetchall()[0]
        if count:
            more = f" (and {count - 1:,} more)" if count > 1 else ""
            yield DataflowError(f"{law.says}: {example}{more}", law.where, _AGAIN)


_HELD_OUT_AND_TRAINED = """
    HAVING bool_or(phase IN ('validation', 'test')) AND bool_or(phase NOT IN ('validation', 'test'))
"""
# `{line}` is empty or `instructions_`, `{folder}` empty or `instructions/`: the laws hold for both.
_LAWS_OF_A_LINE = (
    Law(
        "dedup",
        "member of a cluster of duplicates is no document",
        "{folder}decisions/dedup",
        "SELECT id FROM stored.{line}dedup WHERE id NOT IN (SELECT id FROM stored.{line}documents)",
        ("dedup",),
    ),
    Law(
        "dedup",
        "cluster of duplicates has not as many members as it says",
        "{folder}decisions/dedup",
        "SELECT cluster FROM stored.{line}dedup GROUP BY cluster HAVING count(*) <> max(cluster_size)",
        ("dedup",),
    ),
    Law(
        "decontaminate",
        "contaminated document is no document",
        "{folder}decisions/contamination",
        "SELECT id FROM stored.{line}contamination WHERE id NOT IN (SELECT id FROM stored.{line}documents)",
        ("contamination",),
    ),
    Law(
        "dedup",
        "survivor of duplicates is no document",
        "{folder}decisions/dedup",
        """SELECT DISTINCT survivor FROM stored.{line}dedup
        WHERE survivor NOT IN (SELECT id FROM stored.{line}documents)""",
        ("dedup",),
    ),
    Law(
        "dedup",
        "survivor of duplicates is itself a duplicate of another",
        "{folder}decisions/dedup",
        """SELECT DISTINCT a.survivor FROM stored.{line}dedup AS a
        JOIN stored.{line}dedup AS b ON b.id = a.survivor WHERE b.survivor <> b.id""",
        ("dedup",),
    ),
    Law(
        "dedup",
        "document is among duplicates more than once",
        "{folder}decisions/dedup",
        "SELECT id FROM stored.{line}dedup GROUP BY id HAVING count(*) > 1",
        ("dedup",),
    ),
    Law(
        "dedup",
        "document took part in deduplication although rules drop it",
        "{folder}decisions/dedup",
        "SELECT id FROM stored.{line}dedup JOIN stored.{line}filter USING (id) WHERE NOT passed",
        ("dedup", "filter"),
    ),
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
    Law(
        "mix",
        "cluster of duplicates is both trained on and held out",
        "{folder}plan",
        f"""SELECT cluster FROM stored.{{line}}plan JOIN stored.{{line}}dedup USING (id)
        GROUP BY cluster {_HELD_OUT_AND_TRAINED}""",
        ("plan", "dedup"),
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
        for law in _LAWS_OF_A_LINE
    ),
    *_CORPUS,
)
"""Laws of what became of every document, in both lines."""

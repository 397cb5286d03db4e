"""Whether an output folder is whole: every file as its manifest says, and every table true to the others.

The laws are SQL queries that count what breaks them and name one example, so each problem found says where
to look. All are looked at, however many fail. Every byte of the output is read once, to compare content
hashes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from dataflow.catalog.conservation import violations
from dataflow.catalog.views import STORED, connect
from dataflow.errors import DataflowError
from dataflow.store.manifest import content_hash, load
from dataflow.store.storage import PARTIAL, Storage

_AGAIN = "Run `dataflow run` with the recipe again: it makes what is missing or wrong."


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what, where, and what to do."""

    what: str
    where: str
    fix: str = _AGAIN

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.fix}"


@dataclass(frozen=True)
class Law:
    """A statement on the tables, and SQL for the ids (or places) that break it."""

    says: str  # of one that breaks it
    where: str
    sql: str
    needs: tuple[str, ...]  # kinds of file without which there is nothing to check

    def of(self, line: str, folder: str) -> "Law":
        """The law for one line: the corpus or the instructions."""
        needs = tuple(line + kind for kind in self.needs)
        return Law(self.says, self.where.format(folder=folder), self.sql.format(line=line), needs)


_HELD_OUT_AND_TRAINED = """
    HAVING bool_or(phase IN ('validation', 'test')) AND bool_or(phase NOT IN ('validation', 'test'))
"""
# `{line}` is empty or `instructions_`, `{folder}` empty or `instructions/`: the laws hold for both.
_LAWS_OF_A_LINE = (
    Law(
        "survivor of duplicates is no document",
        "{folder}decisions/dedup",
        """SELECT DISTINCT survivor FROM stored.{line}dedup
        WHERE survivor NOT IN (SELECT id FROM stored.{line}documents)""",
        ("dedup",),
    ),
    Law(
        "survivor of duplicates is itself a duplicate of another",
        "{folder}decisions/dedup",
        """SELECT DISTINCT a.survivor FROM stored.{line}dedup AS a
        JOIN stored.{line}dedup AS b ON b.id = a.survivor WHERE b.survivor <> b.id""",
        ("dedup",),
    ),
    Law(
        "document is among duplicates more than once",
        "{folder}decisions/dedup",
        "SELECT id FROM stored.{line}dedup GROUP BY id HAVING count(*) > 1",
        ("dedup",),
    ),
    Law(
        "document took part in deduplication although rules drop it",
        "{folder}decisions/dedup",
        "SELECT id FROM stored.{line}dedup JOIN stored.{line}filter USING (id) WHERE NOT passed",
        ("dedup", "filter"),
    ),
    Law(
        "planned document is not kept",
        "{folder}plan",
        """SELECT DISTINCT id FROM stored.{line}plan
        WHERE id NOT IN (SELECT id FROM ledger WHERE fate IN ('train', 'validation', 'unused'))""",
        ("plan",),
    ),
    Law(
        "document is both trained on and held out",
        "{folder}plan",
        f"SELECT id FROM stored.{{line}}plan GROUP BY id {_HELD_OUT_AND_TRAINED}",
        ("plan",),
    ),
    Law(
        "cluster of duplicates is both trained on and held out",
        "{folder}plan",
        f"""SELECT cluster FROM stored.{{line}}plan JOIN stored.{{line}}dedup USING (id)
        GROUP BY cluster {_HELD_OUT_AND_TRAINED}""",
        ("plan", "dedup"),
    ),
    Law(
        "document is drawn twice in one epoch",
        "{folder}plan",
        "SELECT id FROM stored.{line}plan GROUP BY id, epoch HAVING count(*) > 1",
        ("plan",),
    ),
    Law(
        "phase has positions that are missing or taken twice",
        "{folder}plan",
        """SELECT phase FROM stored.{line}plan GROUP BY phase
        HAVING count(DISTINCT position) <> count(*) OR min(position) <> 0 OR max(position) <> count(*) - 1""",
        ("plan",),
    ),
)
_CORPUS_LAWS = (
    Law(
        "row is in only one of plan and corpus",
        "corpus",
        """SELECT coalesce(a.id, b.id) FROM stored.plan AS a FULL JOIN stored.corpus AS b
        ON a.phase = b.phase AND a.position = b.position AND a.id = b.id
        WHERE a.id IS NULL OR b.id IS NULL""",
        ("plan", "corpus"),
    ),
    Law(
        "document is not as often in tokens as in corpus",
        "tokens",
        """WITH a AS (SELECT phase, id, count(*) AS n FROM stored.corpus GROUP BY ALL),
        b AS (SELECT phase, id, count(*) AS n FROM tokens WHERE NOT starts_with(phase, 'sft/') GROUP BY ALL)
        SELECT coalesce(a.id, b.id) FROM a FULL JOIN b ON a.phase = b.phase AND a.id = b.id
        WHERE a.n IS DISTINCT FROM b.n""",
        ("corpus", "tokens"),
    ),
    Law(
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


def check(store: Storage) -> list[Problem]:
    """Everything that is wrong with an output folder; an empty list where nothing is."""
    problems = [*_manifests(store), *_partial_files(store)]
    try:
        with connect(store) as con:
            problems += [Problem(error.what, error.where, error.fix) for error in violations(store, con)]
            problems += [*_parallel_parts(store, con), *_broken_laws(con)]
    except duckdb.Error as error:
        problems.append(Problem(f"the tables cannot be read: {str(error).splitlines()[0]}", str(store.url)))
    return problems


def _manifests(store: Storage) -> Iterator[Problem]:
    """Files that are not as their manifests say, and files that no manifest names."""
    named: set[str] = set()
    for path in store.list("manifests", ".json"):
        try:
            manifest = load(store, path)
        except DataflowError as error:
            yield Problem(f"not a manifest ({error.what})", path, error.fix)
            continue
        for output, entry in sorted(manifest.outputs.items()) if manifest else ():
            named.add(output)
            if not store.exists(output):
                yield Problem("the file is missing", output)
            elif (size := store.size(output)) != entry["bytes"]:
                yield Problem(f"{size:,} bytes, where the manifest says {entry['bytes']:,}", output)
            elif content_hash(store, output) != entry["hash"]:
                yield Problem("the content is not what was written", output, "Remove the file and run again.")
    for folder in sorted({stored.folder for stored in STORED}):
        stray = [path for path in store.list(folder) if path not in named]
        if stray:
            more = f" and {len(stray) - 1:,} more files" if len(stray) > 1 else ""
            yield Problem(
                f"no manifest names this file{more}", stray[0], "A run was cut off here: run it again."
            )


def _partial_files(store: Storage) -> Iterator[Problem]:
    for path in sorted(map(str, store.fs.find(store.root))):
        if path.endswith(PARTIAL):
            rel = path[len(store.root) + 1 :]
            yield Problem("left behind by a killed run", rel, "Remove it, unless a run is going on.")


def _parallel_parts(store: Storage, con: duckdb.DuckDBPyConnection) -> Iterator[Problem]:
    """Rows of documents, signals and decisions/filter must stand in the same order, part for part."""
    steps = con.execute("SELECT steps FROM stored.about").fetchall()[0][0]
    for folder, beside in (("signals", "signals"), ("decisions/filter", "filter")):
        if "documents" not in steps or beside not in steps:
            continue
        parts, others = (
            {path.removeprefix(f"{place}/") for path in store.list(place)} for place in ("documents", folder)
        )
        for part in sorted(parts ^ others):
            yield Problem(f"part is in only one of documents and {folder}", part)
        if parts == others:
            unlike = con.execute(
                f"SELECT a.id FROM stored.documents AS a POSITIONAL JOIN stored.{beside} AS b "
                "WHERE a.id IS DISTINCT FROM b.id LIMIT 1"
            ).fetchall()
            for (name,) in unlike:
                yield Problem(f"rows stand in another order than in documents, from {name}", folder)


def _broken_laws(con: duckdb.DuckDBPyConnection) -> Iterator[Problem]:
    steps = con.execute("SELECT steps FROM stored.about").fetchall()[0][0]
    lines = (("", ""), ("instructions_", "instructions/"))
    laws = [law.of(line, folder) for line, folder in lines for law in _LAWS_OF_A_LINE]
    for law in (*laws, *_CORPUS_LAWS):
        if not set(law.needs) <= set(steps):
            continue
        sql = f"SELECT count(*), min(broken) FROM ({law.sql}) AS found(broken)"
        count, example = con.execute(sql).fetchall()[0]
        if count:
            more = f" (and {count - 1:,} more)" if count > 1 else ""
            yield Problem(f"{law.says}: {example}{more}", law.where)

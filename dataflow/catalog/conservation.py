"""The first law: every record read has exactly one fate, and the fates add up to the records read.

What was read is what the manifests of the reading steps counted while they read; what became of it is the
ledger, which knows nothing of those counts. That the two agree, for each source and each part, is checked after
every step, and that each step decided about the very documents it was given: filter about all, dedup about
those that passed, mix about those that are kept, and the corpus is what was planned.
"""

from collections import Counter
from collections.abc import Iterator

import duckdb

from dataflow.catalog.laws import LAWS, broken
from dataflow.catalog.ledger import FATES
from dataflow.catalog.table import Table, ask
from dataflow.catalog.views import connect
from dataflow.errors import DataflowError
from dataflow.store.manifest import Manifest, manifests
from dataflow.store.storage import Storage

READING_STEPS = {"curate": "", "instruct": "instructions/"}
_COUNTS = ("records", "documents", "quarantined", "skipped")
_ORDER = ("curate", "filter", "dedup", "decontaminate", "mix")
_AGAIN = "Run `dataflow run` with the recipe again; if it stays so, remove `manifests/` and run once more."


def conservation(con: duckdb.DuckDBPyConnection) -> Table:
    """Records by source and fate."""
    fates = ", ".join(f"count(*) FILTER (fate = '{fate}') AS {fate}" for fate in FATES)
    return ask(
        con,
        f"SELECT source, count(*) AS records, {fates} FROM ledger GROUP BY source ORDER BY source",
        "Fates",
    )


def check_conservation(store: Storage, step: str | None = None) -> None:
    """Raise a DataflowError unless the fates of every source add up to the records read.

    ``step`` is the step that has just run: what comes after it may be of an earlier run and is not looked at.
    """
    with connect(store) as con:
        for problem in violations(store, con, step):
            raise problem


def violations(
    store: Storage, con: duckdb.DuckDBPyConnection, step: str | None = None
) -> Iterator[DataflowError]:
    """Every breach of the law, as ``check_conservation`` would raise it; ``con`` is ``connect(store)``."""
    upto = _ORDER.index(step) if step in _ORDER else len(_ORDER)
    for reading, prefix in READING_STEPS.items():
        parts = [manifest for manifest in manifests(store, reading) if "records" in manifest.counts]
        yield from _counts_disagree(parts)
        yield from _unlike_the_parts(con, parts)
        yield from _unlike_the_ledger(con, parts, prefix)
        yield from _repeated_ids(con, prefix)
        if step != "curate" or prefix:
            yield from _undecided(con, prefix)
    done = (*_ORDER[: upto + 1], "instruct")
    yield from broken(con, [law for law in LAWS if law.step in done])


def _counts_disagree(parts: list[Manifest]) -> Iterator[DataflowError]:
    for manifest in parts:
        counts = manifest.counts
        fates = {name: counts.get(name, 0) for name in _COUNTS[1:]}
        if counts["records"] != sum(fates.values()):
            found = ", ".join(f"{count:,} {name}" for name, count in fates.items())
            yield DataflowError(
                f"{counts['records']:,} records were read but {found}",
                f"manifests/{manifest.step}/{manifest.part}.json",
                _AGAIN,
            )


def _unlike_the_parts(con: duckdb.DuckDBPyConnection, parts: list[Manifest]) -> Iterator[DataflowError]:
    """Rows of each file of documents and of quarantine, as their footers say, beside what was counted."""
    rows = _rows_by_file(con)
    for manifest in parts:
        counts = manifest.counts
        lost = counts.get("quarantined", 0) + counts.get("skipped", 0)
        for path in manifest.outputs:
            folder = path.removeprefix("instructions/").split("/")[0]
            counted = {"documents": counts.get("documents", 0), "quarantine": lost}.get(folder)
            if counted is not None and path in rows and rows[path] != counted:
                yield DataflowError(f"{rows[path]:,} rows, but {counted:,} were counted", path, _AGAIN)


def _unlike_the_ledger(
    con: duckdb.DuckDBPyConnection, parts: list[Manifest], prefix: str
) -> Iterator[DataflowError]:
    read: Counter[tuple[str, str]] = Counter()
    for manifest in parts:
        for name in _COUNTS:
            read[_source(manifest, prefix), name] += manifest.counts.get(name, 0)
    lost = ("quarantined", "skipped")
    found: Counter[tuple[str, str]] = Counter()
    of_line = (
        f"SELECT source, fate, count(*) FROM ledger WHERE (stage = 'instruct') = {bool(prefix)} GROUP BY ALL"
    )
    for source, fate, count in con.execute(of_line).fetchall():
        found[source, "records"] += count
        found[source, fate if fate in lost else "documents"] += count
    for source, name in sorted(read.keys() | found.keys()):
        if read[source, name] != found[source, name]:
            yield DataflowError(
                f"{read[source, name]:,} {name} were read but the ledger has {found[source, name]:,}",
                f"source {source}",
                _AGAIN,
            )


def _source(manifest: Manifest, prefix: str) -> str:
    """The source of a part, from the folder its outputs lie in."""
    for path in manifest.outputs:
        folder, *rest = path.removeprefix(prefix).split("/")
        if folder in ("documents", "quarantine") and len(rest) > 1:
            return rest[0]
    return manifest.part.split("/")[0]


def _repeated_ids(con: duckdb.DuckDBPyConnection, prefix: str) -> Iterator[DataflowError]:
    line = prefix.replace("/", "_")
    repeated = con.execute(
        f"SELECT id, count(*) FROM (SELECT id FROM stored.{line}documents UNION ALL SELECT id FROM"
        f" stored.{line}quarantine) GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 1"
    ).fetchall()
    for name, count in repeated:
        yield DataflowError(f"the id occurs {count} times", name, _AGAIN)


def _undecided(con: duckdb.DuckDBPyConnection, prefix: str) -> Iterator[DataflowError]:
    """Every part of documents has a decision for each of its rows."""
    line = prefix.replace("/", "_")
    steps = con.execute("SELECT steps FROM stored.about").fetchall()[0][0]
    if f"{line}filter" not in steps:
        return
    rows = _rows_by_file(con)
    documents, decisions = (
        {path.removeprefix(folder): count for path, count in rows.items() if path.startswith(folder)}
        for folder in (f"{prefix}documents/", f"{prefix}decisions/filter/")
    )
    for part in sorted(documents.keys() | decisions.keys()):
        n, decided = documents.get(part, 0), decisions.get(part, 0)
        if n != decided:
            yield DataflowError(
                f"{n:,} documents but {decided:,} decisions", f"{prefix}decisions/filter/{part}", _AGAIN
            )


def _rows_by_file(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every part of documents, quarantine and decisions/filter, by its path in the folder."""
    return dict(con.execute("SELECT path, n_rows FROM stored.parts").fetchall())

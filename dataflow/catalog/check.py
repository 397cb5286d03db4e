"""Whether an output folder is whole: every file as its manifest says, and every table true to the others.

What is asked of the tables after every step (``conservation``) is asked again, and all of it, however much is
found. Every byte of the output is read once, to compare content hashes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from dataflow.catalog.conservation import violations
from dataflow.catalog.laws import TOKENS, broken
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


def check(store: Storage) -> list[Problem]:
    """Everything that is wrong with an output folder; an empty list where nothing is."""
    problems = [*_manifests(store), *_partial_files(store)]
    try:
        with connect(store) as con:
            problems += [Problem(error.what, error.where, error.fix) for error in violations(store, con)]
            problems += [*_parallel_parts(store, con), *_tokens_unlike_corpus(con)]
    except duckdb.Error as error:
        problems.append(Problem(f"the tables cannot be read: {str(error).splitlines()[0]}", str(store.url)))
    return problems


def _tokens_unlike_corpus(con: duckdb.DuckDBPyConnection) -> Iterator[Problem]:
    return (Problem(error.what, error.where, error.fix) for error in broken(con, TOKENS))


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

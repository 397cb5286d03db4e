"""SQL views over the files of an output folder: the whole catalog is a few dozen lines of SQL and no data.

Two layers. Schema ``stored`` has one view for each kind of file, as it lies on disk; a step that has not
run gives an empty view with the columns it would have. Schema ``main`` has the tables that users ask, built
on ``stored`` alone. ``connect`` makes them afresh in memory, so they are never stale; ``write_catalog``
keeps the same views, by absolute paths, in ``catalog.duckdb`` for other programs. Views hold no data:
nothing is read until it is asked for.
"""

import os
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from dataflow.catalog.ledger import cut_sql, ledger_sql
from dataflow.errors import RecipeError
from dataflow.rules.sql import quote
from dataflow.store.documents import (
    CONTAMINATION,
    CORPUS,
    CUTS,
    DEDUP,
    DOCUMENTS,
    FILTER,
    INSTRUCTIONS,
    PII,
    PLAN,
    QUARANTINE,
    SIGNALS,
    tokens_schema,
)
from dataflow.store.storage import Storage

VERSION = 4  # raise when the views change: an older catalog.duckdb is then written anew
CATALOG = "catalog.duckdb"
# Nothing is ever downloaded: parquet and json are inside DuckDB's wheel.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@dataclass(frozen=True)
class Stored:
    """One kind of Parquet file: its view in schema ``stored``, its folder, the columns it has at least."""

    name: str
    folder: str
    schema: pa.Schema
    depth: str = "**/*"  # which files below the folder
    columns_differ: bool = False  # between its parts, so every footer must be looked at


_LINE = (
    Stored("documents", "documents", DOCUMENTS),
    Stored("signals", "signals", SIGNALS, columns_differ=True),
    Stored("pii", "pii", PII),
    Stored("quarantine", "quarantine", QUARANTINE),
    Stored("filter", "decisions/filter", FILTER),
    Stored("dedup", "decisions/dedup", DEDUP),
    Stored("semantic", "decisions/semantic", DEDUP),
    Stored("cuts", "decisions/cuts", CUTS),
    Stored("contamination", "decisions/contamination", CONTAMINATION),
    Stored("plan", "plan", PLAN),
    Stored("corpus", "corpus", CORPUS, depth="*/*"),
    Stored("tokens", "tokens", tokens_schema(wide=True, spans=True), depth="*/*", columns_differ=True),
)
_SCHEMAS_OF_INSTRUCTIONS = {"documents": INSTRUCTIONS}
# Conversations are never cut nor compared by meaning, and their rows are messages: `instructions` has them.
_TEXT_ONLY = ("semantic", "cuts", "corpus")
STORED: tuple[Stored, ...] = (
    *_LINE,
    *(
        Stored(
            f"instructions_{stored.name}",
            f"instructions/{stored.folder}",
            _SCHEMAS_OF_INSTRUCTIONS.get(stored.name, stored.schema),
            stored.depth,
            stored.columns_differ or stored.name == "documents",
        )
        for stored in _LINE
        if stored.name not in _TEXT_ONLY
    ),
)

# Token shards lie in a folder named after their phase.
_TOKENS = "id, source::VARCHAR AS source, {phase} AS phase, tokens, n_bytes, loss_spans"
_TOKENS_CORPUS = _TOKENS.format(phase="string_split(filename, '/')[-2]")
_TOKENS_SFT = _TOKENS.format(phase="'sft/' || string_split(filename, '/')[-2]")

VIEWS: dict[str, str] = {
    "documents": "SELECT * EXCLUDE (exact_hash, signature) FROM stored.documents",
    "signals": "FROM stored.signals UNION ALL BY NAME FROM stored.instructions_signals",
    "duplicates": "SELECT * EXCLUDE (levels) FROM (FROM stored.dedup UNION ALL FROM stored.semantic "
    "UNION ALL FROM stored.instructions_dedup)",
    "cuts": "FROM stored.cuts",
    "contamination": "FROM stored.contamination UNION ALL FROM stored.instructions_contamination",
    "quarantine": "FROM stored.quarantine UNION ALL FROM stored.instructions_quarantine",
    "pii": "FROM stored.pii UNION ALL FROM stored.instructions_pii",
    "plan": "FROM stored.plan UNION ALL "
    "SELECT * REPLACE ('sft/' || phase AS phase) FROM stored.instructions_plan",
    "corpus": "FROM stored.corpus",
    "tokens": f"SELECT {_TOKENS_CORPUS} FROM stored.tokens UNION ALL "
    f"SELECT {_TOKENS_SFT} FROM stored.instructions_tokens",
    "instructions": "SELECT * EXCLUDE (exact_hash) FROM stored.instructions_documents",
    "metrics": "FROM stored.metrics",
    "runs": "SELECT run, last_step, config FROM stored.runs FULL JOIN "
    "(SELECT run, max(step) AS last_step FROM stored.metrics GROUP BY run) USING (run)",
}


def connect(out: str | os.PathLike[str] | Storage) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in memory with a view for each table of an output folder (path or fsspec URL)."""
    store = out if isinstance(out, Storage) else Storage(os.fspath(out))
    if not store.fs.isdir(store.root):
        fix = "Give the folder that `dataflow run` wrote (its `out`)."
        raise RecipeError("there is no output folder here", str(store.url), fix)
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    _create_views(connection, store)
    return connection


def write_catalog(store: Storage) -> None:
    """Write ``catalog.duckdb`` with the views by absolute paths, replacing the one before in one step."""
    with tempfile.TemporaryDirectory(prefix="dataflow-catalog-") as folder:
        file = Path(folder, CATALOG)
        with duckdb.connect(str(file), config=_SETTINGS) as connection:
            _create_views(connection, store)
        store.write_bytes(CATALOG, file.read_bytes())


def refresh_if_moved(store: Storage) -> bool:
    """Write ``catalog.duckdb`` anew where it is missing, from another place or from before a step first ran.

    Returns whether it was written. A folder that is read-only is left alone: ``connect`` needs no catalog.
    """
    if store.is_local and not os.access(store.root, os.W_OK):
        return False
    if _catalog_is_current(store):
        return False
    write_catalog(store)
    return True


def _catalog_is_current(store: Storage) -> bool:
    if not store.exists(CATALOG) or not store.is_local:
        return False
    try:
        with duckdb.connect(store.path(CATALOG), read_only=True, config=_SETTINGS) as catalog:
            rows = catalog.execute("SELECT root, version, steps FROM stored.about").fetchall()
    except duckdb.Error:
        return False  # damaged, or written by a DuckDB that this one does not read
    return rows == [(store.root, VERSION, _present(store))]


def _present(store: Storage) -> list[str]:
    """Names of the kinds of file that are there, and the files of each training run."""
    present = [stored.name for stored in STORED if store.list(stored.folder)]
    return [*present, *_run_files(store, "config.json"), *_run_files(store, "metrics.jsonl")]


def _run_files(store: Storage, name: str) -> list[str]:
    """``runs/<run>/<name>`` of every run that has one with something in it."""
    return [path for path in store.list("runs", f"/{name}") if path.count("/") == 2 and store.size(path)]


def _create_views(connection: duckdb.DuckDBPyConnection, store: Storage) -> None:
    if not store.is_local:
        connection.register_filesystem(store.fs)
    present = _present(store)
    connection.execute("CREATE SCHEMA stored")
    for stored in STORED:
        _create(connection, f'stored."{stored.name}"', _stored_sql(store, stored, stored.name in present))
    _create(connection, "stored.cut_bytes", cut_sql(present))
    _create(connection, "stored.metrics", _metrics_sql(store))
    _create(
        connection,
        "stored.about",
        f"SELECT {quote(store.root)} AS root, {VERSION} AS version, {_list(present)}::VARCHAR[] AS steps",
    )
    _create(connection, "stored.recipe", _recipe_sql(store))
    _create(connection, "stored.manifests", _manifests_sql(store))
    _create(connection, "stored.parts", _parts_sql(store, present))
    _create(connection, "stored.runs", _runs_sql(store))
    for name, sql in VIEWS.items():
        _create(connection, name, sql)
    _create(connection, "ledger", ledger_sql(present))


def _create(connection: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    connection.execute(f"CREATE VIEW {name} AS {sql}")


def _stored_sql(store: Storage, stored: Stored, present: bool) -> str:
    columns = ", ".join(f'NULL::{sql_type(field.type)} AS "{field.name}"' for field in stored.schema)
    with_file = stored.name.endswith("tokens")
    empty = f"SELECT {columns}{', NULL::VARCHAR AS filename' if with_file else ''} WHERE false"
    if not present:
        return empty
    # hive_partitioning off: a folder named `lr=1` above the output would become a column.
    options = f"hive_partitioning = false, union_by_name = {str(stored.columns_differ).lower()}"
    files = quote(f"{_glob_escaped(_base(store))}/{stored.folder}/{stored.depth}.parquet")
    sql = (
        f"{empty} UNION ALL BY NAME "
        f"SELECT *{', filename' if with_file else ''} FROM read_parquet({files}, {options})"
    )
    if stored.schema is DEDUP:  # files of before it was said: whoever had a survivor was removed
        return f"SELECT * REPLACE (coalesce(removed, survivor <> id) AS removed) FROM ({sql})"
    return sql


def _metrics_sql(store: Storage) -> str:
    empty = "SELECT NULL::VARCHAR AS run, NULL::BIGINT AS step WHERE false"
    found = _run_files(store, "metrics.jsonl")
    if not found:
        return empty
    files = _list([f"{_glob_escaped(_base(store))}/{path}" for path in found])
    # A run that was killed, or still writes, may leave half a last line: it is not a record yet.
    return (
        f"{empty} UNION ALL BY NAME SELECT string_split(filename, '/')[-2] AS run, * EXCLUDE (filename) "
        f"FROM read_json({files}, format = 'newline_delimited', union_by_name = true, ignore_errors = true,"
        " filename = true, hive_partitioning = false) WHERE step IS NOT NULL"
    )


def _recipe_sql(store: Storage) -> str:
    if not store.exists("recipe.json"):
        return "SELECT NULL::VARCHAR AS content WHERE false"
    return f"SELECT content FROM read_text({quote(_glob_escaped(_base(store)) + '/recipe.json')})"


def _manifests_sql(store: Storage) -> str:
    """Manifests as they lie on disk, with the step of each."""
    if not store.exists("manifests"):
        return "SELECT NULL::VARCHAR AS step, NULL::VARCHAR AS content WHERE false"
    base = f"{_base(store)}/manifests/"
    return (
        f"SELECT split_part(filename[{len(base) + 1}:], '/', 1) AS step, content "
        f"FROM read_text({quote(_glob_escaped(base) + '**/*.json')})"
    )


_COUNTED = ("documents", "quarantine", "filter")


def _parts_sql(store: Storage, present: Collection[str]) -> str:
    """Rows of each part that has one row a record, from the footers."""
    counted = [
        one for one in STORED if one.name in present and one.name.removeprefix("instructions_") in _COUNTED
    ]
    base = f"{_base(store)}/"
    files = [f"{_glob_escaped(base)}{stored.folder}/{stored.depth}.parquet" for stored in counted]
    selected = (
        f"SELECT file_name[{len(base) + 1}:] AS path, num_rows::BIGINT AS n_rows "
        f"FROM parquet_file_metadata({quote(glob)})"
        for glob in files
    )
    return " UNION ALL ".join(("SELECT NULL::VARCHAR AS path, NULL::BIGINT AS n_rows WHERE false", *selected))


def _runs_sql(store: Storage) -> str:
    """Training runs with the resolved configuration that each keeps beside its metrics, as JSON."""
    found = _run_files(store, "config.json")
    if not found:
        return "SELECT NULL::VARCHAR AS run, NULL::VARCHAR AS config WHERE false"
    files = _list([f"{_glob_escaped(_base(store))}/{path}" for path in found])
    return f"SELECT string_split(filename, '/')[-2] AS run, content AS config FROM read_text({files})"


def _base(store: Storage) -> str:
    """The folder as DuckDB names it."""
    return store.root if store.is_local else str(store.fs.unstrip_protocol(store.root))


def _glob_escaped(path: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _list(texts: Collection[str]) -> str:
    return "[" + ", ".join(map(quote, texts)) + "]"


def sql_type(kind: pa.DataType) -> str:
    """The DuckDB name of an Arrow type that is used on disk."""
    if pa.types.is_dictionary(kind):
        return sql_type(kind.value_type)
    if pa.types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f'"{field.name}" {sql_type(field.type)}' for field in kind) + ")"
    return {
        "string": "VARCHAR",
        "large_string": "VARCHAR",
        "binary": "BLOB",
        "fixed_size_binary[16]": "BLOB",
        "bool": "BOOLEAN",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "uint16": "USMALLINT",
        "uint32": "UINTEGER",
        "float": "FLOAT",
        "double": "DOUBLE",
    }[str(kind)]

"""The dataset card: a ``README.md`` in the output folder that tells what the corpus is made of and how.

Its head is the YAML that dataset hubs read (licence, languages, size); the rest are the standard tables. It is
written from the catalog alone, so it can be written again at any time and says the same.
"""

from collections.abc import Iterator
from typing import Any

import duckdb
import yaml

from dataflow.catalog import duplicates, stats
from dataflow.catalog.contamination import contamination_summary
from dataflow.catalog.recipe import recipe_of_run, rules_of_run
from dataflow.catalog.render import cell
from dataflow.catalog.table import Table, ask
from dataflow.store.storage import Storage

CARD = "README.md"
_FEWEST = 10  # training documents of a language that the card's head names: fewer are mostly mistaken labels


def write_card(store: Storage, con: duckdb.DuckDBPyConnection) -> None:
    """Write the card of a run into its folder."""
    store.write_bytes(CARD, card(con).encode())


def card(con: duckdb.DuckDBPyConnection) -> str:
    """The card as Markdown."""
    recipe = recipe_of_run(con)
    tables = (
        _sources(recipe),
        stats.funnel_by_source(con),
        stats.funnel_by_language(con),
        _rules(con),
        stats.reasons(con),
        duplicates.duplicates(con),
        duplicates.cuts(con),
        contamination_summary(con),
        stats.mixture(con),
        stats.tokens(con),
        stats.pii(con),
    )
    head = yaml.safe_dump(_head(con, recipe), sort_keys=True, allow_unicode=True)
    sections = "\n".join(_markdown(table) for table in tables if table.rows)
    said = "\n\n".join([_sentence(con), *_taken_out(con)])
    return f"---\n{head}---\n\n# {recipe['name']}\n\n{said}\n\n{sections}"


def _head(con: duckdb.DuckDBPyConnection, recipe: dict[str, Any]) -> dict[str, Any]:
    languages: list[str] = []
    if "language" in con.table("signals").columns:
        trained = (
            "FROM signals JOIN ledger USING (id) WHERE fate = 'train' AND language IS NOT NULL GROUP BY 1"
        )
        counted = ask(
            con, f"SELECT language {trained} HAVING count(*) >= {_FEWEST} ORDER BY count(*) DESC, 1"
        )
        languages = [row[0] for row in counted.rows]
    return {
        "pretty_name": recipe["name"],
        "language": languages,
        "license": sorted({source["licence"] for source in _all_sources(recipe) if source["licence"]}),
        "task_categories": ["text-generation"],
    }


def _sentence(con: duckdb.DuckDBPyConnection) -> str:
    counted = "SELECT count(DISTINCT id), coalesce(sum(n_bytes), 0)::BIGINT FROM stored.plan"
    documents, n_bytes = con.execute(f"{counted} WHERE phase <> 'validation'").fetchall()[0]
    records = con.execute("SELECT count(*) FROM ledger").fetchall()[0][0]
    return (
        f"{records:,} records were read; {documents:,} documents are trained on, {n_bytes:,} bytes with repeats. "
        "The fate of every record is in the view `ledger` of `catalog.duckdb`."
    )


def _taken_out(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What was removed, and what was cut from documents that stay; nothing where nothing was."""
    kinds = ask(con, "SELECT kind, count(*) FROM duplicates WHERE removed GROUP BY kind ORDER BY kind").rows
    if kinds:
        counted = ", ".join(f"{n:,} {kind}" for kind, n in kinds)
        yield f"{sum(n for _, n in kinds):,} documents repeat others and were removed ({counted})."
    cut = """SELECT count(*) FILTER (NOT removed), coalesce(sum(bytes_cut) FILTER (NOT removed), 0)::BIGINT,
        count(*) FILTER (removed) FROM cuts WHERE applied"""
    n_cut, n_bytes, n_gone = con.execute(cut).fetchall()[0]
    if n_cut or n_gone:
        gone = f" {n_gone:,} more had too little left and were removed." if n_gone else ""
        yield (
            f"{n_bytes:,} bytes of passages that other documents keep were cut from {n_cut:,} documents.{gone}"
        )
    found = "SELECT action, count(DISTINCT id) FROM contamination GROUP BY action ORDER BY action"
    did = [f"{n:,} {_CONTAMINATED[action]}" for action, n in con.execute(found).fetchall()]
    if did:
        yield f"Of the documents that hold items of evaluation sets, {'; '.join(did)}."


_CONTAMINATED = {
    "annotate": "were left as they are (the view `contamination` names them)",
    "cut": "lost the passages that were found",
    "drop": "were dropped",
}


def _all_sources(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    conversations = [{**source, "kind": "instructions"} for source in recipe.get("instructions", [])]
    return [*recipe["sources"], *conversations]


def _sources(recipe: dict[str, Any]) -> Table:
    rows = tuple(
        (source["name"], source["kind"], source["licence"] or "not stated") for source in _all_sources(recipe)
    )
    return Table("Sources", ("source", "kind", "licence"), rows)


def _rules(con: duckdb.DuckDBPyConnection) -> Table:
    rows = tuple(
        (rule.name, f"`{rule.shown}`", f"`{rule.where}`", rule.reference) for rule in rules_of_run(con)
    )
    return Table(
        "Rules: a document is kept where all that apply to it hold",
        ("rule", "keeps", "applies where", "source"),
        rows,
    )


def _markdown(table: Table) -> str:
    header = "| " + " | ".join(name.replace("_", " ") for name in table.columns) + " |"
    rule = "|" + " --- |" * len(table.columns)
    rows = (
        "| "
        + " | ".join(
            cell(value, name).replace("|", "\\|").replace("\n", " ")
            for value, name in zip(row, table.columns, strict=True)
        )
        + " |"
        for row in table.rows
    )
    return "\n".join([f"## {table.title}\n", header, rule, *rows]) + "\n"

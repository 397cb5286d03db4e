"""What looks at a finished (or unfinished) run and changes nothing: stats, explain, sample, whatif, check, signals.

The rooms behind each are imported when asked for: a question should not wait for the others' modules.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from dataflow.catalog.render import excerpt_width, harmless, heading, show, show_difference, show_lines
from dataflow.catalog.table import Table, query
from dataflow.catalog.views import connect, refresh_if_moved
from dataflow.errors import DataflowError, RecipeError
from dataflow.store.storage import Storage


def stats(out: str, sql: str) -> None:
    """The standard tables, or the answer to a query."""
    from dataflow.catalog.stats import standard

    with _catalog(out) as con:
        show([query(con, sql)] if sql else standard(con))


def explain(out: str, name: str) -> None:
    """The story of one record."""
    from dataflow.catalog import explain as explaining
    from dataflow.catalog.difference import summary

    with _catalog(out) as con:
        story = explaining.explain(con, name)
    show(story.tables)
    if story.difference is not None:
        print(harmless(f"Beside {story.survivor}: {summary(story.difference)}"))
        show_difference(story.difference)
        print()
    if story.lines:
        marked = f", marked: {', '.join(story.marked)}" if story.marked else ""
        unread = story.ledger["fate"] in ("quarantined", "skipped")
        print("Its first bytes" if unread else harmless(f"Text{marked}"))
        show_lines(story.lines)


def sample(out: str, rule: str, fate: str, count: int, seed: int) -> None:
    """Some documents of a rule or a fate."""
    from dataflow.catalog import sample as sampling

    with _catalog(out) as con:
        found = sampling.sample(con, rule or None, fate or None, count, seed, excerpt_width())
    if not found:
        print("No document is like that.")
    for one in found:
        heading(one.id, one.fate)
        for judgement in one.judgements:
            print(f"  {harmless(sampling.verdict(judgement))}")
        for note in [*one.notes, *(["marked: " + ", ".join(one.marked)] if one.marked else [])]:
            print(f"  {harmless(note)}")
        if one.difference is not None and one.difference.lines:
            show_difference(one.difference)
        else:
            show_lines(one.lines)
        print()


def whatif(out: str, changes: list[str], drop: list[str]) -> None:
    """Before and after a change of rules, or of the similarity of near-duplicates."""
    from dataflow.catalog import similarity
    from dataflow.catalog import whatif as asking
    from dataflow.catalog.recipe import recipe_of_run, rules_as_written

    replaced = dict(_rule_and_condition(change) for change in changes)
    typed = _similarity(replaced)
    every = typed == similarity.EVERY
    if every and (replaced or drop):
        fix = "Ask for one similarity together with rules."
        raise RecipeError("all similarities are of the rules as they are", f"--set {similarity.KEYS[0]}", fix)
    with _catalog(out) as con:
        recipe = recipe_of_run(con)
        before = rules_as_written(con)
        after = asking.changed_rules(before, replaced, drop, con)
        change = asking.whatif(
            con,
            before,
            after,
            bytes_per_token=(recipe.get("mixture") or {}).get("bytes_per_token", 4.0),
            survivor=(recipe.get("dedup") or {}).get("survivor", "n_bytes DESC"),
            alike=similarity.parse(typed, con) if typed else None,
        )
        show([change.by_similarity] if every else change.tables)
        for note in change.notes:
            print(note)


def _similarity(replaced: dict[str, str]) -> str | None:
    """The similarity asked for, taken out of the changes."""
    from dataflow.catalog.similarity import KEYS

    found = [replaced.pop(key) for key in KEYS if key in replaced]
    for key in replaced:
        if key.startswith("dedup."):
            fix = f"Only {KEYS[0]} is recorded; for others run the recipe with `--set {key}={replaced[key]}`."
            raise RecipeError("cannot be told without deduplicating again", f"--set {key}", fix)
    return found[0] if found else None


def check(out: str) -> None:
    """Every check; what is wrong, one line each."""
    from dataflow.catalog import check as checks

    store = Storage(out)
    with _catalog(out) as con:
        records, sources = con.execute("SELECT count(*), count(DISTINCT source) FROM ledger").fetchall()[0]
    problems = checks.check(store)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise DataflowError(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found", out)
    print(
        f"All is well: {records:,} records of {sources} sources, each with one fate; "
        "every file is as its manifest says."
    )


def signals() -> None:
    """Signals and rules with their definitions."""
    from dataflow.rules.evaluate import load_set, set_names
    from dataflow.signals.table import SIGNALS

    rows = tuple((signal.name, signal.unit, signal.definition, signal.reference) for signal in SIGNALS)
    rules = tuple(
        (name, line.keep, line.where, found.reference)
        for found in map(load_set, set_names())
        for name, line in found.rules.items()
    )
    show(
        [
            Table("Signals", ("signal", "unit", "definition", "source"), rows),
            Table("Rules", ("rule", "keeps", "where", "source"), rules),
        ]
    )


@contextmanager
def _catalog(out: str) -> Iterator[duckdb.DuckDBPyConnection]:
    store = Storage(out)
    with connect(store) as con:
        if not store.exists("recipe.json") and not store.exists("manifests"):
            fix = "Give the folder that `dataflow run` wrote (its `out`)."
            raise RecipeError("this is not the output folder of a run", out, fix)
        refresh_if_moved(store)
        yield con


def _rule_and_condition(change: str) -> tuple[str, str]:
    name, equals, condition = change.partition("=")
    if not equals or not name.strip() or not condition.strip():
        raise RecipeError(f'"{change}" is not of the form RULE="SQL"', "--set")
    return name.strip(), condition.strip().strip('"')

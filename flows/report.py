"""Step ``report``: the catalog, the dataset card, and the tables that sum a run up in the Prefect UI."""

import re

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact

from dataflow.catalog.card import write_card
from dataflow.catalog.conservation import check_conservation
from dataflow.catalog.render import cell
from dataflow.catalog.table import Table
from dataflow.catalog.views import connect, write_catalog
from flows.recipe import Recipe
from flows.session import session
from flows.summary import summary


@flow(name="report", flow_run_name="report {recipe.name}")
def report_flow(recipe: Recipe) -> None:
    """Check that the fates add up, write the catalog, and publish the tables of the run."""
    with session(recipe) as run:
        check_conservation(run.store)
        write_catalog(run.store)
        with connect(run.store) as con:
            write_card(run.store, con)
        for table in summary(run.store):
            key = re.sub(r"[^a-z0-9]+", "-", table.title.lower().split(":")[0].split("(")[0]).strip("-")
            create_table_artifact(
                table=_readable(table), key=key, description=f"{recipe.name}: {table.title}"
            )
        get_run_logger().info("catalog written to %s", run.store.path("catalog.duckdb"))


def _readable(table: Table) -> list[dict[str, str]]:
    """Rows as the terminal shows them, under names that a table in the UI can have."""
    names = [name.replace("_", " ") or "what" for name in table.columns]
    return [
        {shown: cell(value, name) for shown, value, name in zip(names, row, table.columns, strict=True)}
        for row in table.rows
    ]

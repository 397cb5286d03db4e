"""Step ``report``: the catalog, and the tables that sum a run up, in the terminal and in the Prefect UI."""

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact

from dataflow.catalog.card import write_card
from dataflow.catalog.conservation import check_conservation
from dataflow.catalog.stats import standard
from dataflow.catalog.views import connect, write_catalog
from flows.recipe import Recipe
from flows.session import session


@flow(name="report")
def report_flow(recipe: Recipe) -> None:
    """Check that the fates add up, write the catalog, and publish the tables of the run."""
    with session(recipe) as run:
        check_conservation(run.store)
        write_catalog(run.store)
        with connect(run.store) as con:
            write_card(run.store, con)
            for table in standard(con):
                key = table.title.lower().replace(" ", "-")
                create_table_artifact(
                    table=table.dicts(), key=key, description=f"{table.title} of {recipe.name}"
                )
        get_run_logger().info("catalog written to %s", run.store.path("catalog.duckdb"))

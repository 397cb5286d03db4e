"""Questions about a real run."""

from pathlib import Path

from dataflow import connect
from dataflow.catalog.recipe import decided_by, rules_as_written


def test_the_decisions_of_a_run_are_known_to_be_of_its_recipe(whole: Path) -> None:
    """Otherwise ``whatif`` would compute every rule anew, and nobody would see but by the time it takes."""
    with connect(whole) as con:
        assert decided_by(con, rules_as_written(con))

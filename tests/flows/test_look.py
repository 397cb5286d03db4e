"""Questions about a real run."""

from pathlib import Path

import pytest

from dataflow import connect
from dataflow.catalog.recipe import decided_by, rules_as_written
from flows import look


def test_the_decisions_of_a_run_are_known_to_be_of_its_recipe(whole: Path) -> None:
    """Otherwise ``whatif`` would compute every rule anew, and nobody would see but by the time it takes."""
    with connect(whole) as con:
        assert decided_by(con, rules_as_written(con))


def test_every_recorded_similarity_of_a_real_run_is_listed(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look.whatif(str(whole), ["dedup.similarity=?"], [])
    said = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(" 0.")]
    assert [row[0] for row in said] == [f"0.{hundredth}" for hundredth in range(70, 96)]
    with connect(whole) as con:
        removed = con.execute("SELECT count(*) FROM duplicates WHERE removed").fetchall()[0][0]
    assert removed > 0
    assert int(said[0][1].replace(",", "")) == removed
    look.whatif(str(whole), ["dedup.similarity=0.8"], [])
    (asked,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(" 0.80")]
    assert asked == said[10]


def test_a_near_duplicate_of_a_real_run_is_shown_beside_what_it_repeats(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(whole) as con:
        near, survivor = con.execute(
            "SELECT id, survivor FROM duplicates WHERE kind = 'near' AND removed ORDER BY id"
        ).fetchall()[0]
    look.explain(str(whole), near)
    said = capsys.readouterr().out
    assert f"near duplicate of {survivor}, similarity 0." in said
    assert f"Beside {survivor}: " in said
    assert "\x1b" not in said
    look.stats(str(whole), "")
    said = capsys.readouterr().out
    assert "Largest clusters of duplicates" in said
    assert "Candidate pairs" in said
    look.sample(str(whole), "", "duplicate", 3, 1)
    assert capsys.readouterr().out.count("[duplicate]") == 3

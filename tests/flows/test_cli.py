"""The command line itself: help that teaches, answers to wrong calls, plans that write nothing, colours."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from command_line import CommandLine

from flows.steps import STEPS

COMMANDS = [
    *STEPS,
    "demo",
    "run",
    "plan",
    "stats",
    "explain",
    "sample",
    "whatif",
    "check",
    "signals",
    "serve",
]
RUN = CommandLine()  # nothing here reaches Prefect


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of two sources that has never been run."""
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "web.jsonl").write_text(json.dumps({"text": "web " * 500}) + "\n")
    (folder / "books.jsonl").write_text(json.dumps({"text": "book " * 1000}) + "\n")
    values = {
        "name": "two",
        "out": str(folder / "out"),
        "sources": [{"name": name, "path": str(folder / f"{name}.jsonl")} for name in ("web", "books")],
        "mixture": {"budget": "6000", "phases": [{"name": "main", "weights": {"web": 1, "books": 2}}]},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_help_names_every_command_and_the_exit_statuses() -> None:
    said = " ".join(RUN("--help").stdout.split())
    assert all(f" {name} " in said for name in COMMANDS)
    assert "Start with dataflow demo" in said
    assert "3 interrupted" in said


def test_help_costs_no_heavy_import() -> None:
    code = (
        "import sys; from flows.cli import app; app(['run', '--help'], standalone_mode=False); "
        "print(sorted({'prefect', 'torch', 'numba', 'pyarrow', 'duckdb'} & set(sys.modules)))"
    )
    started = time.process_time()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "begin with this step: quality, curate, filter" in " ".join(done.stdout.lower().split())
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            "plann recipe.yaml",
            "No such command 'plann'. Did you mean 'plan', 'explain'? See `dataflow --help`.",
        ),
        ("run", "Missing argument 'RECIPE'. See `dataflow run --help`."),
        (
            "run no.yaml",
            "no.yaml: cannot read the recipe: No such file or directory. Give the path of a YAML file.",
        ),
        ("run no.yaml --from fltr", 'dataflow run: there is no step "fltr". Did you mean "filter"?'),
        (
            "plan no.yaml --sett a=1",
            "No such option: --sett (Possible options: --set). See `dataflow plan --help`.",
        ),
        ("serve --port 99999", "Invalid value for '--port': Input should be less than or equal to 65535."),
        (
            "stats no",
            "no: there is no output folder here. Give the folder that `dataflow run` wrote (its `out`).",
        ),
        ("sample no --fate dropped", "no: there is no output folder here."),
        ("explain no web/a#1", "no: there is no output folder here."),
        ("whatif no --drop short", "no: there is no output folder here."),
        ("check .", ".: this is not the output folder of a run. Give the folder that `dataflow run` wrote"),
        ("whatif . --set short", '--set: "short" is not of the form RULE="SQL"'),
        (
            "whatif . --set dedup.mode=annotate",
            "--set dedup.mode: cannot be told without deduplicating again. Only dedup.similarity is recorded",
        ),
        (
            "whatif . --set dedup.similarity=? --drop short",
            "--set dedup.similarity: all similarities are of the rules as they are.",
        ),
    ],
)
def test_a_wrong_call_is_answered_in_one_line_with_status_2(tmp_path: Path, call: str, says: str) -> None:
    done = RUN(*call.split(), status=2, cwd=tmp_path)
    (line,) = done.stderr.splitlines()
    assert line.startswith(says)
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_the_recipe_is_told_before_anything_is_written(recipe: Path) -> None:
    done = RUN("run", recipe, "--set", "rules.custom.short=n_word > 3", status=2)
    assert done.stderr.splitlines() == ['rule short: unknown column "n_word". Did you mean "n_words"?']
    assert not (recipe.parent / "out").exists()


def test_a_plan_is_an_estimate_before_the_run_and_writes_nothing(recipe: Path) -> None:
    before = sorted(recipe.parent.rglob("*"))
    said = RUN("plan", recipe).stdout
    assert sorted(recipe.parent.rglob("*")) == before
    assert "Mixture, estimated, were all text kept, at most 4 epochs of a document" in said
    assert [line.split() for line in said.splitlines() if "epochs" in line and "─ " in line] == [
        ["├─", "books", "4K", "bytes", "~1K", "tokens", "66.7%", "0.80", "epochs"],
        ["└─", "web", "2K", "bytes", "~500", "tokens", "33.3%", "0.99", "epochs"],
    ]
    assert "half of the text, and 1 kB for each document" in said
    assert "3 MB of text a second" in said
    steps = {
        line.split()[0]: line.split()[-1]
        for line in said.splitlines()
        if line.startswith((" curate", " mix"))
    }
    assert steps["mix"] == "0"


def test_a_plan_names_what_the_sources_cannot_give(recipe: Path) -> None:
    said = RUN("plan", recipe, "--set", "mixture.budget=60K").stdout
    assert "books: 8.0 epochs are asked for, and max_epochs is 4" in said


def test_colours_are_for_terminals_only(recipe: Path) -> None:
    assert "\x1b" not in RUN("plan", recipe).stdout + RUN("plan", "no.yaml", status=2).stderr
    ours, theirs = pty.openpty()
    call = [sys.executable, "-m", "flows.cli", "plan", "no.yaml"]
    subprocess.run(call, stderr=theirs, env=os.environ | {"TERM": "xterm"}, check=False)
    assert b"\x1b[" in os.read(ours, 10_000)

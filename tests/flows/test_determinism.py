"""Bytes depend on input and recipe: not on workers, hash seed, or on how often the line is run."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import CommandLine
from outputs import ALL, digests, stamps
from small_corpus import N_DAMAGED, N_EXACT, N_NEAR

import dataflow as tables

Line = Callable[..., None]
_NO_TRAINING = ("--set", "pretrain=null", "--set", "sft=null")


@pytest.mark.slow
def test_four_workers_make_the_bytes_of_one(
    dataflow: CommandLine, recipe: Path, whole: Path, tmp_path: Path
) -> None:
    """Two workers against one, and another hash seed, are also what ``test_incremental`` compares."""
    command = ("run", recipe, "--out", tmp_path, *_NO_TRAINING, "--set", "runner.workers=4")
    dataflow(*command, PYTHONHASHSEED="2")
    assert digests(tmp_path, *ALL) == digests(whole, *ALL)


def test_there_is_something_to_compare(whole: Path) -> None:
    parts = {step: len(list((whole / "manifests" / step).rglob("*.json"))) for step in ("curate", "mix")}
    assert parts["curate"] >= 8
    assert parts["mix"] >= 3
    assert sum(pq.read_metadata(path).num_rows for path in (whole / "corpus").rglob("*.parquet")) > 200


def test_a_second_run_makes_nothing(in_process: Line, recipe: Path, whole: Path) -> None:
    before = stamps(whole, *ALL, "runs", "models", "manifests")
    in_process("run", recipe, "--out", whole)
    assert stamps(whole, *ALL, "runs", "models", "manifests") == before


def test_the_fates_add_up(dataflow: CommandLine, whole: Path) -> None:
    assert "All is well" in dataflow("check", whole).stdout
    con = tables.connect(str(whole))
    records = con.execute("SELECT source, count(*) FROM ledger WHERE source <> 'questions' GROUP BY ALL")
    counted: dict[str, int] = {}
    for path in (whole / "manifests" / "curate").glob("*/*.json"):
        source = path.parent.name
        counted[source] = counted.get(source, 0) + json.loads(path.read_text())["counts"]["records"]
    assert dict(records.fetchall()) == counted
    fates = dict(
        con.execute("SELECT fate, count(*) FROM ledger WHERE source = 'manual' GROUP BY ALL").fetchall()
    )
    assert fates["quarantined"] == N_DAMAGED
    assert fates["duplicate"] >= N_EXACT * 0.5  # planted in the manual; some of them fail a rule first
    kinds = dict(
        con.execute("SELECT kind, count(*) FROM duplicates WHERE id <> survivor GROUP BY ALL").fetchall()
    )
    assert kinds["near"] >= N_NEAR * 0.5
    assert set(fates) <= {"train", "validation", "unused", "dropped", "duplicate", "quarantined"}

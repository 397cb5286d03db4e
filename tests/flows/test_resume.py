"""SIGKILL anywhere, then the same command again: not a byte differs from a run that nobody disturbed."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import CommandLine
from outputs import ALL, digests, metrics, stamps, summary

_TRIES = 5


def _curate(out: Path, temporary: Path) -> bool:
    """Some parts are there, others are not."""
    return any((out / "manifests" / "curate").rglob("*.json"))


def _dedup(out: Path, temporary: Path) -> bool:
    """It has opened its scratch folder."""
    return any(temporary.glob("dataflow-dedup-*"))


def _pretrain(out: Path, temporary: Path) -> bool:
    """Some steps after a checkpoint, some before the next."""
    path = out / "runs" / "pretrain" / "metrics.jsonl"
    return path.exists() and path.read_bytes().count(b"\n") >= 14


_MOMENTS = {"curate": _curate, "dedup": _dedup, "pretrain": _pretrain}


def _hit(step: str, out: Path) -> bool:
    """Whether the kill came in the middle of the step."""
    if step == "curate":
        documents = list((out / "manifests" / "curate").rglob("*.json"))
        return bool(documents) and not (out / "manifests" / "filter").exists()
    if step == "dedup":
        return (out / "manifests" / "filter").exists() and not (out / "manifests/dedup/all.json").exists()
    begun = list((out / "runs" / "pretrain" / "checkpoints").glob("step-*"))
    return bool(begun) and not (out / "runs" / "pretrain" / "summary.json").exists()


def _kill(dataflow: CommandLine, step: str, out: Path, temporary: Path, command: tuple[object, ...]) -> None:
    """Kill the command in the middle of a step; where the moment was missed, that step is begun anew."""
    for _ in range(_TRIES):
        for leftover in temporary.glob("*"):
            leftover.rename(temporary.parent / f"{leftover.name}-of-an-earlier-try")
        killed = dataflow.killed(lambda: _MOMENTS[step](out, temporary), *command, TMPDIR=str(temporary))
        if killed and _hit(step, out):
            return
        _undo(step, out)
    pytest.fail(f"{step} was never hit in its middle")


def _undo(step: str, out: Path) -> None:
    names = {"curate": ("curate", "filter"), "dedup": ("dedup", "plan"), "pretrain": ("pretrain",)}[step]
    for name in names:
        for path in (out / "manifests" / name).rglob("*.json"):
            path.unlink()
    if step == "pretrain":
        for path in (out / "runs").rglob("*"):
            if path.is_file():
                path.unlink()


def _same_as_undisturbed(out: Path, whole: Path) -> None:
    assert digests(out, *ALL) == digests(whole, *ALL)
    assert metrics(out, "pretrain") == metrics(whole, "pretrain")
    assert summary(out, "pretrain") == summary(whole, "pretrain")
    weights = "models/pretrain/model.safetensors"
    assert (out / weights).read_bytes() == (whole / weights).read_bytes()
    assert not list(out.rglob("*.partial"))


@pytest.mark.slow
def test_killed_in_curate_in_dedup_and_in_pretraining_and_run_again(
    dataflow: CommandLine, recipe: Path, whole: Path, tmp_path: Path
) -> None:
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    command = ("run", recipe, "--out", out, "--set", "sft=null")
    for step in ("curate", "dedup", "pretrain"):
        _kill(dataflow, step, out, temporary, command)
        leftover = out / "corpus" / "main" / f"part-00000.parquet.1-{step}.partial"
        leftover.parent.mkdir(parents=True, exist_ok=True)
        leftover.write_bytes(b"half a file")
    before = stamps(out, "documents", "tokens", "manifests/curate")
    finished = dataflow(*command)
    assert "going on after step 10 of 36" in finished.stderr
    assert stamps(out, "documents", "tokens", "manifests/curate") == before  # what was whole was left alone
    _same_as_undisturbed(out, whole)
    assert "All is well" in dataflow("check", out).stdout


@pytest.mark.slow
@pytest.mark.parametrize("step", ["curate", "dedup", "pretrain"])
def test_killed_once_and_run_again(
    dataflow: CommandLine, recipe: Path, whole: Path, tmp_path: Path, step: str
) -> None:
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    command = ("run", recipe, "--out", out, "--set", "sft=null")
    _kill(dataflow, step, out, temporary, command)
    dataflow(*command)
    _same_as_undisturbed(out, whole)
    assert "All is well" in dataflow("check", out).stdout


@pytest.mark.slow
def test_sigterm_for_the_command_alone_also_ends_its_trainer_at_a_checkpoint(
    dataflow: CommandLine, recipe: Path, whole: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(whole, tmp_path / "out", ignore=shutil.ignore_patterns("runs", "pretrain", "sft"))
    command = ("run", recipe, "--out", out, "--set", "sft=null", "--set", "pretrain.steps=280")
    status = dataflow.terminated(lambda: _pretrain(out, tmp_path), *command)
    assert status
    run = out / "runs" / "pretrain"
    assert not (run / "summary.json").exists()
    last_line = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert sorted(run.glob("checkpoints/step-*"))[-1].name == f"step-{last_line['step']:07d}"
    assert f"going on after step {last_line['step']} of 280" in dataflow(*command).stderr

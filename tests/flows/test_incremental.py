"""A change costs what hangs on it: a rule re-runs the filter and what follows, a file remakes its shard."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from outputs import ALL, digests, made_since, manifests, stamps

from dataflow.errors import DataflowError

Line = Callable[..., None]
_NO_TRAINING = ("--set", "pretrain=null", "--set", "sft=null")
_RULE = ("--set", "rules.custom.not_tiny=n_words >= 150")
_TEXTS = ("documents", "signals", "pii", "quarantine")


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """The output of the line up to the tokens, in a folder that may be changed."""
    runs = shutil.ignore_patterns("runs", "pretrain*", "sft*", "evaluate")
    return shutil.copytree(whole, tmp_path / "copy", ignore=runs)


@pytest.fixture(scope="module")
def ruled(in_process: Line, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh run with the changed rule."""
    out = tmp_path_factory.mktemp("ruled")
    in_process("run", recipe, "--out", out, *_NO_TRAINING, *_RULE)
    return out


def test_a_rule_is_decided_without_a_text(
    in_process: Line, recipe: Path, copy: Path, whole: Path, ruled: Path
) -> None:
    for path in (copy / "documents").rglob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["text", "metadata"]), path)
    gone = [
        argument
        for name in ("manual", "docstrings", "code")
        for argument in ("--set", f"sources.{name}.path=/gone")
    ]
    before = manifests(copy)
    in_process("filter", recipe, "--out", copy, *_RULE, *gone)
    in_process("dedup", recipe, "--out", copy, *_RULE, *gone)
    assert set(made_since(before, copy)) == {"filter", "dedup-rank", "dedup"}
    assert digests(copy, "decisions") == digests(ruled, "decisions") != digests(whole, "decisions")


def test_a_changed_rule_re_runs_the_filter_and_what_follows(
    in_process: Line, recipe: Path, copy: Path, ruled: Path
) -> None:
    before, texts = manifests(copy), stamps(copy, *_TEXTS)
    in_process("run", recipe, "--out", copy, *_NO_TRAINING, *_RULE)
    later = {"plan", "mix", "tokenizer", "tokenize"}
    assert set(made_since(before, copy)) == {"filter", "dedup-rank", "dedup", *later}
    assert stamps(copy, *_TEXTS) == texts
    assert digests(copy, *ALL) == digests(ruled, *ALL)


def test_a_new_file_remakes_one_shard_and_leaves_with_its_rows(
    in_process: Line, recipe: Path, copy: Path, whole: Path, tmp_path: Path
) -> None:
    inputs = shutil.copytree(recipe.parent / "docstrings", tmp_path / "docstrings")
    moved = ("--set", f"sources.docstrings.path={inputs}")
    before, texts = manifests(copy), stamps(copy, *_TEXTS)
    extra = inputs / "extra.txt"
    extra.write_text("Of one more page.\n\n" + (inputs / "argparse.txt").read_text()[:3000])
    in_process("run", recipe, "--out", copy, *_NO_TRAINING, *moved)
    assert made_since(before, copy)["curate"] == made_since(before, copy)["filter"] == 1
    after = stamps(copy, *_TEXTS)
    changed = {path for path in texts.keys() | after.keys() if texts.get(path) != after.get(path)}
    assert len(changed) == len({path.split("/", 1)[1] for path in changed}) * len(_TEXTS) == len(_TEXTS)

    assert digests(copy, *ALL) != digests(whole, *ALL)

    before = manifests(copy)
    extra.unlink()
    in_process("run", recipe, "--out", copy, *_NO_TRAINING, *moved)
    assert made_since(before, copy)["curate"] == 1
    assert digests(copy, *ALL) == digests(whole, *ALL)


@pytest.mark.slow
def test_with_a_new_file_the_bytes_are_those_of_a_fresh_run(
    in_process: Line, recipe: Path, copy: Path, tmp_path: Path
) -> None:
    inputs = shutil.copytree(recipe.parent / "docstrings", tmp_path / "docstrings")
    (inputs / "extra.txt").write_text((inputs / "argparse.txt").read_text()[:3000])
    moved = ("--set", f"sources.docstrings.path={inputs}")
    in_process("run", recipe, "--out", copy, *_NO_TRAINING, *moved)
    in_process("run", recipe, "--out", tmp_path / "fresh", *_NO_TRAINING, *moved)
    assert digests(copy, *ALL) == digests(tmp_path / "fresh", *ALL)


def test_a_breach_of_the_laws_is_found_also_where_nothing_is_made(
    in_process: Line, recipe: Path, copy: Path
) -> None:
    path = next((copy / "decisions" / "filter").rglob("*.parquet"))
    part = path.relative_to(copy / "decisions" / "filter").with_suffix(".json")
    manifest = copy / "manifests" / "filter" / part
    pq.write_table(pq.read_table(path).slice(1), path)
    made = json.loads(manifest.read_text())
    made["outputs"][str(path.relative_to(copy))]["bytes"] = (
        path.stat().st_size
    )  # as if the step had made it so
    manifest.write_text(json.dumps(made))
    before = manifests(copy)
    with pytest.raises(DataflowError, match="documents but"):
        in_process("run", recipe, "--out", copy, "--only", "filter")
    assert not made_since(before, copy)


def test_single_steps_from_and_only(in_process: Line, recipe: Path, copy: Path, whole: Path) -> None:
    before = manifests(copy)
    in_process(
        "run", recipe, "--out", copy, "--only", "filter", "--set", "rules.custom.not_tiny=n_words >= 70"
    )
    assert set(made_since(before, copy)) == {"filter"}
    in_process("filter", recipe, "--out", copy)

    before = manifests(copy)
    shutil.rmtree(copy / "tokens")
    in_process("run", recipe, "--out", copy, "--from", "tokenize", *_NO_TRAINING)
    n_parts = len(list((whole / "tokens").rglob("*.parquet")))
    assert made_since(before, copy) == {"tokenize": n_parts}

    before = manifests(copy)
    shutil.rmtree(copy / "corpus" / "anneal")
    in_process("mix", recipe, "--out", copy)
    assert made_since(before, copy) == {"mix": 1}
    assert digests(copy, *ALL) == digests(whole, *ALL)

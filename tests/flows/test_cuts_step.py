"""Passages in the step ``dedup``: rounds that leave nothing behind, and go on where they were."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from command_line import CommandLine
from kills import killed_midway
from outputs import digests, made_since, manifests, stamps

from dataflow.dedup.exact import exact_hashes
from dataflow.store.documents import DOCUMENTS, FILTER, SIGNALS
from dataflow.store.manifest import Made, Part, ensure
from dataflow.store.storage import Storage
from flows import cuts

Line = Callable[..., None]
_DECIDED = ("decisions", "dedup/ranks")
ALL = {"lines": True, "sentences": True, "substrings": {"words": 20}, "min_left_words": 40}


def _shard(store: Storage, name: str, texts: list[str]) -> None:
    ids = [f"{name}#{row}" for row in range(len(texts))]
    stored = pa.array(texts, pa.large_string())
    columns = {
        "id": ids,
        "source": [name.split("/")[0]] * len(ids),
        "kind": ["web"] * len(ids),
        "text": stored,
        "n_bytes": [len(text.encode()) for text in texts],
        "exact_hash": exact_hashes(stored).cast(pa.binary(16)),
        "signature": [np.arange(112, dtype="<u8").tobytes()] * len(ids),
    }

    def table(schema: pa.Schema) -> pa.Table:
        nothing = pa.nulls(len(ids))
        return pa.table(
            {field.name: pa.array(columns.get(field.name, nothing)).cast(field.type) for field in schema}
        )

    def curate() -> Made:
        store.write_table(f"documents/{name}.parquet", table(DOCUMENTS))
        store.write_table(f"signals/{name}.parquet", table(SIGNALS))
        paths = (f"documents/{name}.parquet", f"signals/{name}.parquet")
        return Made(paths, {"records": len(ids), "documents": len(ids)})

    def filter_() -> Made:
        passed = [row % 9 != 8 for row in range(len(ids))]
        decisions = {"id": ids, "passed": passed, "reasons": [[] if each else ["rule"] for each in passed]}
        store.write_table(f"decisions/filter/{name}.parquet", pa.table(decisions, schema=FILTER))
        return Made((f"decisions/filter/{name}.parquet",), {"documents": len(ids), "passed": sum(passed)})

    ensure(store, Part("curate", name, 1, {}, {}), curate)
    ensure(store, Part("filter", name, 1, {}, {}), filter_)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe; beside it an output folder with documents that have sentences and lines in common."""
    folder, draw = tmp_path_factory.mktemp("passages"), random.Random(3)
    words = [f"word{number}" for number in range(500)]
    sentences = [" ".join(draw.choices(words, k=12)).capitalize() + "." for _ in range(240)]
    passages = [" ".join(sentences[at : at + 4]) for at in range(0, len(sentences), 4)]
    for name in ("one/a", "one/b", "two/a"):
        texts = [
            draw.choice(["\n", " ", "\n\n"]).join(
                [*draw.choices(passages, k=draw.randint(0, 4)), *draw.sample(words, 5)]
            )
            for _ in range(80)
        ]
        _shard(Storage(str(folder / "out")), name, texts)
    recipe = folder / "recipe.yaml"
    sources = [{"name": name, "path": str(folder / "gone")} for name in ("one", "two")]
    recipe.write_text(yaml.safe_dump({"sources": sources, "dedup": {"near": False, **ALL}}))
    return recipe


@pytest.fixture(scope="module")
def decided(in_process: Line, asked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after an undisturbed step ``dedup``. Not to be changed."""
    out = shutil.copytree(asked.parent / "out", tmp_path_factory.mktemp("decided") / "out")
    in_process("dedup", asked, "--out", out)
    return out


def _rows(out: Path) -> list[dict[str, object]]:
    paths = sorted((out / "decisions" / "cuts").rglob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_decisions_lie_beside_their_documents_and_nothing_else_is_left(decided: Path) -> None:
    for path in (decided / "decisions" / "cuts").rglob("*.parquet"):
        documents = decided / "documents" / path.relative_to(decided / "decisions" / "cuts")
        ids = pq.read_table(documents, columns=["id"])["id"].to_pylist()
        places = [ids.index(row) for row in pq.read_table(path)["id"].to_pylist()]
        assert places == sorted(set(places))
        assert all(place % 9 != 8 for place in places)  # those did not pass
    assert {path.name for path in (decided / "dedup").iterdir()} == {"ranks"}
    steps = {path.parts[len(decided.parts) + 1] for path in (decided / "manifests").rglob("*.json")}
    assert {step for step in steps if step.startswith("cuts")} == {"cuts"}
    counts = json.loads((decided / "manifests/cuts/all.json").read_text())["counts"]
    rows = _rows(decided)
    assert counts["documents_cut"] == len(rows) > 50
    assert counts["bytes_cut"] == sum(row["bytes_cut"] for row in rows)
    assert counts["removed"] == sum(row["removed"] for row in rows) > 0
    assert {span["kind"] for row in rows for span in row["spans"]} >= {"line", "sentences"}


def test_what_keeps_a_passage_stays(decided: Path) -> None:
    rows = _rows(decided)
    gone = {row["id"] for row in rows if row["removed"]}
    assert not {row["survivor"] for row in rows if row["survivor"] != row["id"]} & gone


def test_nothing_runs_where_all_is_current(in_process: Line, asked: Path, decided: Path) -> None:
    before = stamps(decided, "decisions", "manifests/cuts", "dedup")
    in_process("dedup", asked, "--out", decided, "--set", "dedup.memory_limit=1G")
    assert stamps(decided, "decisions", "manifests/cuts", "dedup") == before


def test_a_recipe_that_asks_for_none_leaves_none(
    in_process: Line, asked: Path, decided: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(decided, tmp_path / "out")
    none = [
        part for name in ("lines", "sentences", "substrings") for part in ("--set", f"dedup.{name}=false")
    ]
    in_process("dedup", asked, "--out", out, *none)
    assert not list((out / "decisions" / "cuts").rglob("*.parquet"))
    assert not list((out / "manifests" / "cuts").rglob("*.json"))


def test_annotate_names_what_it_does_not_cut(
    in_process: Line, asked: Path, decided: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(decided, tmp_path / "out")
    in_process("dedup", asked, "--out", out, "--set", "dedup.mode=annotate")
    rows = _rows(out)
    assert len(rows) > 50
    assert not any(row["removed"] or row["applied"] for row in rows)


def test_partitions_of_any_number_and_a_run_that_was_stopped_come_to_the_same_bytes(
    in_process: Line, asked: Path, decided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(asked.parent / "out", tmp_path / "out")
    monkeypatch.setattr(cuts, "count_partitions", lambda *_: 4)
    with monkeypatch.context() as patch:
        patch.setattr(cuts, "one_hash", _fails_after(5, cuts.one_hash))
        with pytest.raises((RuntimeError, SystemExit)):
            in_process("dedup", asked, "--out", out)
    assert (out / "dedup" / "passages").exists()
    before = manifests(out)
    in_process("dedup", asked, "--out", out)
    assert "cuts-listed" not in made_since(before, out)
    assert digests(out, "decisions") == digests(decided, "decisions")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_makes_the_same_bytes(
    dataflow: CommandLine, asked: Path, decided: Path, tmp_path: Path, workers: int
) -> None:
    out = shutil.copytree(asked.parent / "out", tmp_path / "out")
    dataflow("dedup", asked, "--out", out, "--set", f"runner.workers={workers}")
    assert digests(out, *_DECIDED) == digests(decided, *_DECIDED)


@pytest.mark.slow
@pytest.mark.parametrize("share", random.Random(5).sample(range(100), 5))
def test_killed_at_a_random_moment_and_run_again(
    dataflow: CommandLine, asked: Path, decided: Path, tmp_path: Path, share: int
) -> None:
    """``share`` is the moment, in hundredths of about the time that passages take."""
    command = ("dedup", asked)
    out = killed_midway(
        dataflow,
        command,
        asked.parent / "out",
        tmp_path,
        begun="dedup/passages",
        ended="manifests/cuts/all.json",
        share=share,
    )
    dataflow(*command, "--out", out)
    assert digests(out, *_DECIDED) == digests(decided, *_DECIDED)
    assert {path.name for path in (out / "dedup").iterdir()} == {"ranks"}
    assert not list(out.rglob("*.partial"))


def _fails_after(calls: int, function: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
    left = [calls]

    def failing(*arguments: object) -> dict[str, str]:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("stopped")
        return function(*arguments)

    return failing

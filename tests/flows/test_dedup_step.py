"""The step ``dedup`` by itself: rounds that go on where they were, an index, an earlier corpus."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import CommandLine
from filtered_folder import write_filtered_folder
from kills import killed_midway
from outputs import digests, made_since, manifests, stamps

Line = Callable[..., None]
_DECIDED = ("decisions/dedup", "dedup/ranks", "index")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe; its output folder holds documents on which the rules have decided, and is not to be changed."""
    return write_filtered_folder(tmp_path_factory.mktemp("filtered"))


@pytest.fixture(scope="module")
def filtered(asked: Path) -> Path:
    return asked.parent / "out"


@pytest.fixture(scope="module")
def decided(in_process: Line, asked: Path, filtered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after an undisturbed step ``dedup``. Not to be changed."""
    out = shutil.copytree(filtered, tmp_path_factory.mktemp("decided") / "out")
    in_process("dedup", asked, "--out", out)
    return out


def _decisions(out: Path) -> list[dict[str, object]]:
    paths = sorted((out / "decisions" / "dedup").rglob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_decisions_lie_beside_their_documents_and_of_the_rounds_only_the_ranks_are_left(
    decided: Path,
) -> None:
    documents = {
        path.relative_to(decided / "documents") for path in (decided / "documents").rglob("*.parquet")
    }
    for folder in _DECIDED:
        assert {p.relative_to(decided / folder) for p in (decided / folder).rglob("*.parquet")} == documents
    assert {path.name for path in (decided / "dedup").iterdir()} == {"ranks"}
    steps = {path.name for path in (decided / "manifests").iterdir() if path.name.startswith("dedup")}
    done = {step for step in steps if list((decided / "manifests" / step).rglob("*.json"))}
    assert done == {"dedup", "dedup-rank", "dedup-index", "dedup-index-list"}
    counts = json.loads((decided / "manifests/dedup/all.json").read_text())["counts"]
    assert counts["exact"] > 0
    assert counts["near"] > 0
    assert counts["duplicates"] == counts["exact"] + counts["near"] == counts["removed"]
    assert counts["kept"] == counts["documents"] - counts["removed"]
    assert counts["near"] <= counts["verified"] <= counts["compared"]


def test_nothing_runs_where_all_is_current_whatever_the_memory(
    dataflow: CommandLine, asked: Path, decided: Path
) -> None:
    made = (*_DECIDED, "manifests/dedup", "manifests/dedup-rank", "manifests/dedup-index")
    before = stamps(decided, *made)
    said = dataflow("dedup", asked, "--out", decided, "--set", "dedup.memory_limit=1G").stderr
    assert stamps(decided, *made) == before
    (line,) = [line for line in said.splitlines() if line.startswith("dedup")]  # however many rounds it has
    assert " 0 made, 1 already there" in line


def test_what_is_asked_decides_what_is_made_again(
    in_process: Line, asked: Path, decided: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(decided, tmp_path / "out")
    before = manifests(out)
    in_process("dedup", asked, "--out", out, "--set", "dedup.mode=annotate")
    assert set(made_since(before, out)) == {"dedup", "dedup-index", "dedup-index-list"}
    rows = _decisions(out)
    assert not any(row["removed"] for row in rows)
    assert [row | {"removed": True} for row in rows if row["id"] != row["survivor"]] == [
        row for row in _decisions(decided) if row["removed"]
    ]
    in_process("dedup", asked, "--out", out, "--set", "dedup.index=false")
    assert not (out / "index").exists()
    assert digests(out, "decisions/dedup", "dedup/ranks") == digests(
        decided, "decisions/dedup", "dedup/ranks"
    )


def test_what_an_earlier_corpus_has_is_a_duplicate_here(
    in_process: Line, asked: Path, filtered: Path, decided: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(filtered, tmp_path / "out")
    in_process("dedup", asked, "--out", out, "--set", f"dedup.against={{old: {decided}}}")
    counts = json.loads((out / "manifests/dedup/all.json").read_text())["counts"]
    assert counts["kept"] == 0  # the very same documents: each repeats itself, or what it repeated there
    assert counts["earlier"] == counts["documents"]
    before = {row["id"]: row["survivor"] for row in _decisions(decided)}
    for row in _decisions(out):
        assert row["earlier"] == "old"
        assert row["survivor"] == before.get(row["id"], row["id"])
    assert sum(pq.read_metadata(path).num_rows for path in (out / "index").rglob("*.parquet")) == 0


def test_an_earlier_corpus_that_does_not_fit_is_an_error_before_anything_runs(
    dataflow: CommandLine, asked: Path, filtered: Path, decided: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(filtered, tmp_path / "out")
    for folder, more, message in (
        (decided, ("--set", "dedup.near.shingle=7"), "over shingles of 5 words"),
        (tmp_path, (), "no index of an earlier corpus"),
        (out, (), "in the output folder of this run"),
    ):
        against = ("--set", f"dedup.against={{old: {folder}}}")
        said = dataflow("dedup", asked, "--out", out, *against, *more, status=None)
        assert said.returncode in (1, 2)
        assert "dedup.against.old" in said.stderr
        assert message in said.stderr
    assert not (out / "dedup").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_makes_the_same_bytes(
    dataflow: CommandLine, asked: Path, filtered: Path, decided: Path, tmp_path: Path, workers: int
) -> None:
    out = shutil.copytree(filtered, tmp_path / "out")
    memory = ("--set", f"dedup.memory_limit={100 * workers}M")
    dataflow("dedup", asked, "--out", out, *memory, "--set", f"runner.workers={workers}")
    assert digests(out, *_DECIDED) == digests(decided, *_DECIDED)


@pytest.mark.slow
@pytest.mark.parametrize("share", random.Random(4).sample(range(100), 5))
def test_killed_at_a_random_moment_and_run_again(
    dataflow: CommandLine, asked: Path, filtered: Path, decided: Path, tmp_path: Path, share: int
) -> None:
    """``share`` is the moment, in hundredths of about the time that the step takes."""
    command = ("dedup", asked)
    last = "manifests/dedup-index-list/all.json"
    out = killed_midway(dataflow, command, filtered, tmp_path, begun="dedup", ended=last, share=share)
    dataflow(*command, "--out", out)
    assert digests(out, *_DECIDED) == digests(decided, *_DECIDED)
    assert {path.name for path in (out / "dedup").iterdir()} == {"ranks"}
    assert not list(out.rglob("*.partial"))


def test_another_order_of_survivors_decides_anew_who_stays_of_those_that_mean_the_same(
    in_process: Line, asked: Path, filtered: Path, tmp_path: Path
) -> None:
    pytest.importorskip("semhash")
    out = shutil.copytree(filtered, tmp_path / "out")
    for path in (out / "documents").rglob("*.parquet"):  # all mean the same
        ids = pq.read_table(path, columns=["id"])["id"]
        brought = tmp_path / "vectors" / path.relative_to(out / "documents")
        brought.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"id": ids, "embedding": [[1.0, 0.0]] * len(ids)}), brought)
    sizes = {
        row["id"]: row["n_bytes"]
        for path in (out / "signals").rglob("*.parquet")
        for row in pq.read_table(path, columns=["id", "n_bytes"]).to_pylist()
    }
    stays = []
    for order in ("n_bytes DESC", "n_bytes"):
        wanted = (f"semantic={{embeddings: {tmp_path / 'vectors'}}}", "exact=false", "near=false")
        sets = [part for one in (*wanted, f"survivor={order}") for part in ("--set", f"dedup.{one}")]
        in_process("dedup", asked, "--out", out, *sets)
        rows = [
            row
            for path in (out / "decisions" / "semantic").rglob("*.parquet")
            for row in pq.read_table(path).to_pylist()
        ]
        stays += [sizes[row["id"]] for row in rows if not row["removed"]]
    longest, shortest = stays
    assert longest > shortest


def test_what_a_killed_run_left_of_another_recipe_is_neither_counted_nor_kept(
    in_process: Line, asked: Path, filtered: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(filtered, tmp_path / "out")
    left = {
        "step": "dedup-verified",
        "part": "00000",
        "version": 1,
        "fingerprint": "",
        "inputs": {},
        "outputs": {},
    }
    path = out / "manifests" / "dedup-verified" / "00000.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**left, "counts": {"compared": 7}}))
    vectors = out / "dedup" / "semantic" / "vectors" / "one" / "a.arrow"
    vectors.parent.mkdir(parents=True)
    vectors.touch()
    in_process(
        "dedup", asked, "--out", out, "--set", "dedup.near={shingle: 100000}"
    )  # no document is so long
    counts = json.loads((out / "manifests/dedup/all.json").read_text())["counts"]
    assert counts.get("compared", 0) == 0
    assert {path.name for path in (out / "dedup").iterdir()} == {"ranks"}

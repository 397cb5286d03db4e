"""Bad input through the real command: one line that says what, where and what to do, or a row in the quarantine.

Never a traceback, never half a file under a final name. Faults of the recipe alone stand in ``test_recipe``.
"""

import fcntl
import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard
from command_line import CommandLine

from dataflow import connect
from dataflow.errors import DataflowError

Line = Callable[..., None]

_IS_ROOT = os.geteuid() == 0
_NOUNS = ("river", "town", "family", "market", "winter", "letter", "window", "garden", "teacher", "road")
_VERBS = ("sees", "finds", "leaves", "paints", "follows", "crosses", "remembers", "builds", "sells", "keeps")


def _text(number: int) -> str:
    """Sixty sentences or so that no other number gives."""
    draw = random.Random(number)
    words = [f"the {draw.choice(_NOUNS)} {draw.choice(_VERBS)} the {draw.choice(_NOUNS)}." for _ in range(60)]
    return " ".join(words) + f" This is story {number}."


def _lines(numbers: range) -> bytes:
    return "".join(json.dumps({"text": _text(number)}) + "\n" for number in numbers).encode()


def _recipe(folder: Path, **sections: Any) -> Path:
    """A recipe for one sound source of 40 documents, and what ``sections`` change of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stories.jsonl").write_bytes(_lines(range(40)))
    values: dict[str, Any] = {
        "out": str(folder / "out"),
        "sources": [{"name": "stories", "path": str(folder / "stories.jsonl")}],
        "signals": [],
        "rules": {"sets": []},
        "dedup": {"near": False},
        "runner": {"workers": 1},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values | sections))
    return path


def _error(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line that a failed command ends with; all before it are lines of finished steps."""
    *before, last = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    assert all(re.match(r"[a-z-]+ +\d+ made", line) for line in before), done.stderr
    return last


def _no_half_files(out: Path) -> None:
    """Whatever lies under its final name is whole."""
    for path in out.rglob("*.parquet"):
        pq.read_metadata(path)
    for path in out.rglob("*.json"):
        json.loads(path.read_bytes())


@pytest.fixture(scope="module")
def ran(in_process: Line, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that has been run up to the mixture; its folder is ``out`` beside it."""
    recipe = _recipe(tmp_path_factory.mktemp("ran"))
    in_process("run", recipe)
    return recipe


def test_damaged_files_and_records_go_to_quarantine_and_the_rest_is_used(
    in_process: Line, tmp_path: Path
) -> None:
    good = _lines(range(3))
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "good.jsonl").write_bytes(good)
    (mixed / "empty.jsonl").write_bytes(b"")
    (mixed / "cut.jsonl.gz").write_bytes(gzip.compress(_lines(range(3, 60)))[:-900])
    (mixed / "no.jsonl.gz").write_bytes(b"this is no gzip file")
    (mixed / "cut.jsonl.zst").write_bytes(zstandard.compress(_lines(range(100, 160)))[:-900])
    (mixed / "no.parquet").write_bytes(b"PAR1 and nothing more")
    (mixed / "records.jsonl").write_bytes(b'{"text": 3}\n{"body": "x"}\nnot json\n[1]\n\xff\xfe\n' + good)
    pq.write_table(pa.table({"body": ["the column has another name"]}), mixed / "schema.parquet")
    if not _IS_ROOT:
        (mixed / "locked.jsonl").write_bytes(good)
        (mixed / "locked.jsonl").chmod(0)
    recipe = _recipe(tmp_path, sources=[{"name": "mixed", "path": str(mixed)}])
    in_process("curate", recipe)
    with connect(tmp_path / "out") as con:
        faults = dict(
            con.sql("SELECT input, string_agg(reason, '; ') FROM quarantine GROUP BY input").fetchall()
        )
        fates = dict(con.sql("SELECT input, count(*) FROM ledger GROUP BY input").fetchall())
    for name, reason in {
        "cut.jsonl.gz": "truncated_gzip",
        "no.jsonl.gz": "corrupt_gzip",
        "cut.jsonl.zst": "truncated_zstd",
        "no.parquet": "corrupt_parquet",
        "schema.parquet": 'missing_field: text "text" (fields: body)',
        "records.jsonl": "malformed_json",
    }.items():
        assert reason in faults.pop(name)
    assert set(faults) <= {"locked.jsonl"}
    assert fates["good.jsonl"] == 3
    assert fates["records.jsonl"] == 8
    assert "empty.jsonl" not in fates
    in_process("check", tmp_path / "out")
    _no_half_files(tmp_path / "out")


def test_a_source_without_a_document_ends_the_run(dataflow: CommandLine, tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, shard_bytes="1K")
    (tmp_path / "stories.jsonl").write_bytes(b'{"body": "the field has another name"}\n' * 3)
    said = _error(dataflow("curate", recipe, status=1))
    assert "source stories: none of the 3 records could be read as a document (missing_field" in said
    assert "fields.text" in said


@pytest.mark.parametrize(
    ("step", "change", "says"),
    [
        ("mix", "mixture.budget=1G", 'source "stories" holds'),
        (
            "tokenizer",
            "tokenizer.vocab_size=100000",
            "the text cannot fill the vocabulary: 100,000 tokens asked",
        ),
        ("run", "rules.custom.none=n_words < 0", "no document is left to train on: of 40 none was kept"),
    ],
    ids=["budget", "vocabulary", "all dropped"],
)
def test_more_than_the_corpus_holds_is_refused(
    in_process: Line, ran: Path, step: str, change: str, says: str
) -> None:
    with pytest.raises(DataflowError, match=re.escape(says)):
        in_process(step, ran, "--set", change)
    _no_half_files(ran.parent / "out")


@pytest.mark.slow
def test_more_training_tokens_than_there_are_is_refused(dataflow: CommandLine, ran: Path) -> None:
    pretrain = "pretrain={tokens: 1G, max_epochs: 4, seq_len: 64, batch_tokens: 64}"
    out = ran.parent / "trained"
    shutil.copytree(ran.parent / "out", out)
    sizes = ("--set", "tokenizer.vocab_size=300", "--set", pretrain)
    said = _error(dataflow("run", ran, "--out", out, *sizes, status=2))
    assert "pretrain, tokens: 1,000,000,000 training tokens asked for, but the data holds" in said
    assert "may be read 4 time(s)" in said


def test_two_runs_in_one_folder_are_refused(in_process: Line, ran: Path) -> None:
    says = f"{ran.parent / 'out'}: another run is working in this folder. Wait for it, or stop it."
    with (ran.parent / "out" / "manifests" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DataflowError, match=re.escape(says)):
            in_process("filter", ran)


@contextmanager
def _mounted(folder: Path, *options: str) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    call = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    if not _IS_ROOT or subprocess.run(call, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk, and not in every container")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o500)
    yield


def test_a_full_disk_is_told(in_process: Line, tmp_path: Path) -> None:
    recipe = _recipe(tmp_path)
    disk = tmp_path / "disk"
    with _mounted(disk, "size=1m"):
        (disk / "filler").write_bytes(bytes(1_000_000))
        with pytest.raises(DataflowError, match=r"cannot write: the disk is full.* it continues"):
            in_process("curate", recipe, "--out", disk)
        assert not list(disk.rglob("*.partial"))
        _no_half_files(disk)


def test_a_read_only_folder_is_told(in_process: Line, tmp_path: Path) -> None:
    recipe = _recipe(tmp_path)
    disk = tmp_path / "disk"
    says = rf"{re.escape(str(disk))}.*cannot write.*--out"
    with _mounted(disk, "ro") if _IS_ROOT else _locked(disk), pytest.raises(DataflowError, match=says):
        in_process("curate", recipe, "--out", disk)


def test_a_file_that_is_no_manifest_is_named(dataflow: CommandLine, tmp_path: Path, ran: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(ran.parent / "out", out)
    (manifest,) = (out / "manifests" / "curate" / "stories").glob("*.json")
    for content in (b"{", b'{"made": "elsewhere"}'):
        manifest.write_bytes(content)
        said = _error(dataflow("plan", ran, "--out", out, status=1))
        assert str(manifest) in said
        assert "Remove this file and run again" in said
        assert str(manifest.name) in dataflow("check", out, status=1).stderr


def test_an_interrupted_run_says_that_it_continues(dataflow: CommandLine, tmp_path: Path) -> None:
    recipe = _recipe(tmp_path)
    with (tmp_path / "stories.jsonl").open("ab") as stream:
        for number in range(40, 4000):
            stream.write(_lines(range(number, number + 1)))
    call = [sys.executable, "-m", "flows.cli", "run", str(recipe), "--set", "shard_bytes=100K"]
    run = subprocess.Popen(
        call, env=os.environ | dict(dataflow.environment), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip
    while not list(tmp_path.glob("out/manifests/curate/stories/*.json")):
        assert run.poll() is None
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)  # Ctrl-C on a terminal reaches every process of the run
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 3, stderr
    assert stderr.strip().splitlines()[-1] == "Interrupted. Run the same command again: it continues."
    assert "Traceback" not in stderr
    _no_half_files(tmp_path / "out")

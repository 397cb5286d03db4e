"""The command line on files."""

import json
import sys

import pyarrow.parquet as pq
import pytest
from made_up_texts import BAD, GOOD, made_up

from quality_models.__main__ import main


def run(monkeypatch, capsys, *arguments):
    """Exit status, standard output and standard error of a call."""
    monkeypatch.setattr(sys, "argv", ["quality_models", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    return left.value.code or 0, said.out, said.err


@pytest.fixture
def files(tmp_path):
    for name, words, seed in (("good", GOOD, 1), ("bad", BAD, 2)):
        rows = [json.dumps({"text": text}) for text in made_up(words, 200, seed)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    return tmp_path / "good.jsonl", tmp_path / "bad.jsonl"


def test_train_then_list_show_evaluate_and_score(files, tmp_path, monkeypatch, capsys):
    good, bad = files
    model = tmp_path / "models" / "mine"

    status, said, _ = run(
        monkeypatch, capsys, "train", "--positive", good, "--negative", bad, "--out", model, "--dim", 4
    )
    assert status == 0
    assert "AUC 1.0000" in said

    assert "mine  AUC 1.0000" in run(monkeypatch, capsys, "list", tmp_path / "models")[1]
    assert run(monkeypatch, capsys, "show", model)[1].startswith("# Quality model")
    measured = run(monkeypatch, capsys, "evaluate", model, "--positive", good, "--negative", bad)[1]
    assert "200 positive, 200 negative" in measured

    run(monkeypatch, capsys, "score", model, good, "--out", tmp_path / "scores.parquet")
    scores = pq.read_table(tmp_path / "scores.parquet")
    assert scores["record"].to_pylist() == list(range(200))
    printed = run(monkeypatch, capsys, "score", model, good)[1].splitlines()
    assert [line.split("\t")[0] for line in printed] == [f"{s:.4f}" for s in scores["quality"].to_pylist()]


def test_a_fault_is_one_line(files, tmp_path, monkeypatch, capsys):
    good, _ = files
    same = ("train", "--positive", good, "--negative", good, "--out", tmp_path / "x")
    status, _, said = run(monkeypatch, capsys, *same)
    assert status == 2
    assert said.count("\n") == 1
    status, _, said = run(monkeypatch, capsys, "score", tmp_path / "nothing", good)
    assert status == 1
    assert said.startswith("error: ")

"""The command line on files."""

import json
import sys

import pyarrow.parquet as pq
import pytest

from tokenizer_training.__main__ import main


def run(monkeypatch, capsys, *arguments):
    """Exit status, standard output and standard error of a call."""
    monkeypatch.setattr(sys, "argv", ["tokenizer_training", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    return left.value.code or 0, said.out, said.err


@pytest.fixture
def file(tmp_path, texts):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"body": text}) + "\n" for text in texts))
    return path


def test_train_then_evaluate_export_and_encode(file, texts, store, tmp_path, monkeypatch, capsys):
    mine = tmp_path / "mine"
    train = ("train", file, "--field", "body", "--out", mine, "--vocab-size", 500)
    assert run(monkeypatch, capsys, *train)[:2] == (0, f"500 tokens written to {mine}\n")
    assert (mine / "tokenizer.json").read_bytes() == store.read_bytes("tokenizer/tokenizer.json")

    said = run(monkeypatch, capsys, "evaluate", mine, file, "--field", "body", "--against", mine)[1]
    assert [line.split()[1] for line in said.splitlines()] == ["file", *["texts.jsonl", "all"]]

    assert run(monkeypatch, capsys, "export", mine, tmp_path / "exported")[0] == 0
    assert (tmp_path / "exported" / "tokenizer.json").read_bytes() == (mine / "tokenizer.json").read_bytes()

    out = tmp_path / "part-0.parquet"
    assert run(monkeypatch, capsys, "encode", mine, file, "--field", "body", "--out", out)[0] == 0
    assert pq.read_table(out)["id"].to_pylist() == [f"text/texts.jsonl#{n}" for n in range(len(texts))]


@pytest.mark.parametrize(
    ("vocab_size", "status", "says"),
    [(40, 2, "greater than or equal to 260"), (50_000, 1, "cannot fill the vocabulary")],
)
def test_a_fault_is_one_line(file, tmp_path, monkeypatch, capsys, vocab_size, status, says):
    train = ("train", file, "--field", "body", "--out", tmp_path / "x", "--vocab-size", vocab_size)
    left, _, said = run(monkeypatch, capsys, *train)
    assert left == status
    assert says in said
    assert said.count("\n") == 1

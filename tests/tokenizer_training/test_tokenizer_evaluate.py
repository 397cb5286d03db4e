"""Measures of fit, by group, beside another tokenizer."""

import pytest

from tokenizer_training.config import Tokenizer
from tokenizer_training.evaluate import ALL, evaluate
from tokenizer_training.load import parse
from tokenizer_training.train import learn


def test_rows_are_counted_by_group_and_over_all(tokenizer):
    table = evaluate({"ours": tokenizer}, ["ab cd", "é", "x y z"], ["one", "two", "one"])
    rows = {row["group"]: row for row in table.to_pylist()}
    assert list(rows) == ["one", "two", ALL]
    assert rows["one"]["documents"] == 2
    assert rows["one"]["bytes"] == 10
    assert rows["two"]["bytes"] == 2
    assert rows[ALL]["tokens"] == rows["one"]["tokens"] + rows["two"]["tokens"]
    assert rows["one"]["tokens_per_word"] == rows["one"]["tokens"] / 5
    assert rows["two"]["bytes_per_token"] == 2 / rows["two"]["tokens"]


def test_nothing_to_measure_is_zero_not_a_crash(tokenizer):
    (row,) = evaluate({"ours": tokenizer}, [], []).to_pylist()
    assert row["bytes_per_token"] == 0


def test_a_larger_vocabulary_holds_more_in_a_token(brown):
    held_out = brown[-20:]
    tokenizers = {
        str(size): parse(learn([brown[:150]], Tokenizer(vocab_size=size)), "here") for size in (1_000, 4_000)
    }
    table = evaluate(tokenizers, held_out, ["brown"] * 20).to_pylist()
    fit = {row["tokenizer"]: row["bytes_per_token"] for row in table if row["group"] == ALL}
    assert fit["1000"] == pytest.approx(2.85, abs=0.3)
    assert fit["4000"] > fit["1000"] + 0.5

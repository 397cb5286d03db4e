"""A vocabulary learned from a corpus: any text comes back, the same bytes come out, faults are explained."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from dataflow.store.storage import Storage
from tokenizer_training.config import LONGEST_RUN, SPECIAL_TOKENS, Tokenizer
from tokenizer_training.errors import TokenizerError
from tokenizer_training.load import load, load_file, parse
from tokenizer_training.train import VERSION, learn, train_tokenizer


@given(text=st.text())
def test_any_text_comes_back_as_it_went_in(tokenizer, text):
    text = text.encode("utf-8", "ignore").decode()  # lone surrogates are no text
    assert tokenizer.decode(tokenizer.encode([text])[0]) == text


@given(text=st.text(st.sampled_from("ab \n\t'12.=é你\u0301<|>"), max_size=300))
def test_any_text_comes_back_under_the_gpt2_pattern_too(gpt2_pattern, text):
    assert gpt2_pattern.decode(gpt2_pattern.encode([text])[0]) == text


@pytest.fixture(scope="module")
def gpt2_pattern(texts):
    return parse(learn([texts], Tokenizer(vocab_size=400, pattern="gpt2")), "here")


def test_special_tokens_come_first_then_the_bytes(tokenizer):
    assert tokenizer.special_ids == {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}
    assert tokenizer.vocab_size == 500
    assert not tokenizer.wide
    alphabet = {tokenizer.tokenizer.token_to_id(letter) for letter in pre_tokenizers.ByteLevel.alphabet()}
    assert alphabet == set(range(3, 259))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello world's end", ["Hello", " world", "'s", " end"]),
        ("12345", ["123", "45"]),
        ("    return x", ["   ", " return", " x"]),
        ("a\n\n\nb", ["a", "\n\n\n", "b"]),
        ("नमस्ते जी", ["नमस्ते", " जी"]),
        ("a" * 150, ["a" * 64, "a" * 64, "a" * 22]),
        (" " * 100, [" " * 64, " " * 36]),
        ("=" * 70, ["=" * 64, "=" * 6]),
    ],
)
def test_where_text_is_cut_before_bpe(tokenizer, text, pieces):
    cut = tokenizer.tokenizer.pre_tokenizer.pre_tokenize_str(text)
    assert [text[start:end] for _, (start, end) in cut] == pieces


@given(text=st.text(st.sampled_from("aB1 \n=.é"), max_size=400))
def test_no_piece_is_longer_than_the_cap(tokenizer, text):
    cut = tokenizer.tokenizer.pre_tokenizer.pre_tokenize_str(text)
    assert all(end - start <= 2 * LONGEST_RUN + 1 for _, (start, end) in cut)
    assert "".join(text[start:end] for _, (start, end) in cut) == text


def test_one_very_long_run_costs_next_to_nothing(texts):
    started = time.process_time()
    content = learn([[*texts, "a" * 400_000, " " * 400_000, "\n" * 400_000]], Tokenizer(vocab_size=500))
    assert len(parse(content, "here").encode(["b" * 400_000])[0]) >= 400_000 / LONGEST_RUN
    assert time.process_time() - started < 20  # without the cap: minutes


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_same_bytes_whatever_the_threads(store, texts, threads, tmp_path):
    program = (
        "import sys; from tokenizer_training.train import learn, Tokenizer; import json;"
        "sys.stdout.buffer.write(learn([json.load(open(sys.argv[1]))], Tokenizer(vocab_size=500)))"
    )
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    settings = {
        "RAYON_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "true",
        "PYTHONHASHSEED": threads,
    }
    command = [sys.executable, "-c", program, str(tmp_path / "texts.json")]
    made = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, check=True).stdout
    assert made == store.read_bytes("tokenizer/tokenizer.json")


def test_the_ids_of_this_version():
    """Golden: when this changes, raise VERSION."""
    content = learn(
        [["low lower lowest", "new newer newest", "wide wider widest"] * 3], Tokenizer(vocab_size=270)
    )
    tokenizer = parse(content, "here")
    assert VERSION == 1
    assert tokenizer.encode(["lower newest"])[0].tolist() == [262, 269, 267, 259, 264]


def test_a_vocabulary_that_the_text_cannot_fill_is_refused(tmp_path, write_corpus):
    store = Storage(str(tmp_path))
    write_corpus(store, "main", ["a few words and a few words more"])
    with pytest.raises(TokenizerError) as refused:
        train_tokenizer(store, Tokenizer(vocab_size=32_768), seed=1)
    assert "32,768" in refused.value.what
    assert "268 reached" in refused.value.what
    assert "sample_bytes" in refused.value.fix
    assert not store.exists("tokenizer")


def test_an_empty_folder_names_the_step_to_run(tmp_path):
    with pytest.raises(TokenizerError, match="step mix"):
        train_tokenizer(Storage(str(tmp_path)), Tokenizer(), seed=1)
    with pytest.raises(TokenizerError, match="step tokenizer"):
        load(Storage(str(tmp_path)))


def test_validation_text_is_not_learned_from(tokenizer):
    words = tokenizer.tokenizer.get_vocab()
    assert "Ġwater" in words or "water" in words or "ater" in words
    assert not [token for token in words if "zebra" in token or "xylo" in token]


def ready(path: Path, normalizer=None, alphabet=True, kind="bpe", prefix_space=False) -> str:
    """A tokenizer.json made elsewhere, without our special tokens."""
    made = tokenizers.Tokenizer(models.BPE() if kind == "bpe" else models.WordLevel(unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    made.decoder = decoders.ByteLevel()
    if normalizer:
        made.normalizer = normalizer
    letters = pre_tokenizers.ByteLevel.alphabet() if alphabet else []
    if kind == "bpe":
        trainer = trainers.BpeTrainer(
            vocab_size=300, initial_alphabet=letters, special_tokens=["<s>"], show_progress=False
        )
    else:
        trainer = trainers.WordLevelTrainer(special_tokens=["?"], show_progress=False)
    made.train_from_iterator(["some text from elsewhere, some more text"] * 3, trainer)
    made.save(str(path))
    return str(path)


def test_a_ready_tokenizer_keeps_its_ids_and_gains_what_it_lacks(tmp_path):
    path = ready(tmp_path / "tokenizer.json")
    before = tokenizers.Tokenizer.from_file(path).get_vocab()
    store = Storage(str(tmp_path / "out"))
    made = train_tokenizer(store, Tokenizer(path=path), seed=1)
    after = load(store)
    assert {token: after.tokenizer.get_vocab()[token] for token in before} == before
    assert sorted(after.special_ids.values()) == [len(before), len(before) + 1, len(before) + 2]
    assert made.counts == {"vocab_size": len(before) + 3}
    notes = store.read_json("tokenizer/card.json")["notes"]
    assert [note.split()[1] for note in notes] == list(SPECIAL_TOKENS)


def test_taking_over_our_own_tokenizer_changes_nothing(store, tmp_path):
    again = Storage(str(tmp_path))
    train_tokenizer(again, Tokenizer(path=store.path("tokenizer")), seed=1)
    assert again.read_bytes("tokenizer/tokenizer.json") == store.read_bytes("tokenizer/tokenizer.json")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "words"}, "not a byte-level BPE"),
        ({"alphabet": False}, "bytes not in its vocabulary"),
        ({"normalizer": normalizers.Lowercase()}, "does not survive"),
        ({"prefix_space": True}, "does not survive"),
    ],
)
def test_a_ready_tokenizer_that_loses_text_is_refused(tmp_path, fault, says):
    path = ready(tmp_path / "tokenizer.json", **fault)
    with pytest.raises(TokenizerError, match=says) as refused:
        train_tokenizer(Storage(str(tmp_path / "out")), Tokenizer(path=path), seed=1)
    assert refused.value.where == path


def test_a_file_that_is_no_tokenizer_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"hello": 1}')
    with pytest.raises(TokenizerError, match="not a tokenizer"):
        load_file(str(tmp_path))
    with pytest.raises(TokenizerError, match="no tokenizer found"):
        load_file(str(tmp_path / "nothing"))


def test_long_texts_are_encoded_in_pieces_with_the_same_ids(tokenizer, texts):
    long = " ".join(texts * 9)
    assert len(tokenizer._pieces(long)) > 1
    whole = tokenizer.tokenizer.encode(long, add_special_tokens=False).ids
    assert tokenizer.encode(["short", long, ""])[1].tolist() == whole

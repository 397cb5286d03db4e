"""Signatures straight from texts: the bits of the shared scan, by words; by characters against a plain definition."""

import gzip
import json
import unicodedata
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_scan import PIECES, texts

from dataflow.kernels.minhash import EMPTY, hash_shingles
from dataflow.kernels.scan import analyse
from dataflow.kernels.signatures import shingle_sets, sign
from dataflow.kernels.words import hash_word, mix

LANGUAGES = Path(__file__).resolve().parents[3] / ".." / "shared" / "data/lang"


def array(*documents: str | None) -> pa.LargeStringArray:
    return pa.array(documents, pa.large_string())


def same_bits(documents: pa.LargeStringArray, permutations: int = 16, shingle: int = 5) -> bool:
    scanned = analyse(documents, permutations, shingle).signatures
    return sign(documents, permutations, shingle).tolist() == scanned.tolist()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.none(), texts), max_size=6), st.integers(1, 40), st.integers(1, 9))
def test_the_scan_and_the_lean_reading_agree(documents, permutations, shingle):
    assert same_bits(array(*documents), permutations, shingle)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*"ab1 '-é’中. ", "word", "longer-than-eight's", *PIECES]), max_size=150))
def test_they_agree_wherever_words_fall_on_the_windows(pieces):
    text = "".join(pieces)
    assert same_bits(array(text, text[1:], "x" * 61 + text + " " * 80), 4, 2)


@pytest.mark.parametrize("file", ["udhr.jsonl.gz", "debian_docs_multilingual.jsonl.gz"])
def test_real_text_in_many_scripts(file):
    path = LANGUAGES / file
    if not path.exists():
        pytest.skip("needs the developer data beside the project: shared/data/lang")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        documents = array(*(json.loads(line)["text"][:5000] for line in islice(lines, 0, None, 7)))
    assert same_bits(documents, 112, 5)


@pytest.mark.parametrize("unit", ["words", "characters"])
@pytest.mark.parametrize("shingle", [1, 5, 24])
def test_a_long_document_is_read_in_pieces_with_nothing_lost_between(unit, shingle):
    words = [f"w{i * 7919 % 3001} " for i in range(9000)]
    whole, *parts = array("".join(words), *("".join(words[i : i + 900]) for i in range(0, 9000, 850)))
    long = sign(array(whole.as_py()), 32, shingle, unit)[0]
    pieces = sign(array(*(part.as_py() for part in parts)), 32, shingle, unit)
    assert long.tolist() == pieces.min(axis=0).tolist()


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_one_word_over_and_over_is_its_few_shingles(unit):
    short, long, longest = (sign(array("ab " * n), 112, 5, unit)[0].tolist() for n in (20, 1500, 40_000))
    assert short == long == longest
    assert EMPTY not in short


def test_memory_does_not_grow_with_the_document():
    from dataflow.kernels import signatures

    assert sign(array("the quick brown fox " * 100_000), 8, 5).shape == (1, 8)
    assert signatures._ROOM < 10_000, "units in memory at a time"


def folded(text: str) -> str:
    lower = "".join(c.lower()[0] if unicodedata.category(c)[0] in "LN" else c for c in text)
    return " ".join(lower.split())


def character_set(text: str, shingle: int) -> set[int]:
    units = np.array(
        [mix(np.uint64(0xCBF29CE484222325) ^ np.uint64(ord(c))) for c in folded(text)], np.uint64
    )
    size = min(shingle, len(units))
    out = np.empty(len(units) + 1, np.uint64)
    n = len(units) - size + 1 if len(units) else 0
    hash_shingles(units, 0, n, size, out)
    return set(out[:n].tolist())


@settings(max_examples=150, deadline=None)
@given(texts, st.sampled_from([1, 2, 5, 24]))
def test_characters_are_lower_cased_with_single_spaces(text, shingle):
    hashes, bounds = shingle_sets(array(text), shingle, "characters")
    assert hashes.tolist() == sorted(character_set(text, shingle))
    assert bounds.tolist() == [0, len(hashes)]
    again = sign(array(text, "\n" + folded(text) + " "), 8, shingle, "characters")
    assert again[0].tolist() == again[1].tolist()


def test_sets_of_word_shingles_are_those_of_the_words():
    hashes, bounds = shingle_sets(array("To be, or not to be", None, "be"), 1)
    by_document = [hashes[bounds[i] : bounds[i + 1]].tolist() for i in range(3)]
    out = np.empty(1, np.uint64)
    single = []
    for word in ("to", "be", "or", "not"):
        hash_shingles(np.array([hash_word(word)], np.uint64), 0, 1, 1, out)
        single.append(int(out[0]))
    assert by_document == [sorted(single), [], [single[1]]]


def test_short_and_empty_documents():
    short, same, other, empty, blank = sign(
        array("To be", " to  BE ", "to bee", "", " \n"), 16, 24, "characters"
    )
    assert short.tolist() == same.tolist() != other.tolist()
    assert (empty == EMPTY).all()
    assert (blank == EMPTY).all()


@pytest.mark.parametrize(("permutations", "shingle"), [(0, 5), (40_000, 5), (8, 0)])
def test_parameters_out_of_range(permutations, shingle):
    with pytest.raises(ValueError, match="permutations must be 1 to 32767"):
        sign(array("a"), permutations, shingle)

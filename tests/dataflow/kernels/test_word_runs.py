"""Runs of words are found just where a plain reading of the text finds them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.kernels import characters
from dataflow.kernels.word_runs import LONGEST, compile_runs, find_runs, read_words, run_keys

PASSED_OVER = "'\u2019\u00ad\u200c\u200d"

TEXTS = st.text(
    st.sampled_from("abAB é１9ǅßΣİ\u0301'’-‐\u00ad\u200d.,…\n\u3000漢字かナกำ\U00020000🙂"), max_size=60
)


def plain_words(text):
    """The words of a text, with the byte where each begins and the one after it."""
    table = characters.table()
    kinds = [int(table[ord(c)] & characters.KIND) for c in text]
    lower = [chr(ord(c) ^ int(table[ord(c)] >> characters.LOWER_SHIFT)) for c in text]
    at = np.cumsum([0, *(len(c.encode()) for c in text)]).tolist()
    words, i = [], 0
    while i < len(text):
        start = i
        if kinds[i] == characters.SPACELESS:
            i += 1
            words.append((lower[start], at[start], at[i]))
        elif characters.DIGIT <= kinds[i] <= characters.LETTER:
            word = ""
            while i < len(text):
                follows = i + 1 < len(text) and characters.DIGIT <= kinds[i + 1] <= characters.LETTER
                if characters.MARK <= kinds[i] <= characters.LETTER:
                    word += lower[i]
                elif not (text[i] in PASSED_OVER and follows):
                    break
                i += 1
            words.append((word, at[start], at[i]))
        else:
            i += 1
    return words


def column(*texts):
    return pa.array(texts, pa.large_string())


def looked_for(*phrases, begin=1):
    """Runs compiled from phrases, each a run of all its words."""
    keys, beginnings, sizes = [], [], []
    for phrase in phrases:
        hashes, _ = read_words(column(phrase))
        keys += run_keys(hashes, len(hashes)).tolist()
        beginnings += run_keys(hashes, begin)[:1].tolist()
        sizes.append(len(hashes))
    return compile_runs(np.array(keys, np.uint64), np.array(beginnings, np.uint64), np.array(sizes), begin)


def found(runs, text):
    """What was found, as it stands in the text, with the run's number."""
    hits = find_runs(runs, column(text))
    data = text.encode()
    spans = zip(hits.run.tolist(), hits.start.tolist(), hits.end.tolist(), strict=True)
    return [(run, data[start:end].decode()) for run, start, end in spans]


@pytest.mark.parametrize(
    ("text", "as_it_stands"),
    [
        ("I said: The Quick -- brown, fox!", "The Quick -- brown, fox"),
        ("THE\tQUICK\n\nBROWN   FOX", "THE\tQUICK\n\nBROWN   FOX"),
        ("«the quick-brown fox»", "the quick-brown fox"),
        ("the qu\u00adick brown f’ox", "the qu\u00adick brown f’ox"),
    ],
)
def test_case_punctuation_and_space_make_no_difference(text, as_it_stands):
    assert found(looked_for("the quick brown fox"), text) == [(0, as_it_stands)]


@pytest.mark.parametrize(
    "text", ["the quick brown foxes", "the quick fox brown", "the quick brown", "thequick brown fox"]
)
def test_other_words_are_another_run(text):
    assert found(looked_for("the quick brown fox"), text) == []


def test_apostrophes_are_passed_over_and_hyphens_part_words():
    runs = looked_for("I don't know a well-known ending")
    for text in ("I dont know a well known ending", "I don’t know a well‐known ending"):
        assert found(runs, text) == [(0, text)]


def test_in_scripts_without_spaces_every_character_is_a_word():
    assert found(looked_for("水部位肉"), "上等水部位，肉。") == [(0, "水部位，肉")]


@given(TEXTS)
@example("e\u0301a")
def test_words_are_those_of_the_plain_reading(text):
    hashes, first = read_words(column("x", text, ""))
    plain = [word for word, _, _ in plain_words(text)]
    assert first.tolist() == [0, 1, 1 + len(plain), 1 + len(plain)]
    known = {}
    for word, value in zip(plain, hashes[1:].tolist(), strict=True):
        assert known.setdefault(word, value) == value
    assert len(set(known.values())) == len(known)


@settings(max_examples=200)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.lists(TEXTS, min_size=1, max_size=4), st.integers(1, 3))
def test_a_run_is_found_where_the_plain_reading_has_it_and_nowhere_else(texts, phrases, begin):
    plain = {tuple(word for word, _, _ in plain_words(phrase)): phrase for phrase in phrases}
    sought = {words: phrase for words, phrase in plain.items() if len(words) >= begin}
    if not sought:
        return
    runs = looked_for(*sought.values(), begin=begin)
    hits = find_runs(runs, column(*texts))
    expected = []
    for document, text in enumerate(texts):
        words = plain_words(text)
        for number, run in enumerate(sought):
            for i in range(len(words) - len(run) + 1):
                if tuple(word for word, _, _ in words[i : i + len(run)]) == run:
                    expected.append((document, number, words[i][1], words[i + len(run) - 1][2]))
    rows = zip(*(part.tolist() for part in (hits.document, hits.run, hits.start, hits.end)), strict=True)
    assert sorted(rows) == sorted(expected)


@pytest.mark.parametrize("before", [0, 1, 4080, 4090, 4095, 4096, 8185, 20_000])
def test_a_run_is_found_at_any_place_of_a_long_document(before):
    phrase = " ".join(f"w{n}" for n in range(13))
    text = "so " * before + phrase + " so" * 5000
    assert found(looked_for(phrase, "so far so good", begin=4), text) == [(0, phrase)]


def test_more_hits_than_there_was_room_for():
    hits = find_runs(looked_for("a b"), column("a b " * 10_000, "", "b a b"))
    assert len(hits.run) == 10_001
    assert hits.document[[0, -1]].tolist() == [0, 2]


def test_nothing_is_looked_for():
    none = np.zeros(0, np.uint64)
    assert found(compile_runs(none, none, none.astype(np.int64), 8), "some text") == []


def test_slices_and_nulls_are_read_as_they_are():
    texts = pa.array(["a b", None, "a b c", "b"], pa.large_string())
    hits = find_runs(looked_for("a b"), texts.slice(1))
    assert (hits.document.tolist(), hits.start.tolist(), hits.end.tolist()) == ([1], [0], [3])


def test_runs_that_cannot_be_looked_up_are_refused():
    with pytest.raises(ValueError, match="from 3 to"):
        looked_for("a b", begin=3)
    with pytest.raises(ValueError, match=str(LONGEST)):
        looked_for("a " * (LONGEST + 1))

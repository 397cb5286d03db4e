"""Signals by example: a text, a signal, the value it has."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.kernels.scan import analyse
from dataflow.signals import table

COUNTED = ("gopher", "c4", "fineweb", "characters", "vocabulary")
FATHER = "I am your father.\n"


def signals(*texts: str) -> dict[str, list]:
    given = pa.array(texts, pa.large_string())
    documents = table.Documents(given, pa.nulls(len(texts), pa.string()), "web", analyse(given, 0, 5))
    columns = table.compute(documents, COUNTED)
    return {name: column.to_pylist() for name, column in columns.items()}


EXAMPLES = [
    # sizes
    ("", "n_characters", 0),
    ("añ中😀\n", "n_characters", 5),
    ("It's a well-known fact: 3 of 4.", "n_words", 7),
    ("你好世界你好世界", "n_words", 5),  # 8 / 1.6
    ("你好世界 Python", "n_words", 4),  # 4 / 1.6 rounded up, and one
    ("ภาษาไทย", "n_words", 2),  # 7 / 4 rounded up
    ("one\n \n\ntwo\nthree\n", "n_lines", 3),
    ("one\n \n\ntwo\nthree\n", "n_paragraphs", 2),
    ("one\r\n\r\ntwo", "n_paragraphs", 2),
    ("abcd 你好 12", "spaceless_share", 0.25),
    ("...", "spaceless_share", 0),
    # Gopher, quality
    ("I am your father", "mean_word_length", 3.25),
    ("你好", "mean_word_length", 0),
    ("#one ##two three four", "hash_to_word_ratio", 0.75),
    ("##", "hash_to_word_ratio", 2),
    ("well... yes… no......", "ellipsis_to_word_ratio", 4 / 3),
    ("• a\n- b\n-c\n  *  d\n-\n·\u00a0e", "bullet_line_share", 5 / 6),
    ("a...\nb…  \nc\nd. . .", "ellipsis_line_share", 0.5),
    ("a b2 3 4", "alphabetic_word_share", 0.5),
    ("ภาษาไทย", "alphabetic_word_share", 1),
    ("The THE the cat and And", "n_stop_words", 2),
    ("then bee", "n_stop_words", 0),
    # Gopher, repetition
    (FATHER * 4, "duplicate_line_share", 0.75),
    (FATHER * 4, "duplicate_line_character_share", 0.75),
    (FATHER * 4, "duplicate_paragraph_share", 0),
    ((FATHER + "\n") * 4, "duplicate_paragraph_share", 0.75),
    ("aa\nbbbb\n\naa\nbbbb\n\naa\n\ncc", "duplicate_paragraph_share", 0.25),
    ("aa\nbbbb\n\naa\nbbbb\n\naa\n\ncc", "duplicate_paragraph_character_share", 6 / 16),
    ("  aa\naa  \nAA", "duplicate_line_share", 1 / 3),
    ("to be or not to be", "top_2gram_character_share", 8 / 13),
    ("a b a b ccc ddd ccc ddd", "top_2gram_character_share", 12 / 16),  # of equals the longest
    ("a a a a", "top_2gram_character_share", 1),  # each word once, though three bigrams lie over it
    ("one two three four", "top_2gram_character_share", 0),  # seen once is no repetition
    ("To be, or not TO BE!", "top_2gram_character_share", 8 / 13),
    ("ÄRGER Über ärger ÜBER x", "top_2gram_character_share", 18 / 19),
    ("你好你好", "top_2gram_character_share", 1),
    ("a b c d e x a b c d e", "duplicate_5gram_character_share", 5 / 11),
    ("a b c d e x a b c d e", "duplicate_6gram_character_share", 0),
    ("a a a a a a", "duplicate_5gram_character_share", 5 / 6),  # the copy that begins at the second word
    # C4
    ("One. Two! Three? Four", "n_sentences", 4),
    ("版本 3.14 发布。好！", "n_sentences", 2),
    ("if (x) { y }", "has_curly_bracket", True),
    ("}", "has_curly_bracket", False),
    ("Lorem\nIPSUM dolor", "has_lorem_ipsum", True),
    ("lorem dolor ipsum", "has_lorem_ipsum", False),
    # FineWeb
    ('One.\nTwo\n"Three!"\nhe said (four.)\nfive?…', "punctuation_line_share", 0.8),
    ("好。\n不好”\n吗？」", "punctuation_line_share", 2 / 3),
    ("a" * 30 + "  \n" + "a" * 31, "short_line_share", 0.5),
    ("one\n\ntwo three four\n", "newline_to_word_ratio", 0.75),
    ("\n\n", "newline_to_word_ratio", 2),
    # characters
    ("ab1 é中๑.\n", "alphabetic_character_share", 4 / 9),
    ("ab1 é中๑.\n", "digit_share", 2 / 9),
    ("ab1 é中๑.\n", "whitespace_share", 2 / 9),
    ("ab1 é中๑.\n", "symbol_share", 1 / 9),
    ("ab1 é中๑.\n", "non_ascii_share", 3 / 9),
    ("ÄbC d", "uppercase_share", 2 / 5),
    ("AZ[@az09/:", "uppercase_share", 2 / 10),
    ("AZ[@az09/:", "digit_share", 2 / 10),
    ("USA and ÖBB I x2 42 B2B", "capital_word_share", 4 / 7),
    ("The the THE cat", "unique_word_share", 0.5),
    ("你好你", "unique_word_share", 2 / 3),
    ("one two One two", "word_entropy", np.log(2)),
    ("", "word_entropy", 0),
    ("abab", "byte_entropy", 1),
    ("éé", "byte_entropy", 1),
    ("a well-known fact", "max_word_length", 10),
    ("ab\n\n  cdé \nf", "max_line_length", 6),
    ("ab\n\n  cdé \nf", "mean_line_length", 9 / 4),
    ("ab\n\n  cdé \nf\n", "mean_line_length", 9 / 4),
    ("", "mean_line_length", 0),
]


@pytest.mark.parametrize(("text", "name", "value"), EXAMPLES)
def test_example(text, name, value):
    assert signals(text)[name] == [pytest.approx(value, abs=1e-6)]


def test_every_counted_signal_has_an_example():
    named = {name for _, name, _ in EXAMPLES}
    families = {s.name.replace("3gram", "2gram").replace("4gram", "2gram") for s in table.SIGNALS if s.values}
    longer = {f"duplicate_{n}gram_character_share" for n in range(7, 11)}
    assert families - longer == named


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from("ab ab\n.#中國不ก😀-'…{"), max_size=80), min_size=1, max_size=4))
def test_shares_lie_between_0_and_1_and_longer_ngrams_cover_no_more(texts):
    found = signals(*texts)
    for signal in table.SIGNALS:
        if signal.unit == "share" and signal.name in found:
            assert all(0 <= value <= 1 for value in found[signal.name])
    for n in range(5, 10):
        shorter, longer = (np.array(found[f"duplicate_{m}gram_character_share"]) for m in (n, n + 1))
        assert (longer <= shorter).all()
    assert all(value is not None for column in found.values() for value in column)

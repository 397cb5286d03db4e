"""How text is put before fastText."""

import unicodedata

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quality_models.text import CHARACTERS_READ, normalise


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("The END.", "the end ."),
        ("one\ntwo\r\n three", "one two three"),
        ("__label__negative", "_ _ label _ _ negative"),
        ("a </s> b", "a < / s > b"),
        ("Ärger, 你好。", "ärger , 你好 。"),
        ("one\u00a0two\u3000three\0four\x85", "one two three four"),
        ("ȺΣΑΣ İ Ⅳ…", "ⱥσασ i ⅳ …"),
        ("𐐀𝒜 🐋🐋", "𐐨𝒜 🐋 🐋"),
        ("  \n\t ", ""),
        (None, ""),
    ],
)
def test_text_becomes_one_line_of_lower_case_words(text, line):
    (found,) = normalise(pa.array([text], pa.large_string())).to_pylist()
    assert found == line


@given(text=st.text())
def test_nothing_in_a_text_is_a_command_to_fasttext(text):
    text = text.encode("utf-8", "ignore").decode()
    (line,) = normalise(pa.array([f"{text}__label__x </s>"], pa.large_string())).to_pylist()
    assert "\n" not in line
    assert "__label__" not in line
    assert "</s>" not in line


@given(text=st.text())
@example(text="".join(map(chr, range(0x3100))))
@example(text="x.y" + "\N{SPOUTING WHALE}" * 50)
def test_words_are_runs_of_letters_marks_and_digits_and_anything_visible_else_stands_alone(text):
    text = text.encode("utf-8", "ignore").decode()
    expected = []
    after_part = False
    for character in pc.utf8_lower(pa.scalar(text)).as_py():
        part = unicodedata.category(character)[0] in "LMN"
        if part and after_part:
            expected[-1] += character
        elif not character.isspace() and character != "\0":
            expected.append(character)
        after_part = part
    (line,) = normalise(pa.array([text], pa.large_string())).to_pylist()
    # a character that a newer Unicode has assigned is a letter to one side only
    if "Cn" not in {unicodedata.category(character) for character in text}:
        assert line == " ".join(expected)


def test_a_slice_and_a_missing_text_keep_their_rows():
    texts = pa.array(["Aa", "B b", None, "", "C.c"], pa.large_string())
    assert normalise(texts[1:]).to_pylist() == ["b b", "", "", "c . c"]


def test_only_the_beginning_of_a_long_text_is_read():
    texts = ["é" * CHARACTERS_READ + tail for tail in ("", "x", "y" * 100)]
    assert len(set(normalise(pa.array(texts, pa.large_string())).to_pylist())) == 1

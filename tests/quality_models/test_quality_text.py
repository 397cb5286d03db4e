"""How text is put before fastText."""

import pyarrow as pa
import pytest
from hypothesis import given
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
        ("  \n\t ", ""),
        (None, ""),
    ],
)
def test_text_becomes_one_line_of_lower_case_words(text, line):
    (found,) = normalise(pa.array([text], pa.large_string())).to_pylist()
    assert found.split() == line.split()


@given(text=st.text())
def test_nothing_in_a_text_is_a_command_to_fasttext(text):
    text = text.encode("utf-8", "ignore").decode()
    (line,) = normalise(pa.array([f"{text}__label__x </s>"], pa.large_string())).to_pylist()
    assert "\n" not in line
    assert "__label__" not in line
    assert "</s>" not in line


def test_only_the_beginning_of_a_long_text_is_read():
    texts = ["é" * CHARACTERS_READ + tail for tail in ("", "x", "y" * 100)]
    assert len(set(normalise(pa.array(texts, pa.large_string())).to_pylist())) == 1

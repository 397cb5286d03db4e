"""What counts as the same text."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.dedup import exact
from dataflow.dedup.exact import exact_hashes


def hashes(*texts: str | None) -> list[bytes]:
    return exact_hashes(pa.array(texts, pa.large_string())).to_pylist()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Hello world", "hello   WORLD", True),
        ("a\tb\n\nc ", " a b c", True),
        ("caf\u00e9", "cafe\u0301", True),  # composed and decomposed
        ("no\u00a0break", "no break", True),
        ("", " \n\t", True),
        ("", None, True),
        ("cafe", "café", False),
        ("a b", "ab", False),
        ("Hello, world", "Hello world", False),  # punctuation counts
        ("", ".", False),
    ],
)
def test_texts_are_the_same_but_for_case_white_space_and_composition(
    one: str, other: str | None, same: bool
) -> None:
    first, second = hashes(one, other)
    assert (first == second) is same


@given(st.text())
def test_a_text_hashes_as_its_normal_form_and_whatever_space_stands_around_it(text: str) -> None:
    plain, spaced, normal = hashes(text, f"\n {text}\t", exact.normalise(text))
    assert plain == spaced == normal


@given(st.text(st.sampled_from("aB \t\n\r\x0b\x1c\x85\u00a0\u2003\u2029\u3000\u200b\u00e9")))
def test_white_space_is_folded_as_python_splits_it(text: str) -> None:
    assert exact.normalise(text) == " ".join(text.lower().split())


def test_a_slice_of_an_array_hashes_its_own_rows() -> None:
    texts = pa.array(["a", "b", "c"], pa.large_string())
    assert exact_hashes(texts.slice(1, 2)).to_pylist() == hashes("b", "c")
    assert exact_hashes(texts.slice(0, 0)).to_pylist() == []


def test_golden_hashes_of_version_1() -> None:
    assert exact.VERSION == 1
    assert [value.hex() for value in hashes("", "The quick brown fox", "Ünïcode  TEXT")] == [
        "99aa06d3014798d86001c324468d497f",
        "2830e9c6299d0ff9ab2ec4cf7e8d85d2",
        "3fd12636033c6efdc929db3732a2c9b2",
    ]

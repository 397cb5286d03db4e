"""Repetition among given words, against the plain definition and against our own words."""

import plain_definition as plain
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.kernels import ngrams, scan

WORDS = pa.large_list(pa.large_string())


def repetition(*documents: list[str] | None) -> list[dict[str, int]]:
    found = ngrams.repetition_of_words(pa.array(documents, WORDS))
    return [{name: int(column[row]) for name, column in found.items()} for row in range(len(documents))]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "a", "b", "né", "A", ".", ""]), max_size=40), max_size=4))
def test_given_words_repeat_as_the_plain_definition_says(documents):
    assert repetition(*documents) == [plain.repetition(words) for words in documents]


def test_our_own_words_given_count_as_the_scan_counts():
    text = "To be, or not to be: that is the question. To be, or not to be!"
    counted = scan.analyse(pa.array([text], pa.large_string()), 0, 5).statistics
    [given_words] = repetition([word.text for word in plain.words(text)])
    assert given_words == {name: int(counted[name][0]) for name in ngrams.STATISTICS}
    assert given_words["top_2gram_characters"] == 4 * len("tobe")


def test_a_document_counts_the_same_in_a_slice_and_beside_a_null():
    documents = [["x", "y"] * 5, None, ["a", "b", "c", "a", "b"], []]
    alone = [repetition(words or [])[0] for words in documents]
    assert repetition(*documents) == alone
    part = ngrams.repetition_of_words(pa.array(documents, WORDS)[2:])
    assert part["top_2gram_characters"].tolist() == [4, 0]


def test_other_arrays_are_refused():
    with pytest.raises(TypeError, match="large_string"):
        ngrams.repetition_of_words(pa.array([["a"]], pa.list_(pa.string())))

"""Passages and their places are those of the definition, and equal hashes are equal passages."""

from itertools import chain, pairwise

import numpy as np
import plain_passages
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_definition import words

from dataflow.kernels import passages as kernels
from dataflow.kernels.passages import KINDS, Wanted, hashes_of, passages
from dataflow.kernels.words import hash_word

ALPHABET = "aAb'- .!?\n\t\r\"”)(1é…。」、東วำİΣ·-\u00a0\u0301#"
ANY = st.characters(max_codepoint=0x1FFFF, exclude_categories=["Cs", "Cn"])
TEXTS = st.lists(st.text(ALPHABET, max_size=40) | st.text(ANY, max_size=20), max_size=5)


def listed(texts, wanted):
    """(document, kind, start, end in bytes, first word, words, hash) of lines, paragraphs and sentences."""
    array = pa.array(texts, pa.large_string())
    base = array.buffers()[1] if len(texts) else None
    offsets = np.frombuffer(base, np.int64, len(texts) + 1) if base else np.zeros(1, np.int64)
    found = []
    for group in passages(array, wanted):
        for document in range(group.first, group.last):
            at, word = offsets[document], group.word_of[document - group.first]
            for i in range(*group.listed_of[document - group.first : document - group.first + 2]):
                place = (int(group.start[i] - at), int(group.end[i] - at))
                run = (int(group.first_word[i] - word), int(group.n_words[i]))
                found.append((document, KINDS[group.kind[i]], place, run, int(group.hash[i])))
    return found


def in_bytes(text, i):
    return len(text[:i].encode())


@given(TEXTS, st.integers(1, 3), st.integers(1, 3))
@settings(deadline=None, max_examples=100)
def test_lines_paragraphs_and_sentences_are_those_of_the_definition(texts, least, span):
    plain = {"line": least, "paragraph": least, "sentences": least, "span": span}
    expected = [
        (
            document,
            one.kind,
            (in_bytes(text, one.start), in_bytes(text, one.end)),
            (one.first, one.last - one.first),
            (one.kind, one.content),
        )
        for document, text in enumerate(texts)
        for one in plain_passages.passages(text, plain)
    ]
    ours = listed(texts, Wanted(least, least, least, span))
    assert [one[:4] for one in ours] == [one[:4] for one in expected]
    hashes = {one[4] for one in ours}
    assert (
        len(hashes)
        == len({one[4] for one in expected})
        == len({(a[4], b[4]) for a, b in zip(ours, expected, strict=True)})
    )


@given(TEXTS)
@settings(deadline=None)
def test_words_are_those_of_the_scan(texts):
    found = []
    for group in passages(pa.array(texts, pa.large_string()), Wanted(line_words=1)):
        bounds = group.word_of.tolist()
        found += [group.word_hash[first:last].tolist() for first, last in pairwise(bounds)]
    assert found == [[hash_word(word.text) for word in words(text)] for text in texts]


@given(TEXTS, st.integers(1, 4))
@settings(deadline=None)
def test_runs_of_words_have_equal_hashes_where_their_words_are_equal(texts, n):
    hashes, counts = [], []
    for group in passages(pa.array(texts, pa.large_string()), Wanted(words=n)):
        some, numbers = hashes_of(group, n)
        hashes += some.tolist()
        counts += numbers.tolist()
    runs = [one.content for text in texts for one in plain_passages.passages(text, {"substring": n})]
    assert counts == [len(plain_passages.passages(text, {"substring": n})) for text in texts]
    assert len(set(hashes)) == len(set(runs)) == len(set(zip(hashes, runs, strict=True)))


@pytest.mark.parametrize("kind", ["line_words", "paragraph_words", "sentence_words"])
def test_letter_case_and_white_space_make_no_difference_and_kinds_are_never_mixed(kind):
    texts = ["One\u00a0 two,\tTHREE", "one two, three", "one two three", "İone"]
    found = [one[4] for one in listed(texts, Wanted(**{kind: 1}, span=1))]
    assert found[0] == found[1] != found[2]
    other = {"line_words": "paragraph_words"}.get(kind, "line_words")
    assert not set(found) & {one[4] for one in listed(texts, Wanted(**{other: 1}, span=1))}


def test_groups_of_documents_are_no_more_than_a_way_to_read_them(monkeypatch):
    texts = ["one two. three", "", "four\n\nfive six", "seven", None, "a b c d"] * 3
    wanted = Wanted(1, 1, 1, 1, 2)

    def all_hashes():
        return [
            hashes_of(group, 2)[0].tolist() for group in passages(pa.array(texts, pa.large_string()), wanted)
        ]

    together = [*chain(*all_hashes())]
    monkeypatch.setattr(kernels, "GROUP_BYTES", 1)
    assert len(all_hashes()) == len(texts)
    assert [*chain(*all_hashes())] == together

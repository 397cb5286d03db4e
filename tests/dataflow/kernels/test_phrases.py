"""Listed phrases in texts: what is found, and that it is what a plain search by the same definition finds."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.kernels.phrases import Reading, compile_phrases, count_phrases, fold


def counts(phrases: list[str], *texts: str, reading: Reading = "text") -> list[list[int]]:
    compiled = compile_phrases([phrases], reading)
    found = count_phrases(compiled, pa.array(texts, pa.large_string()), np.zeros(len(texts), np.int32))
    return found.tolist()


@pytest.mark.parametrize(
    ("phrases", "text", "occurrences", "different"),
    [
        (["ass"], "Ass, ASS! assess class bass", 2, 1),
        (["two girls"], "two  girls\ntwo\ngirls", 2, 1),
        (["two girls"], "two, girls", 0, 0),
        (["a", "a b", "b c"], "a b c", 1, 1),  # the longest at a place, then on after its end
        (["ass"], "l'ass l\u2019ass kick-ass ass_", 4, 1),
        (["l'ass"], "l\u2019ass", 1, 1),
        (["$hit", "a$$"], "$HIT a$$ a$", 2, 2),
        (["🖕"], "you🖕🖕", 2, 1),
        (["三级片", "sm"], "看三级片，sm asm", 2, 2),
        (["กระดอ"], "เขากระดอมาก", 1, 1),
        (["über"], "ÜBER überall über", 2, 1),
        (["shit"], "sh\u00adit", 1, 1),
        (["e\u0301"], "e\u0301 e e\u0301a", 1, 1),
        (["ab"], "", 0, 0),
    ],
)
def test_what_is_found(phrases, text, occurrences, different):
    assert counts(phrases, text) == [[occurrences, different]]


def test_in_words_any_run_of_other_characters_is_one_space():
    assert counts(["free-video", "xxx"], "free_video/xxx", "free/xxxx", reading="words") == [[2, 2], [0, 0]]


def test_joined_words_are_found_anywhere():
    assert counts(["free-video", "bad"], "a.fre/evideo", "b-a-d", reading="joined") == [[1, 1], [1, 1]]


def test_each_document_is_asked_about_its_own_list():
    compiled = compile_phrases([["one"], [], ["two"]])
    texts = pa.array(["one two two", None, "one", "one two two", "two"], pa.large_string())
    lists = np.array([2, 0, 0, 0, -1], np.int32)
    assert count_phrases(compiled, texts, lists).tolist() == [[2, 1], [0, 0], [1, 1], [1, 1], [0, 0]]
    assert count_phrases(compiled, texts[2:4], lists[2:4]).tolist() == [[1, 1], [1, 1]]


def plain_counts(phrases: list[str], text: str) -> list[int]:
    """The definition, slowly: at each place the longest phrase that cuts no word."""

    def inside(character: str) -> bool:
        return unicodedata.category(character)[0] in "LMN" and not "\u4e00" <= character <= "\u9fff"

    read, listed = fold(text + "|"), {fold(phrase) for phrase in phrases} - {""}
    lead = " " if text[:1].isspace() else ""
    read = lead + read[: read.rindex("|")]

    def edge(place: int) -> bool:
        return not (0 < place < len(read) and inside(read[place - 1]) and inside(read[place]))

    found, i = [], 0
    while i < len(read):
        ends = [i + len(p) for p in listed if read.startswith(p, i) and edge(i) and edge(i + len(p))]
        if ends:
            found.append(read[i : max(ends)])
        i = max(ends, default=i + 1)
    return [len(found), len(set(found))]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("abB 中国ü'$\u0301", max_size=4), max_size=6),
    st.text("abAB 中国üÜ'$\n\u0301😀", max_size=30),
)
def test_the_kernel_finds_what_the_definition_says(phrases, text):
    assert counts(phrases, text) == [plain_counts(phrases, text)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=12), min_size=1, max_size=4))
def test_bytes_that_are_not_utf8_are_read_to_their_end_and_no_further(parts):
    data = b"".join(parts) + b"bad"  # beyond the last document
    offsets = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    texts = pa.LargeStringArray.from_buffers(len(parts), pa.py_buffer(offsets), pa.py_buffer(data))
    found = count_phrases(compile_phrases([["bad", "b"]]), texts, np.zeros(len(parts), np.int32))
    assert found[:, 0].sum() <= sum(part.lower().count(b"b") for part in parts)

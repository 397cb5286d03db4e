"""Passages that several documents share: one keeps them, the others lose them; laws and examples."""

import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from passage_corpora import cut, left, put, rounds

from dataflow.dedup.config import Dedup
from dataflow.store.storage import Storage

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "kernels"))
import plain_passages

LINES = {"lines": {"min_words": 2}}
KINDS = {
    "line": LINES,
    "paragraph": {"paragraphs": {"min_words": 3}},
    "sentences": {"sentences": {"min_words": 3, "span": 2}},
    "substring": {"substrings": {"words": 10}},
}
PLAIN = {"line": 2, "paragraph": 3, "sentences": 3, "span": 2, "substring": 10}

WORDS = st.sampled_from(["a", "b", "C", "don't", "é", "東", "ก", "1"])
SENTENCES = st.builds(
    lambda words, end: " ".join(words) + end,
    st.lists(WORDS, max_size=4),
    st.sampled_from([".", "", "! ", "。"]),
)
PIECES = st.lists(SENTENCES, min_size=1, max_size=3).map(" ".join)
# Documents of few pieces that come again and again, so that passages overlap in chains.
CORPORA = st.lists(PIECES, min_size=1, max_size=5).flatmap(
    lambda pieces: st.lists(
        st.lists(st.sampled_from([*pieces, ""]), max_size=7).flatmap(
            lambda some: st.sampled_from(["\n", " ", "\n\n", "\r\n"]).map(lambda space: space.join(some))
        ),
        max_size=7,
    )
)
KIND_SETS = st.sets(st.sampled_from(list(KINDS)), min_size=1)


def config_of(kinds):
    return {name: value for kind in sorted(kinds) for name, value in KINDS[kind].items()}


def plain_of(kinds):
    return {kind: PLAIN[kind] for kind in kinds} | {"span": PLAIN["span"]}


def visible(text, cut_characters):
    return {i for i in cut_characters if not text[i].isspace()}


def characters_cut(text, one):
    """Characters of a text (by number) that a decision cuts."""
    at, found = 0, set()
    for i, c in enumerate(text):
        if any(start <= at < end for start, end, _ in one.spans):
            found.add(i)
        at += len(c.encode())
    return found


@given(CORPORA, KIND_SETS, st.integers(0, 12))
@settings(deadline=None, max_examples=25)
def test_the_rounds_come_to_what_taking_one_document_after_the_other_comes_to(texts, kinds, min_left_words):
    expected = plain_passages.decide(texts, plain_of(kinds), min_left_words)
    ours = cut(texts, min_left_words=min_left_words, **config_of(kinds))
    assert set(ours) == {i for i, one in enumerate(expected) if one.cut}
    for i, one in ours.items():
        assert visible(texts[i], characters_cut(texts[i], one)) == visible(texts[i], expected[i].cut)
        assert one.removed == expected[i].removed
        assert one.bytes_cut + one.bytes_left == len(texts[i].encode())
        assert len(one.left(texts[i]).encode()) == one.bytes_left
    _check_laws(texts, plain_of(kinds), ours)


def _check_laws(texts, wanted, decisions):
    """What repeats and is left to a document stands whole in one, and nothing but whole passages is cut."""
    listed = [plain_passages.passages(text, wanted) for text in texts]
    repeated = Counter((one.kind, one.content) for some in listed for one in some)
    to_stand, standing = set(), set()
    for i, some in enumerate(listed):
        gone = characters_cut(texts[i], decisions[i]) if i in decisions else set()
        shared = [one for one in some if repeated[one.kind, one.content] > 1]
        within = [one for one in shared if set(range(one.start, one.end)) <= gone]
        covered = {character for one in within for character in range(one.start, one.end)}
        assert visible(texts[i], gone) == visible(texts[i], covered)
        if i not in decisions or not decisions[i].removed:
            to_stand |= {(one.kind, one.content) for one in shared}
            whole = [one for one in some if not gone & set(range(one.start, one.end))]
            standing |= {(one.kind, one.content) for one in whole}
    assert to_stand <= standing


@given(CORPORA, KIND_SETS, st.integers(0, 12), st.randoms(use_true_random=False), st.sampled_from([2, 8]))
@settings(deadline=None, max_examples=8)
def test_neither_parts_nor_the_order_of_rows_nor_memory_make_a_difference(texts, kinds, least, random, n):
    config = {"min_left_words": least, **config_of(kinds)}
    numbers = list(range(len(texts)))
    random.shuffle(numbers)
    at = random.randint(0, len(texts))
    assert cut(texts, [numbers[:at], numbers[at:], []], n, **config) == cut(texts, **config)


# Examples ------------------------------------------------------------------------------------------------------------

A, B, C, D = "alpha one two", "beta three four", "gamma five six", "delta seven eight"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{B}\n{A}\n{C}", f"{B}\n{C}"),
        (f"{B}\n\n{A}\n\n{C}", f"{B}\n\n{C}"),  # no blank lines pile up
        (f"{B}\n{A}\n\n{C}", f"{B}\n\n{C}"),
        (f"{A}\n\n{B}", B),
        (f"{B}\n{A}", B),  # no line feed at the end, before or after
        (f"{B}\n{A}\n", f"{B}\n"),
        (f"{B}\r\n{A}\r\n{C}\r\n", f"{B}\r\n{C}\r\n"),
        (f"{B}\n  {A.upper()}\n    {C}", f"{B}\n    {C}"),  # and with its own indentation
        (f"{B}\n{A}\n\n{A}\n\n{C}", f"{B}\n\n{C}"),
        (f" \n{A}\n ", ""),
        (f"{B}\n{A}!\n{C}", f"{B}\n{A}!\n{C}"),  # other characters, another line
        (f"{B} {A}", f"{B} {A}"),
    ],
)
def test_a_line_goes_with_its_line_feed(text, expected):
    texts = [A, text]
    assert left(texts, cut(texts, **LINES)) == [A, expected]


def test_what_is_cut_is_named():
    texts = [f"{A}\n{B}", C, f"{D}\n{C}\n{A}\n{B}"]
    decisions = cut(texts, **LINES)
    assert list(decisions) == [2]
    one = decisions[2]
    assert one.spans == ((len(D), len(texts[2]), "line"),)
    assert (one.bytes_cut, one.bytes_left) == (len(texts[2]) - len(D), len(D))
    assert (one.survivor, one.removed, one.applied) == ("d0", False, True)  # d0 keeps two lines of the three


def test_a_document_with_too_little_left_goes_and_keeps_nothing_for_others():
    texts = [A, f"{A}\n{B}", f"{B}\n{C}"]
    decisions = cut(texts, min_left_words=5, **LINES)
    assert left(texts, decisions) == [A, None, texts[2]]  # the third keeps what the second would have kept
    assert decisions.keys() == {1}


def test_too_little_is_no_reason_where_nothing_was_cut():
    assert cut([A, B], min_left_words=100, **LINES) == {}


def chain(n):
    """Each document shares a line with the next one, and goes where it loses it."""
    return ["line number 0", *(f"line number {i}\nline number {i + 1}" for i in range(n))]


@pytest.mark.parametrize("n", [1, 2, 3, 6, 7])
def test_a_chain_is_followed_to_its_end(n):
    texts = chain(n)
    removed = [one is None for one in left(texts, cut(texts, min_left_words=5, **LINES))]
    assert removed == [False, *(i % 2 == 0 for i in range(n))]


@pytest.mark.parametrize("n", [20, 21])
def test_a_chain_without_end_is_broken_off_soundly(n, tmp_path):
    texts = chain(n)
    store = Storage(str(tmp_path))
    parts = put(store, texts, [range(len(texts))])
    assert rounds(store, parts, Dedup(min_left_words=5, **LINES)) <= 10
    decisions = cut(texts, min_left_words=5, **LINES)
    standing = "\n".join(text for text in left(texts, decisions) if text is not None).split("\n")
    for i, text in enumerate(texts):
        if i not in decisions:
            assert set(text.split("\n")) <= set(standing)
        elif not decisions[i].removed:
            assert len(decisions[i].left(text).split()) >= 5
    lost = Counter(line for text in texts for line in text.split("\n")).keys() - set(standing)
    assert len(lost) < n / 2


def test_annotate_cuts_nothing():
    decisions = cut([A, f"{A}\n{B}"], min_left_words=50, mode="annotate", **LINES)
    assert (decisions[1].removed, decisions[1].applied, decisions[1].bytes_cut) == (False, False, len(A) + 1)


def test_one_word_a_million_times_leaves_one_passage():
    texts = ["word " * 1_000_000, "", "word word"]
    decisions = cut(texts, n_partitions=4, substrings={"words": 50})
    assert left(texts, decisions) == ["word " * 49 + "word ", "", "word word"]
    assert decisions[0].survivor == "d0"


@pytest.mark.parametrize(
    ("shared", "own"),
    [
        ("多い日も少ない日も、彼は毎朝早く起きて川まで歩いた。", "それから家に帰った。"),
        ("他每天早上都很早起床然后走到河边去看日出。", "今天下雨了。"),
        ("เขาตื่นแต่เช้าทุกวันแล้วเดินไปที่แม่น้ำ", "วันนี้ฝนตก"),
    ],
)
def test_scripts_without_spaces_are_cut_like_any_other(shared, own):
    texts = [shared, own + shared + own, f"1\n{shared}\n2"]
    mark = "。" if shared.endswith("。") else ""  # no part of a run of words
    by_words = left(texts, cut(texts, substrings={"words": 12}))
    assert by_words == [shared, own + mark + own, f"1\n{mark}\n2" if mark else "1\n2"]
    assert left(texts, cut(texts, lines={"min_words": 12})) == [shared, texts[1], "1\n2"]


def test_bad_input_is_cut_like_any_other():
    texts = ["", " \n ", "\n", "!!! ...", "\x00 \x00", A, f"\x00{A}\n{A}"]
    assert (
        left(texts, cut(texts, lines={"min_words": 1}, sentences={"min_words": 1, "span": 1}))[-1]
        == f"\x00{A}"
    )

"""How one text differs from another: as examples, and what holds of any two texts."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.catalog.difference import COMPARED_CHARACTERS, difference, summary
from dataflow.catalog.render import show_difference


def lines(before: str, after: str) -> list[str]:
    out = io.StringIO()
    show_difference(difference(before, after), file=out)
    return [line[2:] for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("They met on Monday at ten.", "They met on Tuesday at ten.",
         ["~ They met on [-Monday-] {+Tuesday+} at ten."]),
        ("One, two.", "One, two, three.", ["~ One, two{+, three+}."]),
        ("one\n\ntwo  three", "one\ntwo three four", ["  one", "~ two three {+four+}"]),
        ("the same\nOld line here\nthe same again", "the same\nNew words there\nthe same again",
         ["  the same", "- Old line here", "+ New words there", "  the same again"]),
        ("東京は首都である。", "東京は古い首都である。", ["~ 東京は{+古い+}首都である。"]),
    ],
)  # fmt: skip
def test_what_changed_within_a_line_is_marked_word_by_word(before: str, after: str, said: list[str]):
    assert lines(before, after) == said


def test_a_word_that_two_long_changes_have_in_common_is_no_common_ground():
    (line,) = difference("alpha beta the gamma delta", "epsilon zeta the eta theta").lines
    assert line.text == "[-alpha beta the gamma delta-]{+epsilon zeta the eta theta+}"


def test_a_paragraph_that_one_text_has_alone_stands_on_lines_of_its_own():
    alone = (
        "A paragraph that the other text does not have, " + "and which is longer than a line, " * 3 + "ends"
    )
    shown = lines("First.\nLast.", f"First.\n{alone}\nLast.")
    assert [line[0] for line in shown] == [" ", "+", "+", " "]
    assert " ".join(line[2:] for line in shown[1:3]) == alone


def test_far_from_changes_only_the_number_of_words_is_told():
    same = "\n".join(f"line number {n}" for n in range(50))
    assert lines(f"{same}\none", f"{same}\ntwo") == [
        "  ... 147 words the same ...", "  line number 49", "- one", "+ two",
    ]  # fmt: skip


def test_of_many_lines_that_one_text_has_alone_the_first_and_the_last_are_shown():
    alone = "".join(f"a new line {n}\n" for n in range(20))
    assert lines("Before.\nAfter.", f"Before.\n{alone}After.")[5:7] == [
        "  ... 60 words more only in this document ...", "+ a new line 19",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("a b", "a b", "the same text, to the byte"),
        ("a b", "A  b", "the same words but for upper and lower case"),
        ("a b", "a\n b ", "the same words; only white space differs"),
        ("a b c", "a b d e", "2 words in both; 1 only in the survivor (-), 2 only in this document (+)"),
        ("", "", "the same text, to the byte"),
    ],
)
def test_the_summary_counts_words(before: str, after: str, said: str):
    assert summary(difference(before, after)) == said


def test_of_long_texts_the_beginnings_are_compared_and_the_lines_shown_are_bounded():
    before, after = ("".join(f"{word} {n}\n" for n in range(5000)) for word in ("a", "b"))
    found = difference(before, after, most=20)
    assert (found.cut, len(found.lines)) == (True, 21)
    assert found.lines[-1].text.endswith("more lines")
    assert f"of the first {COMPARED_CHARACTERS:,} characters" in summary(found)


def test_a_text_that_only_begins_like_a_long_one_is_not_called_the_same():
    text = "word " * COMPARED_CHARACTERS
    assert not difference(text, text + "end").identical
    assert not difference(text, text).identical  # nothing is said of what was not compared


TEXTS = st.lists(
    st.sampled_from(["a", "b", "cd", "e.", "\n", "東", "ใ", "x-y", ",", "É", "\x00"]), max_size=30
)


@given(before=TEXTS, after=TEXTS)
def test_each_side_of_a_difference_is_its_text(before: list[str], after: list[str]):
    """Reading only what is common and what is removed gives the one text, and only what is added the other."""
    texts = " ".join(before), " ".join(after)
    found = difference(*texts, most=10_000)
    common = sum(line.side == "." for line in found.lines)
    if common:  # words left out are counted, not shown
        return
    for side, text in zip("-+", texts, strict=True):
        read = [piece.text for line in found.lines for piece in line.pieces if piece.side in ("=", side)]
        assert not found.lines or "".join("".join(read).split()) == "".join(text.split())


def test_on_a_terminal_colours_stand_for_brackets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = io.StringIO()
    show_difference(difference("one two three", "one six three"), file=out)
    assert "\x1b[" in out.getvalue()
    assert "[-" not in re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def test_what_steers_a_terminal_does_not_reach_it():
    assert "\x1b" not in "".join(lines("a red word", "a \x1b[31mred word"))

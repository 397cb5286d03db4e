"""The line rules of C4, rule by rule."""

import hashlib

import numpy as np
import plain_c4_lines
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import RecipeError
from dataflow.transforms.lines import VERSION, c4_lines, fineweb_lines
from dataflow.transforms.table import TRANSFORMS, apply

KEPT = [
    ("a sentence", "This is a line."),
    ("a question in quotes", '"Is this a line?"'),
    ("a closing quotation mark", "He called it “the end”"),
    ("Chinese, without spaces", "这是一句话。"),
    ("Hindi danda", "यह एक वाक्य है।"),
    ("Arabic question mark", "هل هذه جملة كاملة؟"),
    ("Armenian full stop", "Սա մի նախադասություն է։"),
    ("Thai, which has no full stop", "นี่คือประโยคภาษาไทย"),
    ("Khmer", "នេះគឺជាប្រយោគ។"),
    ("a word of 1,000 characters", f"It says {'a' * 999}."),
]
DROPPED = [
    ("no terminal mark", "Home About Contact"),
    ("an ellipsis", "Read more about this..."),
    ("a typographic ellipsis", "Read more about this…"),
    ("two words", "Click here."),
    ("a word of 1,001 characters", f"It says {'a' * 1000}."),
    ("javascript", "Please enable JavaScript to continue."),
    ("a policy phrase", "By continuing you accept our Terms of Use."),
    ("cookies", "This site uses cookies to serve you."),
    ("citations too deep", "See this [[[[[[1]]]]]] right here."),
]


def column(*texts: str) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


@pytest.mark.parametrize(("name", "line"), KEPT)
def test_lines_that_stay(name: str, line: str) -> None:
    texts, changes = c4_lines(column(line))
    assert texts.to_pylist() == [line]
    assert changes.tolist() == [0]


@pytest.mark.parametrize(("name", "line"), DROPPED)
def test_lines_that_go(name: str, line: str) -> None:
    texts, changes = c4_lines(column(f"This one stays here.\n{line}\nAnd so does this."))
    assert texts.to_pylist() == ["This one stays here.\nAnd so does this."]
    assert changes.tolist() == [1]


def test_citation_marks_are_cut_out_before_the_line_is_judged() -> None:
    texts, changes = c4_lines(column("Water is wet.[1][23]\nIt is[citation needed] so [edit] clear."))
    assert texts.to_pylist() == ["Water is wet.\nIt is so  clear."]
    assert changes.tolist() == [2]


def test_paragraphs_stay_apart_and_menus_leave_no_hole() -> None:
    text = "Menu\n\n  One two three.  \n\nLogin\n\nFour five six.\n\nFooter"
    texts, changes = c4_lines(column(text))
    assert texts.to_pylist() == ["One two three.\n\nFour five six."]
    assert changes.tolist() == [4]  # three lines dropped, one trimmed


def test_rows_do_not_mix_and_empty_ones_stay_empty() -> None:
    texts, changes = c4_lines(column("", "Menu", "One two three.", "").slice(0, 4))
    assert texts.to_pylist() == ["", "", "One two three.", ""]
    assert changes.tolist() == [0, 1, 0, 0]


def test_a_slice_of_a_column_is_read_from_its_own_beginning() -> None:
    texts, _ = c4_lines(column("No one knows.", "Menu", "One two three.\nMenu").slice(1))
    assert texts.to_pylist() == ["", "One two three."]


LINES = st.sampled_from(
    ["One two three.", "Menu", "", "  ", "a[1] b c.", "[[1]2] x y.", "我们。", "x " * 9, "a b c..."]
)


ENDINGS = [
    *".!?…)]\"'»」。：",
    "...",
    "ก",
    "າ",
    "ា",
    "မ",
    "は",
    "[3]",
    "[edit]",
    "[citation needed]",
    "[[1]2]",
    "\u2003",
]
STARTS = [
    "",
    " ",
    "\x1c",
    "\x0b",
    "\u3000",
    "one two",
    "a b c",
    "我",
    "java",
    "script",
    "JavaSCRIPT",
    "terms of u",
    "ſe",
]
MORE = [
    "use",
    "s cooKies",
    "uſes cookies",
    "privacy",
    " ",
    "\xa0",
    "\x85",
    "policy",
    "x" * 1001,
    "é",
    "[1",
    "\n",
    "\n",
]
RULED = st.lists(st.sampled_from([*ENDINGS, *STARTS, *MORE, "One two three", "\n\n\n"]), max_size=12).map(
    "".join
)


@settings(max_examples=300, deadline=None)
@given(st.lists(RULED | st.text(max_size=30), max_size=5))
def test_the_kernel_and_the_regular_expressions_agree(texts: list[str]) -> None:
    for transform, any_end in ((c4_lines, False), (fineweb_lines, True)):
        found, changes = transform(column(*texts))
        found.validate(full=True)
        expected, n = plain_c4_lines.c4_lines(column(*texts), any_end)
        assert found.to_pylist() == expected.to_pylist()
        assert changes.tolist() == n.tolist()


def test_lines_may_end_as_they_like_in_fineweb() -> None:
    line = "One two three and no full stop [1]"
    texts, changes = fineweb_lines(column(f"{line}\ntwo words\nplease enable javascript here\n{line}..."))
    assert texts.to_pylist() == ["One two three and no full stop\nOne two three and no full stop ..."]
    assert changes.tolist() == [4]


def test_each_character_is_to_the_kernel_what_it_is_to_the_regular_expressions() -> None:
    points = [chr(point) for point in range(0x34000) if not 0xD800 <= point < 0xE000 and point != 10]
    points = [one for one in points if ord(one) < 0x3400 or ord(one) % 7 == 0 or 0xF900 <= ord(one) < 0x10000]
    for pattern in (
        "a b c{}",
        "a{}b{}c.",
        "{}.",
        "one two three.{}",
        "one two three.{}{}[1]",
        "{} one two three.",
    ):
        lines = column(*(pattern.replace("{}", one) for one in points))
        expected = plain_c4_lines.c4_lines(lines)[0]
        assert c4_lines(lines)[0].equals(expected), pattern


@given(st.lists(st.lists(LINES | st.text(max_size=15), max_size=6).map("\n".join), max_size=4))
def test_filtering_twice_is_filtering_once(texts: list[str]) -> None:
    once, changes = c4_lines(column(*texts))
    twice, again = c4_lines(once)
    assert twice.to_pylist() == once.to_pylist()
    assert not again.any()
    assert [bool(n) for n in changes] == [a != b for a, b in zip(texts, once.to_pylist(), strict=True)]


def test_transforms_are_applied_in_the_order_named() -> None:
    text = "cafe\u0301s are open.\r\nMenu"
    texts, changes = apply(["unicode", "c4_lines"], column(text, "All is well here."))
    assert texts.to_pylist() == ["cafés are open.", "All is well here."]
    assert changes["unicode"].tolist() == [2, 0]
    assert changes["c4_lines"].tolist() == [1, 0]


def test_an_unknown_transform_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(RecipeError, match=r'unknown transform "unicod".*Did you mean "unicode"'):
        apply(["unicod"], column("x"))


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_every_transform_takes_an_empty_column(name: str) -> None:
    texts, changes = TRANSFORMS[name](column())
    assert len(texts) == 0
    assert changes.dtype == np.int64


def test_golden_bytes() -> None:
    """A new digest needs a new VERSION: the bytes on disk change."""
    lines = [line for _, line in (*KEPT, *DROPPED)]
    texts, _ = c4_lines(column("\n".join(lines), "\n\n".join(lines)))
    digest = hashlib.sha256("\x1e".join(texts.to_pylist()).encode()).hexdigest()[:16]
    assert (VERSION, digest) == (1, "4d8e94b22a69b071")

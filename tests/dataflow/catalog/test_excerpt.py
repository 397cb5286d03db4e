"""A text cut down to what is marked in it, and how that looks in a pipe."""

import io

import pytest

from dataflow.catalog.excerpt import Line, excerpt
from dataflow.catalog.offending import Span
from dataflow.catalog.render import show_lines


def marks(text: str, *words: str) -> list[Span]:
    return [Span(text.index(word), text.index(word) + len(word)) for word in words]


def shown(text: str, *words: str, width: int = 150) -> list[str]:
    out = io.StringIO()
    show_lines(excerpt(text, marks(text, *words), width), out)
    return out.getvalue().splitlines()


def test_a_marked_line_is_shown_with_its_neighbours_and_the_rest_is_counted():
    text = "\n\n".join(f"line {n}" for n in range(20))
    assert shown(text, "line 3", "line 12") == [
        "    ... 2 lines ...",
        "  | line 2",
        "  > line 3",
        "  | line 4",
        "    ... 6 lines ...",
        "  | line 11",
        "  > line 12",
        "  | line 13",
        "    ... 6 lines ...",
    ]


def test_what_is_marked_inside_a_line_is_underlined_wide_characters_too():
    assert shown("one 漢字 three", "漢字") == ["  > one 漢字 three", "        ^^^^"]


def test_a_long_line_is_cut_around_its_first_mark():
    text = "a" * 500 + " here " + "b" * 500
    (line,) = excerpt(text, marks(text, "here"), width=60)
    assert line.text == "... " + "a" * 39 + " here " + "b" * 15 + " ..."
    assert [line.text[mark.start : mark.end] for mark in line.marks] == ["here"]


def test_a_mark_over_several_lines_is_in_each_of_them():
    text = "one two\nthree four\nfive"
    lines = excerpt(text, [Span(4, 13)])
    assert [[line.text[mark.start : mark.end] for mark in line.marks] for line in lines] == [
        ["two"],
        ["three"],
        [],
    ]


def test_without_marks_the_beginning_is_shown():
    assert shown("a\n\n\n\nb" + "\nc" * 90) == ["  | a", "  | b"] + ["  | c"] * 4 + ["    ... 86 lines ..."]


@pytest.mark.parametrize("text", ["", "\n \n", " "])
def test_a_text_without_anything_to_see_has_no_lines(text: str):
    assert excerpt(text, [Span(0, len(text))] if text else []) == []


def test_of_many_marked_lines_the_first_are_shown_and_the_others_counted():
    assert excerpt("x\n" * 100, [Span(2 * n, 2 * n + 1) for n in range(100)])[-1] == Line(
        "... 89 lines, 89 of them marked ...", gap=True
    )

"""Citation marks and lines of boilerplate: what goes, what stays, and that it is done once."""

import hashlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.transforms import boilerplate as boilerplate_module
from dataflow.transforms import citations as citations_module
from dataflow.transforms.boilerplate import boilerplate
from dataflow.transforms.citations import citations
from dataflow.transforms.table import TRANSFORMS

CITED = [
    ("Water is wet.[1][23] So", "Water is wet. So", 2),
    ("It is so [citation needed] today[2, 3].", "It is so today.", 2),
    ("History[edit]", "History", 1),
    ("Some say[who?] so[a] and[note 4] on", "Some say so and on", 3),
    ("Nested [[1]]", "Nested []", 1),
    ("An array a[] of [words here] in [2024]", "An array a[] of [words here] in [2024]", 0),
]
BOILERPLATE = [
    ("mainly upper case", "HOME ABOUT us"),
    ("numbers alone", "12 / 34 - 56%"),
    ("a counter", "3 likes"),
    ("a counter in thousands", "1.2k Shares"),
    ("a single word", "Menu"),
    ("sign in", "Sign in to comment"),
    ("read more", "Read more about our products..."),
    ("a cart", "0 items in cart"),
    ("a copyright line", "Copyright © 2024 The Company. All rights reserved."),
    ("cookies", "We use cookies. Accept all cookies"),
]
TEXT = [
    ("a sentence", "This is a line of text."),
    ("one word with a full stop", "Yes."),
    ("Chinese", "这是一句话"),
    (
        "a long sentence that names a cart",
        "He had put all the 3 items in cart number four, and then he went on.",
    ),
    ("a sentence with names in capitals", "The NATO and the EU met in Rome."),
    ("a list", "- two words"),
]


def column(*texts: str) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


@pytest.mark.parametrize(("text", "expected", "n"), CITED)
def test_citation_marks(text: str, expected: str, n: int) -> None:
    texts, changes = citations(column("none", text))
    assert texts.to_pylist() == ["none", expected]
    assert changes.tolist() == [0, n]


@pytest.mark.parametrize(("name", "line"), BOILERPLATE)
def test_lines_of_the_page(name: str, line: str) -> None:
    texts, changes = boilerplate(column(f"This is text.\n\n{line}\n\nAnd so is this."))
    assert texts.to_pylist() == ["This is text.\n\nAnd so is this."]
    assert changes.tolist() == [1]


@pytest.mark.parametrize(("name", "line"), TEXT)
def test_lines_of_the_text(name: str, line: str) -> None:
    texts, changes = boilerplate(column(line, f"\n\n\n  {line}\n"))
    assert texts.to_pylist() == [line, f"\n\n\n  {line}\n"]
    assert changes.tolist() == [0, 0]


def test_what_surrounds_a_text_leaves_no_hole() -> None:
    texts, _ = boilerplate(
        column("MENU\n\nLogin\n\n  This is text.\n\nMore text here.\n\nMENU\n\n3 likes", "MENU\n\n")
    )
    assert texts.to_pylist() == ["  This is text.\n\nMore text here.", ""]


LINES = st.sampled_from(
    ["", "", "MENU", "3 likes", "Yes.", "a [1] b", "[[1]2]", "[ [1]edit]", "A bc", "你好", " \t", "[a", "]"]
)


@settings(deadline=None)
@pytest.mark.parametrize("name", sorted(TRANSFORMS))
@given(texts=st.lists(st.lists(LINES | st.text(max_size=8), max_size=7).map("\n".join), max_size=3))
def test_each_transform_done_twice_is_done_once(name: str, texts: list[str]) -> None:
    once, changes = TRANSFORMS[name](column(*texts))
    twice, again = TRANSFORMS[name](once)
    assert twice.to_pylist() == once.to_pylist()
    assert not again.any()
    assert [bool(n) for n in changes] == [a != b for a, b in zip(texts, once.to_pylist(), strict=True)]


def test_golden_bytes() -> None:
    """A new digest needs a new VERSION: the bytes on disk change."""
    lines = column("\n".join(line for _, line in (*BOILERPLATE, *TEXT)), *(text for text, _, _ in CITED))
    both = [*boilerplate(lines)[0].to_pylist(), *citations(lines)[0].to_pylist()]
    digest = hashlib.sha256("\x1e".join(both).encode()).hexdigest()[:16]
    assert (boilerplate_module.VERSION, citations_module.VERSION, digest) == (1, 1, "fb78ef5e4cf11ade")

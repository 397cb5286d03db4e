"""Texts folded by the kernel, against Python's own functions."""

import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.dedup.exact import normalise
from dataflow.kernels.normal import folded


def fold(*texts: str | None) -> list[str | None]:
    """What the kernel makes of each text; none where it leaves it."""
    data, bounds, done = folded(pa.array(texts, pa.large_string()))
    rows = zip(bounds, bounds[1:], done, strict=False)
    return [bytes(data[a:b]).decode() if is_done else None for a, b, is_done in rows]


CHARACTERS = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]


def test_every_character_is_folded_as_python_does_it_or_left():
    texts = [f"A{c}B\u0300" if i % 2 else f" X{c} {c}" for i, c in enumerate(CHARACTERS)]
    texts += [f"e{c} \u0315{c}" for c in CHARACTERS]
    found = fold(*texts)
    for text, result in zip(texts, found, strict=True):
        assert result is None or result == normalise(text), ascii(text)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text()
        | st.text("aZ \n\u00a0\u3000éÉΣσ각ᄀ\u1161\u11a8\u0300\u0316\u0345\u093cक\u09d7", max_size=12),
        max_size=4,
    )
)
def test_texts_are_folded_as_python_does_it_or_left(texts):
    for text, result in zip(texts, fold(*texts), strict=True):
        assert result is None or result == normalise(text)


@pytest.mark.parametrize(
    "text",
    [
        "Plain  TEXT\n",
        "Füße ÄÖÜ, “quoted” – dash… ",
        "Съешь ЕЩЁ",
        "العَرَبِيَّة",
        "你好，世界",
        "日本語のテキスト",
        "한국어",
        "हिन्दी में",
        "ภาษาไทยที่",
        "Tiếng VIỆT",
        "😀 𝒜",
        "",
        None,
    ],
)
def test_common_texts_are_not_left(text):
    assert fold("x", text, "y")[1] == normalise(text or "")


@pytest.mark.parametrize("text", ["e\u0301", "ΟΔΟΣ", "\u212b", "İ", "\u1100\u1161", "\u0316\u0300\u0316"])
def test_what_depends_on_its_neighbours_is_left(text):
    assert fold("before", text, "after") == ["before", None, "after"]

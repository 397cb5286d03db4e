"""Unicode clean-up: what is repaired, what is left alone, and that it is done once."""

import hashlib
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.transforms import unicode
from dataflow.transforms.unicode import MAX_MARKS, VERSION, clean_text, clean_unicode

CLEANED = [
    ("mojibake", "The cafÃ© â€œopenedâ€\x9d", "The café “opened”"),
    ("composed", "cafe\u0301", "café"),
    ("line breaks", "a\r\nb\rc\u2028d", "a\nb\nc\nd"),
    ("control characters", "a\x00b\x1bc\ufeffd\xade", "abcde"),
    ("colours of a terminal", "\x1b[1;33mbold\x1b[m text", "bold text"),
    ("runs of blanks", "one   two\xa0\xa0three", "one two three"),
    ("runs with a tab", "a \t b", "a\tb"),
    ("trailing blanks", "a  \nb \t", "a\nb"),
    ("many blank lines", "\n\na\n\n\n\nb\n", "a\n\nb"),
    ("stacked marks", "e" + "\u0323" * 50, "ẹ" + "\u0323" * (MAX_MARKS - 1)),
]
KEPT = [
    ("indentation", "def f():\n    return\n\tx"),
    ("joiners", "👩\u200d💻 نمی\u200cخواهم क्\u200dष"),
    ("Khmer word breaks", "ខ្ញុំ\u200bស្រលាញ់"),
    ("ideographic space", "\u3000你好\u3000世界"),
    ("clean accents", "Ärger, naïve, Ünïcödé — „gut“ «bon» £5 °C"),
    ("compatibility characters", "ﬁ ① ｈ"),
]


def column(*texts: str) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


@pytest.mark.parametrize(("name", "text", "expected"), CLEANED)
def test_what_is_repaired(name: str, text: str, expected: str) -> None:
    cleaned, changes = clean_unicode(column(text))
    assert cleaned.to_pylist() == [expected]
    assert changes[0] > 0


@pytest.mark.parametrize(("name", "text"), KEPT)
def test_what_is_left_alone(name: str, text: str) -> None:
    cleaned, changes = clean_unicode(column(text))
    assert cleaned.to_pylist() == [text]
    assert changes[0] == 0


def test_mojibake_is_repaired_line_by_line_in_a_long_text() -> None:
    good, bad = "Größe und Maß. " * 400, "GrÃ¶ÃŸe. " * 1000
    cleaned, _ = clean_unicode(column(f"{good}\n{bad}"))
    assert cleaned[0].as_py() == f"{good.strip()}\n{('Größe. ' * 1000).strip()}"


PIECES = st.sampled_from(
    [
        "a",
        "é",
        "Ã©",
        "â€œ",
        "Ð¿Ñ€",
        "\u0301",
        "\x80",
        "\x85",
        "\x00",
        "\r",
        "\n",
        " ",
        "\t",
        "\xa0",
        "\ufeff",
        "你",
    ]
)


@given(st.lists(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30), max_size=4))
def test_cleaning_twice_is_cleaning_once(texts: list[str]) -> None:
    once, changes = clean_unicode(column(*texts))
    twice, again = clean_unicode(once)
    assert twice.to_pylist() == once.to_pylist()
    assert not again.any()
    assert [bool(n) for n in changes] == [a != b for a, b in zip(texts, once.to_pylist(), strict=True)]


@given(st.lists(PIECES | st.sampled_from(["\x1b[1m", "word ", "\n\n"]), max_size=60).map("".join))
def test_a_long_text_is_repaired_in_pieces_as_if_whole(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unicode, "LONG", 16)
        by_lines = text.replace(
            " ", "_"
        )  # cut at line breaks alone: what a space parts, ftfy may see together
        cleaned, changes = clean_unicode(column(by_lines))
        assert clean_unicode(cleaned)[0].equals(cleaned)
    assert cleaned[0].as_py() == clean_text(by_lines)[0]
    assert bool(changes[0]) == (cleaned[0].as_py() != by_lines)


@given(st.text(max_size=40))
def test_a_column_and_a_single_text_agree(text: str) -> None:
    cleaned, _ = clean_unicode(column("other", text))
    assert cleaned[1].as_py() == clean_text(text)[0]
    assert unicodedata.is_normalized("NFC", cleaned[1].as_py())


def test_golden_bytes() -> None:
    """A new digest needs a new VERSION: the bytes on disk change."""
    cleaned, _ = clean_unicode(column(*(text for _, text, _ in CLEANED), *(text for _, text in KEPT)))
    digest = hashlib.sha256("\x1e".join(cleaned.to_pylist()).encode()).hexdigest()[:16]
    assert (VERSION, digest) == (2, "067494d894a2ec94")

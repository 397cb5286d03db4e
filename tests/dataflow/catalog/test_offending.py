"""What is marked in a text accounts for the value of the signal it is marked for."""

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.catalog.offending import MARKS, Reading, Span, offending
from dataflow.kernels.scan import analyse
from dataflow.signals.table import SIGNALS

TEXT = """# A list, twice told

• the first of them
- the second of them ...
• the first of them
No end here
“An end.”

# A list, twice told

1 2 3 … and lorem ipsum {x} 漢字 to the end of the line, to the end of the line, to the end of the line."""


def marked(text: str, name: str) -> list[str]:
    spans, _ = offending(text, [name])
    return [text[span.start : span.end] for span in spans]


@pytest.mark.parametrize(
    ("signal", "found"),
    [
        ("bullet_line_share", ["• the first of them", "- the second of them ...", "• the first of them"]),
        ("ellipsis_line_share", ["- the second of them ..."]),
        ("duplicate_line_share", ["• the first of them", "# A list, twice told"]),
        ("duplicate_paragraph_share", ["# A list, twice told"]),
        ("short_line_share", TEXT.split("\n")[0:1] + TEXT.split("\n")[2:7] + ["# A list, twice told"]),
        ("hash_to_word_ratio", ["#", "#"]),
        ("ellipsis_to_word_ratio", ["...", "…"]),
        ("has_curly_bracket", ["{"]),
        ("has_lorem_ipsum", ["lorem ipsum"]),
        ("alphabetic_word_share", ["1", "2", "3"]),
        ("top_2gram_character_share", ["the line"] * 3),
        ("duplicate_5gram_character_share", ["to the end of the line, to the end of the line"]),
    ],
)
def test_what_is_marked(signal: str, found: list[str]):
    assert marked(TEXT, signal) == found


WORDS = st.sampled_from(
    ["the", "end", "Of", "a-b", "x'", "lorem", "ipsum", "12", "漢", "字", "กา", "é", "İ", "of"]
)
MARKS_IN_TEXT = st.sampled_from(
    [" ", "\n", "\n\n", ".", "...", "…", "#", "{", "- ", "• ", '"', ")", "\t", "。", " \n "]
)
texts = st.lists(st.one_of(WORDS, MARKS_IN_TEXT, st.characters(exclude_categories=["Cs"])), max_size=60).map(
    "".join
)


@settings(max_examples=60, deadline=None)
@given(text=texts)
@example(text=TEXT)
@example(text="- \n-\n -\na -b- c--d e'́f ....... ..\n.\"")
def test_marks_account_for_the_counts_of_the_kernels(text: str):
    counts = {
        name: int(column[0])
        for name, column in analyse(pa.array([text], pa.large_string()), 0, 5).statistics.items()
    }
    reading = Reading(text)
    spans = {name: list(mark(reading)) for name, (_, mark) in MARKS.items()}
    n = {name: len(found) for name, found in spans.items()}

    assert len(reading.lines) == counts["lines"]
    assert len(reading.paragraphs) == counts["paragraphs"]
    assert n["bullet_line_share"] == counts["bullet_lines"]
    assert n["ellipsis_line_share"] == counts["ellipsis_lines"]
    assert counts["lines"] - n["punctuation_line_share"] == counts["punctuation_lines"]
    assert n["short_line_share"] == counts["short_lines"]
    assert n["duplicate_line_share"] == counts["duplicate_lines"]
    assert characters(spans["duplicate_line_share"]) == counts["duplicate_line_characters"]
    assert characters(spans["duplicate_paragraph_share"]) == counts["duplicate_paragraph_characters"]
    assert n["hash_to_word_ratio"] == counts["hashes"]
    assert n["ellipsis_to_word_ratio"] == counts["ellipses"]
    assert n["has_curly_bracket"] == counts["curly_brackets"]
    assert n["has_lorem_ipsum"] == counts["lorem_ipsums"]
    assert len(reading.words) - n["alphabetic_word_share"] == counts["words_with_letter"]
    assert len({reading.lower(word) for word in spans["n_stop_words"]}) == counts["stop_words"]
    for size in range(2, 11):
        name = f"{'top' if size < 5 else 'duplicate'}_{size}gram_character"
        under = [word for word in reading.words if within(word, spans[f"{name}_share"])]
        assert characters(under) == counts[f"{name}s"], name


def characters(spans: list[Span]) -> int:
    return sum(span.end - span.start for span in spans)


def within(word: Span, spans: list[Span]) -> bool:
    return any(span.start <= word.start and word.end <= span.end for span in spans)


def test_every_signal_that_can_be_pointed_at_has_its_marks():
    of_the_whole = {"n_characters", "n_words", "n_lines", "n_paragraphs", "spaceless_share", "n_sentences"}
    families = ("basic", "gopher", "c4", "fineweb")
    named = {signal.name for signal in SIGNALS if signal.family in families}
    assert named - of_the_whole == set(MARKS)


def test_spans_of_several_signals_are_joined_where_they_touch():
    spans, labels = offending("a b\na b", ["duplicate_line_share", "short_line_share", "language_score"])
    assert spans == [Span(0, 3), Span(4, 7)]
    assert labels == ["copies of earlier lines", "lines of 30 characters or fewer"]

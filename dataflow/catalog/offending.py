"""Where in a text a signal comes from: the lines and words that it counts, as spans to be marked for the eye.

The kernels count; they do not remember where. For the few documents that are shown the same definitions are
applied again, plainly, over the same table of characters: each character becomes one letter of a string of
classes, and words and ends of lines are regular expressions over it. Tests hold the spans against the signals.

Where a low value is what speaks against a document, what is missing is marked: lines *without* punctuation,
words *without* a letter.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from dataflow.kernels.characters import (
    ALPHABETIC,
    BULLET,
    CLOSER,
    DIGIT,
    JOINER,
    KIND,
    LETTER,
    LOWER_SHIFT,
    MARK,
    SPACE,
    SPACELESS,
    SYMBOL,
    TERMINAL,
    table,
)

SHORT_LINE, FEW_WORDS, SHORT_WORD, LONG_WORD = 30, 4, 3, 10
STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
"""Rae et al. 2021, section A1.1, as the kernel has them."""

_KINDS = {SYMBOL: ".", SPACE: " ", JOINER: "j", MARK: "m", DIGIT: "d", LETTER: "l", SPACELESS: "c"}
_WORD = re.compile("[dl][dlm]*(?:j[dl][dlm]*)*|c")
_DOTS = re.compile(r"\.\.\.|…")


@dataclass(frozen=True, order=True)
class Span:
    """Characters ``start`` to ``end`` of a text."""

    start: int
    end: int


class Reading:
    """A text with its words, lines and paragraphs, as the kernels see them."""

    def __init__(self, text: str) -> None:
        self.text = text
        points = np.frombuffer(text.encode("utf-32-le"), "<u4")
        self._entries = table()[points]
        self._lower: str = (
            (points ^ (self._entries >> LOWER_SHIFT)).astype("<u4").tobytes().decode("utf-32-le")
        )
        letters = np.frombuffer("".join(_KINDS[kind] for kind in range(7)).encode(), "S1")
        self.kinds: str = letters[self._entries & KIND].tobytes().decode()

    @cached_property
    def words(self) -> list[Span]:
        """Every word; in scripts without spaces every character."""
        return [Span(*match.span()) for match in _WORD.finditer(self.kinds)]

    @cached_property
    def lines(self) -> list[Span]:
        """Lines that are not blank, less outer white space."""
        return [line for line in self._all_lines() if line.start < line.end]

    @cached_property
    def paragraphs(self) -> list[list[Span]]:
        """Runs of lines that are not blank."""
        found: list[list[Span]] = [[]]
        for line in self._all_lines():
            if line.start < line.end:
                found[-1].append(line)
            elif found[-1]:
                found.append([])
        return [lines for lines in found if lines]

    def lower(self, span: Span) -> str:
        """A word as n-grams know it."""
        return self._lower[span.start : span.end]

    def has(self, flag: int, place: int) -> bool:
        """Whether the character there carries a flag of ``dataflow.kernels.characters``."""
        return bool(self._entries[place] & flag)

    def _all_lines(self) -> Iterator[Span]:
        start = 0
        for line in self.text.split("\n"):
            kinds = self.kinds[start : start + len(line)]
            first = len(kinds) - len(kinds.lstrip(" "))
            yield Span(start + first, start + max(first, len(kinds.rstrip(" "))))
            start += len(line) + 1


Mark = Callable[[Reading], Iterable[Span]]


# Lines ---------------------------------------------------------------------------------------------------------


def _lines(offends: Callable[[Reading, Span], bool], reading: Reading) -> Iterator[Span]:
    return (line for line in reading.lines if offends(reading, line))


def _is_bullet(reading: Reading, line: Span) -> bool:
    after = line.start + 1
    return reading.has(BULLET, line.start) and (after == line.end or reading.kinds[after] == " ")


def _ends_in_ellipsis(reading: Reading, line: Span) -> bool:
    return reading.text[line.start : line.end].endswith(("…", "..."))


def _ends_without_punctuation(reading: Reading, line: Span) -> bool:
    place = line.end - 1
    while place >= line.start and reading.has(CLOSER, place) and not reading.has(TERMINAL, place):
        place -= 1
    return place < line.start or not reading.has(TERMINAL, place)


def _is_short(reading: Reading, line: Span) -> bool:
    return line.end - line.start <= SHORT_LINE


def _has_few_words(reading: Reading, line: Span) -> bool:
    return len(_WORD.findall(reading.kinds, line.start, line.end)) < FEW_WORDS


def _copies(reading: Reading) -> Iterator[Span]:
    """Second and later copies of a line."""
    seen = set()
    for line in reading.lines:
        text = reading.text[line.start : line.end]
        if text in seen:
            yield line
        seen.add(text)


def _copied_paragraphs(reading: Reading) -> Iterator[Span]:
    """The lines of second and later copies of a paragraph."""
    seen = set()
    for lines in reading.paragraphs:
        text = tuple(reading.text[line.start : line.end] for line in lines)
        if text in seen:
            yield from lines
        seen.add(text)


# Words and marks -----------------------------------------------------------------------------------------------


def _found(pattern: str, reading: Reading) -> Iterator[Span]:
    return (Span(*match.span()) for match in re.finditer(pattern, reading.text))


def _ellipses(reading: Reading) -> Iterator[Span]:
    return (Span(*match.span()) for match in _DOTS.finditer(reading.text))


def _lorem_ipsum(reading: Reading) -> Iterator[Span]:
    for one, other in itertools.pairwise(reading.words):
        if (reading.lower(one), reading.lower(other)) == ("lorem", "ipsum"):
            yield Span(one.start, other.end)


def _without_letter(reading: Reading) -> Iterator[Span]:
    for word in reading.words:
        kinds = reading.kinds[word.start : word.end]
        # Without spaces a mark is a letter too; its flag says so.
        if "l" not in kinds and not (kinds == "c" and reading.has(ALPHABETIC, word.start)):
            yield word


def _stop_words(reading: Reading) -> Iterator[Span]:
    return (word for word in reading.words if reading.lower(word) in STOP_WORDS)


def _of_unusual_length(reading: Reading) -> Iterator[Span]:
    """Long words where words are long on the whole, else short ones."""
    words = [word for word in reading.words if reading.kinds[word.start] != "c"]
    mean = sum(word.end - word.start for word in words) / max(1, len(words))
    long = mean > (SHORT_WORD + LONG_WORD) / 2
    for word in words:
        length = word.end - word.start
        if length > LONG_WORD if long else length < SHORT_WORD:
            yield word


# n-grams -------------------------------------------------------------------------------------------------------


def _ngrams(reading: Reading, n: int) -> list[tuple[str, ...]]:
    words = [reading.lower(word) for word in reading.words]
    return list(zip(*(words[shift:] for shift in range(n)), strict=False))


def _top(n: int, reading: Reading) -> Iterator[Span]:
    """All copies of the most frequent n-gram; of equals the longest, then the first."""
    grams = _ngrams(reading, n)
    copies = Counter(grams)
    most = max(copies.values(), default=0)
    if most < 2:
        return iter(())
    top = max((gram for gram, count in copies.items() if count == most), key=lambda gram: sum(map(len, gram)))
    return _under(reading, [place for place, gram in enumerate(grams) if gram == top], n)


def _duplicate(n: int, reading: Reading) -> Iterator[Span]:
    """Second and later copies of n-grams."""
    seen: set[tuple[str, ...]] = set()
    places = []
    for place, gram in enumerate(_ngrams(reading, n)):
        if gram in seen:
            places.append(place)
        seen.add(gram)
    return _under(reading, places, n)


def _under(reading: Reading, places: Sequence[int], n: int) -> Iterator[Span]:
    """Runs of words under n-grams at these places."""
    words, place = reading.words, 0
    while place < len(places):
        first = last = places[place]
        while place < len(places) and places[place] <= last + n:
            last = places[place]
            place += 1
        yield Span(words[first].start, words[last + n - 1].end)


MARKS: dict[str, tuple[str, Mark]] = {
    "bullet_line_share": ("lines that begin with a bullet", partial(_lines, _is_bullet)),
    "ellipsis_line_share": ("lines that end in an ellipsis", partial(_lines, _ends_in_ellipsis)),
    "punctuation_line_share": (
        "lines without punctuation at the end",
        partial(_lines, _ends_without_punctuation),
    ),
    "short_line_share": (f"lines of {SHORT_LINE} characters or fewer", partial(_lines, _is_short)),
    "newline_to_word_ratio": (f"lines of fewer than {FEW_WORDS} words", partial(_lines, _has_few_words)),
    "duplicate_line_share": ("copies of earlier lines", _copies),
    "duplicate_line_character_share": ("copies of earlier lines", _copies),
    "duplicate_paragraph_share": ("copies of earlier paragraphs", _copied_paragraphs),
    "duplicate_paragraph_character_share": ("copies of earlier paragraphs", _copied_paragraphs),
    "hash_to_word_ratio": ("number signs", partial(_found, "#")),
    "ellipsis_to_word_ratio": ("ellipses", _ellipses),
    "has_curly_bracket": ("curly brackets", partial(_found, r"\{")),
    "has_lorem_ipsum": ("lorem ipsum", _lorem_ipsum),
    "alphabetic_word_share": ("words without a letter", _without_letter),
    "n_stop_words": ("the stop words there are", _stop_words),
    "mean_word_length": ("words of unusual length", _of_unusual_length),
    **{f"top_{n}gram_character_share": (f"the most frequent {n}-gram", partial(_top, n)) for n in (2, 3, 4)},
    **{
        f"duplicate_{n}gram_character_share": (f"copies of earlier {n}-grams", partial(_duplicate, n))
        for n in range(5, 11)
    },
}
"""Signal to what is marked for it, in words and as spans. Signals that are of the whole text are not here."""


def offending(text: str, signals: Iterable[str]) -> tuple[list[Span], list[str]]:
    """The spans that the signals come from, joined where they touch, and what they are; none for other signals."""
    reading = Reading(text)
    names = [name for name in signals if name in MARKS]
    spans = sorted(span for name in names for span in MARKS[name][1](reading))
    joined: list[Span] = []
    for span in spans:
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined, list(dict.fromkeys(MARKS[name][0] for name in names))

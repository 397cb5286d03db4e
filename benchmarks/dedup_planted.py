"""Pairs of documents whose exact similarity is known: real lines of a language, and the same lines after edits.

A passage is made of distinct lines of one language, 20 to 600 words long, and stands in a corpus with one edited copy
of it: a share of its words, 1 to 40 %, is changed here and there (substituted, deleted, inserted), in one run
(replaced), line by line (another order), or only in looks (case and punctuation: the similarity stays 1). No
two passages of a corpus share a line, so a pair is found by its own likeness or not at all.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.dedup_truth import word_places, words

SHARES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
"""Shares of the words of a passage that are edited."""
SHORTEST, LONGEST = 20, 600
"""Words of a passage."""
SHORTEST_LINE = 5
"""Words of a line that may stand in a passage."""


@dataclass(frozen=True)
class Line:
    """A line of text and its words, lower-cased."""

    text: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """A passage and its edited copy."""

    language: str
    edit: str
    share: float
    original: str
    edited: str


def distinct_lines(texts: Iterator[str]) -> list[Line]:
    """Lines of some length, each once, whatever its case and punctuation."""
    found: dict[tuple[str, ...], Line] = {}
    for text in texts:
        for line in text.splitlines():
            key = tuple(words(line))
            if len(key) >= SHORTEST_LINE:
                found.setdefault(key, Line(line.strip(), key))
    return list(found.values())


def planted_pairs(language: str, lines: Sequence[Line], n_pairs: int, seed: str) -> Iterator[Pair]:
    """Up to ``n_pairs`` passages, no line in two of them, and what an edit made of each."""
    chance = random.Random(seed)
    left = chance.sample(lines, len(lines))
    for _ in range(n_pairs):
        wanted = round(SHORTEST * (LONGEST / SHORTEST) ** chance.random())
        taken: list[Line] = []
        n_words = 0
        while left and n_words < wanted:
            taken.append(left.pop())
            n_words += len(taken[-1].words)
        if n_words < SHORTEST:
            return
        edit, share = chance.choice(list(EDITS)), chance.choice(SHARES)
        original = "\n".join(line.text for line in taken)
        edited = EDITS[edit](original, share, chance, lines)
        yield Pair(language, edit, share, original, edited)


# The edits --------------------------------------------------------------------------------------------------


def _substituted(text: str, share: float, chance: random.Random, lines: Sequence[Line]) -> str:
    return _each(text, share, chance, lambda _: _other_word(chance, lines))


def _deleted(text: str, share: float, chance: random.Random, lines: Sequence[Line]) -> str:
    return _each(text, share, chance, lambda _: "")


def _inserted(text: str, share: float, chance: random.Random, lines: Sequence[Line]) -> str:
    return _each(text, share, chance, lambda word: f"{word} {_other_word(chance, lines)}")


def _replaced(text: str, share: float, chance: random.Random, lines: Sequence[Line]) -> str:
    """One run of words gives way to as much of other lines."""
    places = word_places(text)
    n = max(1, round(share * len(places)))
    first = chance.randrange(len(places) - n + 1)
    other: list[str] = []
    while len(other) < n:
        other += chance.choice(lines).words
    return text[: places[first][0]] + " ".join(other[:n]) + text[places[first + n - 1][1] :]


def _reordered(text: str, share: float, chance: random.Random, lines: Sequence[Line]) -> str:
    """So many of the lines stand elsewhere."""
    order = text.split("\n")
    for _ in range(max(1, round(share * len(order)))):
        order.insert(chance.randrange(len(order)), order.pop(chance.randrange(len(order))))
    return "\n".join(order)


def _looks(text: str, share: float, chance: random.Random, lines: Sequence[Line]) -> str:
    """Case where it leaves the word the same, and marks that are no part of words."""
    return _each(text, share, chance, lambda word: f"«{_capital(word)}», ")


EDITS: dict[str, Callable[[str, float, random.Random, Sequence[Line]], str]] = {
    "substitute": _substituted,
    "delete": _deleted,
    "insert": _inserted,
    "replace a run": _replaced,
    "reorder lines": _reordered,
    "case, punctuation": _looks,
}


def _each(text: str, share: float, chance: random.Random, change: Callable[[str], str]) -> str:
    """The text with a share of its words, one at least, drawn and changed."""
    places = word_places(text)
    drawn = sorted(chance.sample(range(len(places)), max(1, round(share * len(places)))))
    pieces, done = [], 0
    for begin, end in (places[number] for number in drawn):
        pieces += [text[done:begin], change(text[begin:end])]
        done = end
    return "".join([*pieces, text[done:]])


def _other_word(chance: random.Random, lines: Sequence[Line]) -> str:
    return chance.choice(chance.choice(lines).words)


def _capital(word: str) -> str:
    upper = word.upper()
    return upper if words(upper) == words(word) else word

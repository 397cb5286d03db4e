"""Passages as plainly as Python allows: words, lines, paragraphs, sentences with their places, and what is cut."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from plain_definition import (
    MARKS,
    MARKS_ALONE,
    begins_word,
    category,
    continues_word,
    is_closer,
    script,
)
from plain_definition import lower as lower_case

from dataflow.kernels.characters import JOINERS


@dataclass(frozen=True)
class Passage:
    """``start`` and ``end`` are characters of the text; ``first`` and ``last`` (one beyond) words of it."""

    kind: str
    content: object
    start: int
    end: int
    first: int
    last: int


def places_of_words(text: str) -> list[tuple[int, int]]:
    found, i = [], 0
    while i < len(text):
        start = i
        i += 1
        if script(text[start]):
            found.append((start, i))
        elif begins_word(text[start]):
            while i < len(text):
                if continues_word(text[i]):
                    i += 1
                elif text[i] in JOINERS and i + 1 < len(text) and begins_word(text[i + 1]):
                    i += 2
                else:
                    break
            found.append((start, i))
    return found


def normal(text: str) -> str:
    return " ".join("".join(map(lower_case, text)).split())


def lines(text: str) -> list[tuple[int, int]]:
    """Places of lines without outer white space, blank ones as empty."""
    found, at = [], 0
    for line in text.split("\n"):
        begin = at + len(line) - len(line.lstrip())
        found.append((begin, begin + len(line.strip())))
        at += len(line) + 1
    return found


def paragraphs(text: str) -> list[tuple[int, int]]:
    runs = groupby(lines(text), key=lambda place: place[0] < place[1])
    return [(run[0][0], run[-1][1]) for filled, group in runs if filled for run in [list(group)]]


def sentences(text: str) -> list[tuple[int, int]]:
    """A sentence ends with its last mark and what closes behind it, or with its line."""
    closers = "".join({c for c in text if is_closer(c)})
    either = re.escape(MARKS + closers)
    end = rf"[{re.escape(MARKS_ALONE)}][{either}]*|[{re.escape(MARKS)}][{either}]*(?=\s|$)"
    found = []
    for begin, stop in lines(text):
        at = begin
        for match in [*re.finditer(end, text[begin:stop]), None]:
            last = stop if match is None else begin + match.end()
            if places_of_words(text[at:last]):
                at += len(text[at:last]) - len(text[at:last].lstrip())
                found.append((at, at + len(text[at:last].rstrip())))
                at = last
    return found


def passages(text: str, wanted: dict[str, int]) -> list[Passage]:
    """``wanted``: line, paragraph, sentences: least words; span: sentences of a run; substring: words of a run."""
    words = places_of_words(text)

    def passage(kind: str, start: int, end: int, content: object = None) -> Passage:
        inside = [number for number, (begin, stop) in enumerate(words) if start <= begin and stop <= end]
        first = inside[0] if inside else 0
        return Passage(kind, content or normal(text[start:end]), start, end, first, first + len(inside))

    found = []
    if least := wanted.get("line"):
        found += [passage("line", *place) for place in lines(text)]
        found = [one for one in found if one.last - one.first >= least]
    if least := wanted.get("paragraph"):
        some = [passage("paragraph", *place) for place in paragraphs(text)]
        found += [one for one in some if one.last - one.first >= least]
    if least := wanted.get("sentences"):
        all_sentences, span = sentences(text), wanted["span"]
        for k in range(len(all_sentences) - span + 1):
            run = all_sentences[k : k + span]
            one = passage("sentences", run[0][0], run[-1][1], tuple(normal(text[i:j]) for i, j in run))
            found += [one] if one.last - one.first >= least else []
    if n := wanted.get("substring"):
        for k in range(len(words) - n + 1):
            content = tuple("".join(map(lower_case, text[i:j])) for i, j in words[k : k + n])
            found.append(Passage("substring", content, words[k][0], words[k + n - 1][1], k, k + n))
    return found


@dataclass(frozen=True)
class Decision:
    """Characters cut from a text, and whether too little is left."""

    cut: frozenset[int]
    words_left: int
    removed: bool


def decide(texts: list[str], wanted: dict[str, int], min_left_words: int) -> list[Decision]:
    """One document after the other in survivor order: the definition that the rounds must come to."""
    listed = [passages(text, wanted) for text in texts]
    places = Counter((one.kind, one.content) for some in listed for one in some)
    taken: set[tuple[str, object]] = set()
    decisions = []
    for text, some in zip(texts, listed, strict=True):
        seen: set[tuple[str, object]] = set()
        lost, kept = [], set()
        for one in some:
            key = (one.kind, one.content)
            if key in taken or key in seen:
                lost.append(one)
            elif places[key] > 1:
                kept |= set(range(one.first, one.last))
            seen.add(key)
        gone = [one for one in lost if not kept & set(range(one.first, one.last))]
        words = {word for one in gone for word in range(one.first, one.last)}
        left = len(places_of_words(text)) - len(words)
        cut = frozenset(i for one in gone for i in range(one.start, one.end))
        removed = bool(words) and left < min_left_words
        if not removed:
            taken |= seen
        decisions.append(Decision(cut, left, removed))
    return decisions


__all__ = ["Decision", "Passage", "category", "decide", "normal", "passages", "places_of_words"]

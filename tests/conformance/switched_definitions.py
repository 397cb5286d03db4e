"""Each measure that datatrove and we share, written plainly, with a switch for every definition that differs.

With no switch on a measure is ours, with all of ``SWITCHES_OF`` it is datatrove's; so what the tools do not
have in common is exactly the switches, whose meaning stands in ``differences.yaml``. ``Page`` is one document
together with what datatrove says of it: its words are given, never guessed.
"""

import math
import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dataflow" / "kernels"))
import plain_definition as plain

from dataflow.signals.basic import CHARACTERS_PER_WORD

CITATION = r"\[[0-9]*\]|\[edit\]|\[citation needed\]"
JAVASCRIPT = "(?i)javascript"
BOILERPLATE = (
    f"{JAVASCRIPT}|terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies"
)
CLOSING = "\"'”’»›)]）」』】〉》"
QUOTATION = ('"', "”", "»", "」", "』")

On = frozenset[str]


class Page:
    """A document and datatrove's answer about it."""

    def __init__(
        self, text: str, source: str, answer: dict, punctuation: frozenset[str], terminal: tuple[str, ...]
    ) -> None:
        self.text, self.source, self.answer = text, source, answer
        self.punctuation, self.terminal = punctuation, terminal
        self._words: dict[On, list[str]] = {}

    @cached_property
    def our_words(self) -> list[plain.Word]:
        return plain.words(self.text)

    def words(self, on: On) -> list[str]:
        """What is counted as words, as written or in lower case."""
        key = on & {"words", "punctuation", "letter_case"}
        if key not in self._words:
            self._words[key] = self._split(key)
        return self._words[key]

    def _split(self, on: On) -> list[str]:
        if "words" not in on:
            return [word.text for word in self.our_words]
        words = self.answer["words"]
        if "punctuation" not in on:
            words = [word for word in words if any(plain.begins_word(c) for c in word)]
        return words if "letter_case" in on else [word.lower() for word in words]

    def written(self, on: On) -> list[str]:
        """Words without what is only punctuation: of these datatrove takes number and mean length."""
        if "punctuation" not in on:
            return self.words(on)
        return [word for word in self.words(on) if not self.punctuation.issuperset(word)]

    def n_words(self, on: On) -> int:
        """Our number of words is an estimate where a script has no spaces."""
        if "words" in on:
            return len(self.words(on))
        unspaced = Counter(word.script for word in self.our_words if word.script)
        estimate = sum(n / CHARACTERS_PER_WORD[script] for script, n in unspaced.items())
        return len(self.our_words) - sum(unspaced.values()) + math.ceil(estimate)

    def lines(self) -> list[str]:
        """Our lines: not blank, without outer white space."""
        return [line.strip() for line in self.text.split("\n") if line.strip()]


Measure = Callable[[Page, On], float]


def n_words(page: Page, on: On) -> float:
    return len(page.written(on)) if "words" in on else page.n_words(on)


def mean_word_length(page: Page, on: On) -> float:
    words = page.written(on) if "words" in on else [w.text for w in page.our_words if not w.script]
    return sum(map(len, words)) / max(len(words), 1)


def hash_to_word_ratio(page: Page, on: On) -> float:
    return page.text.count("#") / max(page.n_words(on), 1)


def ellipsis_to_word_ratio(page: Page, on: On) -> float:
    return (page.text.count("...") + page.text.count("…")) / max(page.n_words(on), 1)


def alphabetic_word_share(page: Page, on: On) -> float:
    if "words" in on:
        found = [any(c.isalpha() for c in word) for word in page.words(on)]
    else:
        found = [word.has_letter for word in page.our_words]
    return sum(found) / max(len(found), 1)


def n_stop_words(page: Page, on: On) -> float:
    return len(plain.STOP_WORDS & set(page.words(on)))


def bullet_line_share(page: Page, on: On) -> float:
    lines = [line.strip() for line in page.text.splitlines()] if "quality_lines" in on else page.lines()
    if "bullets" in on:
        bullets = [line.startswith(("•", "-")) for line in lines]
    else:
        bullets = [line[:1] in plain.BULLETS and not line[1:2].strip() for line in lines if line]
    return sum(bullets) / len(lines)


def ellipsis_line_share(page: Page, on: On) -> float:
    lines = [line.strip() for line in page.text.splitlines()] if "quality_lines" in on else page.lines()
    return sum(line.endswith(("...", "…")) for line in lines) / len(lines)


def duplicate_line_share(page: Page, on: On) -> float:
    lines = _repetition_lines(page, on)
    return len(plain.repeats(lines)) / len(lines)


def duplicate_line_character_share(page: Page, on: On) -> float:
    lines = _repetition_lines(page, on)
    whole = len(page.text) if "text_length" in on else sum(map(len, lines))
    return sum(len(lines[i]) for i in plain.repeats(lines)) / whole


def fineweb_duplicate_line_character_share(page: Page, on: On) -> float:
    lines = _fineweb_lines(page, on)
    whole = len(page.text.replace("\n", "")) if "text_length" in on else sum(map(len, lines))
    return sum(len(lines[i]) for i in plain.repeats(lines)) / whole


def duplicate_paragraph_share(page: Page, on: On) -> float:
    paragraphs = _paragraphs(page, on)
    return len(plain.repeats(paragraphs)) / len(paragraphs)


def duplicate_paragraph_character_share(page: Page, on: On) -> float:
    paragraphs = _paragraphs(page, on)
    inner = "\n" if "paragraphs" in on else ""
    whole = len(page.text) if "text_length" in on else sum(map(len, page.lines()))
    return sum(len(inner.join(paragraphs[i])) for i in plain.repeats(paragraphs)) / whole


def punctuation_line_share(page: Page, on: On) -> float:
    lines = _fineweb_lines(page, on)
    if "line_ends" in on:
        return sum(line.endswith(page.terminal) for line in lines) / len(lines)
    return sum(plain.ends_in_punctuation(line) for line in lines) / len(lines)


def short_line_share(page: Page, on: On) -> float:
    lines = _fineweb_lines(page, on)
    return sum(len(line) <= 30 for line in lines) / len(lines)


def newline_to_word_ratio(page: Page, on: On) -> float:
    return page.text.count("\n") / max(page.n_words(on), 1)


def _repetition_lines(page: Page, on: On) -> list[str]:
    return re.split(r"\n+", page.text) if "repetition_lines" in on else page.lines()


def _fineweb_lines(page: Page, on: On) -> list[str]:
    return [line for line in page.text.split("\n") if line.strip()] if "outer_space" in on else page.lines()


def _paragraphs(page: Page, on: On) -> list[tuple[str, ...]]:
    if "paragraphs" in on:
        return [tuple(part.split("\n")) for part in re.split(r"\n{2,}", page.text.strip())]
    found: list[tuple[str, ...]] = []
    after_blank = True
    for line in map(str.strip, page.text.split("\n")):
        if line and after_blank:
            found.append((line,))
        elif line:
            found[-1] += (line,)
        after_blank = not line
    return found


def _top(n: int) -> Measure:
    def measure(page: Page, on: On) -> float:
        words = page.words(on)
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        copies = Counter(grams)
        most = max(copies.values(), default=0)
        if most == 0 or (most == 1 and "once_seen" not in on):
            return 0.0
        equals = [gram for gram in copies if copies[gram] == most]
        top = equals[0] if "first_of_equals" in on else max(equals, key=lambda gram: len("".join(gram)))
        if "length_times_copies" in on:
            characters = len(" ".join(top)) * most
        else:
            places = [i for i, gram in enumerate(grams) if gram == top]
            characters = plain.characters_at(places, n, [len(word) for word in words])
        return characters / _whole(page, words, on)

    return measure


def _duplicate(n: int) -> Measure:
    def measure(page: Page, on: On) -> float:
        words = page.words(on)
        if "walk" in on:
            characters = _walk(words, n)
        else:
            grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
            characters = plain.characters_at(plain.repeats(grams), n, [len(word) for word in words])
        return characters / _whole(page, words, on)

    return measure


def _walk(words: list[str], n: int) -> int:
    """Characters of copies that do not overlap; n-grams inside a copy are not noted, words are glued together."""
    seen: set[str] = set()
    characters = place = 0
    while place + n <= len(words):
        glued = "".join(words[place : place + n])
        place += n if glued in seen else 1
        characters += len(glued) if glued in seen else 0
        seen.add(glued)
    return characters


def _whole(page: Page, words: list[str], on: On) -> int:
    return len(page.text) if "text_length" in on else max(sum(map(len, words)), 1)


def c4_lines(page: Page, on: On, boilerplate: str = BOILERPLATE) -> list[str]:
    """The lines that the line rules of C4 leave, none of them blank; without those that hold ``boilerplate``."""
    kept = []
    for whole in page.text.splitlines() if "line_breaks" in on else page.text.split("\n"):
        line = whole.strip()
        words = line.split()
        if "citations" in on:
            line = re.sub(CITATION, "", line)
        else:
            for _ in range(4):  # marks inside marks
                line = re.sub(CITATION, "", line).strip()
            words = line.split()
            if re.search(CITATION, line):
                continue
        if "c4_ends" in on:
            ends = line.endswith((".", "?", "!", '"', "'")) and not line.endswith("...")
        else:
            ends = _ends_sentence(line)
        enough = len(words) >= 3 or ("unspaced_line" not in on and any(map(plain.script, line)))
        too_long = max(map(len, words), default=0) > 1000
        if ends and enough and not too_long and not (boilerplate and re.search(boilerplate, line)):
            kept.append(line)
    return kept


def _ends_sentence(line: str) -> bool:
    """Sentence-ending marks with closing marks behind them, or a closing double quotation mark; no ellipsis."""
    bare = line.rstrip(CLOSING)
    if bare.endswith(("...", "…")):
        return False
    return bare[-1:] in tuple(plain.MARKS) or line.endswith(QUOTATION)


def n_sentences(page: Page, on: On) -> float:
    lines = c4_lines(page, on)
    if "sentences" in on:
        known = {line.strip(): n for line, n in page.answer["sentences_of_lines"].items()}
        return sum(known.get(line.strip(), plain.sentences(line + "\n")) for line in lines)
    return sum(plain.sentences(line) for line in lines)


def has_curly_bracket(page: Page, on: On) -> float:
    lines = c4_lines(page, on, JAVASCRIPT) if "c4_order" in on else c4_lines(page, on)
    return "{" in "".join(lines)


def has_lorem_ipsum(page: Page, on: On) -> float:
    lower = page.text.lower()
    if "lorem" not in lower or "ipsum" not in lower:
        return False
    lines = c4_lines(page, on, "") if "c4_order" in on else c4_lines(page, on)
    if "lorem_space" in on:
        return any("lorem ipsum" in line.lower() for line in lines)
    words = [word.text for word in plain.words("\n".join(lines))]
    return ("lorem", "ipsum") in pairwise(words)


_WORDS = ("words", "punctuation")
_C4 = ("unspaced_line", "line_breaks", "citations", "c4_ends")

MEASURES: dict[str, tuple[Measure, tuple[str, ...]]] = {
    "n_words": (n_words, _WORDS),
    "mean_word_length": (mean_word_length, _WORDS),
    "hash_to_word_ratio": (hash_to_word_ratio, _WORDS),
    "ellipsis_to_word_ratio": (ellipsis_to_word_ratio, _WORDS),
    "bullet_line_share": (bullet_line_share, ("quality_lines", "bullets")),
    "ellipsis_line_share": (ellipsis_line_share, ("quality_lines",)),
    "alphabetic_word_share": (alphabetic_word_share, _WORDS),
    "n_stop_words": (n_stop_words, ("words", "letter_case")),
    "duplicate_line_share": (duplicate_line_share, ("repetition_lines",)),
    "duplicate_line_character_share": (duplicate_line_character_share, ("repetition_lines", "text_length")),
    "duplicate_paragraph_share": (duplicate_paragraph_share, ("paragraphs",)),
    "duplicate_paragraph_character_share": (
        duplicate_paragraph_character_share,
        ("paragraphs", "text_length"),
    ),
    **{
        f"top_{n}gram_character_share": (
            _top(n),
            (*_WORDS, "letter_case", "text_length", "once_seen", "first_of_equals", "length_times_copies"),
        )
        for n in (2, 3, 4)
    },
    **{
        f"duplicate_{n}gram_character_share": (_duplicate(n), (*_WORDS, "letter_case", "text_length", "walk"))
        for n in range(5, 11)
    },
    "punctuation_line_share": (punctuation_line_share, ("outer_space", "line_ends")),
    "short_line_share": (short_line_share, ("outer_space",)),
    "fineweb_duplicate_line_character_share": (
        fineweb_duplicate_line_character_share,
        ("outer_space", "text_length"),
    ),
    "newline_to_word_ratio": (newline_to_word_ratio, _WORDS),
    "n_sentences": (n_sentences, (*_C4, "sentences")),
    "has_curly_bracket": (has_curly_bracket, (*_C4, "c4_order")),
    "has_lorem_ipsum": (has_lorem_ipsum, (*_C4, "c4_order", "lorem_space")),
}
"""Each measure and the switches that turn ours into datatrove's, by the name of our signal."""

"""What the kernels count, written as plainly as Python allows: slow, and right to the eye."""

import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from dataflow.kernels.characters import _TERMINALS, _TERMINALS_ALONE, BULLETS, JOINERS, _points

SCRIPTS = {  # by the names of characters, not by the ranges that the kernels use
    "han": (
        "CJK",
        "IDEOGRAPHIC ITERATION",
        "IDEOGRAPHIC NUMBER",
        "VERTICAL IDEOGRAPHIC",
        "OLD CHINESE",
        "VIETNAMESE",
        "HANGZHOU",
    ),
    "kana": (
        "HIRAGANA",
        "HENTAIGANA",
        "KATAKANA",
        "HALFWIDTH KATAKANA",
        "COMBINING KATAKANA",
        "KATAKANA-HIRAGANA",
    ),
    "thai": ("THAI",),
    "lao": ("LAO",),
    "khmer": ("KHMER",),
    "myanmar": ("MYANMAR",),
}
MARKS = "".join(map(chr, _points(_TERMINALS)))
MARKS_ALONE = "".join(map(chr, _points(_TERMINALS_ALONE)))
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


@dataclass(frozen=True)
class Word:
    text: str  # lower-cased
    has_letter: bool
    script: str | None  # of scripts without spaces
    capital: bool = False  # with an uppercase letter and no lowercase one


@cache
def script(c: str) -> str | None:
    if unicodedata.category(c)[0] not in "LMN":
        return None
    name = unicodedata.name(c, "")
    return next((key for key, starts in SCRIPTS.items() if name.startswith(starts)), None)


def category(c: str) -> str:
    return unicodedata.category(c)[0]


def begins_word(c: str) -> bool:
    return category(c) in "LN" and script(c) is None


def continues_word(c: str) -> bool:
    return category(c) in "LMN" and script(c) is None


def is_closer(c: str) -> bool:
    return c in "\"'" or unicodedata.category(c) in ("Pe", "Pf", "Pi")


def lower(c: str) -> str:
    return c.lower()[0] if category(c) in "LN" else c


def words(text: str) -> list[Word]:
    found, i = [], 0
    while i < len(text):
        if s := script(text[i]):
            found.append(Word(text[i], category(text[i]) in "LM", s))
            i += 1
        elif begins_word(text[i]):
            start = i
            i += 1
            while i < len(text):
                if continues_word(text[i]):
                    i += 1
                elif text[i] in JOINERS and i + 1 < len(text) and begins_word(text[i + 1]):
                    i += 2
                else:
                    break
            run = text[start:i]
            letters = "".join(c for c in run if category(c) == "L")
            capital = any(c.isupper() for c in letters) and not any(c.islower() for c in letters)
            found.append(Word("".join(map(lower, run)), letters != "", None, capital))
        else:
            i += 1
    return found


def sentences(line: str) -> int:
    closers = "".join({c for c in line if is_closer(c)})
    either = re.escape(MARKS + closers)
    end = rf"[{re.escape(MARKS_ALONE)}]|[{re.escape(MARKS)}][{either}]*(?=\s)"
    return sum(bool(words(stretch)) for stretch in re.split(end, line))


def repeats(items: list) -> list[int]:
    """Places of second and later copies."""
    seen: set = set()
    places = []
    for place, item in enumerate(items):
        if item in seen:
            places.append(place)
        seen.add(item)
    return places


def characters_at(places: list[int], n: int, lengths: list[int]) -> int:
    return sum(lengths[word] for word in {word for place in places for word in range(place, place + n)})


def statistics(text: str) -> dict[str, int]:
    found = words(text)
    spaced = [word for word in found if word.script is None]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    paragraphs: list[tuple[str, ...]] = []
    open_paragraph = False
    for line in text.split("\n"):
        if not line.strip():
            open_paragraph = False
        elif open_paragraph:
            paragraphs[-1] += (line.strip(),)
        else:
            paragraphs.append((line.strip(),))
            open_paragraph = True
    result = {
        "characters": len(text),
        "newlines": text.count("\n"),
        "word_class_characters": sum(category(c) in "LMN" for c in text),
        "spaced_words": len(spaced),
        "spaced_word_characters": sum(len(word.text) for word in spaced),
        "words_with_letter": sum(word.has_letter for word in found),
        "hashes": text.count("#"),
        "ellipses": text.count("…") + text.count("..."),
        "curly_brackets": text.count("{"),
        "lorem_ipsums": sum(a.text == "lorem" and b.text == "ipsum" for a, b in pairwise(found)),
        "stop_words": len(STOP_WORDS & {word.text for word in found}),
        "sentences": sum(map(sentences, text.split("\n"))),
        "lines": len(lines),
        "line_characters": sum(map(len, lines)),
        "bullet_lines": sum(line[0] in BULLETS and (len(line) == 1 or line[1].isspace()) for line in lines),
        "ellipsis_lines": sum(line.endswith(("…", "...")) for line in lines),
        "punctuation_lines": sum(ends_in_punctuation(line) for line in lines),
        "short_lines": sum(len(line) <= 30 for line in lines),
        "paragraphs": len(paragraphs),
        "duplicate_lines": len(repeats(lines)),
        "duplicate_line_characters": sum(len(lines[i]) for i in repeats(lines)),
        "duplicate_paragraphs": len(repeats(paragraphs)),
        "duplicate_paragraph_characters": sum(len("".join(paragraphs[i])) for i in repeats(paragraphs)),
    }
    for key in SCRIPTS:
        result[f"{key}_characters"] = sum(script(c) == key for c in text)
    result |= character_statistics(text, found)
    result |= repetition([word.text for word in found])
    return result


def character_statistics(text: str, found: list[Word]) -> dict[str, int]:
    ascii_text = [c for c in text if c.isascii()]
    wide = [c for c in text if not c.isascii()]
    in_words = [c for c in wide if begins_word(c)]
    return {
        "capital_words": sum(word.capital for word in found),
        "longest_word": max((len(word.text) for word in found), default=0),
        "all_lines": text.count("\n") + (not text.endswith("\n") and text != ""),
        "longest_line": max(map(len, text.split("\n"))),
        "wide_characters": len(wide),
        "wide_uppercase": sum(c.isupper() for c in in_words if category(c) == "L"),
        "wide_digits": sum(category(c) == "N" for c in wide),
        "wide_spaces": sum(c.isspace() for c in wide),
        "distinct_words": len({word.text for word in found}),
        "word_entropy_millionths": entropy([word.text for word in found], math.e),
        "byte_entropy_millionths": entropy(list(text.encode()), 2),
        "ascii_uppercase": sum(c.isupper() for c in ascii_text),
        "ascii_digits": sum(c.isdigit() for c in ascii_text),
        "ascii_spaces": sum(c.isspace() for c in ascii_text),
    }


def entropy(things: list, base: float) -> int:
    shares = [copies / len(things) for copies in Counter(things).values()]
    return round(1e6 * -sum(share * math.log(share, base) for share in shares))


def repetition(words: list[str]) -> dict[str, int]:
    result = {}
    lengths = [len(word) for word in words]
    for n in range(2, 11):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        if n >= 5:
            result[f"duplicate_{n}gram_characters"] = characters_at(repeats(grams), n, lengths)
            continue
        top, copies = [], Counter(grams)
        if copies and max(copies.values()) > 1:
            candidates = [
                gram for gram in copies if copies[gram] == max(copies.values())
            ]  # in order of the text
            longest = max(candidates, key=lambda gram: len("".join(gram)))  # the first of equals
            top = [i for i, gram in enumerate(grams) if gram == longest]
        result[f"top_{n}gram_characters"] = characters_at(top, n, lengths)
    return result


def ends_in_punctuation(line: str) -> bool:
    while line and is_closer(line[-1]):
        line = line[:-1]
    return bool(line) and line[-1] in MARKS

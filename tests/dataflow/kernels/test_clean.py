"""The suspicions and repairs of white space, held against the regular expressions and unicodedata."""

import random
import re
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.kernels.arrow import buffers
from dataflow.kernels.clean import COMPOSE, FOREIGN, HARD, MAX_MARKS, MOJIBAKE, WHITE, suspect, table
from dataflow.transforms.unicode import _ANY_SUSPICION, _badness, clean_text, clean_unicode

MARKS = re.compile(rf"[\u0300-\u036f\u0e31\u0e34-\u0e3a]{{{MAX_MARKS + 1}}}")
ASCII_AND_SPACES = ["\r", "\x85", "\x1b[m", "\x7f", "\xa0", "\xad", "\ufeff", "\u2028", "\u2000", "\u200b"]
MARKED = [
    "\u0301",
    "\u0323",
    "\u0344",
    "न",
    "\u093c",
    "\u09c7",
    "\u09be",
    "か\u3099",
    "각",
    "ᄀ",
    "ᅡ",
    "\u0301" * 31,
]
OTHERS = [*"éÃÂâ€œ™ºвЂПà²ŒØÙ×", "\u212b", "\uf900", "😀", "\U0002f800", "你", "“", "”", "　", "ี", "ไ"]
TRICKY = st.sampled_from([*"ae \t\n.-Z", *ASCII_AND_SPACES, *MARKED, *OTHERS])
TEXTS = st.lists(TRICKY, max_size=12).map("".join) | st.text(max_size=20)


def flags(texts: list[str]) -> np.ndarray:
    found = np.zeros(len(texts), np.uint8)
    suspect(*buffers(pa.array(texts, pa.large_string())), table(), found)
    return found


def matches(texts: list[str], pattern: str) -> np.ndarray:
    found: np.ndarray = pc.match_substring_regex(pa.array(texts, pa.large_string()), pattern).to_numpy(
        zero_copy_only=False
    )
    return found


def check(texts: list[str]) -> None:
    found = flags(texts)
    assert np.array_equal(found & WHITE != 0, matches(texts, _ANY_SUSPICION))
    assert np.array_equal(found & FOREIGN != 0, [not text.isascii() for text in texts])
    assert not (matches(texts, _badness()) & (found & MOJIBAKE == 0)).any()
    for text, flag in zip(texts, found, strict=True):
        assert unicodedata.is_normalized("NFC", text) or flag & COMPOSE, ascii(text)
        assert not MARKS.search(text) or flag & HARD, ascii(text)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_nothing_that_needs_repair_escapes(texts: list[str]) -> None:
    check(texts)


def test_every_character_is_known_first_last_and_between() -> None:
    points = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000 and point % 7 < 3]
    points = [character for character in points if ord(character) < 0x3400 or ord(character) % 5 == 0]
    for pattern in ("{}", "a{}", "{}bcdef", "e{}\u0301", "é{}", "{} {}"):
        check([pattern.replace("{}", character) for character in points])


def test_all_mojibake_is_suspected() -> None:
    """Random strings over the characters of ftfy's own patterns, some 3 in 4 of which match."""
    alphabet = [c for c in dict.fromkeys(_badness()) if not c.isascii()]
    rng = random.Random(1)
    weights = [*alphabet, *"aZ .-", " ", "\n", "你"]
    check(["".join(rng.choices(weights, k=rng.randint(1, 5))) for _ in range(20_000)])


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_columns_and_single_texts_agree_in_text_and_count(texts: list[str]) -> None:
    cleaned, changes = clean_unicode(pa.array(texts, pa.large_string()))
    cleaned.validate(full=True)
    expected = [clean_text(text) for text in texts]
    assert [(text, n) for text, n in zip(cleaned.to_pylist(), changes.tolist(), strict=True)] == expected


def test_clean_text_in_many_scripts_needs_no_look() -> None:
    clean = [
        "Ärger, naïve",
        "Это предложение.",
        "这是一句话。",
        "これはペンです。",
        "한국어 문장입니다.",
        "Tiếng Việt",
        "αβγ ωή",
    ]
    assert not (flags(clean) & ~np.uint8(FOREIGN | MOJIBAKE)).any()
    assert not (flags(clean[2:5]) & MOJIBAKE).any()

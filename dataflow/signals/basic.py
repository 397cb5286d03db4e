"""Sizes of a document, which every output has: characters, words, lines, paragraphs, and how much is written
without spaces.

Words of scripts without spaces cannot be counted without a dictionary; they are estimated from characters,
with one constant for each script: rough for one document, right on the whole, and the same for every run.
"""

from fractions import Fraction
from math import lcm

import numpy as np

from dataflow.signals.signal import Counts, Values, share, signal

CHARACTERS_PER_WORD = {
    "han": Fraction("1.6"),
    "kana": Fraction(2),
    "thai": Fraction(4),
    "lao": Fraction(4),
    "khmer": Fraction(5),
    "myanmar": Fraction(5),
}
"""Mean characters of a word in running text, combining vowels and tone marks included."""

_UNITS = lcm(*(constant.numerator for constant in CHARACTERS_PER_WORD.values()))


@signal(unit="characters", reference="Unicode scalar values")
def n_characters(counts: Counts) -> Values:
    """Unicode characters of the text, white space included."""
    return counts["characters"]


@signal(unit="words", reference="ours; inner hyphens and apostrophes belong to the word")
def n_words(counts: Counts) -> Values:
    """Runs of letters, marks and digits; in scripts without spaces characters by a constant (Han 1.6, Kana 2,
    Thai and Lao 4, Khmer and Myanmar 5), rounded up.
    """
    return words(counts)


@signal(unit="lines", reference="ours")
def n_lines(counts: Counts) -> Values:
    """Lines, split at line feeds, that are not only white space."""
    return counts["lines"]


@signal(unit="paragraphs", reference="ours")
def n_paragraphs(counts: Counts) -> Values:
    """Maximal runs of lines that are not blank."""
    return counts["paragraphs"]


@signal(unit="share", reference="ours; Unicode scripts")
def spaceless_share(counts: Counts) -> Values:
    """Characters of Han, Kana, Thai, Lao, Khmer and Myanmar among all letters, marks and digits."""
    return share(spaceless_characters(counts), counts["word_class_characters"])


def words(counts: Counts) -> Values:
    """The values of ``n_words``."""
    spaceless = counts["spaced_words"] * 0
    for script, per_word in CHARACTERS_PER_WORD.items():
        spaceless = spaceless + counts[f"{script}_characters"] * int(_UNITS / per_word)
    return counts["spaced_words"] - (-spaceless // _UNITS)


def spaceless_characters(counts: Counts) -> Values:
    """Letters, marks and digits of the scripts without spaces."""
    total: Values = np.sum([counts[f"{script}_characters"] for script in CHARACTERS_PER_WORD], axis=0)
    return total


def word_characters(counts: Counts) -> Values:
    """Characters of all words: what the shares of repeated n-grams are of."""
    return counts["spaced_word_characters"] + spaceless_characters(counts)


SIGNALS = (n_characters, n_words, n_lines, n_paragraphs, spaceless_share)

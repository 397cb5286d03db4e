"""What a text is made of: kinds of characters, how varied its bytes are, lengths of words and lines.

The measures that RedPajama-V2 and Data-Juicer give beside Gopher's, with the arithmetic spelled out. The four
shares of letters, digits, white space and symbols add up to one. Lines are here what stands between line
feeds, blank ones and indentation included, as the code corpora count them; the last is none if it is empty.
"""

import numpy as np

from dataflow.signals.basic import spaceless_characters
from dataflow.signals.signal import Counts, Values, share, signal

REDPAJAMA = "RedPajama-V2 (Weber et al. 2024), quality signals, "
JUICER = "Data-Juicer (Chen et al. 2024), "
CODE = "Chen et al. 2021 (Codex), section 3.1; Kocetkov et al. 2022 (The Stack)"


@signal(unit="share", reference=JUICER + "alphanumeric_filter")
def alphabetic_character_share(counts: Counts) -> Values:
    """Letters and marks among characters."""
    return share(counts["word_class_characters"] - _digits(counts), counts["characters"])


@signal(unit="share", reference="RedPajama-V2, rps_lines_numerical_chars_fraction, of the whole text")
def digit_share(counts: Counts) -> Values:
    """Digits and other numerals (Unicode N) among characters."""
    return share(_digits(counts), counts["characters"])


@signal(unit="share", reference="ours")
def whitespace_share(counts: Counts) -> Values:
    """White space, line feeds included, among characters."""
    return share(_spaces(counts), counts["characters"])


@signal(unit="share", reference=JUICER + "special_characters_filter, without digits and white space")
def symbol_share(counts: Counts) -> Values:
    """Characters that are neither letters, marks, digits nor white space among characters."""
    symbols = counts["characters"] - counts["word_class_characters"] - _spaces(counts)
    return share(symbols, counts["characters"])


@signal(unit="share", reference="RedPajama-V2, rps_lines_uppercase_letter_fraction, of the whole text")
def uppercase_share(counts: Counts) -> Values:
    """Uppercase letters among characters."""
    return share(counts["ascii_uppercase"] + counts["wide_uppercase"], counts["characters"])


@signal(unit="share", reference="ours")
def non_ascii_share(counts: Counts) -> Values:
    """Characters beyond ASCII among characters."""
    return share(counts["wide_characters"], counts["characters"])


@signal(unit="share", reference=REDPAJAMA + "rps_doc_frac_all_caps_words")
def capital_word_share(counts: Counts) -> Values:
    """Words with an uppercase letter and no lowercase one among words."""
    return share(counts["capital_words"], all_words(counts))


@signal(unit="bits", reference="Shannon 1948")
def byte_entropy(counts: Counts) -> Values:
    """Shannon entropy of the bytes of the text in UTF-8: - sum of p log2 p, at most 8."""
    return counts["byte_entropy_millionths"] / 1e6


@signal(unit="characters", reference="Raffel et al. 2020, section 2.2, of the whole text")
def max_word_length(counts: Counts) -> Values:
    """Characters of the longest word."""
    return counts["longest_word"]


@signal(unit="characters", reference=CODE)
def max_line_length(counts: Counts) -> Values:
    """Characters of the longest line between line feeds, white space included."""
    return counts["longest_line"]


@signal(unit="characters a line", reference=CODE)
def mean_line_length(counts: Counts) -> Values:
    """Mean characters of a line between line feeds, blank lines and white space included."""
    return share(counts["characters"] - counts["newlines"], np.maximum(counts["all_lines"], 1))


def _digits(counts: Counts) -> Values:
    return counts["ascii_digits"] + counts["wide_digits"]


def _spaces(counts: Counts) -> Values:
    return counts["ascii_spaces"] + counts["wide_spaces"]


def all_words(counts: Counts) -> Values:
    """Words as they are counted one by one: without spaces each character."""
    return counts["spaced_words"] + spaceless_characters(counts)


SIGNALS = (
    alphabetic_character_share,
    digit_share,
    whitespace_share,
    symbol_share,
    uppercase_share,
    non_ascii_share,
    capital_word_share,
    byte_entropy,
    max_word_length,
    max_line_length,
    mean_line_length,
)

"""Gopher's measures of quality and repetition (Rae et al. 2021, section A1.1 and table A1).

Where the paper leaves the arithmetic open, ours: a share of characters is of the characters that could be in
it (of lines less outer white space, or of words), each is counted once however many n-grams lie over it, and
the first copy of anything is no repetition. So every share lies between 0 and 1, and longer n-grams never
cover more than shorter ones.
"""

from dataflow.signals.basic import spaceless_characters, word_characters, words
from dataflow.signals.signal import Counts, Signal, Values, ratio, share, signal

QUALITY = "Rae et al. 2021, section A1.1, quality filtering"
REPETITION = "Rae et al. 2021, section A1.1 and table A1, repetition removal"


@signal(unit="characters a word", reference=QUALITY)
def mean_word_length(counts: Counts) -> Values:
    """Mean characters of a word in scripts with spaces; 0 without such words."""
    return share(counts["spaced_word_characters"], counts["spaced_words"])


@signal(unit="ratio", reference=QUALITY)
def hash_to_word_ratio(counts: Counts) -> Values:
    """Number signs (#) for each word."""
    return ratio(counts["hashes"], words(counts))


@signal(unit="ratio", reference=QUALITY)
def ellipsis_to_word_ratio(counts: Counts) -> Values:
    """Ellipses, … or three dots in a row, for each word."""
    return ratio(counts["ellipses"], words(counts))


@signal(unit="share", reference=QUALITY)
def bullet_line_share(counts: Counts) -> Values:
    """Lines that begin with one of • ● ◦ ▪ - * ‣ · and white space, or are the bullet alone, among lines."""
    return share(counts["bullet_lines"], counts["lines"])


@signal(unit="share", reference=QUALITY)
def ellipsis_line_share(counts: Counts) -> Values:
    """Lines that end in … or three dots, among lines."""
    return share(counts["ellipsis_lines"], counts["lines"])


@signal(unit="share", reference=QUALITY)
def alphabetic_word_share(counts: Counts) -> Values:
    """Words with a letter among words; without spaces each character is a word, and a mark a letter."""
    return share(counts["words_with_letter"], counts["spaced_words"] + spaceless_characters(counts))


@signal(unit="words", reference=QUALITY)
def n_stop_words(counts: Counts) -> Values:
    """Distinct ones of the, be, to, of, and, that, have, with, in any case."""
    return counts["stop_words"]


@signal(unit="share", reference=REPETITION)
def duplicate_line_share(counts: Counts) -> Values:
    """Second and later copies of a line among lines."""
    return share(counts["duplicate_lines"], counts["lines"])


@signal(unit="share", reference=REPETITION)
def duplicate_paragraph_share(counts: Counts) -> Values:
    """Second and later copies of a paragraph among paragraphs."""
    return share(counts["duplicate_paragraphs"], counts["paragraphs"])


@signal(unit="share", reference=REPETITION)
def duplicate_line_character_share(counts: Counts) -> Values:
    """Characters of second and later copies of a line among characters of lines, less outer white space."""
    return share(counts["duplicate_line_characters"], counts["line_characters"])


@signal(unit="share", reference=REPETITION)
def duplicate_paragraph_character_share(counts: Counts) -> Values:
    """Characters of lines in second and later copies of a paragraph among characters of lines."""
    return share(counts["duplicate_paragraph_characters"], counts["line_characters"])


def _top(n: int) -> Signal:
    def values(counts: Counts) -> Values:
        return share(counts[f"top_{n}gram_characters"], word_characters(counts))

    values.__doc__ = (
        f"Characters of the words under the most frequent {n}-gram of words (of equals the longest, then the "
        "first) among characters of words; 0 if none occurs twice."
    )
    return signal(unit="share", reference=REPETITION, name=f"top_{n}gram_character_share")(values)


def _duplicate(n: int) -> Signal:
    def values(counts: Counts) -> Values:
        return share(counts[f"duplicate_{n}gram_characters"], word_characters(counts))

    values.__doc__ = (
        f"Characters of the words under second and later copies of {n}-grams among characters of words."
    )
    return signal(unit="share", reference=REPETITION, name=f"duplicate_{n}gram_character_share")(values)


SIGNALS = (
    mean_word_length,
    hash_to_word_ratio,
    ellipsis_to_word_ratio,
    bullet_line_share,
    ellipsis_line_share,
    alphabetic_word_share,
    n_stop_words,
    duplicate_line_share,
    duplicate_paragraph_share,
    duplicate_line_character_share,
    duplicate_paragraph_character_share,
    *(_top(n) for n in (2, 3, 4)),
    *(_duplicate(n) for n in (5, 6, 7, 8, 9, 10)),
)

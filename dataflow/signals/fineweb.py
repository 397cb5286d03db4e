"""FineWeb's measures of line structure (Penedo et al. 2024, section 3.6), on lines less outer white space.

Its third measure, the share of characters in duplicate lines, is Gopher's ``duplicate_line_character_share``.
"""

from dataflow.signals.basic import words
from dataflow.signals.signal import Counts, Values, ratio, share, signal

FINEWEB = "Penedo et al. 2024, section 3.6"


@signal(unit="share", reference=FINEWEB)
def punctuation_line_share(counts: Counts) -> Values:
    """Lines that end in a sentence-ending mark or …, with or without closing quotes, among lines."""
    return share(counts["punctuation_lines"], counts["lines"])


@signal(unit="share", reference=FINEWEB)
def short_line_share(counts: Counts) -> Values:
    """Lines of 30 characters or fewer among lines."""
    return share(counts["short_lines"], counts["lines"])


@signal(unit="ratio", reference=FINEWEB)
def newline_to_word_ratio(counts: Counts) -> Values:
    """Line feeds, those of blank lines included, for each word."""
    return ratio(counts["newlines"], words(counts))


SIGNALS = (punctuation_line_share, short_line_share, newline_to_word_ratio)

"""C4's document measures (Raffel et al. 2020, section 2.2); its line rules are a transform, applied before.

A sentence needs no language model here: it is a stretch of a line with at least one word, up to one of
Unicode's sentence-ending marks (or ``…``) before white space, closing quotes and brackets between them
allowed, or up to the line's end; in scripts without spaces the mark is enough. So an abbreviation counts as
an end, and a decimal point does not.
"""

from dataflow.signals.signal import Counts, Values, signal

C4 = "Raffel et al. 2020, section 2.2"


@signal(unit="sentences", reference=C4)
def n_sentences(counts: Counts) -> Values:
    """Stretches with a word up to a sentence-ending mark before white space, or to the end of the line."""
    return counts["sentences"]


@signal(unit="flag", reference=C4)
def has_curly_bracket(counts: Counts) -> Values:
    """Whether there is a {."""
    return counts["curly_brackets"] > 0


@signal(unit="flag", reference=C4)
def has_lorem_ipsum(counts: Counts) -> Values:
    """Whether the word lorem is followed by the word ipsum, in any case."""
    return counts["lorem_ipsums"] > 0


SIGNALS = (n_sentences, has_curly_bracket, has_lorem_ipsum)

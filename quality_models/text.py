"""The form in which text reaches fastText, in training as in scoring.

One line, lower case, every punctuation mark a word of its own. That makes ``end.`` and ``end`` the same
word, and it disarms what fastText reads as commands inside a text: a word that begins with ``__label__``
would be a second label, and ``</s>`` would end the line. Only the beginning of a long document is read.
"""

import pyarrow as pa
import pyarrow.compute as pc

CHARACTERS_READ = 20_000
"""Characters from a document's beginning that count."""


def normalise(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Texts as lines for fastText; a missing text is an empty line."""
    begun = pc.utf8_slice_codeunits(texts.fill_null(""), 0, CHARACTERS_READ)
    lower = pc.utf8_lower(begun)
    parted = pc.replace_substring_regex(lower, r"[^\pL\pM\pN\s]", r" \0 ")
    return pc.utf8_trim_whitespace(pc.replace_substring(parted, "\n", " "))

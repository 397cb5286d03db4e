"""The form in which text reaches fastText, in training as in scoring.

One line, lower case, every mark that is no letter or digit a word of its own. That makes ``end.`` and ``end``
the same word, and it disarms what fastText reads as commands inside a text: a word that begins with
``__label__`` would be a second label, and ``</s>`` would end the line. Only the beginning of a long document is
read.
"""

import pyarrow as pa

CHARACTERS_READ = 20_000
"""Characters from a document's beginning that count."""


def normalise(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Texts as lines for fastText, one space between words; a missing text is an empty line."""
    from dataflow.kernels.fasttext_text import words_apart  # heavy

    return words_apart(texts, CHARACTERS_READ)

"""How many words and phrases of a list for the document's language it holds; the lists are the user's.

Matching is C4's (Raffel et al. 2020, section 2.2, and its code for other languages): lower case, whole words and
phrases, anywhere in scripts without spaces; an apostrophe or a hyphen bounds a word. The widely used lists are
those of LDNOOBW, one file a language. A document whose language has no list has no values: unknown, not zero.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import DataflowError
from dataflow.signals.lists import Stamp, read_list, stamp
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents, Signal, share

if TYPE_CHECKING:
    from dataflow.kernels.phrases import Phrases

_C4 = "Raffel et al. 2020, section 2.2"

SIGNALS = (
    Signal(
        "n_bad_words",
        "words",
        "Words and phrases of the list for the document's language, each time one occurs; of overlapping ones the "
        "first and longest. Null where its language has no list.",
        _C4,
        "bad_words",
        pa.int64(),
    ),
    Signal("n_distinct_bad_words", "words", "Different ones among them.", _C4, "bad_words", pa.int64()),
    Signal(
        "bad_word_share",
        "share",
        "Their occurrences for each word of the document, at most 1; 0 without words.",
        "ours",
        "bad_words",
        pa.float32(),
    ),
)


def compute(
    documents: Documents, columns: Mapping[str, pa.Array], options: SignalOptions
) -> dict[str, pa.Array]:
    """The columns of this family, by the column ``language`` and ``options.bad_words``."""
    from dataflow.kernels.phrases import count_phrases

    languages = sorted(options.bad_words)
    if not languages or "language" not in columns:
        raise ValueError("the family bad_words needs lists, and the family language")
    phrases = _load(tuple(stamp(options.bad_words[language]) for language in languages))
    numbers = pc.index_in(columns["language"], value_set=pa.array(languages, columns["language"].type))
    lists = numbers.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    counts = count_phrases(phrases, documents.texts, lists)
    shares = np.minimum(share(counts[:, 0], columns["n_words"].to_numpy()), np.float32(1))
    unknown = lists < 0
    return {
        "n_bad_words": pa.array(counts[:, 0], pa.int64(), mask=unknown),
        "n_distinct_bad_words": pa.array(counts[:, 1], pa.int64(), mask=unknown),
        "bad_word_share": pa.array(shares, pa.float32(), mask=unknown),
    }


@lru_cache(maxsize=2)
def _load(files: tuple[Stamp, ...]) -> "Phrases":
    """The lists, read and compiled once a process."""
    from dataflow.kernels.phrases import compile_phrases, fold

    lists = []
    for path, _, _ in files:
        entries = read_list(path)
        for entry in entries:
            if not fold(entry):
                raise DataflowError(f'the entry "{entry}" has nothing to look for', path, "Remove the line.")
        lists.append(entries)
    return compile_phrases(lists)

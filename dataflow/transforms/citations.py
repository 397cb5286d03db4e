"""Citation marks of encyclopaedias cut out: ``[3]``, ``[edit]``, ``[citation needed]`` and their kin.

The marks are those of C4 (Raffel et al. 2020, section 2.2) and the commonest inline notes of the English
Wikipedia. Empty brackets stay, for they are code more often than a mark; so does everything inside a line of
source code that we cannot tell from prose: do not name this transform for code.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

VERSION = 1

_NOTES = (
    "edit|citation needed|clarification needed|better source needed|failed verification|dead link|when\\?|who\\?"
    "|by whom\\?|according to whom\\?|where\\?|which\\?|why\\?|vague|dubious ?[–-] ?discuss"
)
_NUMBERS = r"[0-9]{1,3}(?:[,–-] ?[0-9]{1,3})*|note [0-9]{1,3}|[a-z]"
MARK = rf"[ \t]?\[(?:{_NUMBERS}|(?i:{_NOTES}))\]"
"""A mark and the blank before it; a single lower-case letter is a footnote."""

_MAX_PASSES = 64


def citations(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, np.ndarray]:
    """Texts without citation marks, and the marks cut out of each."""
    changes = np.zeros(len(texts), np.int64)
    for _ in range(_MAX_PASSES):  # marks stand inside marks only in broken markup
        marked = pc.match_substring_regex(texts, MARK)
        if not pc.any(marked).as_py():
            break
        some = texts.filter(marked)
        rows = marked.to_numpy(zero_copy_only=False)
        changes[rows] += pc.count_substring_regex(some, MARK).to_numpy()
        cut = pc.replace_substring_regex(some, MARK, "")
        texts = pc.replace_with_mask(texts, marked, cut)
    return texts, changes

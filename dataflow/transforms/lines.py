"""The line rules of C4 (Raffel et al. 2020, section 2.2): keep the lines that look like sentences.

A line stays if it ends in terminal punctuation (and not in an ellipsis), has at least 3 words, no word over
1,000 characters, and neither ``javascript`` nor a policy phrase; citation marks such as ``[3]`` are cut out
first. Two things differ from C4 on purpose: punctuation of every script ends a line (and Thai and Lao, which
write no full stop, need none), and blank lines between kept lines stay (one at most), for paragraphs are worth
having. FineWeb (Penedo et al. 2024, section 3.3) applies the same rules but the first: a line may end as it likes.
"""

import numpy as np
import pyarrow as pa

from dataflow.kernels.arrow import buffers, column
from dataflow.kernels.c4_lines import filter_lines, phrases, table

VERSION = 1


def c4_lines(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, np.ndarray]:
    """Texts with only the lines that pass, and per text the lines dropped or shortened."""
    return _filtered(texts, any_end=False)


def fineweb_lines(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, np.ndarray]:
    """The same without the rule on how a line ends."""
    return _filtered(texts, any_end=True)


def _filtered(texts: pa.LargeStringArray, any_end: bool) -> tuple[pa.LargeStringArray, np.ndarray]:
    data, offsets = buffers(texts)
    out = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    out_offsets, changes = np.zeros(len(texts) + 1, np.int64), np.zeros(len(texts), np.int64)
    first, last = offsets[0], offsets[-1]
    breaks = np.append(np.flatnonzero(data[first:last] == ord("\n")) + first, last)
    filter_lines(data, offsets, breaks, table(), *phrases(), any_end, out, out_offsets, changes)
    return (column(out, out_offsets), changes) if changes.any() else (texts, changes)

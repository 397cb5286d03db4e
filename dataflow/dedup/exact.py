"""Exact duplicates: one 128-bit hash of what a text says, blind to case, white space and Unicode composition.

Two documents with the same hash are duplicates. At 128 bits a chance collision among ten billion documents
has a probability below 10^-18, so the hash is taken for the text. Empty texts all have the same hash: they
are duplicates. Most texts are normalised by a kernel, the rest by Python's own functions, to the same bytes.
"""

import unicodedata

import pyarrow as pa
import xxhash

VERSION = 1
"""Raise when the hash of some text changes."""


def exact_hashes(texts: pa.LargeStringArray) -> pa.FixedSizeBinaryArray:
    """XXH3-128 of every text after NFC, lower case and white space folded; a missing text counts as empty."""
    from dataflow.kernels.normal import folded

    data, offsets, done = folded(texts)
    view, bounds = data.data, offsets.tolist()
    digests = b"".join(
        xxhash.xxh3_128_digest(
            view[bounds[row] : bounds[row + 1]] if is_done else normalise(texts[row].as_py()).encode()
        )
        for row, is_done in enumerate(done.tolist())
    )
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(texts), [None, pa.py_buffer(digests)])


def normalise(text: str) -> str:
    """The text that is hashed: NFC, lower case, every run of white space one space, none at the ends."""
    if not text.isascii():
        return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower()).split())
    return " ".join(text.lower().split())

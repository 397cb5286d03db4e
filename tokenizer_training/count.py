"""The signal ``n_tokens``: how many tokens a document will take in training, its end token included."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tokenizer_training.load import load_file

VERSION = 1
"""Raise when the counts of the same text under the same tokenizer change."""

_BATCH = 256


@dataclass(frozen=True)
class CountTokens:
    """An annotator: texts to ``{"n_tokens": int64}``. Small to send to a worker, which reads the tokenizer
    once."""

    path: str  # of a tokenizer.json or its folder

    def __call__(self, texts: pa.LargeStringArray) -> dict[str, pa.Array]:
        """Tokens of each text and one for ``<|endoftext|>``."""
        tokenizer = load_file(self.path)
        counts = np.empty(len(texts), np.int64)
        for start in range(0, len(texts), _BATCH):
            batch = [text or "" for text in texts[start : start + _BATCH].to_pylist()]
            counts[start : start + len(batch)] = [len(ids) + 1 for ids in tokenizer.encode(batch)]
        return {"n_tokens": pa.array(counts)}


def count_tokens(path: str) -> CountTokens:
    """The annotator for the tokenizer at ``path``."""
    return CountTokens(path)

"""How well a tokenizer fits some text: what a token holds, by source or language, beside other tokenizers.

Bytes per token decides how much text a context holds and what a training run costs; tokens per word
(fertility) shows languages that a vocabulary serves badly; for scripts written without spaces read tokens
per character instead. The share of the vocabulary that is used at all tells whether it is too large for the
text. Evaluate on text that the vocabulary was not learned from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from tokenizer_training.load import Loaded

EVALUATION = pa.schema(
    {
        "tokenizer": pa.string(),
        "group": pa.string(),  # a source or a language; "all" for every text together
        "documents": pa.int64(),
        "bytes": pa.int64(),
        "tokens": pa.int64(),
        "bytes_per_token": pa.float64(),
        "tokens_per_word": pa.float64(),  # words are what white space parts
        "tokens_per_character": pa.float64(),
        "vocabulary_used": pa.float64(),  # share of the vocabulary's tokens that occur
    }
)
ALL = "all"


@dataclass
class _Sums:
    documents: int = 0
    n_bytes: int = 0
    n_words: int = 0
    n_characters: int = 0
    n_tokens: int = 0
    seen: set[int] = field(default_factory=set)


def evaluate(tokenizers: Mapping[str, Loaded], texts: Sequence[str], groups: Sequence[str]) -> pa.Table:
    """One row for each tokenizer and group, and for each tokenizer over all texts (schema ``EVALUATION``).

    Args:
        tokenizers: by the name to show.
        texts: what to measure on.
        groups: the source or language of each text.
    """
    rows = []
    for name, tokenizer in tokenizers.items():
        measured = _measure(tokenizer, texts, groups)
        for group in (*sorted(measured.keys() - {ALL}), ALL):
            rows.append(_row(name, group, measured.get(group, _Sums()), tokenizer.vocab_size))
    return pa.Table.from_pylist(rows, schema=EVALUATION)


def _measure(tokenizer: Loaded, texts: Sequence[str], groups: Sequence[str]) -> dict[str, _Sums]:
    sums: dict[str, _Sums] = {}
    for text, group in zip(texts, groups, strict=True):
        ids = tokenizer.encode([text])[0]
        distinct = np.unique(ids).tolist()
        for name in (group, ALL):
            one = sums.setdefault(name, _Sums())
            one.documents += 1
            one.n_bytes += len(text.encode())
            one.n_words += len(text.split())
            one.n_characters += len(text)
            one.n_tokens += len(ids)
            one.seen.update(distinct)
    return sums


def _row(tokenizer: str, group: str, sums: _Sums, vocab_size: int) -> dict[str, object]:
    return {
        "tokenizer": tokenizer,
        "group": group,
        "documents": sums.documents,
        "bytes": sums.n_bytes,
        "tokens": sums.n_tokens,
        "bytes_per_token": _ratio(sums.n_bytes, sums.n_tokens),
        "tokens_per_word": _ratio(sums.n_tokens, sums.n_words),
        "tokens_per_character": _ratio(sums.n_tokens, sums.n_characters),
        "vocabulary_used": len(sums.seen) / vocab_size,
    }


def _ratio(above: int, below: int) -> float:
    return above / below if below else 0.0

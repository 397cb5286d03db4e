"""The text a vocabulary is learned from: a fixed share of every part of the corpus.

Each part gives its share of the budget, so that phases and sources keep their proportions. Inside a part
documents are taken in the order of a seeded hash of their content until the share is full, the last one cut:
the sample does not depend on workers or on the order of the rows, and a document that stays in the corpus
mostly stays in the sample. One part's text is in memory at a time.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dataflow.store.storage import Storage
from tokenizer_training.errors import TokenizerError

VALIDATION = "corpus/validation/"


def corpus_parts(store: Storage) -> list[str]:
    """The corpus parts of all phases; validation stays unseen."""
    parts = [part for part in store.list("corpus") if not part.startswith(VALIDATION)]
    if not parts:
        raise TokenizerError("there is no corpus yet", store.path("corpus"), "Run the step mix first.")
    return parts


def sample(store: Storage, sample_bytes: int, seed: int) -> Iterator[list[str]]:
    """Texts of the corpus, at most ``sample_bytes`` of UTF-8 in all, part by part."""
    parts = corpus_parts(store)
    sizes = [int(pc.sum(store.read_table(part, ["n_bytes"])["n_bytes"]).as_py() or 0) for part in parts]
    total = sum(sizes)
    taken_of_budget = 0
    for part, end in zip(parts, np.cumsum(sizes, dtype=np.int64), strict=True):
        due = int(end) if total <= sample_bytes else int(end) * sample_bytes // total
        texts = store.read_table(part, ["text"])["text"].combine_chunks()
        yield take(texts, due - taken_of_budget, seed)
        taken_of_budget = due


def take(texts: pa.LargeStringArray, budget: int, seed: int) -> list[str]:
    """Texts of one part, in their order, up to ``budget`` bytes; which ones, their content decides."""
    sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False)
    if sizes.sum() <= budget:
        return [text for text in texts.to_pylist() if text]
    views = (text.as_buffer() for text in texts.cast(pa.large_binary()))
    keys = np.fromiter((xxhash.xxh3_64_intdigest(view, seed=seed) for view in views), np.uint64, len(texts))
    order = np.argsort(keys, kind="stable")
    ends = np.cumsum(sizes[order])
    whole = int(np.searchsorted(ends, budget, side="right"))
    chosen = np.sort(order[:whole])
    result = [text for text in texts.take(pa.array(chosen)).to_pylist() if text]
    left = budget - (int(ends[whole - 1]) if whole else 0)
    cut = texts[int(order[whole])].as_py().encode()[:left].decode("utf-8", "ignore")
    return [*result, cut] if cut else result

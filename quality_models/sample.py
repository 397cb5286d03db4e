"""The documents a model is trained and measured on, chosen by a hash of their content.

Each class keeps the documents with the smallest seeded hashes, whatever order they come in, without holding
more than twice the sample. Equal texts count once; a text found in both classes teaches nothing and leaves
both. A second hash decides what is held out, so that a text stays on its side when others come or go.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from quality_models.errors import QualityError
from quality_models.text import normalise

MIN_DOCUMENTS = 100
"""Different documents that each class must have."""

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Sample:
    """Texts of both classes in a repeatable mixed order."""

    texts: pa.LargeStringArray  # normalised
    labels: npt.NDArray[np.bool_]  # True: positive
    held_out: npt.NDArray[np.bool_]
    offered: dict[str, int]  # documents that came in, by class


def draw(
    positive: Iterable[pa.LargeStringArray],
    negative: Iterable[pa.LargeStringArray],
    per_class: int,
    held_out: float,
    seed: int,
) -> Sample:
    """The sample of two streams of texts, as many of one class as of the other."""
    keys_p, texts_p, n_p = _smallest(positive, per_class, seed)
    keys_n, texts_n, n_n = _smallest(negative, per_class, seed)
    both = np.intersect1d(keys_p, keys_n)
    own_p, own_n = ~np.isin(keys_p, both), ~np.isin(keys_n, both)
    size = min(int(own_p.sum()), int(own_n.sum()))
    for name, own, offered in (("positive", own_p, n_p), ("negative", own_n, n_n)):
        if own.sum() < MIN_DOCUMENTS:
            raise QualityError(
                f"the {name} class has {int(own.sum())} usable documents of {offered} read, "
                f"{MIN_DOCUMENTS} are needed",
                "quality",
                f"Name more {name} sources; empty texts, repeats and those in both classes do not count.",
            )
    kept_p, kept_n = np.flatnonzero(own_p)[:size], np.flatnonzero(own_n)[:size]
    keys = np.concatenate([keys_p[kept_p], keys_n[kept_n]])
    order = np.argsort(keys, kind="stable")  # mixes the classes: the keys know nothing of them
    texts = pa.concat_arrays([texts_p.take(pa.array(kept_p)), texts_n.take(pa.array(kept_n))])
    texts = texts.take(pa.array(order))
    labels = np.concatenate([np.ones(size, bool), np.zeros(size, bool)])[order]
    apart = _keys(texts, seed + 1) < np.uint64(held_out * 2.0**64)
    for side in (apart, ~apart):
        if labels[side].all() or not labels[side].any():
            fix = "Name more sources, or choose a held_out nearer to 0.1."
            raise QualityError("the held-out share leaves a class without documents", "quality.held_out", fix)
    return Sample(texts, labels, apart, {"positive": n_p, "negative": n_n})


def _smallest(
    batches: Iterable[pa.LargeStringArray], n: int, seed: int
) -> tuple[Keys, pa.LargeStringArray, int]:
    """The ``n`` different non-empty texts with the smallest keys, in that order; and how many came in."""
    best: tuple[Keys, pa.LargeStringArray] = (np.zeros(0, np.uint64), pa.array([], pa.large_string()))
    waiting: list[tuple[Keys, pa.LargeStringArray]] = []
    offered = 0
    for batch in batches:
        offered += len(batch)
        lines = normalise(batch)
        lines = lines.filter(pc.greater(pc.binary_length(lines), 0))
        keys = _keys(lines, seed)
        if len(best[0]) == n:
            below = keys < best[0][-1]
            lines, keys = lines.filter(pa.array(below)), keys[below]
        waiting.append((keys, lines))
        if sum(len(keys) for keys, _ in waiting) > n // 2:  # seldom, since merging copies the sample
            best, waiting = _merge([best, *waiting], n), []
    return *_merge([best, *waiting], n), offered


def _merge(parts: list[tuple[Keys, pa.LargeStringArray]], n: int) -> tuple[Keys, pa.LargeStringArray]:
    keys, first = np.unique(np.concatenate([keys for keys, _ in parts]), return_index=True)
    return keys[:n], pa.concat_arrays([texts for _, texts in parts]).take(pa.array(first[:n]))


def _keys(texts: pa.LargeStringArray, seed: int) -> Keys:
    lines = (text.as_buffer() for text in texts.cast(pa.large_binary()))
    return np.fromiter((xxhash.xxh3_64_intdigest(line, seed=seed) for line in lines), np.uint64, len(texts))

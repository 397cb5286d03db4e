"""Two kinds of made-up documents that a model can tell apart."""

import random
from collections.abc import Iterator

import pyarrow as pa

from quality_models.config import Quality

GOOD = "the whale rose slowly out of grey water while silent men waited and remembered other seas"
BAD = "click here now free prize winner cheap pills buy best offer limited call today www"
SHARED = "a of to in it is was that for on"


def made_up(words: str, n: int, seed: int) -> list[str]:
    """Different documents of words drawn from a list, some shared with every other list."""
    draw = random.Random(seed)
    known = [*words.split(), *SHARED.split()]
    return [" ".join(draw.choices(known, k=draw.randint(15, 40))) + f" {n}." for n in range(n)]


def stream(texts: list[str], size: int = 64) -> Iterator[pa.LargeStringArray]:
    """Texts as a stream of Arrow batches."""
    return (pa.array(texts[n : n + size], pa.large_string()) for n in range(0, len(texts), size))


SMALL = Quality(positive=["books"], negative=["web"], dim=8, buckets=2_000)

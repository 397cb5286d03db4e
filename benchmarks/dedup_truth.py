"""Exact Jaccard similarity of word shingles, by plain Python sets: what estimates and decisions are held against.

A word is what the text kernel's table of characters makes it (lower-cased runs of letters, marks and digits; every
letter of a script without spaces is one), but it is found here by a regular expression, and a shingle is the
tuple of its words and no hash. ``similar_pairs`` finds *all* pairs of a corpus, by counting for every shingle the
documents that share it; it holds a matrix of documents by documents and is for some thousand of them.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from dataflow.kernels import characters

SHINGLE = 5

Shingles = frozenset[tuple[str, ...]]


def words(text: str) -> list[str]:
    """The words of a text, lower-cased."""
    pattern, lower = _definition()
    return pattern.findall(text.translate(lower))


def word_places(text: str) -> list[tuple[int, int]]:
    """Where its words begin and end."""
    return [match.span() for match in _definition()[0].finditer(text)]


def shingles(text: str) -> Shingles:
    """The distinct runs of ``SHINGLE`` words; one of all words where there are fewer, none without words."""
    found = words(text)
    if len(found) < SHINGLE:
        return frozenset([tuple(found)] if found else [])
    return frozenset(zip(*(found[place:] for place in range(SHINGLE)), strict=False))


def jaccard(a: Shingles, b: Shingles) -> float:
    """The share of all shingles of both that both have; 1 for two texts without any."""
    common = len(a & b)
    either = len(a) + len(b) - common
    return common / either if either else 1.0


def similar_pairs(documents: Sequence[Shingles], least: float) -> Iterator[tuple[int, int, float]]:
    """Every pair of documents of at least this similarity, the lesser number first."""
    holders: dict[tuple[str, ...], list[int]] = {}
    for number, found in enumerate(documents):
        for shingle in found:
            holders.setdefault(shingle, []).append(number)
    common = np.zeros((len(documents), len(documents)), np.int32)
    groups: dict[tuple[int, ...], int] = {}  # many shingles have the same holders: a licence's, a menu's
    for group in holders.values():
        if len(group) > 1:
            groups[tuple(group)] = groups.get(tuple(group), 0) + 1
    for group, count in groups.items():
        common[np.ix_(group, group)] += count
    sizes = np.array([len(found) for found in documents])
    similarity = common / np.maximum(sizes[:, None] + sizes[None, :] - common, 1)
    for a, b in np.argwhere(np.triu(similarity >= least, 1)).tolist():
        yield a, b, float(similarity[a, b])


@cache
def _definition() -> tuple[re.Pattern[str], dict[int, int]]:
    """The expression of a word, and the lower case of every character that has one."""
    table = characters.table()
    kinds = table & characters.KIND
    begins = _class(np.flatnonzero((kinds == characters.LETTER) | (kinds == characters.DIGIT)))
    marks = _class(np.flatnonzero(kinds == characters.MARK))
    alone = _class(np.flatnonzero(kinds == characters.SPACELESS))
    joiners = re.escape(characters.JOINERS)
    pattern = re.compile(
        f"[{alone}]|[{begins}][{begins}{marks}]*(?:[{joiners}][{begins}][{begins}{marks}]*)*"
    )
    change = table >> characters.LOWER_SHIFT
    return pattern, {int(point): int(point ^ change[point]) for point in np.flatnonzero(change)}


def _class(points: np.ndarray) -> str:
    """Code points as the inside of a character class."""
    runs = np.split(points, np.flatnonzero(np.diff(points) > 1) + 1)
    return "".join(f"{re.escape(chr(run[0]))}-{re.escape(chr(run[-1]))}" for run in runs if len(run))

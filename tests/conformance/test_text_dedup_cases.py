"""What text-dedup's own tests say of near-duplicates, and ours on the same sets.

Its tests (github.com/ChenghaoMou/text-dedup, 7538f3e) are of its parts, not of whole decisions: how similar two sets
are, how many documents of a cluster are alike to none of it, which shingles a document has, how many bands. So sets
become documents of those words, with one word a shingle, and every pair that has a word in common is compared.
"""

from pathlib import Path

import pytest
from stored_documents import write_documents

from dataflow.dedup.config import Dedup, Near, optimal_bands
from dataflow.dedup.whole import deduplicate
from dataflow.store.storage import Storage

WORDS = {"bands": 256, "rows": 1, "shingle": 1, "verify": "exact"}
"""A band for each value: of 256 values, documents that share one of five words have one in common, all but surely."""


def clusters(folder: Path, texts: list[str], similarity: float, **near: object) -> list[tuple[str, float]]:
    """For each document the number of its survivor, and how similar it is to that one."""
    config = Dedup(near=Near(similarity=similarity, **(WORDS | near)), survivor="id")
    store = Storage(str(folder))
    part = write_documents(store, "p", [{"id": n, "text": text} for n, text in enumerate(texts)], config)
    deduplicate(store, [part], config)
    rows = store.read_table("decisions/dedup/s/p.parquet").to_pylist()
    found = {row["id"]: (row["survivor"], row["similarity"]) for row in rows if row["removed"]}
    return [found.get(str(number), (str(number), 1.0)) for number in range(len(texts))]


@pytest.mark.parametrize(
    ("one", "other", "similarity"),
    [
        ("hello world test", "hello world test", 1),
        ("", "", 1),
        ("hello world", "", 0),
        ("hello world", "foo bar", 0),
        ("hello world test", "hello foo bar", 1 / 5),
        ("hello world", "hello world test foo", 2 / 4),
        ("a", "a b c d e", 1 / 5),
        ("hello", "hello", 1),
        ("hello", "world", 0),
        ("hello world test", "hello foo bar baz", 1 / 6),
    ],
)
def test_two_documents_are_as_similar_as_it_says(
    one: str, other: str, similarity: float, tmp_path: Path
) -> None:
    for number, texts in enumerate(([one, other], [other, one])):
        first, second = clusters(tmp_path / str(number), texts, similarity=1e-3)
        assert first == ("0", 1)
        assert second == (("0", pytest.approx(similarity)) if similarity else ("1", 1))


@pytest.mark.parametrize(
    ("cluster", "threshold", "best", "alike_to_none"),
    [
        (["hello world"], 0.5, [0], [0]),
        (["hello world test"] * 2, 0.5, [1, 1], []),
        (["hello world", "foo bar"], 0.5, [0, 0], [0, 1]),
        (["hello world test", "hello foo bar", "baz"], 0.3, [0.2, 0.2, 0], [0, 1, 2]),
        (["a b c d e", "a b c", "x y z"], 0.5, [0.6, 0.6, 0], [2]),
        (["a b", "a c", "a d"], 0.2, [1 / 3, 1 / 3, 1 / 3], []),
    ],
)
def test_of_its_clusters_those_alike_to_none_stay_alone(
    cluster: list[str], threshold: float, best: list[float], alike_to_none: list[int], tmp_path: Path
) -> None:
    found = clusters(tmp_path, cluster, threshold)
    sizes = [sum(survivor == own for survivor, _ in found) for own, _ in found]
    assert [number for number, size in enumerate(sizes) if size == 1] == alike_to_none
    for (survivor, similarity), expected, number in zip(found, best, range(len(found)), strict=True):
        if survivor != str(number):
            assert similarity == pytest.approx(expected)


@pytest.mark.parametrize(
    ("words", "shingle", "n_shingles"),
    [
        (5, 3, 3),  # as text-dedup has it
        (3, 2, 2),  # it leaves documents of fewer than 5 words out; we compare them
        (3, 3, 1),
        (5, 8, 0),  # fewer words than a shingle: all of them are one to it; we compare such documents exactly
    ],
)
def test_short_documents_have_so_many_shingles(
    words: int, shingle: int, n_shingles: int, tmp_path: Path
) -> None:
    """A word more is a shingle more; with none, only the same text is a duplicate."""
    text = " ".join(f"w{number}" for number in range(words))
    longer = f"{text} more"
    found = clusters(tmp_path, [text, longer, text], similarity=1e-3, shingle=shingle)
    assert found[2] == ("0", 1)
    assert found[1] == (("0", pytest.approx(n_shingles / (n_shingles + 1))) if n_shingles else ("1", 1))


@pytest.mark.parametrize(
    ("threshold", "permutations", "bands", "rows"),
    [
        (0.1, 128, 64, 2),
        (0.3, 128, 37, 3),
        (0.5, 128, 25, 5),
        (0.7, 16, 3, 5),
        (0.7, 64, 8, 8),
        (0.7, 128, 14, 9),
        (0.7, 256, 25, 10),
        (0.7, 512, 42, 12),
        (0.8, 128, 9, 13),
        (0.8, 256, 17, 15),
        (0.95, 128, 3, 42),
    ],
)
def test_bands_and_rows_for_a_threshold_are_its_own(
    threshold: float, permutations: int, bands: int, rows: int
) -> None:
    """Its ``optimal_param`` integrates with scipy; what it gave for the arguments of its tests."""
    assert optimal_bands(threshold, permutations) == (bands, rows)

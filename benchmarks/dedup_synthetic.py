"""Signatures without texts: documents of which it is known who repeats whom, as many as wanted, written as a run's.

Clusters are drawn first: ``NEAR`` of the documents are near-duplicates and ``COPIES`` exact copies of an earlier one,
in clusters whose sizes have a heavy tail (Zipf, exponent 2.1), and a few clusters have ten thousand documents of
one signature but different texts. Then the members are scattered over all parts. A member's signature is a pure
function of its number, its cluster and its similarity s to the cluster's centre: each value is the centre's with
probability s and else its own. So nothing is held but 13 bytes a document, and any part can be written at any time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit

from benchmarks.dedup_run import NEAR as CONFIG
from dataflow.store.documents import FILTER
from dataflow.store.storage import Storage

NEAR, COPIES = 0.30, 0.05
"""Shares of all documents."""
LEAST_SIMILARITY = 0.6
"""Of a near-duplicate to the centre of its cluster; evenly spread from here to 1."""
LARGE, N_LARGE, LARGE_SHARE = 10_000, 3, 0.01
"""Documents in the clusters of one signature, at most; how many clusters; and at most this share each."""
EXPONENT = 2.1
SOURCE = "made"
PART = 50_000
"""Documents of a part: 45 MB of signatures."""

_CENTRE, _OWN, _KEEP = (np.uint64(value) for value in (0x51ED270B, 0xA24BAED4, 0x9FB21C65))


@dataclass(frozen=True)
class Planted:
    """Who repeats whom, by document number."""

    cluster: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float32]  # to the centre; 1 for the first of a cluster
    copy: npt.NDArray[np.bool_]  # same text as the first of its cluster
    n_large: int  # clusters 0 .. n_large - 1 are those of one signature


def plant(n: int, seed: int = 1) -> Planted:
    """Clusters of ``n`` documents."""
    chance = np.random.default_rng(seed)
    repeats = round(n * (NEAR + COPIES))
    large = min(LARGE, round(n * LARGE_SHARE))
    sizes = np.concatenate(
        [np.full(N_LARGE, large), _heavy_tailed(chance, repeats - N_LARGE * (large - 1), large)]
    )
    sizes = np.concatenate([sizes, np.ones(n - sizes.sum(), np.int64)])
    by_cluster = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    first = np.ones(n, np.bool_)
    first[1:] = by_cluster[1:] != by_cluster[:-1]
    of_one_signature = by_cluster < N_LARGE
    copy = ~first & ~of_one_signature & (chance.random(n) < COPIES / (NEAR + COPIES))
    similarity = chance.uniform(LEAST_SIMILARITY, 1, n).astype(np.float32)
    similarity[first | copy | of_one_signature] = 1
    place = chance.permutation(n)
    return Planted(by_cluster[place], similarity[place], copy[place], N_LARGE)


def _heavy_tailed(chance: np.random.Generator, repeats: int, largest: int) -> npt.NDArray[np.int64]:
    """Sizes of two and more, in which so many documents are not the first."""
    drawn = np.minimum(1 + chance.zipf(EXPONENT, max(repeats, 1)), largest)
    ends = np.cumsum(drawn - 1)
    taken = drawn[: np.searchsorted(ends, repeats, side="right")]
    left = repeats - int((taken - 1).sum())
    return np.concatenate([taken, [left + 1] if left else []]).astype(np.int64)


def write(store: Storage, planted: Planted) -> list[str]:
    """Parts of documents (without texts), signals and rules' decisions; the shards' names."""
    n = len(planted.cluster)
    shards = []
    for begin in range(0, n, PART):
        rows = slice(begin, min(begin + PART, n))
        shards.append(f"part-{begin // PART:05d}")
        numbers = np.arange(rows.start, rows.stop)
        ids = pa.array([f"{SOURCE}/{shards[-1]}#{row:06d}" for row in range(len(numbers))])
        part = f"{SOURCE}/{shards[-1]}.parquet"
        signatures = sign(planted.cluster[rows], numbers, planted.similarity[rows], CONFIG.permutations)
        # Two documents are of the same text where this pair of numbers is the same.
        texts = np.stack([planted.cluster[rows], np.where(planted.copy[rows], -1, numbers)], axis=1)
        firsts = (planted.similarity[rows] == 1) & (planted.cluster[rows] >= planted.n_large)
        texts[firsts, 1] = -1
        columns = {
            "id": ids,
            "exact_hash": _binary(texts.astype("<i8"), 16),
            "signature": _binary(signatures, 8 * CONFIG.permutations).cast(pa.binary()),
        }
        _write(store, f"documents/{part}", pa.table(columns))
        lengths = 1_000 + (numbers * 2_654_435_761 % 9_000)  # of no meaning, and the same in every run
        signals = {
            "id": ids,
            "source": pa.repeat(SOURCE, len(ids)),
            "n_bytes": pa.array(lengths),
            "n_words": pa.array(lengths // 6),
        }
        _write(store, f"signals/{part}", pa.table(signals))
        empty = pa.array([[]] * len(ids), pa.list_(pa.string()))
        passed = pa.array(np.ones(len(ids), np.bool_))
        _write(store, f"decisions/filter/{part}", pa.table([ids, passed, empty], schema=FILTER))
    return shards


def numbers_of(ids: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """The documents' numbers again."""
    names = ids.cast(pa.string()).to_pylist()
    return np.array([int(name[-12:-7]) * PART + int(name[-6:]) for name in names], np.int64)


def _write(store: Storage, rel: str, table: pa.Table) -> None:
    """Without compression or dictionary: of random bytes there is nothing to gain."""
    with store.create(rel) as stream:
        pq.write_table(table, stream, compression="none", use_dictionary=False, write_statistics=False)


def _binary(rows: npt.NDArray[np.generic], width: int) -> pa.FixedSizeBinaryArray:
    flat = np.ascontiguousarray(rows)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(flat)])


@njit(nogil=True, cache=True)
def _mixed(x):  # type: ignore[no-untyped-def]
    """The finaliser of splitmix64 (Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(nogil=True, cache=True)
def sign(clusters, numbers, similarities, permutations):  # type: ignore[no-untyped-def]
    """A signature a row."""
    signatures = np.empty((len(clusters), permutations), np.uint64)
    for row in range(len(clusters)):
        centre = _mixed(np.uint64(clusters[row]) ^ (_CENTRE << np.uint64(32)))
        own = _mixed(np.uint64(numbers[row]) ^ (_OWN << np.uint64(32)))
        keep = _mixed(np.uint64(numbers[row]) ^ (_KEEP << np.uint64(32)))
        for k in range(permutations):
            step = np.uint64(k + 1) * np.uint64(0x9E3779B97F4A7C15)
            drawn = np.float64(_mixed(keep + step) >> np.uint64(11)) * 2.0**-53
            signatures[row, k] = _mixed((centre if drawn < similarities[row] else own) + step)
    return signatures

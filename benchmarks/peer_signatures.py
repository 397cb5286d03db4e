"""The peers' side of ``dedup_signatures.py``: CPU seconds from raw texts to signatures, and the error of the estimates.

Run by a peer's Python (see ``dedup_signatures.py``). Input: ``tool``, ``documents`` and ``pairs`` (JSON lines: texts,
pairs of texts), ``permutations``, ``shingle``. Answer: by way of using the tool, ``seconds`` (the least of two rounds)
and, where a signature can be had, ``rmse`` against the exact Jaccard similarity of the tool's own shingles, with
``theory`` beside it. Shingles are words by ``\\w+``, lower-cased, where the tool leaves them to its user.
"""

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

WORDS = re.compile(r"\w+")


def shingles(text: str, size: int) -> list[str]:
    """Runs of words, joined; a shorter text is one run."""
    words = WORDS.findall(text.lower())
    return [" ".join(words[i : i + size]) for i in range(max(1, len(words) - size + 1))]


def least_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the quicker of two calls, all threads together."""
    seconds = []
    for _ in range(2):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return min(seconds)


def error(sets: list[set], signatures: np.ndarray, permutations: int) -> dict[str, float]:
    """Root mean square error over pairs (every two rows), and that of independent permutations."""
    exact = np.array([len(a & b) / len(a | b) for a, b in zip(sets[::2], sets[1::2], strict=True)])
    estimated = (signatures[::2] == signatures[1::2]).mean(axis=1)
    return {
        "rmse": float(np.sqrt(((estimated - exact) ** 2).mean())),
        "theory": float(np.sqrt((exact * (1 - exact) / permutations).mean())),
    }


def datasketch(texts: list[str], pairs: list[str], n: int, size: int) -> dict[str, Any]:
    """The documented bulk path with its default hash, with a quick one, and with words hashed once each."""
    import xxhash
    from datasketch import MinHash

    def bulk(texts: list[str], **how: Any) -> list[MinHash]:
        return MinHash.bulk(([s.encode() for s in shingles(text, size)] for text in texts), num_perm=n, **how)

    def from_arrays(texts: list[str]) -> list[MinHash]:
        step = np.uint32(0x9E3779B1)
        runs = []
        for text in texts:
            words = np.array(
                [hash(word) & 0xFFFFFFFF for word in WORDS.findall(text.lower()) or [""]], np.uint32
            )
            width = min(size, len(words))
            run = np.zeros(len(words) - width + 1, np.uint32)
            for part in range(width):
                run = run * step + words[part : part + len(run)]
            runs.append(run.tolist())
        return MinHash.bulk(runs, num_perm=n, hashfunc=int)

    def quick(texts: list[str]) -> list[MinHash]:
        return bulk(texts, hashfunc=xxhash.xxh32_intdigest)

    sets = [set(shingles(text, size)) for text in pairs]
    ways = {"bulk": bulk, "bulk, xxh32": quick, "bulk, numpy hashes": from_arrays}
    return {
        name: {
            "seconds": least_seconds(lambda work=work: work(texts)),
            **error(sets, np.array([m.hashvalues for m in work(pairs)]), n),
        }
        for name, work in ways.items()
    }


def rensa(texts: list[str], pairs: list[str], n: int, size: int) -> dict[str, Any]:
    """Its entries for many documents at once, from sets of shingles."""
    from rensa import RMinHash

    ways = {
        "token sets": RMinHash.digest_matrix_from_token_sets,
        "token sets, rho": RMinHash.digest_matrix_from_token_sets_rho,
    }
    sets = [set(shingles(text, size)) for text in pairs]
    found = {}
    for name, entry in ways.items():

        def work(texts: list[str], entry: Callable = entry) -> Any:
            return entry([shingles(text, size) for text in texts], n, 42)

        signatures = np.array(work(pairs).to_rows())
        found[name] = {"seconds": least_seconds(lambda work=work: work(texts)), **error(sets, signatures, n)}
    return found


def rensa_flat(asked: dict[str, Any]) -> dict[str, Any]:
    """Its entry for hashes that are there already: from our shingles to signatures, texts are not read."""
    from rensa import RMinHash

    n = asked["permutations"]
    flat, pairs = np.load(asked["hashes"]), np.load(asked["pair_hashes"])
    bounds, pair_bounds = (np.load(asked[name]).astype(np.uint64) for name in ("bounds", "pair_bounds"))
    entry = RMinHash.digest_matrix_from_flat_token_hashes
    sets = [set(pairs[a:b].tolist()) for a, b in pairwise(pair_bounds.tolist())]
    return {
        "flat hashes, ours": {
            "seconds": least_seconds(lambda: entry(flat, bounds, n, 42)),
            **error(sets, np.array(entry(pairs, pair_bounds, n, 42).to_rows()), n),
        }
    }


def gaoya(texts: list[str], _pairs: list[str], n: int, size: int) -> dict[str, Any]:
    """Texts into its index: signatures cannot be had without; one document at a time, on one thread."""
    from gaoya.minhash import MinHashStringIndex

    def work() -> None:
        index = MinHashStringIndex(64, 0.7, n // 8, 8, None, "word", True, (size, size), "vec")
        for number, text in enumerate(texts):
            index.insert_document(number, text)

    return {"index": {"seconds": least_seconds(work)}}


def daft(texts: list[str], pairs: list[str], n: int, size: int) -> dict[str, Any]:
    """Its normaliser, then its MinHash, as its documentation chains them."""
    import daft as df
    from daft import col
    from daft.functions import minhash, normalize

    def normal(texts: list[str]) -> Any:
        text = normalize(col("t"), remove_punct=True, lowercase=True, white_space=True)
        return df.from_pydict({"t": texts}).select(text.alias("t"))

    def work(texts: list[str]) -> Any:
        signature = minhash(col("t"), num_hashes=n, ngram_size=size, seed=1, hash_function="xxhash")
        return normal(texts).select(signature.alias("m")).to_arrow()["m"]

    words = [text.split(" ") for text in normal(pairs).to_pydict()["t"]]
    sets = [{tuple(w[i : i + size]) for i in range(max(1, len(w) - size + 1))} for w in words]
    return {
        "normalize, minhash": {
            "seconds": least_seconds(lambda: work(texts)),
            **error(sets, np.array(work(pairs).to_pylist()), n),
        }
    }


def datatrove(texts: list[str], pairs: list[str], n: int, size: int) -> dict[str, Any]:
    """Stage 1 of its MinHash, as its example sets it up; it writes signatures to files."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.utils.hashing import HashConfig

    config = MinhashConfig(
        hash_config=HashConfig(precision=64), num_buckets=n // 8, hashes_per_bucket=8, n_grams=size
    )
    with tempfile.TemporaryDirectory() as folder:
        step = MinhashDedupSignature(folder, config=config)
        found = [step.get_shingles(text) for text in pairs]
        signatures = np.array([np.concatenate(step.get_signature(shingles)) for shingles in found])
        documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]

        def work() -> None:
            for _ in step.run(iter(documents)) or ():
                pass

        seconds = least_seconds(work)
    sets = [set(shingles.ravel().tolist()) for shingles in found]
    return {"stage 1": {"seconds": seconds, **error(sets, signatures, n)}}


def read_lines(path: str) -> list[Any]:
    """One JSON value a line."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    asked = json.loads(sys.stdin.read())
    if asked["tool"] == "rensa_flat":
        answer = rensa_flat(asked)
    else:
        tools = {
            "datasketch": datasketch,
            "rensa": rensa,
            "gaoya": gaoya,
            "daft": daft,
            "datatrove": datatrove,
        }
        texts = read_lines(asked["documents"])
        pairs = [text for pair in read_lines(asked["pairs"]) for text in pair]
        answer = tools[asked["tool"]](texts, pairs, asked["permutations"], asked["shingle"])
    print(json.dumps(answer))

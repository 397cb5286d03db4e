"""MinHash signatures beside other tools: raw texts in, signatures out, one core each, on the same documents.

Figures are megabytes of text a second of CPU time (all threads of a process together), and the root mean square error
of the estimated Jaccard similarity on pairs of real documents, as a multiple of what independent permutations have in
theory. Every tool is used by its quickest way from raw text that gives signatures; rensa's entry for hashes is fed with
our shingles and timed without reading them, beside our own from the same shingles on. The peers live apart::

    python3 -m venv peer && peer/bin/pip install 'datatrove[processing]==0.10.0' spacy orjson
    python3 -m venv signatures && signatures/bin/pip install datasketch rensa gaoya daft xxhash numpy
    export DATAFLOW_PEER_PYTHON=peer/bin/python DATAFLOW_SIGNATURE_PEER_PYTHON=signatures/bin/python
    python -m benchmarks.dedup_signatures --documents english.jsonl --pairs pairs.jsonl.gz
"""

import argparse
import gzip
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks.peer import peer_python, run_peer
from benchmarks.text_plane import chosen_texts, cpu_seconds, read_texts
from dataflow.kernels.minhash import sign_shingles
from dataflow.kernels.scan import analyse
from dataflow.kernels.signatures import shingle_sets, sign

VARIABLE = "DATAFLOW_SIGNATURE_PEER_PYTHON"
"""Names the Python that has datasketch, rensa, gaoya and daft."""

PERMUTATIONS, SHINGLE = 112, 5
TOOLS = ("datasketch", "rensa", "gaoya", "daft")
EVERY = {"datasketch": 5, "datatrove": 20}
"""The slow ones get every n-th document."""

MOST_PAIRS = 200
PAIRS = Path(__file__).resolve().parents[2] / "shared/data/neardup/lo_help_en_US_en_GB.jsonl.gz"


@dataclass(frozen=True)
class Row:
    """One way from texts to signatures."""

    tool: str
    way: str
    speed: float  # megabytes of text a second of CPU time
    error: float | None = None  # root mean square error as a multiple of theory
    from_shingles: bool = False  # the time without reading texts


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Pairs of ``text_a`` and ``text_b``, those that are not equal."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    pairs = [(row["text_a"], row["text_b"]) for row in rows if row["text_a"] != row["text_b"]]
    return pairs[:MOST_PAIRS]


def rows(
    texts: list[str], pairs: list[tuple[str, str]], peer: str | None, datatrove: str | None
) -> list[Row]:
    """All figures: ours, then those of the peers that there are."""
    array, megabytes = large(texts), size_of(texts)
    paired = large([text for pair in pairs for text in pair])
    flat, pair_sets = shingle_sets(array, SHINGLE), shingle_sets(paired, SHINGLE)
    error = error_of(pair_sets, sign(paired, PERMUTATIONS, SHINGLE))

    def ours(way: str, work: Callable[[], object], from_shingles: bool = False) -> Row:
        return Row("dataflow", way, megabytes / cpu_seconds(work, 5), error, from_shingles)

    found = [
        ours("signatures alone", lambda: sign(array, PERMUTATIONS, SHINGLE)),
        ours("with all text statistics", lambda: analyse(array, PERMUTATIONS, SHINGLE)),
        ours("from shingles", lambda: from_sets(*flat), from_shingles=True),
    ]
    with tempfile.TemporaryDirectory() as folder:
        paired_texts = Path(folder) / "pairs"
        paired_texts.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
        asked = {"pairs": str(paired_texts), "permutations": PERMUTATIONS, "shingle": SHINGLE}
        for tool in TOOLS if peer else ():
            found += answered(tool, peer, asked, texts[:: EVERY.get(tool, 1)])
        if peer:
            for name, values in zip(
                ("hashes", "bounds", "pair_hashes", "pair_bounds"), (*flat, *pair_sets), strict=True
            ):
                asked[name] = f"{folder}/{name}.npy"
                np.save(asked[name], values)
            found += answered("rensa_flat", peer, asked, texts)
        if datatrove:
            found += answered("datatrove", datatrove, asked, texts[:: EVERY["datatrove"]])
    return found


def answered(tool: str, python: str | None, asked: dict[str, Any], texts: list[str]) -> list[Row]:
    """What one tool answers, a row for each way of using it; it gets the ``texts`` only."""
    if python is None:
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as documents:
        documents.writelines(json.dumps(text) + "\n" for text in texts)
        documents.flush()
        answer = run_peer(
            python,
            "peer_signatures.py",
            {**asked, "tool": tool, "documents": documents.name},
        )
    return [
        Row(
            tool.partition("_")[0],
            way,
            size_of(texts) / figures["seconds"],
            figures["rmse"] / figures["theory"] if "rmse" in figures else None,
            tool == "rensa_flat",
        )
        for way, figures in answer.items()
    ]


def from_sets(hashes: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Signatures of documents whose shingles are hashed already."""
    signatures = np.empty((len(bounds) - 1, PERMUTATIONS), np.uint64)
    sign_shingles(hashes, bounds, signatures)
    return signatures


def error_of(sets: tuple[np.ndarray, np.ndarray], signatures: np.ndarray) -> float:
    """Root mean square error over pairs (every two rows), as a multiple of that of independent permutations."""
    hashes, bounds = sets
    exact = []
    for i in range(0, len(bounds) - 1, 2):
        a, b = (hashes[bounds[k] : bounds[k + 1]] for k in (i, i + 1))
        common = len(np.intersect1d(a, b, assume_unique=True))
        exact.append(common / (len(a) + len(b) - common))
    true = np.array(exact)
    estimated = (signatures[::2] == signatures[1::2]).mean(axis=1)
    theory = (true * (1 - true) / PERMUTATIONS).mean()
    return float(np.sqrt(((estimated - true) ** 2).mean() / theory))


def large(texts: list[str]) -> pa.LargeStringArray:
    """The texts as kernels take them."""
    return pa.array(texts, pa.large_string())


def size_of(texts: list[str]) -> float:
    """Megabytes of UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6


def report(found: list[Row], title: str) -> Table:
    """The table, with the ratio of our signatures to each way that begins where ours does."""
    ours = {row.from_shingles: row.speed for row in found if row.tool == "dataflow"}
    ours[False] = found[0].speed
    shown = Table(title=title)
    for name in ("tool", "way", "MB a CPU second", "ours is", "error / theory"):
        shown.add_column(name, justify="left" if name in ("tool", "way") else "right")
    for row in found:
        ratio = "" if row.tool == "dataflow" else f"{ours[row.from_shingles] / row.speed:,.1f} x"
        shown.add_row(
            row.tool, row.way, f"{row.speed:,.2f}", ratio, "-" if row.error is None else f"{row.error:.2f}"
        )
    shown.caption = "error: 1 is what independent permutations have; from shingles: texts are not read"
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--documents", help="JSON lines with text; without, the English ones of the shared data"
    )
    parser.add_argument("--megabytes", type=float, default=10, help="text taken from them")
    parser.add_argument("--pairs", type=Path, default=PAIRS, help="JSON lines with text_a and text_b, gzip")
    parser.add_argument("--peer", help="Python that has datatrove")
    parser.add_argument("--signature-peer", help="Python that has datasketch, rensa, gaoya and daft")
    options = parser.parse_args()
    texts = chosen_texts(read_texts(options.documents), options.megabytes)
    pairs = read_pairs(options.pairs)
    peer = options.signature_peer or os.environ.get(VARIABLE)
    found = rows(texts, pairs, peer, peer_python(options.peer))
    title = (
        f"{len(texts):,} documents, {size_of(texts):.1f} MB; {PERMUTATIONS} values, {SHINGLE}-word shingles;"
        f" errors on {len(pairs)} pairs"
    )
    Console(width=110).print(report(found, title))
    if not peer:
        print(f"The peers were not measured: name their Python with --signature-peer or {VARIABLE}.")


if __name__ == "__main__":
    main()

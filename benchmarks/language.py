"""Language identification beside datatrove's LanguageFilter: CPU time of one core, by length of the documents.

Both ask the same file lid.176.ftz. The filter reads whole texts (it does not cut them) through fastText's Python
module; ours reads 2,000 bytes of a longer one in eight pieces. ``agreement`` is how often our label is the one
fastText finds for the whole text; only documents count whose number (CRC-32 of id or text) is even: bytes and
pieces were chosen on the others. Length has its price, so long documents are cut to each length in the table, and
``as they are`` takes them uncut, in the order of the files.

    python -m benchmarks.language documents.jsonl more.jsonl.gz

``peer.py`` says how to make the peer; without it our figures are printed alone.
"""

import argparse
import json
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import pyarrow as pa

from benchmarks.peer import peer_python, run_peer
from benchmarks.text_plane import cpu_seconds
from dataflow.signals.language import find_model, identify

LENGTHS = (1, 4, 16, 64)  # kB


def documents(files: list[Path]) -> Iterator[str]:
    """Texts of JSON lines that were not used to choose how much is read."""
    for file in files:
        with fsspec.open(str(file), compression="infer") as lines:
            for line in lines:
                document = json.loads(line)
                number = zlib.crc32(str(document.get("id") or document["text"]).encode())
                if number % 2 == 0:
                    yield document["text"]


def groups(files: list[Path], n_bytes: int) -> dict[str, list[str]]:
    """About ``n_bytes`` of documents of each length, cut from those that are as long."""
    found: dict[str, list[str]] = {name: [] for name in [*(f"{n} kB" for n in LENGTHS), "as they are"]}
    left = dict.fromkeys(found, n_bytes)
    for text in documents(files):
        raw = text.encode()
        for name, length in zip(found, [*LENGTHS, 0], strict=True):
            size = length * 1000 or len(raw)
            if left[name] > 0 and len(raw) >= size:
                found[name].append(raw[:size].decode(errors="ignore"))
                left[name] -= size
        if max(left.values()) <= 0:
            break
    return {name: texts for name, texts in found.items() if texts}


def agreement(texts: list[str], model_path: str) -> int:
    """How many of our labels are those fastText finds for the whole texts."""
    import fasttext

    fasttext.FastText.eprint = lambda *arguments, **options: None
    model = fasttext.load_model(model_path)
    ours = identify(pa.array(texts, pa.large_string()), model_path)[0].to_pylist()
    same = 0
    for text, label in zip(texts, ours, strict=True):
        whole = model.predict(text.replace("\n", " "))[0][0].removeprefix("__label__")
        same += label == whole
    return same


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, help="JSON lines with text, .gz or not")
    parser.add_argument("--megabytes", type=float, default=2, help="text of each length")
    parser.add_argument("--peer", help="Python of an environment with datatrove")
    options = parser.parse_args()
    model_path = find_model(None)
    texts = groups(options.files, int(options.megabytes * 1e6))
    python = peer_python(options.peer)
    peer = (
        run_peer(python, "peer_language.py", {"texts": texts, "language_model": model_path}) if python else {}
    )

    print(f"{'documents':>12} {'number':>7} {'MB/s':>8} {'datatrove':>10} {'ratio':>6} {'agreement':>10}")
    sums = {"n": 0, "same": 0}
    total = {"bytes": 0.0, "ours": 0.0, "peer": 0.0}
    for name, group in texts.items():
        array = pa.array(group, pa.large_string())
        n_bytes = sum(len(text.encode()) for text in group)
        ours = cpu_seconds(partial(identify, array, model_path))
        same = agreement(group, model_path)
        row(name, len(group), n_bytes, ours, peer.get(name), same)
        sums["n"] += len(group)
        sums["same"] += same
        total["bytes"] += n_bytes
        total["ours"] += ours
        total["peer"] += peer.get(name, 0)
    row("all", sums["n"], total["bytes"], total["ours"], total["peer"] if peer else None, sums["same"])
    if not peer:
        print("datatrove was not measured: name its Python with --peer (peer.py says how to make it)")


def row(name: str, n: int, n_bytes: float, ours: float, peer: float | None, same: int) -> None:
    """Print a line of the table."""
    beside = f"{n_bytes / 1e6 / peer:10.1f} {peer / ours:6.1f}" if peer else f"{'-':>10} {'-':>6}"
    print(f"{name:>12} {n:7d} {n_bytes / 1e6 / ours:8.1f} {beside} {same / n:10.2%}")


if __name__ == "__main__":
    main()

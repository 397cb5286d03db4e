"""Decontamination on real evaluation sets: what becomes of their items, those found where they are planted, and speed.

Every item is planted in the middle of a clean document, its prompt alone and with the answer; then the clean documents
are searched as they are, where not a single n-gram should be found.

    python -m benchmarks.decontamination [--sets '../shared/data/eval/*.jsonl*'] [--clean FILE.jsonl.gz ...]
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from dataflow.dedup.contamination.config import Decontaminate
from dataflow.dedup.contamination.decontaminate import find_items
from dataflow.dedup.contamination.index import ITEMS_PATH, Index, build_index, load_index
from dataflow.dedup.contamination.sets import find_sets, read_items
from dataflow.readers.open import read
from dataflow.readers.source import Source
from dataflow.store.shards import plan_shards
from dataflow.store.storage import Storage
from dataflow.transforms.pii import Pii

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CLEAN = ("text/abc_news", "text/brown", "text/moby_dick", "text/sotu", "tech/dictionaries", "tech/english_docs",
         "tech/source_code", "lang/debian_docs_multilingual", "lang/udhr", "web/c4_demo")  # fmt: skip
TEXTS = 512  # searched at a time


def planted(sets: str, store: Storage, index: Index, around: list[str]) -> Table:
    """What becomes of the items of each set, and how many of those that are looked for were found."""
    config = Decontaminate(sets=[sets])
    items = [item for found in find_sets(config) for item in read_items(found)[0]]
    rows = store.read_table(ITEMS_PATH).to_pylist()
    fates: Counter[tuple[str, str]] = Counter()
    documents, held = [], []
    for number, (item, row) in enumerate(zip(items, rows, strict=True)):
        fates[row["set"], row["fate"]] += 1
        parts = ((row["n_prompt"], item.prompt), (row["n_whole"], f"{item.prompt} {item.answer}"))
        for text in (text for n_grams, text in parts if n_grams):
            one = around[len(documents) % len(around)]
            documents.append(f"{one[: len(one) // 2]}\n{text}\n{one[len(one) // 2 :]}")
            held.append(number)
    found = find_items(pa.array(documents, pa.large_string()), index, config.min_overlap)
    hits = set(zip(found.row.tolist(), found.item.tolist(), strict=True))
    n_planted = Counter(rows[number]["set"] for number in held)
    n_found = Counter(rows[number]["set"] for place, number in enumerate(held) if (place, number) in hits)
    names = list(dict.fromkeys(row["set"] for row in rows))
    table = Table(title="Items of evaluation sets")
    for column in ("set", "items", "looked for", "too short", "repeated", "other", "planted", "found"):
        table.add_column(column, justify="left" if column == "set" else "right", no_wrap=column == "set")
    for name in [*names, None]:
        own = {fate: sum(n for (of, kind), n in fates.items() if kind == fate and name in (of, None))
               for fate in ("used", "short", "repeated", "shared", "unreadable")}  # fmt: skip
        figures = [
            sum(own.values()),
            own["used"],
            own["short"],
            own["repeated"],
            own["shared"] + own["unreadable"],
        ]
        figures += [counter.total() if name is None else counter[name] for counter in (n_planted, n_found)]
        table.add_row(name or "all", *(f"{figure:,}" for figure in figures), end_section=name == names[-1])
    return table


def searched(texts: list[str], index: Index) -> str:
    """Hits in the clean documents, at any overlap, and MB of text a second of CPU time."""
    starts = range(0, len(texts), TEXTS)
    arrays = [pa.array(texts[start : start + TEXTS], pa.large_string()) for start in starts]
    find_items(arrays[0], index, 1e-9)  # compiles
    started = time.process_time()
    hits = sum(len(find_items(array, index, 1e-9).row) for array in arrays)
    seconds = time.process_time() - started
    n_bytes = sum(len(text.encode()) for text in texts)
    return (
        f"{len(texts):,} clean documents, {n_bytes / 1e6:.0f} MB: {hits} hold an n-gram of an item;"
        f" {n_bytes / 1e6 / seconds:.0f} MB/s of one core"
    )


def documents_of(path: str) -> list[str]:
    """The texts of a file that the readers know."""
    source = Source(name="clean", path=path)
    pieces = (piece for shard in plan_shards(source, 64_000_000) for piece in shard.pieces)
    return [
        text
        for piece in pieces
        for batch in read(piece, source)
        for text in batch.documents["text"].to_pylist()
    ]


def main() -> None:
    """Print the table and the line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sets", default=f"{DATA}/eval/*.jsonl*", help="evaluation sets whose fields can be guessed"
    )
    parser.add_argument("--clean", nargs="+", help="files of documents that hold no item")
    arguments = parser.parse_args()
    texts = [
        text
        for path in arguments.clean or (f"{DATA}/{name}.jsonl.gz" for name in CLEAN)
        for text in documents_of(path)
    ]
    with tempfile.TemporaryDirectory() as folder:
        store, config = Storage(folder), Decontaminate(sets=[arguments.sets])
        build_index(store, find_sets(config), config, Pii())
        index = load_index(store, "benchmark")
        console = Console()
        console.print(planted(arguments.sets, store, index, texts[:200]))
        console.print(searched(texts, index))


if __name__ == "__main__":
    main()

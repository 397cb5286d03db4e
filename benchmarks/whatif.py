"""How long ``dataflow whatif`` takes on a million documents: the question alone, and the command as a user types it.

The folder is made up of real signals: those of some thousand real texts (a JSONL file, or what comes with Python),
drawn again and again with every number moved a little, so that columns compress no better than a crawl's. Rules are
applied as the step ``filter`` applies them. Clusters of duplicates are drawn: a quarter of the documents are in one.

    python -m benchmarks.whatif [--texts TEXTS.jsonl] [--documents 1000000] [--keep FOLDER]
"""

import argparse
import ast
import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from dataflow.catalog.recipe import rules_as_written
from dataflow.catalog.views import connect
from dataflow.catalog.whatif import changed_rules, whatif
from dataflow.kernels.scan import analyse
from dataflow.rules.config import Rules
from dataflow.rules.evaluate import VERSION, filter_part
from dataflow.signals import table
from dataflow.signals.language import find_model
from dataflow.signals.options import DEFAULT_FAMILIES, SignalOptions
from dataflow.signals.signal import Documents
from dataflow.store.documents import DEDUP, DOCUMENTS
from dataflow.store.manifest import Made, Part, ensure
from dataflow.store.storage import Storage

SOURCES = {"web": ("web", 0.8), "forum": ("web", 0.1), "books": ("prose", 0.07), "code": ("code", 0.03)}
RULES = Rules(keep_languages=(), custom={})
N_TEXTS, PART, SHOWN_CHARACTERS = 4000, 16_000, 300
QUESTIONS = {
    "one threshold, looser": ({"gopher_word_count": "n_words BETWEEN 20 AND 100000"}, []),
    "one threshold, stricter": ({"language_score": "language_score >= 0.8"}, []),
    "four rules changed, one new": (
        {
            "gopher_top_2gram": "top_2gram_character_share <= 0.25",
            "fineweb_short_lines": "short_line_share <= 0.5",
            "c4_sentences": "n_sentences >= 3",
            "gopher_stop_words": "n_stop_words >= 3",
            "long": "n_characters >= 300 OR source = 'books'",
        },
        [],
    ),
    "a rule left out": ({}, ["fineweb_punctuation_lines"]),
    "a higher similarity": ({"dedup.similarity": "0.8"}, []),
    "that and one threshold": (
        {"dedup.similarity": "0.8", "language_score": "language_score >= 0.8"},
        [],
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--texts", type=Path, help="JSONL with a field `text`; default: Python's own manual and code"
    )
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="make the folder here, or use the one that is here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary, "out")
        if not (folder / "recipe.json").exists():
            make_folder(Storage(str(folder)), arguments.documents, arguments.texts)
        measure(folder)


def measure(folder: Path) -> None:
    """Best of three, wall and CPU, for each question."""
    print(f"{'question':<30}{'the question':>20}{'the command':>22}")
    for name, (replaced, dropped) in QUESTIONS.items():
        call = [sys.executable, "-m", "flows.cli", "whatif", str(folder)]
        call += [word for rule, sql in replaced.items() for word in ("--set", f"{rule}={sql}")]
        call += [word for rule in dropped for word in ("--drop", rule)]
        asked = min(_timed(lambda r=replaced, d=dropped: ask(folder, r, d)) for _ in range(3))
        typed = min(
            _timed(lambda c=call: subprocess.run(c, check=True, capture_output=True)) for _ in range(3)
        )
        print(f"{name:<30}{asked[0]:>10.2f} s {asked[1]:>5.2f} CPU{typed[0]:>12.2f} s {typed[1]:>5.2f} CPU")


def ask(folder: Path, replaced: dict[str, str], dropped: list[str]) -> None:
    """The question as a notebook would put it, opening the catalog included."""
    with connect(folder) as con:
        before = rules_as_written(con)
        rules = {name: sql for name, sql in replaced.items() if name != "dedup.similarity"}
        alike = float(replaced["dedup.similarity"]) if "dedup.similarity" in replaced else None
        whatif(con, before, changed_rules(before, rules, dropped, con), alike=alike)


def _timed(call) -> tuple[float, float]:
    import resource

    def used() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in both)

    wall, cpu = time.perf_counter(), used()
    call()
    return time.perf_counter() - wall, used() - cpu


# The folder ---------------------------------------------------------------------------------------------------


def make_folder(store: Storage, n_documents: int, texts: Path | None) -> None:
    """Documents (their beginnings), signals, decisions/filter and decisions/dedup, with manifests."""
    started = time.perf_counter()
    found = list(_beginnings(texts))
    real = _signals(pa.array(found, pa.large_string()))
    random = np.random.default_rng(1)
    for source, (kind, share) in SOURCES.items():
        left, number = round(n_documents * share), 0
        while left > 0:
            n, name = min(left, PART), f"{source}/crawl-{number:05d}"
            ensure(store, Part("curate", name, 1, {}, {}), _Curate(store, name, kind, n, found, real, random))
            signals = f"signals/{name}.parquet"
            made_of = {signals: ensure_hash(store, name, signals)}
            part = Part("filter", name, VERSION, {"rules": RULES.model_dump(mode="json")}, made_of)
            shard = name.split("/")[1]
            ensure(store, part, lambda source=source, shard=shard: filter_part(store, source, shard, RULES))
            left, number = left - n, number + 1
    ensure(store, Part("dedup", "all", 1, {}, {}), lambda: _dedup(store, random))
    sources = [{"name": name, "kind": kind} for name, (kind, _) in SOURCES.items()]
    store.write_json(
        "recipe.json", {"name": "million", "rules": RULES.model_dump(mode="json"), "sources": sources}
    )
    print(f"{n_documents:,} documents made of {len(found):,} texts in {time.perf_counter() - started:.0f} s")


def ensure_hash(store: Storage, name: str, rel: str) -> str:
    """The content hash of a file as the manifest of ``curate`` has it."""
    return str(store.read_json(f"manifests/curate/{name}.json")["outputs"][rel]["hash"])


class _Curate:
    """Writes one part of documents and signals."""

    def __init__(self, store, name, kind, n, texts, real, random) -> None:
        self.store, self.name, self.kind, self.n = store, name, kind, n
        self.texts, self.real, self.random = texts, real, random

    def __call__(self) -> Made:
        chosen = self.random.integers(0, len(self.texts), self.n)
        source = self.name.split("/")[0]
        base = {
            "id": [f"{self.name}.jsonl.zst#{row}" for row in range(self.n)],
            "source": [source] * self.n,
            "kind": [self.kind] * self.n,
        }
        drawn = self.real.take(chosen)
        columns = {name: self._moved(drawn[name]) for name in drawn.column_names}
        signals = table.part_schema(DEFAULT_FAMILIES)
        documents = {**base, "text": [self.texts[row][:SHOWN_CHARACTERS] for row in chosen]}
        documents |= {"n_bytes": columns["n_bytes"], "bytes_in": columns["n_bytes"]}
        outputs = []
        for folder, rows, schema in (
            ("documents", documents, DOCUMENTS),
            ("signals", base | columns, signals),
        ):
            outputs.append(f"{folder}/{self.name}.parquet")
            absent = {
                name: pa.nulls(self.n, schema.field(name).type) for name in schema.names if name not in rows
            }
            arrays = [pa.array((rows | absent)[name], schema.field(name).type) for name in schema.names]
            self.store.write_table(outputs[-1], pa.Table.from_arrays(arrays, schema=schema))
        counts = {"records": self.n, "documents": self.n, "quarantined": 0, "skipped": 0}
        return Made(tuple(outputs), counts)

    def _moved(self, column: pa.ChunkedArray) -> pa.Array:
        """Numbers times a factor near 1; labels, flags and what is not known as they are."""
        if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            return column.combine_chunks()
        moved = column.to_numpy() * self.random.lognormal(0, 0.1, self.n)
        if pa.types.is_integer(column.type):
            return pa.array(np.round(moved).astype(np.int64))
        return pa.array(np.where(column.to_numpy() <= 1, np.minimum(moved, 1), moved).astype(np.float32))


def _signals(texts: pa.LargeStringArray) -> pa.Table:
    analysis = analyse(texts, 0, 5)
    seen = Documents(texts, pa.nulls(len(texts), pa.string()), "web", analysis)
    columns = table.compute(seen, DEFAULT_FAMILIES, SignalOptions(language_model=find_model(None)))
    sizes = [len(text.as_py().encode()) for text in texts]
    return pa.table({"n_bytes": pa.array(sizes, pa.int64()), **columns})


def _beginnings(texts: Path | None) -> Iterator[str]:
    if texts is None:
        yield from _python_texts()
        return
    with texts.open(encoding="utf-8") as lines:
        for _, line in zip(range(N_TEXTS), lines, strict=False):
            yield json.loads(line)["text"]


def _python_texts() -> Iterator[str]:
    """Pages of the manual, docstrings and functions of the standard library."""
    from pydoc_data.topics import topics

    for text in topics.values():
        yield from (text[start : start + 2500] for start in range(0, len(text), 2500))
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("[a-z]*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                yield ast.get_docstring(node) or node.name
                yield ast.get_source_segment(source, node) or node.name


def _dedup(store: Storage, random: np.random.Generator) -> Made:
    """Clusters of 2 to some hundred of the documents that passed; the longest of each survives."""
    with connect(store) as con:
        passed = con.sql(
            "SELECT id, n_bytes FROM stored.signals JOIN stored.filter USING (id) WHERE passed ORDER BY id"
        ).to_arrow_table()
    n = passed.num_rows
    order = random.permutation(n)[: n // 4]
    sizes = 1 + np.minimum(random.zipf(1.7, n // 4), 500)
    ends = np.cumsum(sizes)
    ends = ends[ends <= len(order)]
    cluster = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    rows = order[: len(cluster)]
    n_bytes, ids = passed["n_bytes"].to_numpy()[rows], passed["id"].take(rows).to_numpy()
    by = np.lexsort((ids, -n_bytes, cluster))
    ids, cluster = ids[by], cluster[by]
    starts = np.r_[0, ends[:-1]]
    survivor, size = ids[starts[cluster]], np.diff(ends, prepend=0)[cluster]
    similarity = np.where(random.random(len(ids)) < 0.3, 1.0, random.uniform(0.7, 1, len(ids)))
    bits = np.clip(np.floor((similarity - 0.7) * 100), 0, 25).astype(np.int64)
    levels = np.where(similarity == 1, -1, 2 ** (bits + 1) - 1)
    columns = {
        "id": ids,
        "survivor": survivor,
        "cluster": survivor,
        "cluster_size": size,
        "similarity": np.where(ids == survivor, 1.0, similarity).astype(np.float32),
        "kind": np.where(similarity == 1, "exact", "near"),
        "removed": ids != survivor,
        "earlier": pa.nulls(len(ids), pa.string()),
        "levels": np.where(ids == survivor, 0, levels),
    }
    output = "decisions/dedup/part-00000.parquet"
    rows_of = pa.table({name: pa.array(columns[name], DEDUP.field(name).type) for name in DEDUP.names})
    store.write_table(output, rows_of.sort_by("id"), row_group_size=1 << 17)
    return Made((output,), {"documents": n, "duplicates": int((ids != survivor).sum())})


if __name__ == "__main__":
    main()

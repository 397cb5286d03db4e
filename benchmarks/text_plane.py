"""The per-document plane against datatrove: signals, the whole chain, and how cost grows with length and count.

Both sides read the same documents in one run on one core; figures are megabytes of text a second of CPU time,
and their ratio. datatrove's filters are taken twice: with thresholds out of reach, so that every rule is computed
(what our signals do), and as its FineWeb example chains them, each document leaving at the first rule it fails::

    python -m benchmarks.text_plane --peer peer/bin/python          # peer.py says how to make the peer
    python -m benchmarks.text_plane --documents mine.jsonl --megabytes 10

The language filters are compared in ``language.py``, memory is measured by ``memory.py``.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import orjson
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks.peer import peer_python, run_peer
from dataflow.curate import Curation, curate
from dataflow.kernels.scan import analyse
from dataflow.readers.source import Extract, Source
from dataflow.rules.config import Rules
from dataflow.rules.evaluate import active_rules, apply, filter_part
from dataflow.signals import table
from dataflow.signals.language import find_model
from dataflow.signals.options import DEFAULT_FAMILIES, SignalOptions
from dataflow.signals.signal import Documents
from dataflow.store.shards import plan_shards
from dataflow.store.storage import Storage
from dataflow.transforms import table as transforms
from dataflow.transforms.pii import Pii

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
ENGLISH = (
    "text/*.jsonl.gz",
    "tech/english_docs.jsonl.gz",
    "web/c4_demo.jsonl.gz",
    "quality/dclm_human_quality.jsonl.gz",
)
COUNTED = ("gopher", "c4", "fineweb")
FAMILIES = DEFAULT_FAMILIES
LENGTHS = (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000, 10_000_000)
COUNTS = (1_000, 10_000, 100_000)
PERMUTATIONS, SHINGLE = 112, 5

console = Console(width=100)


def read_texts(pattern: str | None) -> Iterator[str]:
    """Texts of one JSONL file, or of the English ones among the shared data."""
    paths = [Path(pattern)] if pattern else [path for glob in ENGLISH for path in sorted(SHARED.glob(glob))]
    for path in paths:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            yield from (text for line in lines if (text := orjson.loads(line).get("text")))


def chosen_texts(texts: Iterator[str], megabytes: float, longest: int = 100_000) -> list[str]:
    """Every n-th text of at most ``longest`` characters, so that about ``megabytes`` come from all of them."""
    short = [text for text in texts if len(text) <= longest]
    n_bytes = sum(len(text.encode()) for text in short)
    step = max(1, round(n_bytes / (megabytes * 1e6)))
    return short[::step]


def documents_of(texts: list[str]) -> Documents:
    """A batch of web documents, scanned without signatures."""
    array = pa.array(texts, pa.large_string())
    return Documents(array, pa.nulls(len(array), pa.string()), "web", analyse(array, 0, SHINGLE, False))


def decide(texts: list[str]) -> pa.Table:
    """All Gopher, C4 and FineWeb signals of texts, C4's line rules included, and every rule that fails."""
    changed, _ = transforms.apply(["fineweb_lines"], pa.array(texts, pa.large_string()))
    del changed  # datatrove's C4 filter does the lines as well; both sides measure the text as it came
    columns = table.compute(documents_of(texts), COUNTED)
    n = len(texts)
    shared = {
        "id": pa.array(map(str, range(n)), pa.string()),
        "source": pa.repeat("web", n),
        "kind": pa.repeat("web", n),
        "language": pa.repeat("en", n),
    }
    signals = pa.table({**shared, **columns})
    sets = ("gopher_quality", "gopher_repetition", "c4", "fineweb")
    return apply(signals, active_rules(Rules(sets=sets), signals.schema))


def chain(path: Path, folder: Path) -> int:
    """JSONL to Parquet, signatures and decisions, as a run does it; how many documents pass."""
    source = Source(name="web", path=str(path), kind="web")
    curation = Curation(
        source=source,
        extract=Extract(),
        transforms=("unicode", "fineweb_lines"),
        pii=Pii(),
        signals=FAMILIES,
        options=SignalOptions(language_model=find_model(None)),
        permutations=PERMUTATIONS,
        shingle=SHINGLE,
    )
    store = Storage(str(folder))
    passed = 0
    for shard in plan_shards(source, 64_000_000):
        curate(shard, curation, store)
        passed += filter_part(store, "web", shard.name, Rules(keep_languages=("en",))).counts["passed"]
    return passed


def cpu_seconds(work: Callable[[], object], times: int = 3) -> float:
    """The least CPU time of several calls; compilers and caches are warm after the first."""
    work()
    seconds = []
    for _ in range(times):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return min(seconds)


def write_jsonl(path: Path, texts: Iterable[str]) -> float:
    """Write documents with numbers as ids; megabytes of their text."""
    n_bytes = 0
    with path.open("wb") as out:
        for number, text in enumerate(texts):
            out.write(orjson.dumps({"id": str(number), "text": text}) + b"\n")
            n_bytes += len(text.encode())
    return n_bytes / 1e6


def compare(texts: list[str], peer: str | None, folder: Path) -> Table:
    """Our figures beside the peer's."""
    source = folder / "documents.jsonl"
    megabytes = write_jsonl(source, texts)
    passed = []
    ours = {
        "all signals and rules": cpu_seconds(lambda: decide(texts)),
        "whole chain": cpu_seconds(lambda: passed.append(chain(source, folder / "ours"))),
    }
    theirs = {}
    kept = "-"
    if peer:
        asked = {
            "documents": str(source),
            "language_model": find_model(None),
            "folder": str(folder / "theirs"),
        }
        answer = run_peer(peer, "peer_text_plane.py", asked)
        theirs = {
            "all signals and rules": sum(answer["signals"].values()),
            "whole chain": answer["chain"]["seconds"],
        }
        kept = f"{answer['chain']['kept']:,}"
        console.print(
            f"datatrove's filters, CPU s: {json.dumps({k: round(v, 2) for k, v in answer['signals'].items()})}"
        )
    shown = Table(title=f"{len(texts):,} English documents, {megabytes:.1f} MB; one core, MB a CPU second")
    for name in ("", "dataflow", "datatrove", "ratio"):
        shown.add_column(name, justify="left" if not name else "right")
    for name, seconds in ours.items():
        other = theirs.get(name)
        shown.add_row(
            name,
            f"{megabytes / seconds:.1f}",
            f"{megabytes / other:.3f}" if other else "-",
            f"{other / seconds:.0f} x" if other else "-",
        )
    shown.caption = (
        f"pass every rule: ours {passed[-1]:,}, datatrove's {kept}; rules of ours differ by definition"
    )
    return shown


def growth(texts: list[str]) -> Table:
    """MB/s of signals and signature at several lengths of a document, then at several counts of documents."""
    joined = "\n\n".join(texts)
    shown = Table(title="How the cost of scan, signals and signature grows")
    shown.add_column("documents", justify="right")
    shown.add_column("characters each", justify="right")
    shown.add_column("MB a CPU second", justify="right")
    cases = [(max(1, 4_000_000 // length), length) for length in LENGTHS] + [
        (count, 1_000) for count in COUNTS
    ]
    for count, length in cases:
        stretched = joined * (1 + length // len(joined))
        room = max(1, len(stretched) - length)
        array = pa.array([stretched[(n * 997) % room :][:length] for n in range(count)], pa.large_string())
        nothing = pa.nulls(count, pa.string())

        def measure(array: pa.LargeStringArray = array, nothing: pa.StringArray = nothing) -> None:
            seen = Documents(array, nothing, "web", analyse(array, PERMUTATIONS, SHINGLE, False))
            table.compute(seen, COUNTED)

        shown.add_row(f"{count:,}", f"{length:,}", f"{array.nbytes / 1e6 / cpu_seconds(measure):.1f}")
    return shown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--documents", help="JSONL file with the field text; default: the shared English data"
    )
    parser.add_argument("--megabytes", type=float, default=5.0, help="how much text both sides are given")
    parser.add_argument(
        "--peer", help="Python of an environment with datatrove; without, only ours is measured"
    )
    arguments = parser.parse_args()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    texts = chosen_texts(read_texts(arguments.documents), arguments.megabytes)
    with tempfile.TemporaryDirectory() as folder:
        console.print(compare(texts, peer_python(arguments.peer), Path(folder)))
    console.print(growth(texts))


if __name__ == "__main__":
    main()

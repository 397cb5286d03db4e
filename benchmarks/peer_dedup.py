"""The peer's side of ``dedup_whole.py``: datatrove's four MinHash stages in one process, timed in CPU seconds.

Run by the peer's Python (see ``peer.py``). Input: ``documents`` (a JSONL file with ``id`` and ``text``), ``folder`` for
what the stages write. The stages are as datatrove's example chains them: JSONL is read and signed, one task a
bucket matches, one clusters, JSONL is read again and what is kept goes to Parquet. A split of words that is of
spaCy's English is its default, and the fastest that it has.
"""

import json
import resource
import sys
import time
from pathlib import Path

from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils.hashing import HashConfig
from pyarrow import parquet

CONFIG = MinhashConfig(hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5)


def drain(steps) -> None:
    """Stages of a pipeline to its end, one document after another."""
    documents = None
    for step in steps:
        documents = step.run(documents)
    for _ in documents or ():
        pass


def deduplicate(source: Path, folder: str) -> dict[str, float]:
    """CPU seconds of each stage."""
    seconds = {}

    def timed(name, work) -> None:
        begun = time.process_time()
        work()
        seconds[name] = time.process_time() - begun

    def read() -> JsonlReader:
        return JsonlReader(str(source.parent), glob_pattern=source.name)

    signatures = MinhashDedupSignature(f"{folder}/signatures", config=CONFIG)
    timed("signatures", lambda: drain([read(), signatures]))

    def match() -> None:
        for bucket in range(CONFIG.num_buckets):
            stage = MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=CONFIG)
            drain([_Ranked(stage, bucket, CONFIG.num_buckets)])

    timed("buckets", match)
    timed(
        "cluster",
        lambda: drain([MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config=CONFIG)]),
    )
    kept = ParquetWriter(f"{folder}/kept", compression="zstd")
    timed("filter", lambda: drain([read(), MinhashDedupFilter(f"{folder}/remove"), kept]))
    return seconds


def n_kept(folder: str) -> int:
    """Documents in the files of what is kept."""
    return sum(parquet.read_metadata(path).num_rows for path in Path(folder, "kept").glob("*.parquet"))


class _Ranked:
    """A stage as one of several tasks."""

    def __init__(self, stage, rank: int, n_tasks: int) -> None:
        self.stage, self.rank, self.n_tasks = stage, rank, n_tasks

    def run(self, documents):
        return self.stage.run(documents, self.rank, self.n_tasks)


if __name__ == "__main__":
    asked = json.loads(sys.stdin.read())
    source = Path(asked["documents"])
    warm = Path(asked["folder"]) / "warm" / "documents.jsonl"
    warm.parent.mkdir(parents=True)
    with source.open("rb") as lines, warm.open("wb") as few:
        few.writelines(line for line, _ in zip(lines, range(3), strict=False))
    deduplicate(warm, f"{asked['folder']}/warm/out")
    out = f"{asked['folder']}/out"
    seconds = deduplicate(source, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "kept": n_kept(out), "peak": peak}))

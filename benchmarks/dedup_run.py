"""What the measurements of deduplication share: documents in a folder, the step run on them, its decisions read.

It is the pipeline itself that is measured: JSONL is read by ``curate`` (nothing transformed or scrubbed, no signals
but the ones that are always there), rules let everything pass, and ``decisions/dedup`` is read back from disk.
"""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from dataflow.curate import Curation, curate
from dataflow.dedup.config import Dedup, Near
from dataflow.dedup.parts import DedupPart
from dataflow.dedup.whole import deduplicate
from dataflow.readers.source import Extract, Source
from dataflow.rules.config import Rules
from dataflow.rules.evaluate import filter_part
from dataflow.signals.options import SignalOptions
from dataflow.store.shards import plan_shards
from dataflow.store.storage import Storage
from dataflow.transforms.pii import Pii

SOURCE = "all"
NEAR = Near()
SHARD_BYTES = 64_000_000
NO_RULES = Rules(sets=())


def curated(documents: Path, store: Storage) -> list[DedupPart]:
    """Documents of a JSONL file with signatures, in ``store``; their parts."""
    source = Source(name=SOURCE, path=str(documents), kind="prose")
    curation = Curation(
        source=source,
        extract=Extract(),
        transforms=(),
        pii=Pii(kinds=()),
        signals=(),
        options=SignalOptions(),
        permutations=NEAR.permutations,
        shingle=NEAR.shingle,
    )
    parts = []
    for shard in plan_shards(source, SHARD_BYTES):
        curate(shard, curation, store)
        filter_part(store, SOURCE, shard.name, NO_RULES)
        parts.append(DedupPart(SOURCE, shard.name))
    return parts


def deduplicated(store: Storage, parts: list[DedupPart], config: Dedup) -> Mapping[str, int]:
    """Run the step in this process; what it counted."""
    return deduplicate(store, parts, config).counts


def decisions(store: Storage) -> pa.Table:
    """All decisions of the step, whatever the number of files."""
    return pa.concat_tables([store.read_table(path) for path in store.list("decisions/dedup")])


def stored_texts(store: Storage, parts: list[DedupPart]) -> dict[str, tuple[str, str]]:
    """The input's own id and the text of every document, by id."""
    texts = {}
    for part in parts:
        columns = part.read(store, ["id", "input_id", "text"])
        rows = (columns[name].to_pylist() for name in columns.column_names)
        texts |= {name: (own, text) for name, own, text in zip(*rows, strict=True)}
    return texts

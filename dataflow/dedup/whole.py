"""Document-level deduplication in one call: all rounds one after another, in this process.

The same functions that the flow hands to its workers, without manifests, so nothing is skipped and a run that was
killed begins anew: for tests, for benchmarks, and for whoever has documents and no recipe.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from dataflow.dedup.config import Dedup, Near
from dataflow.dedup.decide import decide
from dataflow.dedup.near import bands, candidates, gather, join, verify
from dataflow.dedup.parts import DedupPart
from dataflow.dedup.rank import rank
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

LEFT = ("bands", "buckets", "routes", "grouped", "gathered", "verified", "groups.arrow")
"""What the rounds leave for each other below `dedup/`; the ranks are for the steps after, too."""


def deduplicate(store: Storage, parts: Sequence[DedupPart], config: Dedup) -> Made:
    """Write ``decisions/dedup`` for the parts of this run; parts of earlier corpora come first, in their order."""
    ranked = rank(store, parts, config)
    n_documents = ranked.counts["documents"] + ranked.counts["earlier"]
    verified: list[str] = []
    counts: Counter[str] = Counter()
    if config.near:
        verified = _near(store, parts, n_documents, config, config.near, counts)
    made = decide(store, parts, verified, config, counts)
    for name in LEFT:
        store.remove(f"dedup/{name}")
    return made


def _near(
    store: Storage,
    parts: Sequence[DedupPart],
    n_documents: int,
    config: Dedup,
    near: Near,
    counts: Counter[str],
) -> list[str]:
    limit = config.memory_limit
    n_partitions = bands.count_partitions(n_documents, near, limit)
    entries = _outputs(bands.write_bands(store, part, near, n_partitions) for part in parts)
    for partition in range(n_partitions):
        join.join(store, entries, partition)
    candidates.group(store, parts, n_documents, n_partitions, verify.largest_group(near, limit), limit)
    routed = [part for part in parts if store.exists(candidates.routes_path(part))]
    for part in routed:
        gather.gather(store, part, near)
    names = [part.name for part in routed]
    verified: list[str] = []
    for group, size in enumerate(candidates.read_groups(store).tolist()):
        made = verify.verify(store, names, n_partitions, group, size, near, config.cluster == "greedy", limit)
        counts.update(made.counts)
        verified += made.outputs
    return verified


def _outputs(made: Iterable[Made]) -> list[str]:
    return [path for one in made for path in one.outputs]

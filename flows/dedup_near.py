"""The rounds of step ``dedup`` that find near-duplicates: bands, buckets, groups, gathering, verification.

Every round is parts with manifests like any other step, so a run that was killed goes on where it was. How many
partitions and groups there are follows from the memory limit, and what is decided does not.
"""

from collections.abc import Mapping

from dataflow.dedup.near import bands, candidates, gather, join, verify
from dataflow.dedup.parts import DedupPart
from dataflow.store.manifest import Manifest, Part, hashes_of, one_hash, prune
from flows.runner import Job
from flows.session import Session

STEPS = ("dedup-bands", "dedup-buckets", "dedup-groups", "dedup-gathered", "dedup-verified")
"""The rounds, in order, by the name of their manifests."""


def near_rounds(run: Session, parts: list[DedupPart], ranks: Manifest) -> dict[str, str]:
    """Make ``dedup/verified``; its files with their content hashes.

    Args:
        run: the open run; its recipe asks for near-duplicates.
        parts: all parts, of this run and of earlier corpora.
        ranks: the manifest of the round that ranked them.
    """
    dedup = run.recipe.dedup
    near, limit = dedup.near, dedup.memory_limit
    if not near:
        raise ValueError("near-duplicates are switched off")
    n_documents = ranks.counts["documents"] + ranks.counts["earlier"]
    n_partitions = bands.count_partitions(n_documents, near, limit)
    shape = near.model_dump(mode="json", exclude={"threshold", "similarity", "verify"})
    of_part = {part.name: _inputs(run, part, ranks.hashes()) for part in parts}

    jobs = [
        Job(
            Part(
                STEPS[0], part.name, bands.VERSION, {**shape, "partitions": n_partitions}, of_part[part.name]
            ),
            bands.write_bands,
            (run.store, part, near, n_partitions),
        )
        for part in parts
    ]
    banded = run.make(STEPS[0], jobs, quiet=True)

    paths, digest = [bands.bands_path(part) for part in parts], one_hash(hashes_of(banded))
    jobs = [
        Job(
            Part(STEPS[1], f"{partition:05d}", join.VERSION, {}, digest),
            join.join,
            (run.store, paths, partition),
        )
        for partition in range(n_partitions)
    ]
    bucketed = run.make(STEPS[1], jobs, quiet=True)

    largest = verify.largest_group(near, limit)
    inputs = one_hash(hashes_of(bucketed)) | ranks.hashes()
    part = Part(STEPS[2], "all", candidates.VERSION, {"largest": largest}, inputs)
    job = Job(part, candidates.group, (run.store, parts, n_documents, n_partitions, largest, limit))
    [grouped] = run.make(STEPS[2], [job], quiet=True)

    routed = [part for part in parts if candidates.routes_path(part) in grouped.outputs]
    kept: dict[str, object] = {"permutations": near.permutations, "verify": near.verify}
    kept |= {"shingle": near.shingle, "unit": near.unit} if near.verify == "exact" else {}
    jobs = [
        Job(
            Part(
                STEPS[3], part.name, gather.VERSION, kept,
                {**of_part[part.name], "routes": grouped.hashes()[candidates.routes_path(part)]},
            ),
            gather.gather,
            (run.store, part, near),
        )
        for part in routed
    ]  # fmt: skip
    gathered = run.make(STEPS[3], jobs, quiet=True)

    asked = {"similarity": near.similarity, "cluster": dedup.cluster, **kept}
    inputs = one_hash(hashes_of([grouped, *gathered]))
    names = [part.name for part in routed]
    jobs = [
        Job(
            Part(STEPS[4], f"{group:05d}", verify.VERSION, asked, inputs),
            verify.verify,
            (run.store, names, n_partitions, group, int(size), near, dedup.cluster == "greedy", limit),
        )
        for group, size in enumerate(candidates.read_groups(run.store))
    ]
    verified = run.make(STEPS[4], jobs, quiet=True)
    if not jobs:
        prune(run.store, STEPS[4], [])  # of a run that was killed: all that is there will be counted
    return hashes_of(verified)


def _inputs(run: Session, part: DedupPart, ranks: Mapping[str, str]) -> dict[str, str]:
    """Content hashes of what the rounds read of a part."""
    inputs = {part.ranks: ranks[part.ranks]}
    if part.earlier:
        return inputs | {f"{part.earlier.name}/{part.table}": part.earlier.content}
    curated = run.finished("curate", part.name).hashes()
    return inputs | {path: curated[path] for path in (part.table, f"signals/{part.name}.parquet")}

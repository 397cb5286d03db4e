"""Published decisions of other tools about duplicate documents, and ours on the same documents.

A case of ``../shared/conformance`` that is not listed in ``DIFFERENT`` must be decided alike, and a listed one
otherwise: by definition, never by accident. Documents that have no text in a case get one of their own, and the
order in which a tool keeps documents is said as a survivor key.
"""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from stored_documents import write_documents
from tool_cases import FOLDER, cases

from dataflow.dedup.config import Dedup, Near
from dataflow.dedup.index import open_index, write_index, write_manifest
from dataflow.dedup.whole import deduplicate
from dataflow.kernels.signatures import sign
from dataflow.store.manifest import content_hash
from dataflow.store.storage import Storage

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="no cases: ../shared is not here")

DIFFERENT = {
    "datatrove_dedup_exact_minhash-0003": "no key of the user's own making: URLs are normalised in one way",
    "datatrove_dedup_exact_minhash-0011": "a digit is a digit; datatrove makes each a 0 before it takes shingles",
    "datatrove_dedup_exact_minhash-0012": "an accent is a letter's; datatrove takes accents off before shingles",
    "datatrove_dedup_exact_minhash-0013": "documents shorter than a shingle are compared exactly; datatrove: never",
    "datatrove_dedup_exact_minhash-0014": "two empty documents are duplicates; datatrove never compares them",
    "cc_net_and_curator_dedup-0010": "the one shingle that two texts share decides a band by chance of the hashes",
}
"""Cases that are decided otherwise, and why."""

STAGES = ("exact_dedup", "minhash")
_KEPT = {"highest int(id)": "TRY_CAST(id AS BIGINT) DESC", "lowest int(id)": "TRY_CAST(id AS BIGINT)"}


def document_cases() -> dict[str, dict]:
    if not FOLDER.exists():
        return {}
    files = ("datatrove_dedup_exact_minhash", "cc_net_and_curator_dedup")
    return {case["id"]: case for file in files for case in cases(file) if case["stage"] in STAGES}


def configured(case: dict) -> Dedup:
    params = case["params"]
    survivor = _KEPT.get(params.get("keep", ""), "id")
    if case["stage"] == "exact_dedup":
        return Dedup(near=False, url="url" in params.get("key", ""), survivor=survivor)
    if "char_ngrams" in params:  # Curator verifies nothing: whoever shares a bucket is a duplicate
        bands, rows = params["num_bands"], params["minhashes_per_band"]
        near = Near(bands=bands, rows=rows, shingle=params["char_ngrams"], unit="characters", similarity=1e-9)
        return Dedup(near=near, cluster="components", survivor=survivor)
    near = Near(bands=params["num_buckets"], rows=params["hashes_per_bucket"], shingle=params["n_grams"])
    return Dedup(near=near, cluster="components", survivor=survivor)  # as datatrove keeps one of each


def decided(case: dict, folder: Path) -> dict[str, tuple[str, int]]:
    """Survivor and size of the cluster of every document, by id."""
    config, documents = configured(case), case["docs"]
    earlier = []
    if listed := case["params"].get("against_index"):
        before = Storage(str(folder / "before"))
        part = write_documents(before, "p", [{"id": f"old {url}", "url": url} for url in listed], config)
        deduplicate(before, [part], config)
        (path,) = write_index(before, part, config).outputs
        write_manifest(before, {path: content_hash(before, path)}, config)
        earlier = open_index("before", before.root, config)
    store = Storage(str(folder / "out"))
    shards = case["params"].get("shards", [[one["id"] for one in documents]])
    parts = [
        write_documents(store, f"p{number}", [one for one in documents if one["id"] in ids], config)
        for number, ids in enumerate(shards)
    ]
    deduplicate(store, earlier + parts, config)
    rows = [row for path in store.list("decisions/dedup") for row in store.read_table(path).to_pylist()]
    found = {row["id"]: (row["survivor"], row["cluster_size"]) for row in rows}
    return {str(one["id"]): found.get(str(one["id"]), (str(one["id"]), 1)) for one in documents}


def agrees(case: dict, found: dict[str, tuple[str, int]]) -> bool:
    expect = case["expect"]
    kept = [name for name, (survivor, _) in found.items() if survivor == name]
    urls = {str(one["id"]): one.get("url") for one in case["docs"]}
    groups = {frozenset(map(str, group)) for group in expect.get("clusters", []) if len(group) > 1}
    ours: dict[str, set[str]] = {}
    for name, (survivor, _) in found.items():
        ours.setdefault(survivor, set()).add(name)
    said = [
        "n_kept" not in expect or len(kept) == expect["n_kept"],
        "kept_ids" not in expect or sorted(kept) == sorted(map(str, expect["kept_ids"])),
        "kept_keys" not in expect or sorted(urls[name] for name in kept) == sorted(expect["kept_keys"]),
        "clusters" not in expect or {frozenset(group) for group in ours.values() if len(group) > 1} == groups,
        all(found[name][1] == 1 + n for name, n in expect.get("duplicate_count", {}).items()),
    ]
    return all(said)


@pytest.mark.parametrize("name", document_cases())
def test_duplicates_are_decided_alike_or_listed_with_the_reason(name: str, tmp_path: Path) -> None:
    case = document_cases()[name]
    found = decided(case, tmp_path)
    assert agrees(case, found) == (name not in DIFFERENT), f"{json.dumps(case['expect'])}: {found}"


def test_only_cases_that_exist_are_listed() -> None:
    assert DIFFERENT.keys() <= document_cases().keys()


def test_an_estimate_of_similarity_is_as_near_to_the_truth_as_datatrove_asks() -> None:
    (case,) = (one for one in cases("datatrove_dedup_exact_minhash") if one["stage"] == "minhash_estimate")
    text = case["input"]["text"]
    shares = [number / 100 for number in range(0, 100, 5)]
    cuts = [int(len(text) * share) for share in shares]
    variants = [text[:cut] + text[cut:][::-1] for cut in cuts]
    first, *others = sign(pa.array([text, *variants], pa.large_string()), 112, 5)
    estimates = [float((first == other).mean()) for other in others]
    assert max(abs(a - b) for a, b in zip(estimates, shares, strict=True)) <= 0.21

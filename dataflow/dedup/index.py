"""The index of a corpus: what later corpora are compared with, so that its text is never read again.

For each document that stays a row of some hundred bytes: id, hash of the text, key of the URL, signature (none where
the text is shorter than a shingle), and its place in survivor order. Of what was removed nothing is kept: a new copy of
it is found by its likeness to what stays, but not by the URL that only it had. ``index/manifest.json`` is written last
and says what the index was made with and what each file contains; who reads an index checks both first. Different
parameters give different hashes of the same text, and a damaged file would let duplicates pass without a word.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.dedup import exact, urls
from dataflow.dedup.config import Dedup
from dataflow.dedup.parts import DedupPart, EarlierPart
from dataflow.dedup.urls import url_keys
from dataflow.errors import DataflowError
from dataflow.store.manifest import Made, content_hash
from dataflow.store.standing import standing
from dataflow.store.storage import Storage

VERSION = 1
"""Raise when the bytes of index/ change for the same documents and configuration."""

SIGNATURES = 1
"""Raise when the signature of some text changes: indexes made before are then refused."""

INDEX = pa.schema(
    {
        "id": pa.string(),
        "exact_hash": pa.binary(16),
        "url_key": pa.binary(16),  # null where the document has no URL
        "signature": pa.binary(),  # as in documents; null where the text is too short, or none was asked for
        "rank": pa.int64(),  # in survivor order, not consecutive
    }
)
MANIFEST = "index/manifest.json"

_BATCH = 16_384
_DAMAGED = "Run the step dedup again in that folder, or copy the index from it again."


def parameters(config: Dedup) -> dict[str, Any]:
    """What decides whether the rows of two corpora can be compared; bands, for one, do not."""
    near = config.near
    signatures = near and {
        "version": SIGNATURES,
        "permutations": near.permutations,
        "shingle": near.shingle,
        "unit": near.unit,
    }
    return {"index": VERSION, "text": exact.VERSION, "url": urls.VERSION, "signatures": signatures or None}


# Writing ---------------------------------------------------------------------------------------------------


def write_index(store: Storage, part: DedupPart, config: Dedup) -> Made:
    """The index of a shard of this run: a row for each document that deduplication leaves standing."""
    output = f"index/{part.source}/{part.shard}.parquet"
    stays = standing(store, part.source, part.shard, after="dedup")
    ranks = store.read_table(part.ranks, ["rank"])["rank"].to_numpy()
    is_long = part.is_long(store, config.near) if config.near else np.zeros(len(stays), np.bool_)
    footer = {"dedup": json.dumps(parameters(config), sort_keys=True)}
    stored = ["id", "exact_hash", "url", "signature"]
    start = 0
    with store.open(part.table) as stream, store.parquet_writer(output, INDEX, footer) as writer:
        for batch in pq.ParquetFile(stream).iter_batches(_BATCH, columns=stored):
            rows = np.flatnonzero(stays[start : start + len(batch)])
            chosen = batch.take(pa.array(rows))
            rows += start
            columns = {
                "id": chosen["id"],
                "exact_hash": chosen["exact_hash"].cast(pa.binary(16)),
                "url_key": url_keys(chosen["url"]),
                "signature": pc.if_else(pa.array(is_long[rows]), chosen["signature"], None),
                "rank": pa.array(ranks[rows]),
            }
            writer.write_table(pa.table(columns, schema=INDEX))
            start += len(batch)
    return Made((output,), {"documents": int(stays.sum())})


def write_manifest(store: Storage, files: Mapping[str, str], config: Dedup) -> Made:
    """``index/manifest.json``: parameters, and for each of ``files`` (path, content hash) its size and documents."""
    listed = {}
    for path, content in sorted(files.items()):
        with store.open(path) as stream:
            documents = pq.read_metadata(stream).num_rows
        listed[path] = {"bytes": store.size(path), "hash": content, "documents": documents}
    total = sum(entry["documents"] for entry in listed.values())
    store.write_json(MANIFEST, {"parameters": parameters(config), "documents": total, "files": listed})
    return Made((MANIFEST,), {"documents": total})


# Reading ---------------------------------------------------------------------------------------------------


def open_indexes(config: Dedup) -> list[DedupPart]:
    """The parts of all earlier corpora, in the recipe's order."""
    return [part for name, folder in config.against.items() for part in open_index(name, folder, config)]


def open_index(name: str, folder: str, config: Dedup) -> list[DedupPart]:
    """The parts of an earlier corpus, in order; an error where they cannot be compared with or are not all there."""
    folder = folder if "://" in folder else str(Path(folder).expanduser().resolve())
    earlier = Storage(folder)
    if not earlier.exists(MANIFEST):
        raise DataflowError(
            f'no index of an earlier corpus in "{folder}"',
            f"dedup.against.{name}",
            "Run dedup there with `dedup: {index: true}`, and give its output folder here.",
        )
    listed, theirs = _listed(earlier)
    _comparable(name, theirs, parameters(config))
    parts = []
    for path, entry in sorted(listed.items()):
        if not earlier.exists(path):
            raise DataflowError("a file of the index is missing", earlier.path(path), _DAMAGED)
        if (size := earlier.size(path)) != entry["bytes"]:
            what = f"a file of the index has {size:,} bytes and was written with {entry['bytes']:,}"
            raise DataflowError(what, earlier.path(path), _DAMAGED)
        source, _, shard = path.removeprefix("index/").removesuffix(".parquet").partition("/")
        parts.append(DedupPart(source, shard, EarlierPart(name, folder, entry["hash"])))
    return parts


def check_content(part: DedupPart) -> None:
    """Raise unless a part of an earlier corpus is, byte for byte, what its index says."""
    if part.earlier is None:
        return
    earlier = Storage(part.earlier.folder)
    if content_hash(earlier, part.table) != part.earlier.content:
        what = "a file of the index is not what was written: its content has changed"
        raise DataflowError(what, earlier.path(part.table), _DAMAGED)


def _listed(earlier: Storage) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The files that an index lists, and its parameters."""
    where = earlier.path(MANIFEST)
    try:
        manifest = earlier.read_json(MANIFEST)
    except DataflowError as error:
        raise DataflowError(f"the list of the index cannot be read: {error.what}", where, _DAMAGED) from error
    try:
        files = {
            str(path): {"bytes": int(entry["bytes"]), "hash": str(entry["hash"])}
            for path, entry in manifest["files"].items()
        }
        return files, dict(manifest["parameters"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataflowError("this is no list of an index", where, _DAMAGED) from error


def _comparable(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    where, fix = (
        f"dedup.against.{name}",
        "Run dedup there again with the parameters of this recipe, or change these.",
    )
    for key, value in ours.items():
        there = theirs.get(key)
        if there == value or (key == "signatures" and value is None):
            continue  # who compares no signatures does not mind any
        what = f"its index was made with {_said(key, there)}, and this recipe asks for {_said(key, value)}"
        raise DataflowError(what, where, fix)


def _said(key: str, value: Any) -> str:
    if key != "signatures":
        return f"version {value} of {key}"
    if not isinstance(value, dict):
        return "no signatures"
    shape = "signatures of {permutations} values over shingles of {shingle} {unit} (version {version})"
    return shape.format_map({key: value.get(key) for key in ("permutations", "shingle", "unit", "version")})

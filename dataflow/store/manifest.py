"""What made a part, so that running again does only what is missing.

A *part* is what one call of a step writes for one shard (or, for a global step, all it writes). Its manifest,
``manifests/<step>/<part>.json``, is written last and holds the fingerprint of what made the part: the content
hashes of its inputs, the recipe sections it depends on, the step's ``VERSION``. Same fingerprint and every output
there with its recorded size: the part is skipped. Otherwise it is made again, and the bytes come out identical.

Never in a fingerprint: paths of this machine, the number of workers, the time.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import xxhash

from dataflow.errors import DataflowError
from dataflow.store.storage import Storage

_BLOCK = 1 << 22


@dataclass(frozen=True)
class Made:
    """What a step function reports: the files it wrote (relative paths) and what it counted."""

    outputs: tuple[str, ...]
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """The record of a finished part."""

    step: str
    part: str
    version: int
    fingerprint: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, Mapping[str, Any]]  # relative path -> {"bytes", "hash"}
    counts: Mapping[str, int]

    def hashes(self) -> dict[str, str]:
        """Content hash of each output, as the next step's inputs."""
        return {path: str(entry["hash"]) for path, entry in self.outputs.items()}


@dataclass(frozen=True)
class Part:
    """A part that a step should make: what identifies it and what it depends on."""

    step: str
    name: str
    version: int
    config: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over version, configuration and the content hashes of the inputs."""
        made_from = {"step": self.step, "version": self.version, "config": self.config, "inputs": self.inputs}
        return hashlib.sha256(json.dumps(made_from, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def manifest_path(self) -> str:
        """Where its manifest lies."""
        return f"manifests/{self.step}/{self.name}.json"


def current(store: Storage, part: Part) -> Manifest | None:
    """The part's manifest if it was made from just this and its outputs are still there, else None."""
    manifest = load(store, part.manifest_path)
    if manifest is None or manifest.fingerprint != part.fingerprint:
        return None
    whole = all(
        store.exists(path) and store.size(path) == entry["bytes"] for path, entry in manifest.outputs.items()
    )
    return manifest if whole else None


def ensure(store: Storage, part: Part, make: Callable[[], Made]) -> tuple[Manifest, bool]:
    """The part's manifest, making the part first where it is missing; and whether it was made now.

    The old manifest goes before anything is overwritten, so that a kill in between never leaves a manifest
    beside outputs that are not its own.
    """
    if (manifest := current(store, part)) is not None:
        return manifest, False
    before = load(store, part.manifest_path)
    store.remove(part.manifest_path)
    made = make()
    if before is not None:
        for path in before.outputs.keys() - set(made.outputs):
            store.remove(path)
    outputs = {
        path: {"bytes": store.size(path), "hash": content_hash(store, path)} for path in sorted(made.outputs)
    }
    manifest = Manifest(
        step=part.step,
        part=part.name,
        version=part.version,
        fingerprint=part.fingerprint,
        inputs=dict(part.inputs),
        outputs=outputs,
        counts=dict(sorted(made.counts.items())),
    )
    store.write_json(part.manifest_path, asdict(manifest))
    return manifest, True


def load(store: Storage, path: str) -> Manifest | None:
    """A manifest from disk, or None where there is none."""
    if not store.exists(path):
        return None
    try:
        return Manifest(**store.read_json(path))
    except TypeError as error:
        fix = "Remove this file and run again: its part is made anew."
        raise DataflowError("not a manifest", store.path(path), fix) from error


def manifests(store: Storage, step: str) -> list[Manifest]:
    """All finished parts of a step, by name."""
    found = (load(store, path) for path in store.list(f"manifests/{step}", ".json"))
    return [manifest for manifest in found if manifest is not None]


def hashes_of(made: Iterable[Manifest]) -> dict[str, str]:
    """Content hash of each output of several parts."""
    return {path: digest for manifest in made for path, digest in manifest.hashes().items()}


def one_hash(hashes: Mapping[str, str]) -> dict[str, str]:
    """One hash for many files, in their order: a list of all in every manifest of a next round would be long."""
    lines = "".join(f"{path} {content}\n" for path, content in hashes.items())
    return {"all": hashlib.sha256(lines.encode()).hexdigest()}


def prune(store: Storage, step: str, keep: Iterable[str]) -> list[str]:
    """Remove every part of ``step`` that is not named in ``keep`` (its input is gone); returns their names."""
    names = set(keep)
    gone = [manifest for manifest in manifests(store, step) if manifest.part not in names]
    for manifest in gone:
        store.remove(f"manifests/{step}/{manifest.part}.json")
        for path in manifest.outputs:
            store.remove(path)
    return [manifest.part for manifest in gone]


def content_hash(store: Storage, rel: str) -> str:
    """XXH3-128 of a file's bytes, in hexadecimal."""
    digest = xxhash.xxh3_128()
    with store.open(rel) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()

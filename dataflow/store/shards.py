"""The unit of everything: how input files become shards of about ``shard_bytes``.

A large file is a shard of its own, or several where the format can be read from the middle. Small files are
gathered by a hash of their path: starting from one group, a group that grows beyond ``shard_bytes`` is divided in
two by the next bit of the hash (extendible hashing, Fagin et al. 1979). So one more file touches only the shard
its hash falls into, and never moves the others.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import xxhash

from dataflow.readers.open import InputFile, Piece, find_files, split
from dataflow.readers.source import Source
from dataflow.store.storage import Storage

_BLOCK = 1 << 22


@dataclass(frozen=True)
class InputShard:
    """Pieces of input that one call of ``curate`` reads, in this order."""

    source: str
    name: str  # unique in its source; names the output part
    pieces: tuple[Piece, ...]


def plan_shards(source: Source, shard_bytes: int) -> list[InputShard]:
    """The shards of a source, by name. With ``source.limit``, one shard that reads the files in order."""
    files = find_files(source)
    if source.limit is not None:
        pieces = tuple(piece for file in files for piece in split(file, source, shard_bytes))
        return [InputShard(source.name, f"first-{source.limit}", pieces)]
    large = [file for file in files if file.size >= shard_bytes]
    small = [file for file in files if file.size < shard_bytes]
    shards = [
        InputShard(source.name, _piece_name(piece), (piece,))
        for file in large
        for piece in split(file, source, shard_bytes)
    ]
    for name, group in _gather(small, shard_bytes):
        pieces = tuple(piece for file in group for piece in split(file, source, shard_bytes))
        shards.append(InputShard(source.name, name, pieces))
    return sorted(shards, key=lambda shard: shard.name)


def _gather(
    files: Sequence[InputFile], shard_bytes: int, prefix: str = ""
) -> list[tuple[str, list[InputFile]]]:
    """Groups of small files whose path hashes begin with the same bits, each group within ``shard_bytes``."""
    if not files:
        return []
    if len(files) == 1 or sum(file.size for file in files) <= shard_bytes or len(prefix) == 64:
        return [(f"files-{prefix}" if prefix else "files", sorted(files, key=lambda file: file.relative))]
    groups: dict[str, list[InputFile]] = {"0": [], "1": []}
    for file in files:
        groups[_bits(file.relative)[len(prefix)]].append(file)
    return [found for bit, group in groups.items() for found in _gather(group, shard_bytes, prefix + bit)]


def _bits(relative: str) -> str:
    return format(xxhash.xxh3_64_intdigest(relative.encode()), "064b")


def _piece_name(piece: Piece) -> str:
    """A readable file name, made unique by the hash of the whole relative path and the piece's start."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", piece.relative)[-60:]
    digest = xxhash.xxh3_64_hexdigest(piece.relative.encode())[:8]
    whole = piece.start == 0 and piece.end is None
    return f"{readable}-{digest}" if whole else f"{readable}-{digest}-{piece.start:015d}"


class InputHashes:
    """Content hashes of input pieces; size and modification time are only a shortcut to skip reading them again."""

    def __init__(self, store: Storage, step: str) -> None:
        self._store, self._cache = store, f"manifests/{step}/input-hashes.cache"
        self._known: dict[str, list[str]] = store.read_json(self._cache) if store.exists(self._cache) else {}
        self._used: dict[str, list[str]] = {}

    def of(self, shard: InputShard) -> dict[str, str]:
        """Hash of each piece of a shard by all that decides its rows, but not where the file is."""
        return {
            json.dumps([value for name, value in asdict(piece).items() if name != "path"]): self._piece(piece)
            for piece in shard.pieces
        }

    def save(self) -> None:
        """Keep what was asked since the start for the next run."""
        if self._used != self._known:
            self._store.write_json(self._cache, self._used)

    def _piece(self, piece: Piece) -> str:
        folder = Storage(piece.path)
        info = folder.fs.info(folder.root)
        stamp = f"{info['size']} {info.get('mtime') or info.get('ETag') or info.get('LastModified')}"
        ranged = piece.format == "jsonl"  # ranges of row groups share the whole file's hash
        key = f"{piece.path} {piece.start} {piece.end}" if ranged else piece.path
        known = self._used.get(key) or self._known.get(key)
        if known is None or known[0] != stamp:
            start, end = (piece.start, piece.end) if ranged else (0, None)
            known = [stamp, _hash_range(folder, start, end)]
        self._used[key] = known
        return known[1]


def _hash_range(file: Storage, start: int, end: int | None) -> str:
    digest = xxhash.xxh3_128()
    with file.fs.open(file.root, "rb") as stream:
        stream.seek(start)
        left = end - start if end is not None else None
        while block := stream.read(_BLOCK if left is None else min(_BLOCK, left)):
            digest.update(block)
            left = None if left is None else left - len(block)
    return digest.hexdigest()

"""Token shards on disk as one numbered list of documents: lengths and sources in memory, tokens read when
asked.

Folders are read in the order given and their parts by name, so a document's number is its place in the
schedule. Tokens are decoded a row group at a time and the latest few groups are kept: training reads
forward, so each group is decoded about once an epoch. The trade-off is one pass over the shards at the
start, for lengths and content hashes.
"""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.store.manifest import content_hash
from dataflow.store.storage import Storage
from trainer.errors import TrainerError

Array = np.ndarray[Any, np.dtype[Any]]
_CACHED_TOKENS = 64_000_000


@dataclass(frozen=True)
class ShardFile:
    """One part: where it lies and what is in it."""

    store: Storage
    rel: str
    phase: int
    hash: str
    n_documents: int
    n_tokens: int


@dataclass(frozen=True)
class _Group:
    file: int
    row_group: int
    first_document: int


@dataclass(frozen=True)
class Spans:
    """Where the loss falls: the half-open token ranges of document i are rows ``offsets[i]:offsets[i +
    1]``.
    """

    offsets: Array
    starts: Array
    ends: Array

    def mask(self, document: int, start: int, end: int) -> Array:
        """Which of the document's tokens ``start:end`` carry loss."""
        marked = np.zeros(end - start, dtype=bool)
        for at in range(int(self.offsets[document]), int(self.offsets[document + 1])):
            marked[max(0, int(self.starts[at]) - start) : max(0, int(self.ends[at]) - start)] = True
        return marked


@dataclass
class Shards:
    """All documents of some folders of token shards."""

    files: list[ShardFile]
    lengths: Array  # tokens of each document
    n_bytes: Array  # UTF-8 bytes of its text
    sources: Array  # index into source_names
    phases: Array  # number of the folder it lies in
    source_names: list[str]
    spans: Spans | None
    vocab_size: int
    special_ids: dict[str, int]
    tokenizer_sha256: str
    _groups: list[_Group] = field(default_factory=list)
    _cache: OrderedDict[int, tuple[Array, Array]] = field(default_factory=OrderedDict)

    @property
    def n_documents(self) -> int:
        """Documents in all folders."""
        return len(self.lengths)

    @property
    def n_tokens(self) -> int:
        """Tokens in all folders."""
        return int(self.lengths.sum())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the content of the parts in their order: names of folders do not matter."""
        return hashlib.sha256(json.dumps(self.describe()).encode()).hexdigest()

    def describe(self) -> list[list[Any]]:
        """[phase, part's name, content hash, documents, tokens] of each part: what a changed dataset
        differs in.
        """
        return [[f.phase, f.rel.rsplit("/", 1)[-1], f.hash, f.n_documents, f.n_tokens] for f in self.files]

    def tokens(self, document: int) -> Array:
        """Token ids of one document."""
        number = int(np.searchsorted(self._first_documents, document, side="right")) - 1
        values, offsets = self._group(number)
        at = document - self._groups[number].first_document
        return values[offsets[at] : offsets[at + 1]]

    def ids(self, documents: list[int]) -> list[str]:
        """Ids of documents, for people and joins."""
        by_group: dict[int, list[str]] = {}
        found = []
        for document in documents:
            number = int(np.searchsorted(self._first_documents, document, side="right")) - 1
            if number not in by_group:
                by_group[number] = self._read(number, ["id"]).column("id").to_pylist()
            found.append(by_group[number][document - self._groups[number].first_document])
        return found

    def token_counts(self, trained_only: bool = False) -> Array:
        """How often each id of the vocabulary occurs, in all tokens or in those that carry loss."""
        counts = np.zeros(self.vocab_size, dtype=np.int64)
        if trained_only and self.spans is not None:
            for document in range(self.n_documents):
                ids = self.tokens(document)
                marked = ids[self.spans.mask(document, 0, len(ids))]
                counts += np.bincount(marked, minlength=self.vocab_size)
            return counts
        for number in range(len(self._groups)):
            counts += np.bincount(self._group(number)[0], minlength=self.vocab_size)
        return counts

    @cached_property
    def _first_documents(self) -> Array:
        return np.array([group.first_document for group in self._groups], dtype=np.int64)

    def _read(self, number: int, columns: list[str]) -> pa.Table:
        group = self._groups[number]
        file = self.files[group.file]
        with file.store.open(file.rel) as stream:
            return pq.ParquetFile(stream).read_row_group(group.row_group, columns=columns)

    def _group(self, number: int) -> tuple[Array, Array]:
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        self._remember(number, _flat(self._read(number, ["tokens"]).column("tokens")))
        return self._cache[number]

    def _remember(self, number: int, decoded: tuple[Array, Array]) -> None:
        self._cache[number] = decoded
        while len(self._cache) > 1 and sum(len(v) for v, _ in self._cache.values()) > _CACHED_TOKENS:
            self._cache.popitem(last=False)


def open_shards(folders: tuple[str, ...] | list[str]) -> Shards:
    """The shards of ``folders`` in this order; an error where there is nothing to read or they do not
    agree.
    """
    files: list[ShardFile] = []
    none = np.zeros(0, np.int64)
    shards = Shards(files, none, none, none, none, [], None, 0, {}, "")
    lengths, n_bytes, sources, phases, spans = [], [], [], [], []
    number_of: dict[str, int] = {}
    n_documents = 0
    for phase, folder in enumerate(folders):
        store = Storage(folder)
        for rel in store.list(""):
            with store.open(rel) as stream:
                opened = pq.ParquetFile(stream)
                _agree(shards, opened.schema_arrow, store.path(rel))
                columns = ["source", "tokens", "n_bytes"]
                has_spans = "loss_spans" in opened.schema_arrow.names
                first = n_documents
                n_tokens = 0
                for row_group in range(opened.num_row_groups):
                    table = opened.read_row_group(
                        row_group, [*columns, "loss_spans"] if has_spans else columns
                    )
                    shards._groups.append(_Group(len(files), row_group, n_documents))
                    decoded = _flat(table.column("tokens"))
                    shards._remember(len(shards._groups) - 1, decoded)
                    lengths.append(np.diff(decoded[1]))
                    n_tokens += len(decoded[0])
                    n_bytes.append(table.column("n_bytes").to_numpy().astype(np.int64))
                    names = table.column("source").to_pylist()
                    sources.append(
                        np.array([number_of.setdefault(n, len(number_of)) for n in names], np.int64)
                    )
                    if has_spans:
                        spans.append(_spans(table.column("loss_spans")))
                    n_documents += table.num_rows
                phases.append(np.full(n_documents - first, phase, np.int64))
            files.append(
                ShardFile(store, rel, phase, content_hash(store, rel), n_documents - first, n_tokens)
            )
    if not n_documents:
        raise TrainerError(
            "there are no token shards with documents",
            ", ".join(folders) or "data",
            "Make them first: dataflow tokenize, or python -m tokenizer_training encode.",
        )
    shards.lengths, shards.n_bytes = np.concatenate(lengths), np.concatenate(n_bytes)
    shards.sources, shards.phases = np.concatenate(sources), np.concatenate(phases)
    shards.source_names = list(number_of)
    if spans:
        counts = np.concatenate([c for c, _, _ in spans])
        offsets = np.concatenate(([0], np.cumsum(counts)))
        shards.spans = Spans(
            offsets, np.concatenate([s for _, s, _ in spans]), np.concatenate([e for _, _, e in spans])
        )
    return shards


def _agree(shards: Shards, schema: pa.Schema, where: str) -> None:
    """Take tokenizer and special ids from the first footer, and refuse a file that differs from it."""
    footer = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    missing = {"tokenizer_sha256", "special_ids", "vocab_size"} - footer.keys()
    if missing or not {"id", "source", "tokens", "n_bytes"} <= set(schema.names):
        raise TrainerError("not a token shard", where, "Encode the corpus with tokenizer_training first.")
    if shards.vocab_size and footer["tokenizer_sha256"] != shards.tokenizer_sha256:
        raise TrainerError("made with another tokenizer than the other shards", where, "Encode it again.")
    shards.vocab_size = int(footer["vocab_size"])
    shards.special_ids = json.loads(footer["special_ids"])
    shards.tokenizer_sha256 = footer["tokenizer_sha256"]


def _flat(column: pa.ChunkedArray) -> tuple[Array, Array]:
    """Values and offsets of a list column."""
    combined = column.combine_chunks()
    chunks = combined.chunks if isinstance(combined, pa.ChunkedArray) else [combined]
    values = [c.flatten().to_numpy() for c in chunks]
    lengths = [c.value_lengths().to_numpy() for c in chunks]
    offsets = np.concatenate(([0], np.cumsum(np.concatenate(lengths) if lengths else np.zeros(0, np.int64))))
    return (np.concatenate(values) if values else np.zeros(0, np.uint16)), offsets.astype(np.int64)


def _spans(column: pa.ChunkedArray) -> tuple[Array, Array, Array]:
    """Number of spans of each document, and starts and ends of all of them."""
    chunks = column.chunks
    counts = [c.value_lengths().to_numpy() for c in chunks]
    flat = [c.flatten() for c in chunks]
    starts = [f.field("start").to_numpy() for f in flat]
    ends = [f.field("end").to_numpy() for f in flat]
    return np.concatenate(counts), np.concatenate(starts), np.concatenate(ends)

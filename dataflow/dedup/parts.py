"""What deduplication works on: the documents of this run shard by shard, and the indexes of earlier corpora.

Both have the same columns (``id``, ``exact_hash``, ``url``, ``signature``) and the same place for their ranks, so
that no round needs to know which of the two it reads. Of this run those take part that passed the rules; of an
index all do. Only shapes and paths stand here, and how rows are read a batch at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.dedup.config import Near
from dataflow.errors import DataflowError
from dataflow.store.storage import Storage

Rows = npt.NDArray[np.bool_]
"""A mark for each row of a part."""
Signatures = npt.NDArray[np.uint64]
"""One row a document, one column a permutation."""

NOTHING = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
"""Every value of the signature of a text without words."""

RANKS = pa.schema(
    {
        "rank": pa.int64(),  # place in survivor order among all that take part, earlier corpora first; else -1
        "first": pa.int64(),  # rank of the document that stands for it by text or URL; else -1
        "kind": pa.string(),  # exact or url, by which the other stands for it; null where it stands itself
    }
)
"""``dedup/ranks/...``: a row for each row of a part."""

_BATCH = 16_384  # documents whose signatures are held at a time: 15 MB at 112 permutations
_AGAIN = "Run the step curate again with this recipe."


@dataclass(frozen=True)
class EarlierPart:
    """Where a part of an earlier corpus lies: its index, in the folder of another run."""

    name: str  # of the corpus, as the recipe says in `dedup.against`
    folder: str  # path or URL of that run
    content: str  # content hash of the file, as its index says


@dataclass(frozen=True)
class DedupPart:
    """A shard of this run, or of the index of an earlier corpus."""

    source: str
    shard: str
    earlier: EarlierPart | None = None

    @property
    def name(self) -> str:
        """``source/shard``, or ``@name/source/shard`` for a part of an earlier corpus: unique."""
        return (
            f"@{self.earlier.name}/{self.source}/{self.shard}"
            if self.earlier
            else f"{self.source}/{self.shard}"
        )

    @property
    def ranks(self) -> str:
        """Path of its ranks, in the folder of this run."""
        return f"dedup/ranks/{self.name}.parquet"

    @property
    def table(self) -> str:
        """Path of the table with ``id``, ``exact_hash``, ``url`` (or ``url_key``) and ``signature``."""
        return f"{'index' if self.earlier else 'documents'}/{self.source}/{self.shard}.parquet"

    def storage(self, store: Storage) -> Storage:
        """The folder in which ``table`` lies; ``store`` is that of this run."""
        return Storage(self.earlier.folder) if self.earlier else store

    def read(self, store: Storage, columns: Sequence[str]) -> pa.Table:
        """Columns of ``table``."""
        return self.storage(store).read_table(self.table, columns)

    def is_long(self, store: Storage, near: Near) -> Rows:
        """Which rows of ``table`` have as much as a shingle; the others are compared exactly only."""
        if self.earlier:  # an index leaves the signature out where a text is too short
            valid = [pc.is_valid(batch.column(0)) for batch in self._batches(store)]
            return np.asarray(pa.chunked_array(valid, pa.bool_()).to_numpy(), np.bool_)
        unit = "n_words" if near.unit == "words" else "n_characters"
        counted = store.read_table(f"signals/{self.source}/{self.shard}.parquet", [unit])
        return np.asarray(counted[unit].to_numpy() >= near.shingle, np.bool_)

    def signatures(
        self, store: Storage, near: Near, wanted: Rows
    ) -> Iterator[tuple[npt.NDArray[np.int64], Signatures]]:
        """Row numbers and signatures of the ``wanted`` rows that have words, a batch at a time."""
        if not wanted.any():
            return
        start = 0
        for batch in self._batches(store):
            rows = np.flatnonzero(wanted[start : start + len(batch)])
            column = batch.column(0)
            signatures = self._as_rows(
                column.take(pa.array(rows)) if len(rows) < len(column) else column, near
            )
            doubtful = np.flatnonzero(signatures[:, 0] == NOTHING)  # one value may be so by chance
            empty = doubtful[(signatures[doubtful] == NOTHING).all(axis=1)]
            if len(empty):
                rows, signatures = np.delete(rows, empty), np.delete(signatures, empty, axis=0)
                signatures.flags.writeable = (
                    False  # as all others: kernels are compiled for one kind of array
                )
            yield rows + start, signatures
            start += len(batch)

    def _batches(self, store: Storage) -> Iterator[pa.RecordBatch]:
        with self.storage(store).open(self.table) as stream:
            yield from pq.ParquetFile(stream).iter_batches(_BATCH, columns=["signature"])

    def _as_rows(self, column: pa.Array, near: Near) -> Signatures:
        """Signatures as stored to a row each; an error where they are not of the configuration's shape."""
        width = near.permutations * 8
        lengths = pc.unique(pc.fill_null(pc.binary_length(column), 0)).to_pylist()
        if others := [length for length in lengths if length != width]:
            what = f"signatures of {others[0] // 8} values, but this recipe asks for {near.permutations}"
            raise DataflowError(what, self.table, _AGAIN)
        if not len(column):
            return np.empty((0, near.permutations), np.uint64)
        _, offsets, data = column.cast(pa.binary()).buffers()
        start = int(np.frombuffer(offsets, np.int32)[column.offset])
        values = np.frombuffer(data, "<u8", len(column) * near.permutations, start)
        return values.reshape(len(column), near.permutations)

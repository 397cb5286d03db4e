"""What is cut from each document, and which documents go because too little of them is left: decisions/cuts.

``cut_passages`` reads the texts of documents that lost a passage once more and lists their passages again: that
gives the places, which nobody had to carry along, and the words that are left. ``write_cuts`` puts ids in the place
of ranks, in one task of bounded memory.

Memory of ``cut_passages``: 16 bytes for each repeated passage of the shard, and a few hundred documents.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.dedup.batched import read_batch
from dataflow.dedup.config import Dedup
from dataflow.dedup.database import by_part, database, insert
from dataflow.dedup.passages.find import (
    DECIDED,
    ROUNDS,
    Part,
    decided_path,
    removed_path,
    shift_of,
    wanted_of,
)
from dataflow.dedup.texts import read_texts
from dataflow.errors import DataflowError
from dataflow.store.documents import CUTS
from dataflow.store.manifest import Made
from dataflow.store.storage import Storage

CUT = pa.schema(
    {
        "row": pa.int64(),
        "spans": CUTS.field("spans").type,
        "bytes_cut": pa.int64(),
        "bytes_left": pa.int64(),
        "keeper": pa.int64(),  # rank of the document that keeps most of what is cut
        "too_little": pa.bool_(),
    }
)
"""What a round cuts from a shard, in the order of its rows."""


def cut_path(number: int, part: Part) -> str:
    """Where round ``number`` says what is cut from a shard."""
    return f"dedup/passages/cut-{number}/{part[0]}/{part[1]}.parquet"


def cut_passages(
    store: Storage, part: Part, index: int, config: Dedup, n_partitions: int, number: int
) -> Made:
    """Round ``number``: write what is cut from shard ``part``, the one at ``index``, and who has too little left.

    Only documents of which something else was decided than in the round before are cut anew. From ``ROUNDS`` on
    what was removed in the round before stays removed.
    """
    decided = _Decided.read(store, index, number, n_partitions)
    concerned = np.unique(decided.row[decided.keeper >= 0]).astype(np.int64)
    ranks = store.read_table(f"dedup/ranks/{part[0]}/{part[1]}.parquet", ["rank"])["rank"].to_numpy()
    tables, staying = [CUT.empty_table()], np.empty(0, np.int64)
    if number > 1:
        last = _Decided.read(store, index, number - 1, n_partitions)
        concerned = np.unique(decided.row[decided.keeper != last.keeper]).astype(np.int64)
        before = store.read_table(cut_path(number - 1, part))
        tables.append(before.filter(~np.isin(before["row"].to_numpy(), concerned)))
    if number > ROUNDS:
        staying = store.read_table(removed_path(number - 1, part))["rank"].to_numpy()
    decided = decided.of(concerned)
    for rows, texts in read_texts(store, f"documents/{part[0]}/{part[1]}.parquet", concerned):
        tables += _cut(texts, rows, ranks[rows], decided, config, shift_of(n_partitions))
    table = pa.concat_tables(tables)
    table = table.take(np.argsort(table["row"].to_numpy())).combine_chunks()
    own = ranks[table["row"].to_numpy()]
    removed = np.union1d(own[table["too_little"].to_numpy()], staying)
    table = table.set_column(CUT.get_field_index("too_little"), "too_little", pa.array(np.isin(own, removed)))
    store.write_table(cut_path(number, part), table)
    store.write_table(removed_path(number, part), pa.table({"rank": removed}))
    return Made((cut_path(number, part), removed_path(number, part)), {"too_little": len(removed)})


def write_cuts(
    store: Storage, parts: Sequence[Part], number: int, config: Dedup, counted: Mapping[str, int]
) -> Made:
    """Write ``decisions/cuts`` of every shard from what round ``number`` cut; ``counted`` adds to the counts."""
    outputs = []
    counts = Counter[str](dict.fromkeys(("documents_cut", "bytes_cut", "removed"), 0))
    with database(config.memory_limit) as connection:
        connection.execute("CREATE TABLE cuts (part BIGINT, place BIGINT, rank BIGINT)")
        connection.execute("CREATE TABLE names (rank BIGINT, id VARCHAR)")
        for at, part in enumerate(parts):
            keeper = store.read_table(cut_path(number, part), ["keeper"])["keeper"]
            columns = {
                "part": np.full(len(keeper), at, np.int64),
                "place": np.arange(len(keeper)),
                "rank": keeper,
            }
            insert(connection, "cuts", pa.table(columns))
        for part in parts:
            ids = store.read_table(f"documents/{part[0]}/{part[1]}.parquet", ["id"])["id"]
            ranks = store.read_table(f"dedup/ranks/{part[0]}/{part[1]}.parquet", ["rank"])["rank"]
            insert(connection, "names", pa.table({"rank": ranks, "id": ids}), among="cuts")
        query = "SELECT part, place, id FROM cuts JOIN names USING (rank) ORDER BY part, place"
        for at, named in by_part(connection, query, len(parts)):
            outputs.append(f"decisions/cuts/{parts[at][0]}/{parts[at][1]}.parquet")
            table = _decisions(store, parts[at], number, named["id"], config)
            store.write_table(outputs[-1], table)
            counts["documents_cut"] += len(table)
            counts["bytes_cut"] += pc.sum(table["bytes_cut"], min_count=0).as_py()
            counts["removed"] += pc.sum(table["removed"], min_count=0).as_py()
    store.keep_only("decisions/cuts", outputs)
    return Made(tuple(outputs), {**counts, **counted})


def _decisions(store: Storage, part: Part, number: int, survivor: pa.ChunkedArray, config: Dedup) -> pa.Table:
    cut = store.read_table(cut_path(number, part))
    ids = store.read_table(f"documents/{part[0]}/{part[1]}.parquet", ["id"])["id"].take(cut["row"])
    applied = config.mode == "remove"
    columns = {name: cut[name] for name in ("spans", "bytes_cut", "bytes_left")} | {
        "id": ids,
        "survivor": survivor,
        "removed": cut["too_little"] if applied else pa.repeat(False, len(cut)),
        "applied": pa.repeat(applied, len(cut)),
    }
    return pa.table({name: columns[name] for name in CUTS.names}).cast(CUTS).combine_chunks()


@dataclass(frozen=True)
class _Decided:
    """What was decided of repeated passages of a shard: partition after partition, each by row and number."""

    row: npt.NDArray[np.int32]
    number: npt.NDArray[np.int32]
    keeper: npt.NDArray[np.int64]
    following: npt.NDArray[np.int64]
    """By partition: the first that has not been found in a text. The kernel moves it on."""
    last: npt.NDArray[np.int64]

    @classmethod
    def read(cls, store: Storage, index: int, number: int, n_partitions: int) -> "_Decided":
        nothing = pa.RecordBatch.from_pylist([], DECIDED)
        batches = [
            read_batch(store, decided_path(number, partition), index) or nothing
            for partition in range(n_partitions)
        ]
        row, place, keeper = (
            np.concatenate([batch[name].to_numpy() for batch in batches]) for name in DECIDED.names
        )
        last = np.cumsum([len(batch) for batch in batches], dtype=np.int64)
        return cls(row, place, keeper, np.r_[0, last[:-1]], last)

    def of(self, rows: npt.NDArray[np.int64]) -> "_Decided":
        """What was decided of passages of the given documents."""
        wanted = np.isin(self.row, rows)
        before = np.concatenate([[0], np.cumsum(wanted)])
        return _Decided(
            self.row[wanted],
            self.number[wanted],
            self.keeper[wanted],
            before[self.following],
            before[self.last],
        )

    def up_to(self, row: int) -> int:
        """How many that have not been found there are of documents up to ``row``."""
        return sum(
            int(np.searchsorted(self.row[first:last], row, side="right"))
            for first, last in zip(self.following, self.last, strict=True)
        )


def _cut(
    texts: pa.LargeStringArray,
    rows: npt.NDArray[np.int64],
    ranks: npt.NDArray[np.int64],
    decided: _Decided,
    config: Dedup,
    shift: int,
) -> Iterator[pa.Table]:
    """What is cut from some documents that lose passages; those from which nothing is cut are left out."""
    from dataflow.kernels import characters
    from dataflow.kernels.arrow import buffers
    from dataflow.kernels.passage_cuts import cut_documents, find_decided
    from dataflow.kernels.passages import KINDS, passages

    wanted = wanted_of(config)
    data, offsets = buffers(texts)
    for group in passages(texts, wanted):
        own = slice(group.first, group.last)
        bounds, n = offsets[group.first : group.last + 1], group.last - group.first
        n_decided = decided.up_to(int(rows[own][-1]))
        found_of, found, keeper = (
            np.zeros(n + 1, np.int64),
            np.empty(n_decided, np.int64),
            np.empty(n_decided, np.int64),
        )
        find_decided(
            rows[own], group.listed_of, group.hash, group.word_of, group.word_hash, wanted.words, np.uint64(shift),
            decided.row, decided.number, decided.keeper, decided.following, decided.last, found_of, found, keeper,
        )  # fmt: skip
        if found_of[-1] != n_decided:
            raise DataflowError(
                f"{n_decided:,} passages were decided on, and {found_of[-1]:,} of them are in the texts",
                "dedup/passages",
                "The documents have changed since: run `dataflow dedup` again.",
            )
        listed = np.stack([group.start, group.end, group.first_word, group.n_words])
        spans_of, spans = np.zeros(n + 1, np.int64), np.empty((3, n_decided), np.int64)
        words_cut, survivor = np.empty(n, np.int64), np.empty(n, np.int64)
        cut_documents(
            data, bounds, characters.table(), ranks[own], group.listed_of, group.kind, listed, group.word_of,
            group.word_start, group.word_length, wanted.words, found_of, found, keeper, spans_of, spans, words_cut,
            survivor,
        )  # fmt: skip
        some = words_cut > 0
        start, end, kind = spans[:, : spans_of[-1]]
        structs = pa.StructArray.from_arrays(
            [pa.array(start), pa.array(end - start), pa.array(KINDS).take(pa.array(kind))],
            fields=list(CUTS.field("spans").type.value_type),
        )
        total = np.concatenate([[0], np.cumsum(end - start)])
        bytes_cut = np.diff(total[spans_of])
        columns = {
            "row": rows[own],
            "spans": pa.ListArray.from_arrays(spans_of.astype(np.int32), structs).cast(
                CUT.field("spans").type
            ),
            "bytes_cut": bytes_cut,
            "bytes_left": np.diff(bounds) - bytes_cut,
            "keeper": survivor,
            "too_little": np.diff(group.word_of) - words_cut < config.min_left_words,
        }
        yield pa.table(columns).filter(pa.array(some))

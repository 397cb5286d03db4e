"""Which tokens of which documents stand in which row: arithmetic on lengths, no token is read.

A *piece* is a run of tokens of one document that are predicted in one row: tokens ``start:end`` are its
labels, the tokens one earlier its inputs; what stands before a document's first token is the
end-of-document token. So every token of a corpus is a label exactly once, cut or not. The order of the
corpus is the schedule: pieces are taken forward, and only within a window of some hundred thousand tokens
are they packed into rows by best fit, longest first (Ding et al. 2024, "Fewer truncations"), and these rows
shuffled. Row i is a pure function of (dataset, seed, epoch, seq_len). The trade-off: a proportion holds in
every prefix only to within a window.

Conversations (documents with spans) start from their own first token, which is therefore input only, and
are shuffled anew each epoch.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from trainer.errors import TrainerError
from trainer.shards import Array, Shards

WINDOW_TOKENS = 131_072
"""Tokens packed together; a window never reaches over the end of a phase."""


@dataclass(frozen=True)
class Account:
    """What became of the tokens of one source; ``read`` is the sum of the others."""

    source: str
    read: int
    trained: int  # predicted, with loss
    context: int  # in a row, but input only (the user's turns)
    cropped: int  # beyond a row, cut off
    dropped: int  # in documents or pieces left out


@dataclass(frozen=True)
class Pieces:
    """Runs of tokens in the order of the corpus."""

    document: Array
    start: Array
    end: Array
    labels: Array  # predicted tokens that carry loss
    accounts: list[Account]

    @property
    def sizes(self) -> Array:
        """Positions that each piece takes in a row."""
        return self.end - self.start


def cut(
    shards: Shards, seq_len: int, overlong: Literal["split", "crop", "drop"], keep: Array | None = None
) -> Pieces:
    """Cut documents (all, or those where ``keep``) into pieces of at most ``seq_len`` positions."""
    first = 1 if shards.spans is not None else 0
    chosen = np.arange(shards.n_documents) if keep is None else np.flatnonzero(keep)
    sizes = np.maximum(shards.lengths[chosen] - first, 0)
    if overlong == "split":
        n_pieces = -(-sizes // seq_len)
    elif overlong == "crop":
        n_pieces = np.minimum(sizes, 1)
    else:
        n_pieces = ((sizes > 0) & (sizes <= seq_len)).astype(np.int64)
    document = np.repeat(chosen, n_pieces)
    within = np.arange(len(document)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    start = first + within * seq_len
    end = np.minimum(start + seq_len, shards.lengths[document])
    labels = end - start
    if shards.spans is not None:
        each = zip(document.tolist(), start.tolist(), end.tolist(), strict=True)
        labels = np.array([int(shards.spans.mask(*piece).sum()) for piece in each], dtype=np.int64)
    full = labels > 0
    accounts = _account(shards, chosen, document, start, end, labels, full, overlong)
    return Pieces(document[full], start[full], end[full], labels[full], accounts)


def _account(
    shards: Shards,
    chosen: Array,
    document: Array,
    start: Array,
    end: Array,
    labels: Array,
    full: Array,
    overlong: str,
) -> list[Account]:
    """Count every token of ``chosen`` once. The first token of a conversation's first piece is context."""
    first = 1 if shards.spans is not None else 0
    n_sources = len(shards.source_names)

    def by_source(documents: Array, counts: Array) -> Array:
        return np.bincount(shards.sources[documents], weights=counts, minlength=n_sources).astype(np.int64)

    taken = (
        end - start + np.where(start == first, first, 0)
    )  # tokens of a document that only this piece holds
    read = by_source(chosen, shards.lengths[chosen])
    trained = by_source(document[full], labels[full])
    context = by_source(document[full], (taken - labels)[full])
    cropped = np.zeros(n_sources, np.int64)
    if overlong == "crop":
        cropped = by_source(document[full], (shards.lengths[document] - end)[full])
    dropped = read - trained - context - cropped
    rows = zip(
        shards.source_names, *(a.tolist() for a in (read, trained, context, cropped, dropped)), strict=True
    )
    return [Account(*row) for row in rows]


def best_fit(sizes: list[int], capacity: int) -> list[list[int]]:
    """Indexes of ``sizes`` grouped so that each group fits ``capacity``: longest first, into the tightest
    gap.
    """
    rows: list[list[int]] = []
    gaps: list[tuple[int, int]] = []  # (space left, row), sorted
    for index in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        at = bisect_left(gaps, (sizes[index], -1))
        if at == len(gaps):
            space, row = capacity, len(rows)
            rows.append([])
        else:
            space, row = gaps.pop(at)
        rows[row].append(index)
        if space > sizes[index]:
            insort(gaps, (space - sizes[index], row))
    return rows


@dataclass(frozen=True)
class Rows:
    """All rows of one epoch: row r holds ``pieces[starts[r]:starts[r + 1]]``."""

    pieces: Array
    starts: Array
    labels: Array  # predicted tokens with loss, of each row

    def __len__(self) -> int:
        return len(self.starts) - 1


def pack(
    pieces: Pieces,
    phases: Array,
    seq_len: int,
    seed: int,
    epoch: int,
    shuffle: bool,
    window: int = WINDOW_TOKENS,
) -> Rows:
    """The rows of an epoch; ``phases`` numbers the phase of each document, over which no window reaches."""
    order = np.arange(len(pieces.document))
    if shuffle:
        order = np.random.default_rng((seed, epoch)).permutation(order)
    sizes = pieces.sizes[order]
    packed: list[int] = []
    starts = [0]
    for number, (low, high) in enumerate(_windows(sizes, phases[pieces.document[order]], shuffle, window)):
        rows = best_fit(sizes[low:high].tolist(), seq_len)
        for row in np.random.default_rng((seed, epoch, number)).permutation(len(rows)).tolist():
            packed.extend(low + index for index in sorted(rows[row]))
            starts.append(len(packed))
    placed = order[np.array(packed, dtype=np.int64)]
    bounds = np.array(starts, dtype=np.int64)
    labels = np.add.reduceat(pieces.labels[placed], bounds[:-1]) if len(placed) else np.zeros(0, np.int64)
    return Rows(placed, bounds, labels)


def _windows(sizes: Array, phases: Array, shuffle: bool, window: int) -> Iterator[tuple[int, int]]:
    """Ranges of pieces that are packed together."""
    if not len(sizes):
        return
    before = np.cumsum(sizes) - sizes
    phase = np.zeros_like(phases) if shuffle else phases
    first_of_phase = np.concatenate(([True], phase[1:] != phase[:-1]))
    base = np.maximum.accumulate(np.where(first_of_phase, before, 0))
    number = (before - base) // window
    changes = np.flatnonzero((np.diff(number) != 0) | first_of_phase[1:]) + 1
    yield from pairwise([0, *changes.tolist(), len(sizes)])


@dataclass
class RowPlan:
    """The rows of all epochs, numbered without end; epochs are packed when first asked for."""

    shards: Shards
    pieces: Pieces
    seq_len: int
    seed: int
    shuffle: bool
    _epochs: list[Rows] = field(default_factory=list)

    def epoch(self, number: int) -> Rows:
        """The rows of an epoch."""
        while len(self._epochs) <= number:
            epoch = len(self._epochs)
            rows = pack(self.pieces, self.shards.phases, self.seq_len, self.seed, epoch, self.shuffle)
            self._epochs.append(rows)
        return self._epochs[number]

    def locate(self, row: int) -> tuple[int, int]:
        """(epoch, row in it) of a row numbered from the beginning of the run."""
        epoch = 0
        while row >= len(self.epoch(epoch)):
            row -= len(self.epoch(epoch))
            epoch += 1
        return epoch, row

    def n_rows(self, epochs: int) -> int:
        """Rows in the first ``epochs`` epochs."""
        return sum(len(self.epoch(epoch)) for epoch in range(epochs))

    def pieces_of(self, row: int) -> list[tuple[int, int, int]]:
        """(document, start, end) of everything in a row."""
        epoch, at = self.locate(row)
        rows = self.epoch(epoch)
        chosen = rows.pieces[rows.starts[at] : rows.starts[at + 1]]
        found = (self.pieces.document[chosen], self.pieces.start[chosen], self.pieces.end[chosen])
        return list(zip(*(column.tolist() for column in found), strict=True))

    def labels_of(self, row: int) -> int:
        """Predicted tokens with loss in a row."""
        epoch, at = self.locate(row)
        return int(self.epoch(epoch).labels[at])


def make_plan(
    shards: Shards,
    seq_len: int,
    overlong: Literal["split", "crop", "drop"],
    seed: int,
    shuffle: bool,
    keep: Array | None = None,
) -> RowPlan:
    """Cut and pack; an error where nothing is left to train on."""
    pieces = cut(shards, seq_len, overlong, keep)
    if not len(pieces.document):
        where = ", ".join(dict.fromkeys(file.store.url for file in shards.files))
        raise TrainerError(
            f"no token is left to train on with seq_len {seq_len} and overlong: {overlong}",
            where,
            "Choose a longer seq_len or overlong: split.",
        )
    return RowPlan(shards, pieces, seq_len, seed, shuffle)

"""Batches from the plan of rows, one thread ahead of training; its whole state is a few counters.

Step s takes rows ``[s B, (s + 1) B)`` and rank r of a world takes every world-th of them, so any world and
any size of micro-batch see the same global batches. Nothing is buffered that a resume could lose: the state
is which data, which epoch, how many rows. Rows beyond the last one asked for are padding only, so the last
step may be small.
"""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.errors import TrainerError
from trainer.packing import RowPlan


@dataclass(frozen=True)
class Batch:
    """Rows of one forward pass, and flat lists of the positions that carry loss."""

    tokens: Tensor  # (rows, T) input ids
    positions: Tensor  # (rows, T) position in the piece
    segments: Tensor | None  # (rows, T) which piece; None where no row holds two
    where: Tensor  # (labels,) flat position
    labels: Tensor  # (labels,) id to be predicted there
    sources: Tensor  # (labels,) source of the document

    def to(self, device: torch.device) -> "Batch":
        """The same on ``device``."""
        if device.type == "cpu":
            return self

        def move(tensor: Tensor) -> Tensor:
            return tensor.pin_memory().to(device, non_blocking=True)

        segments = None if self.segments is None else move(self.segments)
        rest = (move(t) for t in (self.where, self.labels, self.sources))
        return Batch(move(self.tokens), move(self.positions), segments, *rest)


@dataclass(frozen=True)
class Step:
    """What one rank needs for one optimiser step."""

    micro_batches: list[Batch]
    n_labels: int  # tokens with loss in the global batch, all ranks


def make_batch(plan: RowPlan, rows: list[int | None], isolate: bool = True) -> Batch:
    """Rows of the plan as tensors; None is a row of padding."""
    shards, length = plan.shards, plan.seq_len
    end_of_text = shards.special_ids["<|endoftext|>"]
    tokens = np.full((len(rows), length), end_of_text, dtype=np.int64)
    positions = np.zeros((len(rows), length), dtype=np.int64)
    segments = np.zeros((len(rows), length), dtype=np.int32)
    where, labels, sources = [], [], []
    most = 0
    for r, row in enumerate(rows):
        at = 0
        held = [] if row is None else plan.pieces_of(row)
        for number, (document, start, end) in enumerate(held):
            ids = shards.tokens(document).astype(np.int64)
            size = end - start
            if start:
                tokens[r, at : at + size] = ids[start - 1 : end - 1]
            else:
                tokens[r, at + 1 : at + size] = ids[: end - 1]
            if isolate:
                positions[r, at : at + size] = np.arange(size)
                segments[r, at : at + size] = number
            marked = np.arange(size)
            if shards.spans is not None:
                marked = np.flatnonzero(shards.spans.mask(document, start, end))
            where.append(r * length + at + marked)
            labels.append(ids[start + marked])
            sources.append(np.full(len(marked), shards.sources[document]))
            at += size
        if isolate:
            segments[r, at:] = len(held)  # padding looks back at padding only
            positions[r, at:] = np.arange(length - at)
        else:
            positions[r] = np.arange(length)
        most = max(most, len(held))
    flat = [
        torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *part])) for part in (where, labels, sources)
    ]
    # A single piece followed by padding needs no mask: causality already hides what comes after.
    packed = torch.from_numpy(segments) if isolate and most > 1 else None
    return Batch(torch.from_numpy(tokens), torch.from_numpy(positions), packed, *flat)


@dataclass
class Loader:
    """Endless steps of the plan for one rank."""

    plan: RowPlan
    batch_rows: int
    micro_rows: int
    last_row: int
    isolate: bool = True
    rank: int = 0
    world: int = 1
    rows_consumed: int = 0

    def state(self) -> dict[str, Any]:
        """Where the run stands in its data."""
        epoch = self.plan.locate(self.rows_consumed)[0]
        return {
            "fingerprint": self.plan.shards.fingerprint,
            "epoch": epoch,
            "rows_consumed": self.rows_consumed,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from ``state``; data other than the state's is refused."""
        if state["fingerprint"] != self.plan.shards.fingerprint:
            raise TrainerError(
                "the training data has changed since the checkpoint",
                "resume",
                "Start again with --fresh, or put the old data back.",
            )
        self.rows_consumed = int(state["rows_consumed"])

    def step_at(self, first_row: int) -> Step:
        """This rank's share of the global batch that begins at ``first_row``."""
        real = range(first_row, min(first_row + self.batch_rows, self.last_row))
        n_labels = sum(self.plan.labels_of(row) for row in real)
        rows = range(first_row + self.rank, first_row + self.batch_rows, self.world)
        mine = [row if row < self.last_row else None for row in rows]
        parts = [mine[at : at + self.micro_rows] for at in range(0, len(mine), self.micro_rows)]
        kept = [part for part in parts if any(row is not None for row in part)] or parts[:1]
        return Step([make_batch(self.plan, part, self.isolate) for part in kept], n_labels)

    def __iter__(self) -> Iterator[Step]:
        """Steps from where the state stands; the next ones are prepared in a thread."""
        ready: queue.Queue[Step | BaseException | None] = queue.Queue(maxsize=2)
        stop = threading.Event()

        def put(item: Step | BaseException | None) -> None:
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.2)
                    return
                except queue.Full:
                    continue

        def prepare() -> None:
            try:
                for first in range(self.rows_consumed, self.last_row, self.batch_rows):
                    if stop.is_set():
                        return
                    put(self.step_at(first))
                put(None)
            except BaseException as error:  # told in the training thread, where it can be handled
                put(error)

        thread = threading.Thread(target=prepare, name="loader", daemon=True)
        thread.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                self.rows_consumed = min(self.rows_consumed + self.batch_rows, self.last_row)
                yield item
        finally:
            stop.set()
            thread.join()


def dataset_diff_of(before: list[list[Any]], now: list[list[Any]]) -> str:
    """Which parts differ between two descriptions of a dataset (``Shards.describe``), in a few words."""
    old = {(part[0], part[1]): part[2] for part in before}
    new = {(part[0], part[1]): part[2] for part in now}
    gone, added = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    changed = sorted(key for key in old.keys() & new.keys() if old[key] != new[key])
    said = [
        f"{word} {', '.join(f'{name} of phase {phase}' for phase, name in keys[:3])}"
        + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
        for word, keys in (("gone:", gone), ("added:", added), ("changed:", changed))
        if keys
    ]
    return "; ".join(said) or "order of the parts"

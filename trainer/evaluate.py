"""How good a model is on text it never saw: loss, perplexity, bits per byte, over all and per source.

Bits per byte is the sum of -log2 p over all tokens divided by the UTF-8 bytes of the text: unlike loss per
token it compares models with different tokenizers, and it compares with a compressor. The first token of a
document and the one that ends it are predicted too and counted. A number alone says little, so it stands
beside three others on the same documents: a unigram model of the training tokens (what knowing only
frequencies gives), gzip and xz.
"""

import gzip
import lzma
import math
from dataclasses import dataclass

import numpy as np
import torch

from dataflow.store.storage import Storage
from trainer.attention import document_mask
from trainer.errors import TrainerError
from trainer.loader import make_batch
from trainer.loss import sums_by_source, token_losses
from trainer.model import Decoder
from trainer.packing import RowPlan, make_plan
from trainer.parallel import World, autocast
from trainer.shards import Array, Shards


@dataclass(frozen=True)
class Score:
    """Loss in nats over some tokens, and the bytes they spell."""

    nats: float
    tokens: int
    n_bytes: int

    @property
    def loss(self) -> float:
        """Mean loss of a token, in nats."""
        return self.nats / self.tokens

    @property
    def bits_per_byte(self) -> float:
        """Bits the model needs for a byte of text."""
        return self.nats / (math.log(2) * self.n_bytes)

    def as_dict(self) -> dict[str, float | int]:
        """For JSON: loss, perplexity, bits per byte, and over how much."""
        return {
            "loss": self.loss,
            "perplexity": math.exp(min(self.loss, 700.0)),
            "bits_per_byte": self.bits_per_byte,
            "tokens": self.tokens,
            "bytes": self.n_bytes,
        }


@dataclass(frozen=True)
class Scores:
    """The score over all documents and of each source."""

    overall: Score
    sources: dict[str, Score]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**self.overall.as_dict(), "sources": {n: s.as_dict() for n, s in self.sources.items()}}


@dataclass(frozen=True)
class Validation:
    """Validation documents packed into rows."""

    plan: RowPlan
    keep: Array  # which documents of the shards are taken

    @property
    def shards(self) -> Shards:
        """The shards they come from."""
        return self.plan.shards


def make_validation(shards: Shards, seq_len: int, eval_tokens: int) -> Validation:
    """All documents, or where they hold more than ``eval_tokens`` tokens, some at even distances."""
    share = min(1.0, eval_tokens / max(1, shards.n_tokens))
    steps = np.floor(np.arange(shards.n_documents + 1) * share + 1e-9)
    keep = np.diff(steps) > 0
    if not keep.any():
        keep[0] = True
    plan = make_plan(shards, seq_len, "split", seed=0, shuffle=False, keep=keep)
    return Validation(plan, keep)


@torch.no_grad()
def validate(
    model: Decoder, validation: Validation, world: World, dtype: torch.dtype, rows: int, isolate: bool = True
) -> Scores:
    """The model's score, the rows shared out among all processes and the sums added up."""
    plan, shards = validation.plan, validation.shards
    was_training = model.training
    model.eval()
    sums = torch.zeros(2, len(shards.source_names), dtype=torch.float64)
    mine = list(range(world.rank, plan.n_rows(1), world.size))
    for at in range(0, len(mine), rows):
        batch = make_batch(plan, list(mine[at : at + rows]), isolate).to(world.device)
        mask = None if batch.segments is None else document_mask(batch.segments, dtype)
        with autocast(world.device, dtype):
            hidden = model(batch.tokens, batch.positions, mask)
        chosen = hidden.float().flatten(0, 1).index_select(0, batch.where)
        losses = token_losses(chosen, model.head_weight, batch.labels, dtype)
        sums += sums_by_source(losses, batch.sources, len(shards.source_names)).cpu()
    model.train(was_training)
    totals = world.sum(sums.to(world.device)).cpu()
    n_bytes = np.bincount(
        shards.sources, weights=shards.n_bytes * validation.keep, minlength=len(shards.source_names)
    )
    return _scores(shards.source_names, totals[0].numpy(), totals[1].numpy(), n_bytes)


def unigram(validation: Validation, train_counts: Array) -> Scores:
    """The score of a model that knows only how often each token occurs in training (add-one smoothing)."""
    shards = validation.shards
    nats_of = -np.log((train_counts + 1) / (train_counts.sum() + len(train_counts)))
    n_sources = len(shards.source_names)
    nats, tokens, n_bytes = np.zeros(n_sources), np.zeros(n_sources), np.zeros(n_sources)
    for document in np.flatnonzero(validation.keep).tolist():
        ids = shards.tokens(document)
        if shards.spans is not None:
            ids = ids[shards.spans.mask(document, 0, len(ids))]
        source = int(shards.sources[document])
        nats[source] += nats_of[ids].sum()
        tokens[source] += len(ids)
        n_bytes[source] += shards.n_bytes[document]
    return _scores(shards.source_names, nats, tokens, n_bytes)


def _scores(names: list[str], nats: Array, tokens: Array, n_bytes: Array) -> Scores:
    def score(rows: slice | int) -> Score:
        return Score(float(nats[rows].sum()), int(tokens[rows].sum()), int(n_bytes[rows].sum()))

    held = [at for at in range(len(names)) if tokens[at]]
    return Scores(score(slice(None)), {names[at]: score(at) for at in held})


def compressed(validation: Validation, folders: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """``bits_per_byte`` of gzip and xz at their best on the same documents, one after the other as one text.

    ``folders`` hold the documents' text (``id``, ``text``), as ``corpus/validation`` does.
    """
    wanted = set(validation.shards.ids(np.flatnonzero(validation.keep).tolist()))
    texts: list[bytes] = []
    for folder in folders:
        store = Storage(folder)
        for rel in store.list(""):
            table = store.read_table(rel, ["id", "text"])
            pairs = zip(table.column("id").to_pylist(), table.column("text").to_pylist(), strict=True)
            texts.extend(text.encode() for name, text in pairs if name in wanted)
    if not texts:
        raise TrainerError(
            "the validation documents are not there as text",
            ", ".join(folders),
            "Give the folder that the validation tokens were made from, or leave validation_text out.",
        )
    whole = b"".join(texts)
    packed = {"gzip": gzip.compress(whole, 9, mtime=0), "xz": lzma.compress(whole, preset=9)}
    return {name: {"bits_per_byte": 8 * len(content) / len(whole)} for name, content in packed.items()}

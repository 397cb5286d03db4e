"""From a ``TrainRun`` to what trains: data, plan, model, and the identity that a resume must match."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tokenizer_training.load import Loaded, load_file
from trainer import checkpoint, hf
from trainer.budget import Budget, check_budget
from trainer.config import TrainRun
from trainer.errors import RefusedError, TrainerError
from trainer.evaluate import Validation, make_validation
from trainer.loader import dataset_diff_of
from trainer.model import Decoder, build
from trainer.packing import RowPlan, make_plan
from trainer.presets import Shape, shape_of
from trainer.shards import Shards, open_shards

VERSION = 1
"""Raise when the same run would give other weights."""

CONFIG, SHAPE = "config.json", "model.json"
_FREE = {  # fields that change nothing in the weights, or whose content the fingerprints stand for
    "folder", "data", "validation", "validation_text", "tokenizer", "init_from", "threads", "log_every",
    "checkpoint_every", "keep_checkpoints", "micro_batch_tokens", "prompts", "sample_tokens",
}  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """All that a run reads, opened and checked."""

    run: TrainRun  # with nothing left to be decided
    shards: Shards
    plan: RowPlan
    validation: Validation | None
    tokenizer: Loaded
    shape: Shape
    budget: Budget
    identity: dict[str, Any]


def prepare(run: TrainRun, world: int = 1) -> Prepared:
    """Open and check everything, before anything is written."""
    if not run.tokenizer:
        raise RefusedError(
            "no tokenizer folder is given", "tokenizer", "Give the folder with tokenizer.json."
        )
    tokenizer = load_file(run.tokenizer)
    shards = open_shards(run.data)
    _same_tokenizer(shards, tokenizer, run.data)
    if run.mode == "sft" and shards.spans is None:
        raise RefusedError(
            "these shards have no loss_spans", ", ".join(run.data), "Give tokens of conversations."
        )
    shape, init_hash = _shape(run, tokenizer)
    if not run.seq_len:
        run = run.model_copy(update={"seq_len": shape.max_seq_len})
    if run.seq_len > shape.max_seq_len:
        raise RefusedError(
            f"seq_len {run.seq_len} is beyond the model's context of {shape.max_seq_len}", "seq_len"
        )
    plan = make_plan(shards, run.seq_len, run.overlong, run.seed, shuffle=run.mode == "sft")
    budget = check_budget(run, plan, world)
    validation = None
    if run.validation:
        held_out = open_shards(run.validation)
        _same_tokenizer(held_out, tokenizer, run.validation)
        validation = make_validation(held_out, run.seq_len, run.eval_tokens)
    identity = {
        "version": VERSION,
        **run.model_dump(mode="json", exclude=_FREE),
        "shape": shape.model_dump(mode="json"),
        "data": shards.describe(),
        "validation": None if validation is None else validation.shards.fingerprint,
        "tokenizer": tokenizer.sha256,
        "init_from": init_hash,
    }
    return Prepared(run, shards, plan, validation, tokenizer, shape, budget, identity)


def _same_tokenizer(shards: Shards, tokenizer: Loaded, where: tuple[str, ...]) -> None:
    if shards.tokenizer_sha256 != tokenizer.sha256:
        raise TrainerError(
            "the token shards were made with another tokenizer than the one given",
            ", ".join(where),
            "Encode the corpus again, or give the tokenizer it was made with.",
        )


def _shape(run: TrainRun, tokenizer: Loaded) -> tuple[Shape, str]:
    """The model's shape, and a hash of the weights it starts from (empty for random ones)."""
    if not run.init_from:
        return shape_of(run.preset, tokenizer.vocab_size, run.seq_len, run.dropout), ""
    source = Path(run.init_from)
    shape = read_shape(source)
    if shape.vocab_size < tokenizer.vocab_size:
        raise TrainerError(
            f"the model has {shape.vocab_size:,} tokens, the tokenizer {tokenizer.vocab_size:,}",
            run.init_from,
            "Start from a model that was trained with this tokenizer.",
        )
    digest = hashlib.sha256(weights_file(source).read_bytes()).hexdigest()
    return Shape(**{**shape.model_dump(), "dropout": run.dropout}), digest


def weights_file(source: Path) -> Path:
    """The safetensors file of a run, a checkpoint or an exported model."""
    if hf.is_exported(source):
        return source / checkpoint.MODEL
    return checkpoint.latest(source) / checkpoint.MODEL


def read_shape(source: Path) -> Shape:
    """The shape of a run's, a checkpoint's or an exported model."""
    if hf.is_exported(source):
        return hf.read_shape(source)
    return Shape(**checkpoint.read_state(checkpoint.latest(source))["shape"])


def load_weights(source: Path, model: Decoder) -> None:
    """Fill a model from a run, a checkpoint or an exported model."""
    if hf.is_exported(source):
        hf.load_weights(source, model)
    else:
        checkpoint.load_model(checkpoint.latest(source), model)


def load_decoder(source: Path, device: torch.device) -> Decoder:
    """The model of a run, a checkpoint or an export, ready to be used."""
    model = build(read_shape(source), device)
    load_weights(source, model)
    return model.eval()


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The fields in which two identities differ, in a few words."""
    said = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if key == "data":
            said.append(f"data ({dataset_diff_of(old or [], new or [])})")
        elif isinstance(old, dict) or len(str(old)) > 40:
            said.append(key)
        else:
            said.append(f"{key} {json.dumps(old)} -> {json.dumps(new)}")
    return "; ".join(said)

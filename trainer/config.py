"""What a training run is told: the recipe's ``pretrain`` and ``sft`` sections, and the resolved ``TrainRun``.

A section says what a person decides; ``TrainRun`` adds where data and weights lie, and is saved with the
run as ``config.json``. All three share ``Optimisation``, so that a field means the same in each. No torch
here: the command line imports this module for ``--help``.
"""

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from dataflow.config import Config, Size
from trainer.presets import PRESETS


class Optimisation(Config):
    """Fields that pretraining and fine-tuning share."""

    seq_len: int = Field(default=256, ge=0)
    """Tokens in a row, the model's context; in ``sft``, 0 takes the length that the model was pretrained
    with.
    """
    batch_tokens: Size = Field(default=8192, gt=0)
    """Token positions in one optimiser step over all devices, padding included."""
    micro_batch_tokens: Size = Field(default=16384, gt=0)
    """Most token positions in one forward pass of one device; changes memory, not the result."""
    lr: float = Field(default=1e-3, gt=0)
    """Peak learning rate of AdamW."""
    schedule: Literal["cosine", "linear", "constant", "wsd"] = "cosine"
    """Shape of the learning rate after the warm-up; ``wsd`` stays at the peak, then falls in the last
    fifth.
    """
    warmup: float = Field(default=0.05, ge=0)
    """Steps of linear warm-up: a share of all steps where below 1, else a number of steps."""
    final_lr: float = Field(default=0.1, ge=0, le=1)
    """Learning rate at the last step, as a share of the peak (not for ``constant``)."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled weight decay, on matrices and embeddings only."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's two decay rates."""
    clip: float = Field(default=1.0, gt=0)
    """Largest global gradient norm; a larger gradient is scaled down to it."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations dropped in training."""
    z_loss: float = Field(default=0.0, ge=0)
    """Weight of the squared log-partition term that keeps logits small (PaLM, section 5); 1e-4 is usual."""
    isolate: bool = True
    """Whether documents packed into one row are hidden from each other."""
    overlong: Literal["split", "crop", "drop"] = "split"
    """What happens to a document longer than a row: cut into pieces, cut off, or left out (all counted)."""
    seed: int = 1
    """Seed of the initial weights, the order of rows within a window, and dropout."""
    eval_every: int = Field(default=0, ge=0)
    """Steps between validations; 0: only at ``eval_at`` and at the end."""
    eval_at: tuple[int, ...] = (20,)
    """Further steps after which to validate."""
    eval_tokens: Size = Field(default=200_000, gt=0)
    """Most validation tokens; of a larger set, whole documents are taken at even distances."""
    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between checkpoints: what a crash costs at most."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """How many of the latest checkpoints stay on disk."""
    log_every: int = Field(default=10, ge=1)
    """Steps between writes to ``metrics.jsonl``, which has a line for each step; the only device syncs."""
    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of matrix products; ``auto`` takes bf16 where the hardware has it. Weights stay fp32."""
    compile: bool = False
    """Whether to compile the model with torch.compile (pays off in long runs)."""
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0: as many as the process may use."""
    prompts: tuple[str, ...] = ()
    """Texts (for ``sft``, user turns) to continue at the end of the run, into ``samples.jsonl``."""
    sample_tokens: int = Field(default=96, ge=1)
    """Most tokens in each of those samples."""


class Pretrain(Optimisation):
    """Recipe section ``pretrain``: a model from random weights on the corpus."""

    preset: str = "llama-3m"
    """Shape of the model, by name; the vocabulary comes from the tokenizer."""
    tokens: Size = Field(default=0, ge=0)
    """Token positions to train on; 0: as ``steps`` says, and where that is 0 too, the corpus once."""
    steps: int = Field(default=0, ge=0)
    """Optimiser steps; takes the place of ``tokens``."""
    max_epochs: int = Field(default=1, ge=1)
    """How often the tokens on disk may be read (epochs of single sources are part of the mixture's plan)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_preset(self.preset)
        if self.steps and self.tokens:
            raise ValueError("give steps or tokens, not both")
        return self


class Sft(Optimisation):
    """Recipe section ``sft``: supervised fine-tuning on conversations, loss on the assistant's turns only."""

    seq_len: int = Field(default=0, ge=0)
    """Tokens in a row; 0: the length the model was pretrained with."""
    batch_tokens: Size = Field(default=4096, gt=0)
    """Token positions in one optimiser step over all devices, padding included."""
    lr: float = Field(default=3e-4, gt=0)
    """Peak learning rate of AdamW."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay, on matrices and embeddings only."""
    overlong: Literal["split", "crop", "drop"] = "crop"
    """What happens to a conversation longer than a row; one left without a trained token is dropped."""
    eval_at: tuple[int, ...] = (0,)
    """Steps after which to validate, besides the end; 0 is before the first."""
    epochs: int = Field(default=2, ge=1)
    """How often each conversation is read, in a new order each time."""
    steps: int = Field(default=0, ge=0)
    """Stop after so many steps; 0: after ``epochs``."""
    train_on: Literal["assistant"] = "assistant"
    """Whose turns carry the loss: the spans marked when the conversations were tokenized."""


class TrainRun(Optimisation):
    """Everything one run needs, resolved; saved as ``config.json`` in its folder."""

    folder: str = "run"
    """Where the run writes: a local folder."""
    mode: Literal["pretrain", "sft"] = "pretrain"
    """Pretraining reads its data forward; fine-tuning shuffles it anew each epoch and masks the loss."""
    data: tuple[str, ...] = ()
    """Folders of token shards, read in this order (the phases of the mixture)."""
    validation: tuple[str, ...] = ()
    """Folders of validation token shards; empty: no validation."""
    validation_text: tuple[str, ...] = ()
    """Folders of the same validation documents as text, for gzip's and xz's bits per byte; may be empty."""
    tokenizer: str = ""
    """Folder with ``tokenizer.json``."""
    init_from: str = ""
    """A run, checkpoint or exported model whose weights to start from; empty: random weights."""
    preset: str = ""
    """Shape of the model where it starts from random weights."""
    tokens: Size = Field(default=0, ge=0)
    """Token positions to train on; 0: as ``steps`` or ``epochs`` say."""
    steps: int = Field(default=0, ge=0)
    """Optimiser steps; 0: as ``tokens`` or ``epochs`` say."""
    epochs: int = Field(default=1, ge=1)
    """How often the data may be read; how often it is read where neither tokens nor steps are given."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.init_from:
            check_preset(self.preset)
        if self.steps and self.tokens:
            raise ValueError("give steps or tokens, not both")
        return self

    def steps_asked(self) -> int:
        """Optimiser steps asked for by ``steps`` or ``tokens``; 0 where ``epochs`` decides."""
        return self.steps or math.ceil(self.tokens / self.batch_tokens)


def check_preset(name: str) -> None:
    """Refuse a preset that does not exist, naming the nearest one."""
    if name not in PRESETS:
        from dataflow.config import nearest

        raise ValueError(f'there is no preset "{name}". {nearest(name, list(PRESETS))}')


def pretrain_run(
    section: Pretrain,
    folder: str,
    data: list[str],
    validation: list[str],
    tokenizer: str,
    validation_text: list[str] | None = None,
) -> TrainRun:
    """The recipe's ``pretrain`` section with its places filled in."""
    fields = section.model_dump(exclude={"max_epochs"})
    return TrainRun(
        **fields,
        mode="pretrain",
        epochs=section.max_epochs,
        folder=folder,
        data=tuple(data),
        validation=tuple(validation),
        validation_text=tuple(validation_text or ()),
        tokenizer=tokenizer,
    )


def sft_run(
    section: Sft, folder: str, data: list[str], validation: list[str], tokenizer: str, init_from: str
) -> TrainRun:
    """The recipe's ``sft`` section with its places filled in; ``init_from`` is the pretraining run's
    folder.
    """
    fields = section.model_dump(exclude={"train_on"})
    return TrainRun(
        **fields,
        mode="sft",
        folder=folder,
        data=tuple(data),
        validation=tuple(validation),
        tokenizer=tokenizer,
        init_from=init_from,
    )

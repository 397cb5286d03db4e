"""Steps ``pretrain``, ``sft`` and ``evaluate``: the trainer, run as a program of its own.

It is a child process, so that memory and threads are its own, ``torchrun`` can take its place, and it can be
stopped and resumed alone. A run folder belongs to the fingerprint of what it is trained on: with the same one the
trainer continues from its last checkpoint, with another the folder is made anew.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from prefect import flow

from dataflow.errors import DataflowError
from dataflow.store.manifest import Made, Part, manifests
from dataflow.store.storage import Storage
from flows.progress import console
from flows.recipe import Recipe
from flows.session import Session, missing_step, session
from trainer.config import TrainRun, pretrain_run, sft_run

VERSION = 1
_NOT_IN_FINGERPRINT = {"threads", "log_every", "keep_checkpoints", "checkpoint_every"}


@flow(name="pretrain")
def pretrain_flow(recipe: Recipe) -> None:
    """Train a model on the token shards of all phases, in their order."""
    with session(recipe) as run:
        if recipe.pretrain is None:
            return
        tokens = token_parts(run)
        phases = [phase.name for phase in recipe.mixture.phases]
        config = pretrain_run(
            recipe.pretrain,
            folder=run.store.path("runs/pretrain"),
            data=_folders(run.store, tokens, [f"tokens/{phase}" for phase in phases]),
            validation=_folders(run.store, tokens, ["tokens/validation"]),
            validation_text=_folders(run.store, None, ["corpus/validation"]),
            tokenizer=run.store.path("tokenizer"),
        )
        used = {path: digest for path, digest in tokens.items() if path.startswith("tokens/")}
        _train(run, "pretrain", config, used)


@flow(name="sft")
def sft_flow(recipe: Recipe) -> None:
    """Fine-tune the pretrained model on the conversations."""
    with session(recipe) as run:
        if recipe.sft is None:
            return
        tokens = token_parts(run)
        config = sft_run(
            recipe.sft,
            folder=run.store.path("runs/sft"),
            data=_folders(run.store, tokens, ["instructions/tokens/train"]),
            validation=_folders(run.store, tokens, ["instructions/tokens/validation"]),
            tokenizer=run.store.path("tokenizer"),
            init_from=run.store.path("runs/pretrain"),
        )
        used = {path: digest for path, digest in tokens.items() if path.startswith("instructions/")}
        used["pretrain"] = run.finished("pretrain", "run").fingerprint
        _train(run, "sft", config, used)


def token_parts(run: Session) -> dict[str, str]:
    """Paths and content hashes of all token shards, in order."""
    parts = {path: digest for manifest in manifests(run.store, "tokenize") for path, digest in manifest.hashes().items()}
    if not parts:
        raise missing_step(run.store, "tokenize")
    return parts


def _folders(store: Storage, parts: Mapping[str, str] | None, folders: list[str]) -> list[str]:
    """Those folders that hold parts, as paths."""
    return [
        store.path(folder)
        for folder in folders
        if (store.list(folder) if parts is None else any(path.startswith(f"{folder}/") for path in parts))
    ]


def _train(run: Session, step: str, config: TrainRun, inputs: dict[str, str]) -> None:
    if not run.store.is_local:
        raise DataflowError("a model is trained in a local folder", run.store.url, "Set `out` to a folder of this machine.")
    if not config.data:
        raise missing_step(run.store, "instruct" if step == "sft" else "tokenize")
    places = {"folder", "data", "validation", "validation_text", "tokenizer", "init_from"}
    settings: dict[str, Any] = config.model_dump(mode="json", exclude=places | _NOT_IN_FINGERPRINT)
    part = Part(step, "run", VERSION, settings, inputs)
    run.make_here(part, lambda: _run_trainer(run.store, step, config, part.fingerprint))


def _run_trainer(store: Storage, step: str, config: TrainRun, fingerprint: str) -> Made:
    folder, mark = f"runs/{step}", f"runs/{step}/made-from.json"
    if store.exists(folder) and not (store.exists(mark) and store.read_json(mark) == fingerprint):
        store.remove(folder)
    store.write_json(mark, fingerprint)
    asked = f"runs/{step}/asked.json"
    store.write_json(asked, config.model_dump(mode="json"))
    command = [sys.executable, "-m", "trainer", step, "--config", store.path(asked)]
    with subprocess.Popen(command, env={**os.environ, "DATAFLOW_PARENT": str(os.getpid())}) as trainer:
        try:
            status = trainer.wait()
        except KeyboardInterrupt:
            trainer.wait()  # it had the same signal and is saving a checkpoint
            raise
    if status == 3:
        raise KeyboardInterrupt
    if status:
        raise DataflowError(
            f"the trainer ended with status {status}; what it said stands above",
            store.path(folder),
            "Running the same command again continues from its last checkpoint.",
        )
    outputs = [path for path in store.list(folder, "") if "/checkpoints/" not in path]
    return Made(tuple(outputs))

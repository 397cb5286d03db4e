"""Steps ``pretrain``, ``sft`` and ``evaluate``: the trainer, run as a program of its own.

It is a child process, so that memory and threads are its own, ``torchrun`` can take its place, and it can be
stopped and resumed alone: it continues from its last checkpoint, or starts again where data or settings changed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from prefect import flow

from dataflow.errors import DataflowError, RecipeError
from dataflow.store.manifest import Made, Part, manifests
from dataflow.store.storage import Storage
from flows.recipe import Recipe
from flows.session import Session, missing_step, session
from trainer.config import TrainRun, pretrain_run, sft_run
from trainer.errors import InterruptedRunError

VERSION = 1
_NOT_IN_FINGERPRINT = {"threads", "log_every", "keep_checkpoints", "checkpoint_every"}


@flow(name="pretrain", flow_run_name="pretrain {recipe.name}")
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


@flow(name="sft", flow_run_name="sft {recipe.name}")
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


@flow(name="evaluate", flow_run_name="evaluate {recipe.name}")
def evaluate_flow(recipe: Recipe) -> None:
    """Measure every trained model on the held-out text, over all and per source."""
    with session(recipe) as run:
        for step in ("pretrain", "sft"):
            if getattr(recipe, step) is None:
                continue
            trained = run.finished(step, "run")
            data = {
                path: digest
                for path, digest in token_parts(run).items()
                if path.startswith("tokens/validation/")
            }
            if data:
                part = Part("evaluate", step, VERSION, {}, {**data, step: trained.fingerprint})
                run.make_here(part, partial(_evaluate, run.store, step))


def _evaluate(store: Storage, step: str) -> Made:
    printed = _trainer(
        store, "evaluate", store.path(f"runs/{step}"), "--data", store.path("tokens/validation")
    )
    target = f"runs/evaluation/{step}.json"
    store.write_json(target, json.loads(printed))
    return Made((target,))


def token_parts(run: Session) -> dict[str, str]:
    """Paths and content hashes of all token shards, in order."""
    parts = {
        path: digest
        for manifest in manifests(run.store, "tokenize")
        for path, digest in manifest.hashes().items()
    }
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
        raise DataflowError(
            "a model is trained in a local folder", run.store.url, "Set `out` to a folder of this machine."
        )
    if not config.data:
        raise missing_step(run.store, "instruct" if step == "sft" else "tokenize")
    places = {"folder", "data", "validation", "validation_text", "tokenizer", "init_from"}
    settings: dict[str, Any] = config.model_dump(mode="json", exclude=places | _NOT_IN_FINGERPRINT)
    part = Part(step, "run", VERSION, settings, inputs)
    run.make_here(part, lambda: _run_trainer(run.store, step, config))


def _run_trainer(store: Storage, step: str, config: TrainRun) -> Made:
    folder = f"runs/{step}"
    asked = f"{folder}/asked.json"
    store.write_json(asked, config.model_dump(mode="json"))
    _trainer(store, step, "--config", store.path(asked), "--on-change", "restart")
    _trainer(store, "export", store.path(folder), store.path(f"models/{step}"))
    run_files = [path for path in store.list(folder, "") if "/checkpoints/" not in path]
    return Made((*run_files, *store.list(f"models/{step}", "")))


def _trainer(store: Storage, command: str, *arguments: str) -> str:
    """Run a command of the trainer to its end; its progress and errors go where ours go, its result is returned."""
    call = [sys.executable, "-m", "trainer", command, *arguments]
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, env={**os.environ, "DATAFLOW_PARENT": str(os.getpid())}
    ) as trainer:
        try:
            printed, _ = trainer.communicate()
        except BaseException:  # Ctrl-C, which it had too, or a signal that only this process had
            trainer.terminate()  # it saves a checkpoint
            trainer.wait()
            raise
    if trainer.returncode == InterruptedRunError.exit_status:
        raise KeyboardInterrupt
    if trainer.returncode:
        raise _failure(trainer.returncode, printed, f"{store.root}, {command}")
    return printed.decode()


def _failure(status: int, printed: bytes, where: str) -> DataflowError:
    """The error that the trainer handed over in its last line; where it died without one, what is known."""
    try:
        said = json.loads(printed.decode().splitlines()[-1])
        place = f"{where}, {said['where']}" if said["where"] else where
        kind = RecipeError if status == RecipeError.exit_status else DataflowError
        return kind(said["what"], place, said["fix"])
    except (IndexError, KeyError, TypeError, ValueError):
        return DataflowError(
            f"the trainer ended with status {status}",
            where,
            "Running the same command again continues from its last checkpoint.",
        )

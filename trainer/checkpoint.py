"""Checkpoints that are whole or not there: safetensors and JSON, no pickle.

``step-N.tmp`` is filled, every file flushed to disk, ``COMPLETE`` (the sizes of all files) written last,
then the folder is renamed and its parent flushed. A kill at any moment leaves the checkpoint before it
loadable. No random state is saved, because none is carried: each step seeds its own numbers from (seed,
step, rank).
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainer.errors import TrainerError

MODEL, OPTIMIZER, STATE, COMPLETE = "model.safetensors", "optimizer.safetensors", "state.json", "COMPLETE"
_NAME = re.compile(r"^step-(\d+)$")


def save(
    folder: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
    keep: int,
) -> Path:
    """Write ``folder/step-N`` and remove all but the ``keep`` latest."""
    final = folder / f"step-{step:07d}"
    temporary = folder / f"{final.name}.tmp"
    for stale in folder.glob("step-*.tmp"):
        shutil.rmtree(stale)
    if final.exists() and is_complete(final):
        return final
    shutil.rmtree(final, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(_on_host(model_tensors(model)), temporary / MODEL, metadata={"format": "pt"})
    save_file(_on_host(optimizer_tensors(model, optimizer)), temporary / OPTIMIZER)
    (temporary / STATE).write_text(json.dumps({**state, "step": step}, indent=1, sort_keys=True) + "\n")
    sizes = {path.name: path.stat().st_size for path in sorted(temporary.iterdir())}
    for name in sizes:
        _flush(temporary / name)
    (temporary / COMPLETE).write_text(json.dumps(sizes) + "\n")
    _flush(temporary / COMPLETE)
    _flush(temporary)
    temporary.rename(final)
    _flush(folder)
    for old in completed(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def completed(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    if not folder.is_dir():
        return []
    named = sorted((int(m[1]), path) for path in folder.iterdir() if (m := _NAME.match(path.name)))
    return [path for _, path in named if is_complete(path)]


def is_complete(path: Path) -> bool:
    """Whether a checkpoint was finished and every file still has the size it was finished with."""
    mark = path / COMPLETE
    if not mark.is_file():
        return False
    sizes: dict[str, int] = json.loads(mark.read_text())
    return all(
        (path / name).is_file() and (path / name).stat().st_size == size for name, size in sizes.items()
    )


def latest(path: Path) -> Path:
    """The newest whole checkpoint at ``path``: a checkpoint, a run, or a run's folder of checkpoints."""
    if is_complete(path):
        return path
    found = completed(path) or completed(path / "checkpoints")
    if not found:
        raise TrainerError(
            "there is no whole checkpoint", str(path), "Train a model first: trainer pretrain."
        )
    return found[-1]


def read_state(path: Path) -> dict[str, Any]:
    """The counters of a checkpoint."""
    state: dict[str, Any] = json.loads((path / STATE).read_text())
    return state


def load_model(path: Path, model: nn.Module) -> None:
    """Fill the model's parameters from a checkpoint."""
    fill(model, load_file(path / MODEL), str(path))


def fill(model: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """Copy tensors into the parameters of the same names; any that is missing, left over or misshapen is
    told.
    """
    parameters = dict(model.named_parameters())
    if odd := sorted(parameters.keys() ^ tensors.keys()):
        raise TrainerError(f"weights do not match the model: {', '.join(odd[:5])}", where, "Check the shape.")
    with torch.no_grad():
        for name, parameter in parameters.items():
            if parameter.shape != tensors[name].shape:
                found, expected = tuple(tensors[name].shape), tuple(parameter.shape)
                raise TrainerError(f"{name} has shape {found}, the model's has {expected}", where)
            parameter.copy_(tensors[name])


def load_optimizer(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put the optimiser's moments back."""
    tensors = load_file(path / OPTIMIZER)
    for name, parameter in model.named_parameters():
        own = {key.removesuffix(f"/{name}"): t for key, t in tensors.items() if key.endswith(f"/{name}")}
        optimizer.state[parameter] = {key: t.to(parameter.device) for key, t in own.items()}


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters by name, a tied one once."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state of each parameter as ``moment/parameter``."""
    return {
        f"{key}/{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _on_host(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _flush(path: Path) -> None:
    """Flush a file or a folder's list of names to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

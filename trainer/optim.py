"""AdamW with decay on matrices only, learning rates as pure functions of the step, and steps that can be
skipped.

A step whose loss or gradient is not finite is skipped on the device: the fused optimiser reads
``found_inf`` itself, so no step waits for the host.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

Schedule = Literal["cosine", "linear", "constant", "wsd"]
WSD_DECAY_SHARE = 0.2
"""Share of the steps in which ``wsd`` falls (Hagele et al. 2024, section 3)."""


def _cosine(progress: float, final: float) -> float:
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))


def _linear(progress: float, final: float) -> float:
    return 1 - (1 - final) * progress


def _constant(progress: float, final: float) -> float:
    return 1.0


def _wsd(progress: float, final: float) -> float:
    falling = max(0.0, progress - (1 - WSD_DECAY_SHARE)) / WSD_DECAY_SHARE
    return 1 - (1 - final) * falling


_SHAPES: dict[str, Callable[[float, float], float]] = {
    "cosine": _cosine,
    "linear": _linear,
    "constant": _constant,
    "wsd": _wsd,
}


def warmup_steps(warmup: float, steps: int) -> int:
    """Steps of warm-up: a share of ``steps`` where below 1, else that many."""
    return min(steps, round(warmup * steps) if warmup < 1 else int(warmup))


def learning_rate(
    step: int, steps: int, peak: float, schedule: Schedule, warmup: float, final: float
) -> float:
    """Learning rate of step ``step`` (from 0) of ``steps``: linear warm-up to ``peak``, then the schedule."""
    rising = warmup_steps(warmup, steps)
    if step < rising:
        return peak * (step + 1) / rising
    progress = (step - rising) / max(1, steps - 1 - rising)
    return peak * _SHAPES[schedule](min(1.0, progress), final)


def make_optimizer(
    model: nn.Module, lr: float, betas: tuple[float, float], weight_decay: float
) -> torch.optim.AdamW:
    """Fused AdamW (Loshchilov and Hutter 2019); biases and norm weights do not decay."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=lr, betas=betas, fused=True)


def clip_and_step(
    optimizer: torch.optim.AdamW, parameters: list[Tensor], lr: float, clip: float, loss: Tensor
) -> tuple[Tensor, Tensor]:
    """Clip the gradients, take the step unless loss or gradient is not finite; (gradient norm, 1 if
    skipped).
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    torch.nn.utils.clip_grads_with_norm_(parameters, clip, norm)
    skipped = (~(torch.isfinite(norm) & torch.isfinite(loss))).float()
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.found_inf = skipped  # type: ignore[attr-defined]  # what torch.amp.GradScaler sets on fused optimisers
    optimizer.grad_scale = None  # type: ignore[attr-defined]
    optimizer.step()
    return norm, skipped

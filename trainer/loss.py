"""Cross-entropy without the whole vocabulary-by-tokens matrix, as a sum that is divided once.

Logits exist for one chunk of tokens at a time. Because the loss is a plain weighted sum, its gradient needs
nothing that comes later: it is computed with the chunk's logits in the forward pass (as in Liger Kernel,
Hsu et al. 2024) and only scaled in the backward. The trade-off: the forward costs what both passes cost, so
without gradients ``token_losses`` is used. The same per-token vector gives the losses per source.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name)
from torch import Tensor

CHUNK = 1024
"""Tokens whose logits exist at a time."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """(hidden, weight, labels, z_loss, dtype) to (sum of losses, loss of each token)."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, z_loss: float, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight)
        losses = torch.empty(labels.shape, dtype=torch.float32, device=hidden.device)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        low_weight = weight.to(dtype)
        for start in range(0, labels.shape[0], CHUNK):
            part = slice(start, start + CHUNK)
            low = hidden[part].to(dtype)
            logits = F.linear(low, low_weight).float()
            log_z = torch.logsumexp(logits, dim=-1)
            picked = labels[part, None]
            losses[part] = log_z - logits.gather(1, picked).squeeze(1)
            total += losses[part].sum() + z_loss * (log_z * log_z).sum()
            slope = logits.sub_(log_z[:, None]).exp_()  # softmax, in the memory of the logits
            if z_loss:
                slope.mul_(1.0 + 2.0 * z_loss * log_z[:, None])
            slope.scatter_add_(1, picked, torch.full_like(slope[:, :1], -1.0))
            low_slope = slope.to(dtype)
            grad_hidden[part] = low_slope @ low_weight
            grad_weight += low_slope.T @ low
        ctx.save_for_backward(grad_hidden, grad_weight)
        ctx.mark_non_differentiable(losses)
        return total, losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grads[0], grad_weight * grads[0], None, None, None


def cross_entropy_sum(
    hidden: Tensor, weight: Tensor, labels: Tensor, z_loss: float = 0.0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Sum over tokens of -log p(label) + z_loss * log(Z)^2, and -log p(label) of each token (no gradient).

    ``hidden`` (tokens, width) in fp32, ``weight`` (vocabulary, width); products are taken in ``dtype``.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        total, losses = _ChunkedCrossEntropy.apply(hidden, weight, labels, z_loss, dtype)  # type: ignore[no-untyped-call]
    return total, losses


@torch.no_grad()
def token_losses(
    hidden: Tensor, weight: Tensor, labels: Tensor, dtype: torch.dtype = torch.float32
) -> Tensor:
    """-log p(label) of each token, in fp32, without gradients."""
    losses = torch.empty(labels.shape, dtype=torch.float32, device=hidden.device)
    with torch.autocast(hidden.device.type, enabled=False):
        low_weight = weight.to(dtype)
        for start in range(0, labels.shape[0], CHUNK):
            part = slice(start, start + CHUNK)
            logits = F.linear(hidden[part].to(dtype), low_weight).float()
            losses[part] = F.cross_entropy(logits, labels[part], reduction="none")
    return losses


def sums_by_source(losses: Tensor, sources: Tensor, n_sources: int) -> Tensor:
    """(2, n_sources): sum of the losses, and number of tokens, of each source; fp64 where the device has
    it.
    """
    dtype = torch.float32 if losses.device.type == "mps" else torch.float64
    sums = torch.zeros(2, n_sources, dtype=dtype, device=losses.device)
    sums[0].index_add_(0, sources, losses.to(dtype))
    sums[1].index_add_(0, sources, torch.ones_like(losses, dtype=dtype))
    return sums

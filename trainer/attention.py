"""One function for attention: causal, grouped queries, and documents that do not see each other.

PyTorch's fused kernel is the reference and works everywhere; a row that is one document takes its own causal
path, without a mask. On CPUs with bf16 matrix units that kernel is slow (89 ms forward and backward for
16 x 4 x 256 x 64, one core, against 36 for three plain products), so short rows in bf16 are multiplied out there;
a test holds the two to each other.
"""

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name)
from torch import Tensor

MULTIPLIED_OUT = 512
"""Longest row whose whole matrix of scores is kept, on CPU in bf16; longer ones would need too much memory."""


def document_mask(segments: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to the scores so that a position sees itself and earlier ones of its document; (rows, 1, T, T).

    ``dtype`` is the one of the products.
    """
    length = segments.shape[1]
    same = segments[:, :, None] == segments[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    return _added((same & causal)[:, None], dtype)


def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float = 0.0, causal: bool = True
) -> Tensor:
    """Scaled dot-product attention over (rows, heads, T, head width); ``mask`` None is plain causal.

    Fewer key and value heads than query heads are shared by groups of neighbouring query heads.
    """
    length = q.shape[2]
    square = causal and length == k.shape[2] and length <= MULTIPLIED_OUT
    if q.device.type == "cpu" and q.dtype is torch.bfloat16 and square and not dropout:
        if mask is None:
            mask = _added(torch.ones(length, length, dtype=torch.bool).tril(), q.dtype)
        return _multiplied_out(q, k, v, mask)
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=causal and mask is None, enable_gqa=grouped
    )


def _multiplied_out(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """The same by plain products; the queries of a group lie one after the other, so that keys are not copied."""
    rows, heads, length, width = q.shape
    groups = (rows, k.shape[1], -1)
    scores = (q * width**-0.5).reshape(*groups, width) @ k.transpose(-1, -2)
    shares = (scores.view(rows, heads, length, length) + mask).softmax(dim=-1)
    mixed: Tensor = (shares.view(*groups, length) @ v).view(rows, heads, length, width)
    return mixed


def _added(visible: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(
        ~visible, float("-inf")
    )

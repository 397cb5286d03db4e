"""One function for attention: causal, grouped queries, and documents that do not see each other.

The dense SDPA path is the reference and works everywhere. A row that is one document needs no mask and
takes the kernel's own causal path. Measured on CPU the boolean mask costs about as much as the causal path,
so packed rows are not cut apart.
"""

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name)
from torch import Tensor


def document_mask(segments: Tensor) -> Tensor:
    """Which position sees which: itself and earlier ones of its own document. (rows, 1, T, T), bool."""
    length = segments.shape[1]
    same = segments[:, :, None] == segments[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    return (same & causal)[:, None]


def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float = 0.0, causal: bool = True
) -> Tensor:
    """Scaled dot-product attention over (rows, heads, T, head width); ``mask`` None is plain causal.

    Fewer key and value heads than query heads are shared by groups of neighbouring query heads.
    """
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=causal and mask is None, enable_gqa=grouped
    )

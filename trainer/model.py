"""The one decoder: norm, position, MLP, grouped queries, biases, dropout and tying are choices of its
``Shape``.

Built on the meta device (no memory), then placed and given its values by one ``init_weights``, whose
docstring is the table of initial scales. ``forward`` ends at the last norm: logits are made where they are
used (a chunk at a time in ``trainer.loss``, one position at a time in ``trainer.generate``), never for a
whole batch.
"""

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name)
from torch import Tensor, nn

from trainer.attention import attention
from trainer.presets import Shape


@dataclass
class Cache:
    """Keys and values of the positions a generation has seen, for each layer."""

    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append new positions of a layer and return all of them."""
        if layer == len(self.keys):
            self.keys.append(k)
            self.values.append(v)
        else:
            self.keys[layer] = torch.cat((self.keys[layer], k), dim=2)
            self.values[layer] = torch.cat((self.values[layer], v), dim=2)
        return self.keys[layer], self.values[layer]

    @property
    def length(self) -> int:
        """Positions held."""
        return self.keys[0].shape[2] if self.keys else 0


class Attention(nn.Module):
    """Causal self-attention with grouped queries and, where the shape says so, rotary positions."""

    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        self.shape, self.layer = shape, layer
        kv_width = shape.n_kv_heads * shape.head_width
        self.q = nn.Linear(shape.width, shape.width, bias=shape.bias)
        self.k = nn.Linear(shape.width, kv_width, bias=shape.bias)
        self.v = nn.Linear(shape.width, kv_width, bias=shape.bias)
        self.out = nn.Linear(shape.width, shape.width, bias=shape.bias)

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor] | None, mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        """Mix positions of (rows, T, width)."""
        rows, length, width = x.shape
        q, k, v = (
            project(x).view(rows, length, -1, self.shape.head_width).transpose(1, 2)
            for project in (self.q, self.k, self.v)
        )
        if angles is not None:
            q, k = rotate(q, *angles), rotate(k, *angles)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)
        dropout = self.shape.dropout if self.training else 0.0
        mixed = attention(q, k, v, mask, dropout, causal=length > 1)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(rows, length, width))
        return out


class Mlp(nn.Module):
    """SwiGLU, ``down(silu(gate(x)) * up(x))``, or GELU, ``down(gelu(up(x)))``."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate = (
            nn.Linear(shape.width, shape.mlp_width, bias=shape.bias) if shape.mlp == "swiglu" else None
        )
        self.up = nn.Linear(shape.width, shape.mlp_width, bias=shape.bias)
        self.down = nn.Linear(shape.mlp_width, shape.width, bias=shape.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position by itself."""
        if self.gate is not None:
            hidden = F.silu(self.gate(x)) * self.up(x)
        else:
            hidden = F.gelu(self.up(x), approximate="tanh")
        out: Tensor = self.down(hidden)
        return out


class Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``."""

    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        self.attention_norm = make_norm(shape)
        self.attention = Attention(shape, layer)
        self.mlp_norm = make_norm(shape)
        self.mlp = Mlp(shape)
        self.dropout = shape.dropout

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor] | None, mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        """One layer of the residual stream."""
        x = x + self._drop(self.attention(self.attention_norm(x), angles, mask, cache))
        return x + self._drop(self.mlp(self.mlp_norm(x)))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class Decoder(nn.Module):
    """Token ids to the residual stream after the last norm; ``head_weight`` turns that into logits."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocab_size, shape.width)
        self.position = nn.Embedding(shape.max_seq_len, shape.width) if shape.position == "learned" else None
        self.blocks = nn.ModuleList(Block(shape, layer) for layer in range(shape.n_layers))
        self.norm = make_norm(shape)
        self.head = None if shape.tied else nn.Linear(shape.width, shape.vocab_size, bias=False)

    @property
    def head_weight(self) -> Tensor:
        """The matrix (vocabulary, width) that makes logits: the embedding itself where tied."""
        return self.embed.weight if self.head is None else self.head.weight

    def forward(
        self, tokens: Tensor, positions: Tensor, mask: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """(rows, T) ids and positions within their documents to (rows, T, width)."""
        x: Tensor = self.embed(tokens)
        angles = None
        if self.position is not None:
            x = x + self.position(positions)
        else:
            angles = rotary_angles(positions, self.shape.head_width, self.shape.rope_base)
        if self.shape.dropout:
            x = F.dropout(x, self.shape.dropout, self.training)
        for block in self.blocks:
            x = block(x, angles, mask, cache)
        out: Tensor = self.norm(x)
        return out

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits (rows, T, vocabulary) of unpacked rows, for comparisons and small inputs."""
        positions = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        return F.linear(self(tokens, positions), self.head_weight)

    def init_weights(self, seed: int) -> None:
        """Give every parameter its first value, from ``seed`` alone (the same on every device and rank).

        | parameter | value |
        | --- | --- |
        | embedding (and head) | normal, 1 / sqrt(width): tied or not, logits begin with variance 1 |
        | learned positions | half of that |
        | q, k, v, gate, up | normal, 1 / sqrt(width): outputs keep the variance of their input |
        | attention out, mlp down | normal, 1 / sqrt(inputs) / sqrt(2 n_layers): they add to the residual stream |
        | biases | 0 |
        | norms | weight 1, bias 0 |

        """
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.endswith("bias"):
                    parameter.zero_()
                elif "norm" in name:
                    parameter.fill_(1.0)
                else:
                    std = parameter.shape[1] ** -0.5
                    if name.endswith(("out.weight", "down.weight")):
                        std /= math.sqrt(2 * self.shape.n_layers)
                    elif name.startswith("position"):
                        std /= 2
                    drawn = torch.empty(parameter.shape).normal_(0.0, std, generator=generator)
                    parameter.copy_(drawn)

    def flops_per_token(self, seq_len: int) -> int:
        """Floating-point operations of forward and backward for one token: 6 N_matmul + 12 L H Q T.

        N_matmul leaves out the tables that are only looked up; attention is counted in full, as if unmasked
        (PaLM, appendix B).
        """
        looked_up = self.position.weight.numel() if self.position is not None else 0
        looked_up += 0 if self.head is None else self.embed.weight.numel()
        n_matmul = count_parameters(self) - looked_up
        return 6 * n_matmul + 12 * self.shape.n_layers * self.shape.width * seq_len


def make_norm(shape: Shape) -> nn.Module:
    """RMSNorm or LayerNorm of the residual stream."""
    if shape.norm == "rms":
        return nn.RMSNorm(shape.width, eps=shape.norm_eps)
    return nn.LayerNorm(shape.width, eps=shape.norm_eps)


def rotary_angles(positions: Tensor, head_width: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines (rows, 1, T, head width / 2) of the rotation of each pair at each position."""
    exponents = torch.arange(0, head_width, 2, device=positions.device, dtype=torch.float32) / head_width
    angles = positions[:, None, :, None].float() * (1.0 / base**exponents)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (i, i + half) of each head by their angles, as Llama's released weights expect."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def build(shape: Shape, device: torch.device, seed: int | None = None) -> Decoder:
    """A decoder on ``device``: shaped on the meta device, placed, then (with a seed) given its values."""
    with torch.device("meta"):
        model = Decoder(shape)
    if device.type == "meta":
        return model
    model.to_empty(device=device)
    if seed is not None:
        model.init_weights(seed)
    return model


def count_parameters(model: nn.Module) -> int:
    """Parameters, a tied matrix once."""
    return sum(parameter.numel() for parameter in model.parameters())

"""Shapes of models by name. A preset fixes the shape only: vocabulary, context and dropout come from the run.

GPT-2 names count all parameters at a vocabulary of 50,257 (Radford et al. 2019, table 2, as released);
Llama-like names count the parameters outside the embeddings, because small models are mostly vocabulary.
From 1b up they are the shapes of Llama 2 (7b, 70b) and Llama 3 (1b, 3b, 8b).
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from dataflow.config import Config


class Shape(Config):
    """Everything that determines a model's parameters and arithmetic."""

    vocab_size: int = Field(default=50257, gt=0)
    """Entries of the tokenizer's vocabulary, special tokens included."""
    max_seq_len: int = Field(default=1024, gt=0)
    """Longest context in tokens."""
    n_layers: int = Field(default=12, gt=0)
    """Blocks of attention and MLP."""
    width: int = Field(default=768, gt=0)
    """Size of the residual stream."""
    n_heads: int = Field(default=12, gt=0)
    """Query heads; each is width / n_heads wide."""
    n_kv_heads: int = Field(default=12, gt=0)
    """Key and value heads; fewer than ``n_heads`` is grouped-query attention (Ainslie et al. 2023)."""
    mlp_width: int = Field(default=3072, gt=0)
    """Hidden size of the MLP."""
    norm: Literal["rms", "layer"] = "layer"
    """RMSNorm or LayerNorm, both before the sub-layer."""
    norm_eps: float = 1e-5
    """Added to the variance in the norm."""
    position: Literal["rope", "learned"] = "learned"
    """Rotary angles (Su et al. 2021) or a learned table."""
    rope_base: float = 10000.0
    """Base of the rotary frequencies."""
    mlp: Literal["swiglu", "gelu"] = "gelu"
    """SwiGLU (Shazeer 2020) or GELU in its tanh form."""
    bias: bool = True
    """Whether the linear layers have biases."""
    tied: bool = True
    """Whether the output head is the embedding matrix."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations dropped in training."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.width % self.n_heads or self.n_heads % self.n_kv_heads:
            raise ValueError("width must be a multiple of n_heads, and n_heads of n_kv_heads")
        if self.position == "rope" and self.head_width % 2:
            raise ValueError("rotary positions need an even width of a head")
        return self

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.n_heads


def _gpt2(n_layers: int, width: int, n_heads: int) -> Shape:
    return Shape(n_layers=n_layers, width=width, n_heads=n_heads, n_kv_heads=n_heads, mlp_width=4 * width)


def _llama(
    n_layers: int,
    width: int,
    n_heads: int,
    n_kv_heads: int,
    mlp_width: int,
    tied: bool = True,
    rope_base: float = 10000.0,
) -> Shape:
    return Shape(
        n_layers=n_layers,
        width=width,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        mlp_width=mlp_width,
        norm="rms",
        position="rope",
        rope_base=rope_base,
        mlp="swiglu",
        bias=False,
        tied=tied,
    )


PRESETS: dict[str, Shape] = {
    "gpt2-3m": _gpt2(4, 256, 4),
    "gpt2-124m": _gpt2(12, 768, 12),
    "gpt2-355m": _gpt2(24, 1024, 16),
    "gpt2-774m": _gpt2(36, 1280, 20),
    "gpt2-1558m": _gpt2(48, 1600, 25),
    "llama-100k": _llama(2, 64, 2, 1, 176),
    "llama-1m": _llama(4, 128, 4, 2, 352),
    "llama-3m": _llama(4, 256, 4, 2, 688),
    "llama-6m": _llama(8, 256, 4, 2, 688),
    "llama-12m": _llama(8, 384, 6, 2, 1024),
    "llama-30m": _llama(10, 512, 8, 4, 1376),
    "llama-100m": _llama(16, 768, 12, 4, 2048),
    "llama-300m": _llama(24, 1024, 16, 8, 2816),
    "llama-1b": _llama(16, 2048, 32, 8, 8192, rope_base=500000.0),
    "llama-3b": _llama(28, 3072, 24, 8, 8192, rope_base=500000.0),
    "llama-7b": _llama(32, 4096, 32, 32, 11008, tied=False),
    "llama-8b": _llama(32, 4096, 32, 8, 14336, tied=False, rope_base=500000.0),
    "llama-70b": _llama(80, 8192, 64, 8, 28672, tied=False),
}
"""Model shapes by name, smallest first in each family."""


def shape_of(preset: str, vocab_size: int, seq_len: int, dropout: float = 0.0) -> Shape:
    """A preset's shape for this vocabulary and context."""
    fields = PRESETS[preset].model_dump()
    return Shape(**{**fields, "vocab_size": vocab_size, "max_seq_len": seq_len, "dropout": dropout})

"""To and from ``transformers``: the same weights under its names, as safetensors with config and tokenizer.

Two families cover what ``Shape`` can say without residue: Llama (RMSNorm, rotary, SwiGLU, no biases) and
GPT-2 (LayerNorm, learned positions, GELU, biases, tied). Rotary pairs are laid out as in Llama's released
weights, so no permutation is needed; GPT-2 keeps its linear layers transposed and q, k, v in one.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainer import checkpoint
from trainer.errors import TrainerError
from trainer.model import Decoder
from trainer.presets import Shape

_LLAMA = {
    "attention_norm": "input_layernorm",
    "attention.q": "self_attn.q_proj",
    "attention.k": "self_attn.k_proj",
    "attention.v": "self_attn.v_proj",
    "attention.out": "self_attn.o_proj",
    "mlp_norm": "post_attention_layernorm",
    "mlp.gate": "mlp.gate_proj",
    "mlp.up": "mlp.up_proj",
    "mlp.down": "mlp.down_proj",
}
_GPT2 = {"attention_norm": "ln_1", "mlp_norm": "ln_2"}
_GPT2_TRANSPOSED = {"attention.out": "attn.c_proj", "mlp.up": "mlp.c_fc", "mlp.down": "mlp.c_proj"}
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)


def family(shape: Shape) -> str:
    """``llama`` or ``gpt2``; a shape that is neither cannot be said to ``transformers``."""
    parts = (shape.norm, shape.position, shape.mlp, shape.bias)
    if parts == ("rms", "rope", "swiglu", False):
        return "llama"
    if parts == ("layer", "learned", "gelu", True) and shape.tied and shape.n_kv_heads == shape.n_heads:
        return "gpt2"
    raise TrainerError(
        f"no family of transformers has this shape ({parts})", "export", "Use a preset's shape."
    )


def is_exported(folder: Path) -> bool:
    """Whether a folder holds a model in the form of ``transformers``."""
    if not (folder / "config.json").is_file() or not (folder / checkpoint.MODEL).is_file():
        return False
    return "model_type" in json.loads((folder / "config.json").read_text())


def export(model: Decoder, tokenizer_folder: Path, special_ids: dict[str, int], folder: Path) -> None:
    """Write ``folder``: weights, config, generation config and the tokenizer's files."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in to_transformers(model).items()}
    save_file(tensors, folder / checkpoint.MODEL, metadata={"format": "pt"})
    end = special_ids["<|endoftext|>"]
    _write_json(folder / "config.json", {**hf_config(model.shape), "bos_token_id": end, "eos_token_id": end})
    stops = sorted({end, special_ids.get("<|im_end|>", end)})
    generation = {"bos_token_id": end, "eos_token_id": stops, "pad_token_id": end}
    _write_json(folder / "generation_config.json", generation)
    for name in _TOKENIZER_FILES:
        if (tokenizer_folder / name).is_file():
            shutil.copyfile(tokenizer_folder / name, folder / name)


def hf_config(shape: Shape) -> dict[str, Any]:
    """``config.json`` of a shape."""
    if family(shape) == "llama":
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": shape.vocab_size,
            "hidden_size": shape.width,
            "intermediate_size": shape.mlp_width,
            "num_hidden_layers": shape.n_layers,
            "num_attention_heads": shape.n_heads,
            "num_key_value_heads": shape.n_kv_heads,
            "head_dim": shape.head_width,
            "hidden_act": "silu",
            "max_position_embeddings": shape.max_seq_len,
            "rms_norm_eps": shape.norm_eps,
            "rope_theta": shape.rope_base,
            "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_base},
            "tie_word_embeddings": shape.tied,
            "attention_bias": False,
            "mlp_bias": False,
            "torch_dtype": "float32",
        }
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": shape.vocab_size,
        "n_positions": shape.max_seq_len,
        "n_embd": shape.width,
        "n_layer": shape.n_layers,
        "n_head": shape.n_heads,
        "n_inner": shape.mlp_width,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": shape.norm_eps,
        "resid_pdrop": shape.dropout,
        "embd_pdrop": shape.dropout,
        "attn_pdrop": shape.dropout,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }


def read_shape(folder: Path) -> Shape:
    """The shape that a folder's ``config.json`` says."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    kind = config.get("model_type")
    if kind == "llama":
        heads = config["num_attention_heads"]
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        head_width = config.get("head_dim") or config["hidden_size"] // heads
        if rope.get("rope_type", "default") != "default" or config.get("attention_bias"):
            raise TrainerError("scaled rotary angles and attention biases are not supported", str(folder))
        if head_width * heads != config["hidden_size"]:
            raise TrainerError("heads that do not add up to the width are not supported", str(folder))
        return Shape(
            vocab_size=config["vocab_size"],
            max_seq_len=config["max_position_embeddings"],
            n_layers=config["num_hidden_layers"],
            width=config["hidden_size"],
            n_heads=heads,
            n_kv_heads=config.get("num_key_value_heads") or heads,
            mlp_width=config["intermediate_size"],
            norm="rms",
            norm_eps=config["rms_norm_eps"],
            position="rope",
            rope_base=rope.get("rope_theta", config.get("rope_theta", 10000.0)),
            mlp="swiglu",
            bias=False,
            tied=config.get("tie_word_embeddings", False),
        )
    if kind == "gpt2":
        return Shape(
            vocab_size=config["vocab_size"],
            max_seq_len=config["n_positions"],
            n_layers=config["n_layer"],
            width=config["n_embd"],
            n_heads=config["n_head"],
            n_kv_heads=config["n_head"],
            mlp_width=config.get("n_inner") or 4 * config["n_embd"],
            norm_eps=config.get("layer_norm_epsilon", 1e-5),
        )
    raise TrainerError(f'model_type "{kind}" is not supported', str(folder), "Supported: llama, gpt2.")


def load_weights(folder: Path, model: Decoder) -> None:
    """Fill a model from a folder in the form of ``transformers``."""
    file = folder / checkpoint.MODEL
    if not file.is_file():
        raise TrainerError("there is no model.safetensors", str(folder), "Save it in one safetensors file.")
    checkpoint.fill(model, from_transformers(load_file(file), model.shape), str(file))


def to_transformers(model: Decoder) -> dict[str, Tensor]:
    """The model's tensors under the names of ``transformers``."""
    own = {name: tensor.cpu() for name, tensor in checkpoint.model_tensors(model).items()}
    if family(model.shape) == "llama":
        return {_llama_name(name): tensor for name, tensor in own.items()}
    out: dict[str, Tensor] = {}
    for name, tensor in own.items():
        target, transposed = _gpt2_name(name)
        if target:
            out[target] = tensor.T if transposed and tensor.dim() == 2 else tensor
    for layer in range(model.shape.n_layers):
        for kind in ("weight", "bias"):
            parts = [own[f"blocks.{layer}.attention.{one}.{kind}"] for one in ("q", "k", "v")]
            joined = torch.cat(parts)
            out[f"transformer.h.{layer}.attn.c_attn.{kind}"] = joined.T if kind == "weight" else joined
    return out


def from_transformers(tensors: dict[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """The inverse of ``to_transformers``; buffers that hold no weights are passed over."""
    tensors = {name: tensor.float() for name, tensor in tensors.items()}
    with torch.device("meta"):
        names = [name for name, _ in Decoder(shape).named_parameters()]
    out: dict[str, Tensor] = {}
    if family(shape) == "llama":
        wanted = {name: _llama_name(name) for name in names}
        return {name: tensors[theirs] for name, theirs in wanted.items() if theirs in tensors}
    if not any(name.startswith("transformer.") for name in tensors):  # as saved from GPT2Model
        tensors = {f"transformer.{name}": tensor for name, tensor in tensors.items()}
    for name in names:
        target, transposed = _gpt2_name(name)
        if target and target in tensors:
            tensor = tensors[target]
            out[name] = tensor.T if transposed and tensor.dim() == 2 else tensor
    for layer in range(shape.n_layers):
        for kind in ("weight", "bias"):
            joined = tensors[f"transformer.h.{layer}.attn.c_attn.{kind}"]
            for one, part in zip(("q", "k", "v"), joined.chunk(3, dim=-1), strict=True):
                out[f"blocks.{layer}.attention.{one}.{kind}"] = part.T if kind == "weight" else part
    return out


def _split(name: str) -> tuple[str, str, str]:
    """``blocks.3.mlp.up.weight`` to (3, mlp.up, weight)."""
    _, layer, rest = name.split(".", 2)
    part, kind = rest.rsplit(".", 1)
    return layer, part, kind


def _llama_name(name: str) -> str:
    whole = {"embed.weight": "model.embed_tokens.weight", "norm.weight": "model.norm.weight"}
    if not name.startswith("blocks."):
        return {**whole, "head.weight": "lm_head.weight"}[name]
    layer, part, kind = _split(name)
    return f"model.layers.{layer}.{_LLAMA[part]}.{kind}"


def _gpt2_name(name: str) -> tuple[str, bool]:
    """Their name and whether the matrix is transposed; no name for q, k and v, which are joined."""
    if not name.startswith("blocks."):
        top = {"embed": "wte", "position": "wpe", "norm": "ln_f"}
        part, kind = name.split(".")
        return f"transformer.{top[part]}.{kind}", False
    layer, part, kind = _split(name)
    if part in _GPT2_TRANSPOSED:
        return f"transformer.h.{layer}.{_GPT2_TRANSPOSED[part]}.{kind}", True
    if part in _GPT2:
        return f"transformer.h.{layer}.{_GPT2[part]}.{kind}", False
    return "", False


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")

"""Text from a model: one sequence at a time with a cache of keys and values.

Greedy (temperature 0), or sampling with temperature, top-k and top-p (nucleus, Holtzman et al. 2020),
seeded: the same call gives the same text. A document's text begins after the end-of-document token, as in
training; a conversation begins with its first turn.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name)
from torch import Tensor

from dataflow.config import Config
from tokenizer_training import chat
from tokenizer_training.load import Loaded
from trainer.errors import RefusedError
from trainer.model import Cache, Decoder


class Sampling(Config):
    """How the next token is chosen."""

    temperature: float = 0.0
    """Divides the logits; 0 always takes the likeliest token."""
    top_k: int = 0
    """Choose among so many likeliest tokens; 0: among all."""
    top_p: float = 1.0
    """Choose among the fewest likeliest tokens that hold this share of the probability."""
    seed: int = 1
    """Seed of the choice."""


@torch.no_grad()
def generate(
    model: Decoder,
    prompt: Sequence[int],
    most: int,
    stop: Sequence[int] = (),
    sampling: Sampling | None = None,
) -> Iterator[int]:
    """Yield up to ``most`` ids after ``prompt``, until one of ``stop`` (which is not yielded) or a full
    context.
    """
    if not prompt:
        raise RefusedError("an empty prompt", "generate", "Give at least one token.")
    sampling = sampling or Sampling()
    device = model.head_weight.device
    room = model.shape.max_seq_len
    generator = torch.Generator(device).manual_seed(sampling.seed)
    cache = Cache()
    ids = torch.tensor([list(prompt)[-(room - 1) :]], device=device)
    model.eval()
    for _ in range(most):
        start = cache.length
        if start + ids.shape[1] > room:
            return
        positions = torch.arange(start, start + ids.shape[1], device=device)[None]
        hidden = model(ids, positions, None, cache)
        logits = F.linear(hidden[0, -1], model.head_weight).float()
        token = choose(logits, sampling, generator)
        if token in stop:
            return
        yield token
        ids = torch.tensor([[token]], device=device)


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """The next token's id from its logits."""
    if sampling.temperature <= 0:
        return int(logits.argmax())
    ordered, ids = (logits / sampling.temperature).sort(descending=True, stable=True)
    if sampling.top_k:
        ordered, ids = ordered[: sampling.top_k], ids[: sampling.top_k]
    probabilities = ordered.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    probabilities = torch.where(before < sampling.top_p, probabilities, 0.0)
    return int(ids[torch.multinomial(probabilities, 1, generator=generator)])


def continue_text(
    model: Decoder, tokenizer: Loaded, text: str, most: int, sampling: Sampling | None = None
) -> str:
    """What the model writes after ``text``, up to the end of the document."""
    prompt = [tokenizer.end_of_text, *tokenizer.encode([text])[0].tolist()]
    return _decoded(tokenizer, generate(model, prompt, most, (tokenizer.end_of_text,), sampling))


def answer(
    model: Decoder,
    tokenizer: Loaded,
    messages: Sequence[chat.Message],
    most: int,
    sampling: Sampling | None = None,
) -> str:
    """What the model answers to a conversation."""
    prompt = chat.encode(tokenizer, [messages], add_generation_prompt=True)[0].ids.tolist()
    stop = (tokenizer.turn_end, tokenizer.end_of_text)
    return _decoded(tokenizer, generate(model, prompt, most, stop, sampling))


def _decoded(tokenizer: Loaded, ids: Iterator[int]) -> str:
    return tokenizer.decode(list(ids))

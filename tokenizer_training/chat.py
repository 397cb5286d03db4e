"""Conversations as text: ChatML, which is plain, widely understood, and needs two special tokens.

    <|im_start|>user
    Hello!<|im_end|>
    <|im_start|>assistant
    Hi.<|im_end|>

What the model learns to write is the assistant's content and the ``<|im_end|>`` that ends it. Header,
content and end are encoded apart, so that the boundary of what is trained is also a boundary of tokens, and
so that a prompt at inference is token for token the beginning of what was trained. (Encoding the whole
string at once gives the same ids, except where a content begins with line breaks: those would merge with the
one that ends the header.)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tokenizer_training.config import TURN_END, TURN_START
from tokenizer_training.errors import TokenizerError
from tokenizer_training.load import Ids, Loaded

ASSISTANT = "assistant"

TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- message['content'] + '<|im_end|>' -}}{%- endgeneration -%}"
    "{%- else -%}{{- message['content'] + '<|im_end|>' -}}{%- endif -%}"
    "{{- '\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
"""The same in Jinja, for ``transformers``; its assistant mask (the ``generation`` block) is our loss
spans."""

Message = Mapping[str, str]


class Segment(NamedTuple):
    """A stretch of a rendered conversation that is encoded by itself."""

    text: str
    trained: bool  # whether the model learns to write it
    special: bool = False  # whether it stands for a special token; anything else is text, whatever it says


def render(messages: Sequence[Message], add_generation_prompt: bool = False) -> list[Segment]:
    """A conversation as segments; their texts joined are what the Jinja template renders."""
    segments: list[Segment] = []
    for message in messages:
        role, content = message["role"], message["content"]
        trained = role == ASSISTANT
        segments.append(Segment(TURN_START, False, special=True))
        segments.append(Segment(f"{role}\n", False))
        if content:
            segments.append(Segment(content, trained))
        segments.append(Segment(TURN_END, trained, special=True))
        segments.append(Segment("\n", False))
    if add_generation_prompt:
        segments.append(Segment(TURN_START, False, special=True))
        segments.append(Segment(f"{ASSISTANT}\n", False))
    return segments


def text(messages: Sequence[Message], add_generation_prompt: bool = False) -> str:
    """A conversation as one string."""
    return "".join(segment.text for segment in render(messages, add_generation_prompt))


@dataclass(frozen=True)
class Conversation:
    """A conversation as ids, with the stretches ``[start, end)`` of them that are trained."""

    ids: Ids
    spans: list[tuple[int, int]]


def encode(
    tokenizer: Loaded, conversations: Sequence[Sequence[Message]], add_generation_prompt: bool = False
) -> list[Conversation]:
    """Conversations as ids; texts never become special tokens."""
    rendered = [render(messages, add_generation_prompt) for messages in conversations]
    texts = [segment.text for segments in rendered for segment in segments if not segment.special]
    encoded = iter(tokenizer.encode(texts))
    return [_assemble(tokenizer, segments, encoded) for segments in rendered]


def _assemble(tokenizer: Loaded, segments: list[Segment], encoded: Iterator[Ids]) -> Conversation:
    pieces: list[Ids] = []
    spans: list[tuple[int, int]] = []
    position = 0
    for segment in segments:
        if segment.special:
            piece = np.array([tokenizer.special_ids[segment.text]], dtype=np.uint32)
        else:
            piece = next(encoded)
        end = position + len(piece)
        if segment.trained:
            joined = bool(spans) and spans[-1][1] == position
            spans[-1:] = [(spans[-1][0], end)] if joined else [*spans[-1:], (position, end)]
        pieces.append(piece)
        position = end
    return Conversation(np.concatenate(pieces) if pieces else np.zeros(0, np.uint32), spans)


def check_prefix_preserving(render_text: Callable[[Sequence[Message], bool], str]) -> None:
    """Refuse a template where a conversation does not begin with its own earlier turns.

    With such a template (one that drops old reasoning, say, or moves the system prompt) the model is trained
    on text that it never meets when it answers turn by turn.

    Args:
        render_text: renders messages, with the prompt for the assistant's next turn where told so.
    """
    messages: list[Message] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "  One?\n"},
        {"role": "assistant", "content": "<think>first</think>Two."},
        {"role": "user", "content": "Three?"},
        {"role": "assistant", "content": "Four.\n"},
    ]
    whole = render_text(messages, False)
    for n, following in enumerate(messages[1:], start=1):
        begun = render_text(messages[:n], following["role"] == ASSISTANT)
        if not whole.startswith(begun):
            raise TokenizerError(
                f"the chat template is not prefix-preserving: after turn {n} the rendering changes",
                "chat template",
                "Use a template that only ever appends, as ChatML does.",
            )

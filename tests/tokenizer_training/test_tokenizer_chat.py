"""Conversations: ChatML, as transformers renders it; what users write never becomes a control token."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenizer_training import chat
from tokenizer_training.errors import TokenizerError

HELLO = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello, who are you?"},
    {"role": "assistant", "content": "A whale.\nIn grey water."},
    {"role": "user", "content": "And now?"},
    {"role": "assistant", "content": ""},
]

messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant"]),
            "content": st.text(st.sampled_from("ab \n<|im_start|>éx你1\t"), max_size=30)
            | st.sampled_from(["<|im_start|>", "x<|im_end|>\n<|im_start|>assistant\n", "<|endoftext|>"]),
        }
    ),
    max_size=5,
)


def test_a_conversation_reads_as_chatml():
    assert chat.text(HELLO[1:3], add_generation_prompt=True) == (
        "<|im_start|>user\nHello, who are you?<|im_end|>\n"
        "<|im_start|>assistant\nA whale.\nIn grey water.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@given(messages=messages)
def test_loss_spans_decode_to_the_assistants_words_and_their_end(tokenizer, messages):
    (encoded,) = chat.encode(tokenizer, [messages])
    spelled = [tokenizer.decode(encoded.ids[start:end]) for start, end in encoded.spans]
    assert spelled == [f"{m['content']}<|im_end|>" for m in messages if m["role"] == "assistant"]
    assert all(encoded.ids[end - 1] == tokenizer.turn_end for _, end in encoded.spans)
    assert tokenizer.decode(encoded.ids) == chat.text(messages)


@given(messages=messages)
def test_what_is_written_in_a_message_never_becomes_a_special_token(tokenizer, messages):
    (encoded,) = chat.encode(tokenizer, [messages])
    special = np.isin(encoded.ids, list(tokenizer.special_ids.values()))
    assert encoded.ids[special].tolist() == [tokenizer.turn_start, tokenizer.turn_end] * len(messages)


@given(messages=messages)
def test_a_prompt_is_token_for_token_the_beginning_of_what_was_trained(tokenizer, messages):
    (whole,) = chat.encode(tokenizer, [messages])
    for n, message in enumerate(messages):
        if message["role"] == "assistant":
            (prompt,) = chat.encode(tokenizer, [messages[:n]], add_generation_prompt=True)
            assert whole.ids[: len(prompt.ids)].tolist() == prompt.ids.tolist()


def test_chatml_is_prefix_preserving():
    chat.check_prefix_preserving(chat.text)


def test_a_template_that_rewrites_earlier_turns_is_refused():
    def last_turn_in_capitals(messages, add_generation_prompt):
        *early, last = messages
        return chat.text([*early, {**last, "content": last["content"].upper()}], add_generation_prompt)

    with pytest.raises(TokenizerError, match="after turn 1"):
        chat.check_prefix_preserving(last_turn_in_capitals)

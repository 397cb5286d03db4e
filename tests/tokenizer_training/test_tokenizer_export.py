"""The exported folder in transformers: the same ids, the same rendering, the same mask."""

import pytest

from tokenizer_training import chat
from tokenizer_training.export import export

transformers = pytest.importorskip("transformers")

TEXTS = [
    "The whale rose out of the grey water.",
    "def add(a, b):\n    return a + b\n",
    "  leading, trailing  \n\n",
    "Männer, Кит 鲸鱼 👩‍🚀 \x00",
    "don't  1234567 ===",
    "",
]
CONVERSATIONS = [
    [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "A whale.\n\nIn grey water. "}],
    [
        {"role": "system", "content": " Be brief."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three"},
        {"role": "assistant", "content": "Four"},
    ],
]


@pytest.fixture(scope="module")
def theirs(store, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("exported"))
    export(store.path("tokenizer"), folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("text", TEXTS)
def test_ids_and_text_are_the_same(tokenizer, theirs, text):
    ids = tokenizer.encode([text])[0].tolist()
    assert theirs(text, add_special_tokens=False)["input_ids"] == ids
    assert theirs(text)["input_ids"] == ids
    assert theirs.decode(ids) == text


def test_special_tokens_play_their_parts(tokenizer, theirs):
    assert theirs.eos_token_id == theirs.pad_token_id == tokenizer.end_of_text
    assert theirs.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"]) == [
        tokenizer.turn_start,
        tokenizer.turn_end,
    ]
    assert theirs.decode([tokenizer.turn_start, tokenizer.turn_end], skip_special_tokens=True) == ""
    assert len(theirs) == tokenizer.vocab_size


@pytest.mark.parametrize("prompt", [False, True])
@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_the_chat_template_renders_what_we_render(tokenizer, theirs, messages, prompt):
    assert theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt) == chat.text(
        messages, prompt
    )
    rendered = theirs.apply_chat_template(messages, add_generation_prompt=prompt, return_dict=True)
    (ours,) = chat.encode(tokenizer, [messages], prompt)
    assert rendered["input_ids"] == ours.ids.tolist()


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_their_assistant_mask_is_our_loss_spans(tokenizer, theirs, messages):
    rendered = theirs.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    (ours,) = chat.encode(tokenizer, [messages])
    mask = [0] * len(ours.ids)
    for start, end in ours.spans:
        mask[start:end] = [1] * (end - start)
    assert rendered["assistant_masks"] == mask

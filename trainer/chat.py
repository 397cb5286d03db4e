"""A conversation with a model in the terminal. ``/new`` starts over, ``/quit`` or end of input leaves."""

from collections.abc import Callable

from tokenizer_training.load import Loaded
from trainer.generate import Sampling, answer
from trainer.model import Decoder


def converse(
    model: Decoder,
    tokenizer: Loaded,
    most: int,
    sampling: Sampling,
    read: Callable[[str], str] = input,
    write: Callable[[str], None] = print,
) -> None:
    """Read a turn, answer it, keep both as context, until told to stop."""
    messages: list[dict[str, str]] = []
    while True:
        try:
            said = read("> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if said == "/quit":
            return
        if said == "/new":
            messages = []
            continue
        if not said:
            continue
        messages.append({"role": "user", "content": said})
        reply = answer(model, tokenizer, messages, most, sampling)
        messages.append({"role": "assistant", "content": reply})
        write(reply)

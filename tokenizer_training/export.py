"""A tokenizer as the folder that ``transformers`` and what builds on it load.

``tokenizer.json`` holds everything that encodes; the rest tells which token plays which part and how a
conversation is written. ``AutoTokenizer.from_pretrained(folder)`` reads it without remote code. Unlike the
encoder of this project, ``transformers`` does turn a literal special token inside a message into the token:
clean what users type.
"""

import json

from dataflow.store.storage import Storage
from tokenizer_training.chat import TEMPLATE
from tokenizer_training.config import END_OF_TEXT, TURN_END, TURN_START
from tokenizer_training.load import read_file

_ROLES: dict[str, object] = {
    "eos_token": END_OF_TEXT,
    "pad_token": END_OF_TEXT,
    "additional_special_tokens": [TURN_START, TURN_END],
}


def folder_files(content: bytes) -> dict[str, bytes]:
    """File name to content of the folder for a ``tokenizer.json``."""
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        **_ROLES,
    }
    return {
        "tokenizer.json": content,
        "tokenizer_config.json": _json(config),
        "special_tokens_map.json": _json(_ROLES),
        "chat_template.jinja": TEMPLATE.encode(),
    }


def export(path: str, folder: str) -> list[str]:
    """Write the folder for the tokenizer at ``path`` (a tokenizer.json or its folder); returns the file
    names."""
    files = folder_files(read_file(path))
    store = Storage(folder)
    for name, content in files.items():
        store.write_bytes(name, content)
    return sorted(files)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()

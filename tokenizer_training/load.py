"""A tokenizer as the rest of the project uses it: read once a process, deaf to special tokens inside text.

``tokenizers`` turns a literal ``<|im_start|>`` in a user's text into the special token unless told
otherwise; here it is always told otherwise, and special tokens get into a sequence by their ids only.
Reading checks what later steps rely on: byte-level BPE, every byte in the vocabulary, text that comes back
as it went in.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt
import tokenizers
from tokenizers import pre_tokenizers

from dataflow.store.storage import Storage
from tokenizer_training.config import END_OF_TEXT, SPECIAL_TOKENS, TURN_END, TURN_START
from tokenizer_training.errors import TokenizerError

TOKENIZER_FILE = "tokenizer/tokenizer.json"
"""Where the output folder keeps it."""

_PROBE = (
    "The quick brown fox, isn't it, 1234567 times.\n\n\tdef f(x):\r\n    return x  # été 你好 こんにちは "
    "Привет नमस्ते สวัสดี 👩\u200d🚀 \x00 , ; ' n't  "
)

Ids = npt.NDArray[np.uint32]


_PIECE = 100_000
_BATCH = 1_000_000
_BETWEEN_WORDS = re.compile("[a-z](?= [a-z])")


@dataclass(frozen=True)
class Loaded:
    """A tokenizer that was read and checked."""

    tokenizer: Any  # tokenizers.Tokenizer
    sha256: str
    vocab_size: int  # one more than the highest id
    special_ids: dict[str, int]  # END_OF_TEXT, TURN_START, TURN_END
    words_apart: bool  # whether "a b" is always cut before the space

    @property
    def wide(self) -> bool:
        """Whether ids need 32 bits."""
        return self.vocab_size > 1 << 16

    @property
    def end_of_text(self) -> int:
        """Id of the token that ends a document."""
        return self.special_ids[END_OF_TEXT]

    @property
    def turn_start(self) -> int:
        """Id of the token that opens a turn."""
        return self.special_ids[TURN_START]

    @property
    def turn_end(self) -> int:
        """Id of the token that ends a turn."""
        return self.special_ids[TURN_END]

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text; whatever a text says, never a special one.

        About 150 bytes of memory go to each byte being encoded, so long texts are cut where the pre-tokenizer
        cuts them anyway, and about a megabyte goes in at a time.
        """
        pieces = [piece for text in texts for piece in self._pieces(text)]
        ids: list[Ids] = []
        for batch in _batches(pieces):
            encoded = self.tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            ids += [np.array(one.ids, dtype=np.uint32) for one in encoded]
        if len(ids) == len(texts):
            return ids
        following = iter(ids)
        return [np.concatenate([next(following) for _ in self._pieces(text)]) for text in texts]

    def _pieces(self, text: str) -> list[str]:
        """A text cut between words into pieces of about ``_PIECE`` characters; joined they are the text."""
        if len(text) <= 2 * _PIECE or not self.words_apart:
            return [text]
        cuts = [0]
        while len(text) - cuts[-1] > 2 * _PIECE and (found := _BETWEEN_WORDS.search(text, cuts[-1] + _PIECE)):
            cuts.append(found.end())
        return [text[start:end] for start, end in pairwise([*cuts, len(text)])]

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """The text of some ids, special tokens spelled out. Bytes that are no UTF-8 come out as U+FFFD."""
        return str(self.tokenizer.decode([int(i) for i in ids], skip_special_tokens=False))


def load(store: Storage) -> Loaded:
    """The tokenizer of an output folder."""
    if not store.exists(TOKENIZER_FILE):
        raise TokenizerError(
            "there is no tokenizer yet", store.path(TOKENIZER_FILE), "Run the step tokenizer first."
        )
    return parse(store.read_bytes(TOKENIZER_FILE), store.path(TOKENIZER_FILE))


def load_file(path: str) -> Loaded:
    """A tokenizer from a path or URL: a ``tokenizer.json`` or a folder that holds one."""
    return parse(read_file(path), path)


def read_file(path: str) -> bytes:
    """The bytes of a ``tokenizer.json``, given as it is or by its folder."""
    fs, root = fsspec.core.url_to_fs(path)
    file = f"{root.rstrip('/')}/tokenizer.json" if fs.isdir(root) else root
    if not fs.isfile(file):
        fix = "Give the path of a tokenizer.json, or of the folder that holds it."
        raise TokenizerError("no tokenizer found", path, fix)
    return bytes(fs.cat_file(file))


def parse(content: bytes, where: str) -> Loaded:
    """The tokenizer that ``content`` describes, checked. The same bytes are parsed once a process."""
    try:
        return _parse(content)
    except TokenizerError as error:
        raise TokenizerError(error.what, where, error.fix) from error


@lru_cache(maxsize=4)
def _parse(content: bytes) -> Loaded:
    tokenizer = from_bytes(content)
    missing = [token for token in SPECIAL_TOKENS if tokenizer.token_to_id(token) is None]
    if missing:
        fix = "Give it as tokenizer.path in the recipe: the step tokenizer adds what is missing."
        raise TokenizerError(f"the tokenizer lacks {', '.join(missing)}", fix=fix)
    check(tokenizer)
    return Loaded(
        tokenizer=tokenizer,
        sha256=hashlib.sha256(content).hexdigest(),
        vocab_size=max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1,
        special_ids={token: int(tokenizer.token_to_id(token)) for token in SPECIAL_TOKENS},
        words_apart=_words_apart(tokenizer),
    )


def _words_apart(tokenizer: Any) -> bool:
    if tokenizer.pre_tokenizer is None or tokenizer.normalizer is not None:
        return False
    words = [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str("ab cde f gh")]
    return words == ["ab", "\u0120cde", "\u0120f", "\u0120gh"]


def _batches(texts: list[str]) -> Iterator[list[str]]:
    """Consecutive texts, about ``_BATCH`` characters at a time."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def from_bytes(content: bytes) -> Any:
    """A ``tokenizers.Tokenizer``: no padding, no truncation, special tokens in text are text."""
    try:
        tokenizer = tokenizers.Tokenizer.from_buffer(content)
    except Exception as error:  # the class that tokenizers raises
        what = f"not a tokenizer.json ({str(error)[:120]})"
        raise TokenizerError(what, fix="Give a whole tokenizer.json.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def check(tokenizer: Any) -> None:
    """Refuse what cannot carry any text there and back unchanged."""
    description = json.loads(tokenizer.to_str())
    kind = description["model"].get("type", "unknown")
    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    absent = [letter for letter in pre_tokenizers.ByteLevel.alphabet() if letter not in vocabulary]
    if kind != "BPE" or absent:
        found = f"{kind}, {len(absent)} of 256 bytes not in its vocabulary"
        fix = (
            "Use a byte-level BPE tokenizer (GPT-2, Llama 3, Qwen), or leave tokenizer.path out to train one."
        )
        raise TokenizerError(f"not a byte-level BPE tokenizer ({found})", fix=fix)
    special = {tokenizer.token_to_id(token) for token in SPECIAL_TOKENS} - {None}
    for probe in (_PROBE, f" {_PROBE}", *SPECIAL_TOKENS):
        ids = tokenizer.encode(probe, add_special_tokens=False).ids
        back = tokenizer.decode(ids, skip_special_tokens=False)
        if back != probe:
            raise TokenizerError(
                f"text does not survive encoding and decoding ({probe[:40]!r} came back as {back[:40]!r})",
                fix="Use a tokenizer without add_prefix_space and without a normalizer that changes text.",
            )
        if special & set(ids):
            what = f"{probe[:40]} written in a text is encoded as the control token"
            raise TokenizerError(what, fix="Mark it as special in the tokenizer's added_tokens.")

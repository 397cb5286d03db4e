"""Learns a byte-level BPE vocabulary from the corpus, or takes a ready one over.

``tokenizers`` does the work: it is the reference that every other engine is measured against, at the price
of being several times slower in training than the fastest. The 256 bytes are in the alphabet whether the
sample has them or not, so any text can be encoded. The result is the same byte for byte whatever the number
of threads: pieces are counted, and ties between pairs are broken by their ids.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers

from dataflow.store.manifest import Made
from dataflow.store.storage import Storage
from tokenizer_training.config import PATTERNS, SPECIAL_TOKENS, Tokenizer
from tokenizer_training.errors import TokenizerError
from tokenizer_training.export import folder_files
from tokenizer_training.load import check, from_bytes, parse, read_file
from tokenizer_training.sample import sample

__all__ = ["VERSION", "Tokenizer", "adopt", "learn", "train_tokenizer"]

VERSION = 1
"""Raise when the bytes of a tokenizer made from the same text change."""

FOLDER = "tokenizer"


@dataclass
class Counted:
    """What went by while a vocabulary was learned."""

    documents: int = 0
    n_bytes: int = 0

    def watch(self, batches: Iterable[list[str]]) -> Iterator[list[str]]:
        """The same batches, counted."""
        for texts in batches:
            self.documents += len(texts)
            self.n_bytes += sum(len(text.encode()) for text in texts)
            yield texts


def train_tokenizer(store: Storage, config: Tokenizer, seed: int) -> Made:
    """Write ``tokenizer/`` of an output folder: learned from its corpus, or a copy of ``config.path``.

    Args:
        store: the output folder; ``corpus/`` is read where a vocabulary is learned.
        config: the recipe's section.
        seed: decides which documents are in the sample.

    Raises:
        TokenizerError: the text cannot fill the vocabulary, or the ready tokenizer cannot be used.
    """
    if config.path is not None:
        content, notes = adopt(config.path)
        counts: dict[str, int] = {}
        made_from: dict[str, object] = {"ready": True, "notes": notes}
    else:
        counted = Counted()
        content = learn(counted.watch(sample(store, config.sample_bytes, seed)), config)
        counts = {"documents": counted.documents, "bytes": counted.n_bytes}
        made_from = {"ready": False, "pattern": config.pattern, "seed": seed, "sample": counts, "notes": []}
    loaded = parse(content, FOLDER)
    card = {
        "version": VERSION,
        "vocab_size": loaded.vocab_size,
        "special_ids": loaded.special_ids,
        "sha256": hashlib.sha256(content).hexdigest(),
        **made_from,
    }
    files = folder_files(content)
    for name, file in files.items():
        store.write_bytes(f"{FOLDER}/{name}", file)
    store.write_json(f"{FOLDER}/card.json", card)
    outputs = tuple(f"{FOLDER}/{name}" for name in sorted([*files, "card.json"]))
    return Made(outputs, {"vocab_size": loaded.vocab_size, **counts})


def learn(batches: Iterable[list[str]], config: Tokenizer) -> bytes:
    """The ``tokenizer.json`` of a vocabulary learned from texts."""
    tokenizer: Any = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[config.pattern]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer: Any = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(batches, trainer)
    reached = tokenizer.get_vocab_size()
    if reached < config.vocab_size:
        raise TokenizerError(
            f"the text cannot fill the vocabulary: {config.vocab_size:,} tokens asked, {reached:,} reached",
            "tokenizer.vocab_size",
            f"Ask for at most {reached}, raise tokenizer.sample_bytes, or give more text.",
        )
    return str(tokenizer.to_str(pretty=True)).encode()


def adopt(path: str) -> tuple[bytes, list[str]]:
    """A ready ``tokenizer.json`` made fit for this project, and notes on what was changed.

    Special tokens that it lacks are added at the end, so that every id it had keeps its meaning.
    """
    content = read_file(path)
    try:
        tokenizer = from_bytes(content)
        vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        missing = [token for token in SPECIAL_TOKENS if token not in vocabulary]
        known = {str(token) for token in tokenizer.get_added_tokens_decoder().values() if token.special}
        unmarked = [token for token in SPECIAL_TOKENS if token in vocabulary and token not in known]
        tokenizer.add_special_tokens(
            [AddedToken(t, special=True, normalized=False) for t in missing + unmarked]
        )
        check(tokenizer)
    except TokenizerError as error:
        raise TokenizerError(error.what, path, error.fix) from error
    described = json.loads(tokenizer.to_str())
    notes = [f"added {token} as id {tokenizer.token_to_id(token)}" for token in missing]
    notes += [f"marked {token} as special" for token in unmarked]
    if described.get("normalizer"):
        kind = described["normalizer"].get("type")
        notes.append(f"its normalizer ({kind}) may change text before it is encoded")
    return str(tokenizer.to_str(pretty=True)).encode(), notes

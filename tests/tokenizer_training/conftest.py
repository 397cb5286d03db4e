import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import settings

from dataflow.store.documents import CORPUS
from dataflow.store.storage import Storage
from tokenizer_training.config import Tokenizer
from tokenizer_training.load import Loaded, load
from tokenizer_training.train import train_tokenizer

# A busy machine is no fault of the code under test.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"

PARAGRAPHS = [
    "The whale rose out of the grey water, and the men in the boats were silent for a moment.",
    "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return a - b\n",
    "Die Wellen schlugen gegen das Boot, und die Männer schwiegen einen Augenblick lang.",
    "Кит поднялся из серой воды, и люди в лодках замолчали на мгновение.",
    "鲸鱼从灰色的水中升起，船上的人沉默了片刻。人们看着它。",
    "In 1851, 3 ships and 27 boats left; 1,234,567 barrels came back -- or so they say (see p. 12).",
]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """A small corpus in which every paragraph comes back in other company."""
    return [
        "\n\n".join(PARAGRAPHS[n % 6 :] + PARAGRAPHS[: n % 3]) + f"\n\nThe end of part {n}."
        for n in range(120)
    ]


@pytest.fixture(scope="session")
def write_corpus() -> Callable[[Storage, str, list[str]], str]:
    """Writes texts as one corpus part and gives its path."""

    def write(store: Storage, phase: str, texts: list[str], part: int = 0) -> str:
        columns = {
            "id": [f"books/a.jsonl#{n}" for n in range(len(texts))],
            "source": ["books" if n % 2 else "web" for n in range(len(texts))],
            "text": texts,
            "n_bytes": [len(text.encode()) for text in texts],
            "phase": [phase] * len(texts),
            "position": list(range(len(texts))),
            "epoch": [0] * len(texts),
        }
        rel = f"corpus/{phase}/part-{part:05d}.parquet"
        store.write_table(rel, pa.table(columns, schema=CORPUS))
        return rel

    return write


@pytest.fixture(scope="session")
def store(tmp_path_factory, texts, write_corpus) -> Storage:
    """An output folder with a corpus and a tokenizer of 500 tokens."""
    store = Storage(str(tmp_path_factory.mktemp("out")))
    write_corpus(store, "main", texts)
    write_corpus(store, "validation", ["zebra xylophone quartz " * 50])
    train_tokenizer(store, Tokenizer(vocab_size=500), seed=1)
    return store


@pytest.fixture(scope="session")
def tokenizer(store) -> Loaded:
    return load(store)


@pytest.fixture(scope="session")
def brown() -> list[str]:
    file = SHARED / "text" / "brown.jsonl.gz"
    if not file.exists():
        pytest.skip(f"{file.name} is not on this machine")
    with gzip.open(file) as stream:
        return [json.loads(line)["text"] for line in stream]

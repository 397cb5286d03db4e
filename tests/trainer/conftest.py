"""Small token shards made by hand, and runs over them that take a second."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from dataflow.store.documents import tokens_schema
from dataflow.store.storage import Storage
from tokenizer_training.config import Tokenizer
from tokenizer_training.load import Loaded, load_file
from tokenizer_training.train import learn
from trainer.config import TrainRun

WORDS = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "tree", "and", "then", "it", "was", "big", "small", "red", "blue", "said", "went"]


def write_shards(
    folder: Path,
    documents: list[list[int]],
    tokenizer: Loaded,
    sources: list[str] | None = None,
    spans: list[list[tuple[int, int]]] | None = None,
    row_group_size: int = 7,
) -> Path:
    """A folder with one part of token shards."""
    columns = {
        "id": [f"s/x#{n}" for n in range(len(documents))],
        "source": pa.array(sources or ["s"] * len(documents)).dictionary_encode(),
        "tokens": documents,
        "n_bytes": [3 * len(document) for document in documents],
    }
    if spans is not None:
        columns["loss_spans"] = [[{"start": s, "end": e} for s, e in row] for row in spans]
    metadata = {
        "tokenizer_sha256": tokenizer.sha256,
        "special_ids": json.dumps(tokenizer.special_ids),
        "schema_version": "1",
        "vocab_size": str(tokenizer.vocab_size),
    }
    schema = tokens_schema(wide=False, spans=spans is not None)
    table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
    with Storage(str(folder)).parquet_writer("part-00000.parquet", schema, metadata) as writer:
        writer.write_table(table, row_group_size=row_group_size)
    return folder


def sentence(random: np.random.Generator, words: int) -> str:
    return " ".join(random.choice(WORDS, words).tolist())


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    random = np.random.default_rng(0)
    texts = [sentence(random, 30) for _ in range(50)]
    (folder / "tokenizer.json").write_bytes(learn([texts], Tokenizer(vocab_size=300)))
    return folder


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder: Path) -> Loaded:
    return load_file(str(tokenizer_folder))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, tokenizer: Loaded) -> Path:
    """60 documents of 5 to 60 tokens from two sources, in ``train``, and 12 in ``validation``."""
    root = tmp_path_factory.mktemp("tokens")
    random = np.random.default_rng(1)
    for name, n in (("train", 60), ("validation", 12)):
        texts = [sentence(random, int(random.integers(4, 40))) for _ in range(n)]
        ids = [[*one.tolist(), tokenizer.end_of_text] for one in tokenizer.encode(texts)]
        write_shards(root / name, ids, tokenizer, [("a", "b")[i % 3 == 0] for i in range(n)])
    return root


@pytest.fixture
def make_run(tmp_path: Path, corpus: Path, tokenizer_folder: Path) -> Callable[..., TrainRun]:
    """A TrainRun over ``corpus`` with a tiny model; fields may be overridden."""

    def make(**fields: object) -> TrainRun:
        defaults: dict[str, object] = {
            "folder": str(tmp_path / "run"),
            "data": (str(corpus / "train"),),
            "validation": (str(corpus / "validation"),),
            "tokenizer": str(tokenizer_folder),
            "preset": "llama-100k",
            "seq_len": 32,
            "batch_tokens": 256,
            "steps": 6,
            "lr": 5e-3,
            "eval_at": (2,),
            "log_every": 4,
            "checkpoint_every": 3,
            "dtype": "fp32",
            "threads": 1,
        }
        return TrainRun.model_validate({**defaults, **fields})

    return make


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)

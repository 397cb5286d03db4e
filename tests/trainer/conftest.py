"""A tokenizer, a corpus and runs over it that take a second."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from made_shards import sentence, write_shards

from tokenizer_training.config import Tokenizer
from tokenizer_training.load import Loaded, load_file
from tokenizer_training.train import learn
from trainer.config import TrainRun


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

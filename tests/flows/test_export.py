"""transformers, which knows nothing of this project, loads what the line exports and computes the same."""

import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from trainer.setup import load_decoder

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def shard(whole: Path) -> list[dict[str, Any]]:
    """Token rows of the held-out text."""
    rows: list[dict[str, Any]] = pq.read_table(
        next((whole / "tokens" / "validation").glob("*.parquet"))
    ).to_pylist()
    return rows


@pytest.mark.parametrize("run", ["pretrain", "sft"])
def test_the_exported_model_gives_the_trainers_logits(
    whole: Path, shard: list[dict[str, Any]], run: str
) -> None:
    from transformers import AutoModelForCausalLM

    exported = AutoModelForCausalLM.from_pretrained(whole / "models" / run).eval()
    own = load_decoder(whole / "runs" / run, torch.device("cpu"))
    for row in shard[:4]:
        ids = torch.tensor([row["tokens"][:64]])
        with torch.no_grad():
            hidden = own(ids, torch.arange(ids.shape[1])[None], None)
            torch.testing.assert_close(hidden @ own.head_weight.T, exported(ids).logits, atol=1e-4, rtol=1e-4)


def test_fine_tuning_changed_the_model(whole: Path) -> None:
    one, other = ((whole / "models" / run / "model.safetensors").read_bytes() for run in ("pretrain", "sft"))
    assert one != other


@pytest.mark.parametrize("folder", ["tokenizer", "models/pretrain", "models/sft"])
def test_the_exported_tokenizer_gives_the_ids_of_the_shards(
    whole: Path, shard: list[dict[str, Any]], folder: str
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(whole / folder)
    corpus = pq.read_table(next((whole / "corpus" / "validation").glob("*.parquet"))).to_pylist()
    assert [row["id"] for row in corpus] == [row["id"] for row in shard]
    for text, row in zip(corpus, shard, strict=True):
        assert [*tokenizer(text["text"])["input_ids"], tokenizer.eos_token_id] == row["tokens"]


def test_the_exported_chat_template_gives_the_ids_of_the_conversations(whole: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(whole / "models" / "sft")
    split = "instructions/{}/validation/part-00000.parquet"
    conversations = pq.read_table(whole / split.format("corpus")).to_pylist()
    rows = {row["id"]: row for row in pq.read_table(whole / split.format("tokens")).to_pylist()}
    assert conversations
    for one in conversations:
        ids = tokenizer.apply_chat_template(one["messages"], tokenize=True, return_dict=True)["input_ids"]
        row = rows[one["id"]]
        assert ids == row["tokens"][: len(ids)]
        assert len(row["tokens"]) - len(ids) <= 1  # <|endoftext|>
        trained = tokenizer.decode(
            [token for span in row["loss_spans"] for token in row["tokens"][span["start"] : span["end"]]]
        )
        assert one["messages"][-1]["content"] in trained

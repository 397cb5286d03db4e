"""Token shards: every document and its end, conversations and their loss spans, footers."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tokenizers import pre_tokenizers

from dataflow.store.documents import MESSAGES, tokens_schema
from dataflow.store.storage import Storage
from tokenizer_training import chat, encode
from tokenizer_training.config import Tokenizer
from tokenizer_training.count import count_tokens
from tokenizer_training.encode import encode_corpus_part, encode_instructions_part
from tokenizer_training.load import TOKENIZER_FILE, load
from tokenizer_training.train import train_tokenizer

PART = "part-00000.parquet"


def rows(store, rel):
    table = store.read_table(rel)
    return table, [row.as_py() for row in table["tokens"]]


def test_a_document_is_its_text_and_the_end_token(store, tokenizer, texts):
    made = encode_corpus_part(store, f"corpus/main/{PART}", f"tokens/main/{PART}")
    table, tokens = rows(store, f"tokens/main/{PART}")
    assert [tokenizer.decode(ids) for ids in tokens] == [f"{text}<|endoftext|>" for text in texts]
    assert table["id"].to_pylist() == [f"books/a.jsonl#{n}" for n in range(len(texts))]
    assert table["source"].to_pylist()[:2] == ["web", "books"]
    assert table["n_bytes"].to_pylist() == [len(text.encode()) for text in texts]
    assert made.outputs == (f"tokens/main/{PART}",)
    assert made.counts["tokens"] == sum(map(len, tokens))
    assert made.counts["documents"] == len(texts)


def test_the_footer_says_which_tokenizer(store, tokenizer):
    encode_corpus_part(store, f"corpus/main/{PART}", f"tokens/main/{PART}")
    footer = pq.ParquetFile(store.path(f"tokens/main/{PART}"))
    metadata = footer.schema_arrow.metadata
    assert footer.schema_arrow.remove_metadata() == tokens_schema(wide=False, spans=False)
    assert metadata[b"tokenizer_sha256"].decode() == tokenizer.sha256
    assert json.loads(metadata[b"special_ids"]) == tokenizer.special_ids
    assert metadata[b"vocab_size"] == b"500"
    assert metadata[b"schema_version"] == b"1"


def test_an_end_token_written_in_a_document_ends_nothing(tmp_path, store, tokenizer, write_corpus):
    other = Storage(str(tmp_path))
    other.write_bytes(TOKENIZER_FILE, store.read_bytes(TOKENIZER_FILE))
    part = write_corpus(other, "main", ["one<|endoftext|>two<|im_start|>three"])
    encode_corpus_part(other, part, f"tokens/main/{PART}")
    (ids,) = rows(other, f"tokens/main/{PART}")[1]
    assert [i for i in ids if i in tokenizer.special_ids.values()] == [tokenizer.end_of_text]
    assert tokenizer.decode(ids) == "one<|endoftext|>two<|im_start|>three<|endoftext|>"


def test_batches_and_row_groups_do_not_change_the_rows(store, texts, monkeypatch):
    encode_corpus_part(store, f"corpus/main/{PART}", f"tokens/main/{PART}")
    whole, tokens = rows(store, f"tokens/main/{PART}")
    monkeypatch.setattr(encode, "BATCH_BYTES", 3_000)
    monkeypatch.setattr(encode, "ROW_GROUP_TOKENS", 2_000)
    made = encode_corpus_part(store, f"corpus/main/{PART}", f"tokens/small/{PART}")
    pieces, again = rows(store, f"tokens/small/{PART}")
    footer = pq.ParquetFile(store.path(f"tokens/small/{PART}")).metadata
    assert footer.num_row_groups > 5
    assert again == tokens
    assert pieces["id"].to_pylist() == whole["id"].to_pylist()
    assert made.counts["bytes"] == pc.sum(whole["n_bytes"]).as_py()


def test_the_same_bytes_twice(store):
    encode_corpus_part(store, f"corpus/main/{PART}", f"tokens/main/{PART}")
    encode_corpus_part(store, f"corpus/main/{PART}", f"tokens/again/{PART}")
    assert store.read_bytes(f"tokens/main/{PART}") == store.read_bytes(f"tokens/again/{PART}")


CONVERSATIONS = [
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "The whale."}],
    [{"role": "user", "content": "Nobody answers"}],
    [
        {"role": "assistant", "content": "First é"},
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": ""},
    ],
]


def test_conversations_carry_the_spans_that_are_trained(store, tokenizer):
    columns = {
        "id": pa.array(["a#0", "a#1", "a#2"]),
        "source": pa.array(["chat"] * 3),
        "messages": pa.array(CONVERSATIONS, MESSAGES),
        "n_bytes": pa.array([10, 14, 9], pa.int64()),
        "position": pa.array([0, 1, 2], pa.int64()),
    }
    store.write_table(f"instructions/corpus/train/{PART}", pa.table(columns))
    out = f"instructions/tokens/train/{PART}"
    made = encode_instructions_part(store, f"instructions/corpus/train/{PART}", out)
    table, tokens = rows(store, out)
    assert table.schema.remove_metadata() == tokens_schema(wide=False, spans=True)
    assert table["id"].to_pylist() == ["a#0", "a#2"]
    assert made.counts["without_assistant"] == 1
    assert [tokenizer.decode(ids) for ids in tokens] == [
        chat.text(CONVERSATIONS[0]),
        chat.text(CONVERSATIONS[2]),
    ]
    spans = table["loss_spans"].to_pylist()
    assert [
        [tokenizer.decode(ids[s["start"] : s["end"]]) for s in row]
        for ids, row in zip(tokens, spans, strict=True)
    ] == [
        ["The whale.<|im_end|>"],
        ["First é<|im_end|>", "<|im_end|>"],
    ]
    assert table["n_bytes"].to_pylist() == [len("The whale."), len("First é".encode())]
    assert made.counts["trained_tokens"] == sum(s["end"] - s["start"] for row in spans for s in row)


def test_a_large_vocabulary_takes_32_bits(tmp_path, write_corpus):
    """A ready tokenizer of 70,000 tokens: a real id above 65,535 comes back whole."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [(a, b) for a in letters for b in letters]
    vocabulary = {token: n for n, token in enumerate([*letters, *(a + b for a, b in pairs)])}
    bpe = {"type": "BPE", "vocab": vocabulary, "merges": pairs}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    description = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": bpe,
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    store = Storage(str(tmp_path / "out"))
    train_tokenizer(store, Tokenizer(path=str(tmp_path)), seed=1)
    tokenizer = load(store)
    part = write_corpus(store, "main", ["ÿÿ a zz"])
    encode_corpus_part(store, part, f"tokens/main/{PART}")
    table, (ids,) = rows(store, f"tokens/main/{PART}")
    assert tokenizer.wide
    assert table.schema.field("tokens").type == pa.list_(pa.uint32())
    assert ids[-1] == tokenizer.end_of_text > 65_535
    assert tokenizer.decode(ids) == "ÿÿ a zz<|endoftext|>"


@pytest.mark.parametrize("rows_given", [0, 1, 700])
def test_n_tokens_counts_what_training_will_read(store, tokenizer, texts, rows_given):
    given = [texts[n % len(texts)][:80] for n in range(rows_given)]
    counted = count_tokens(store.path("tokenizer"))(pa.array(given, pa.large_string()))
    assert counted["n_tokens"].type == pa.int64()
    assert counted["n_tokens"].to_pylist() == [len(ids) + 1 for ids in tokenizer.encode(given)]

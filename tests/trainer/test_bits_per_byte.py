"""What a loss is worth: bits per byte beside a word count, gzip and xz, on the same documents."""

import gzip
import lzma
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataflow.store.storage import Storage
from tokenizer_training.load import Loaded
from trainer.errors import TrainerError
from trainer.evaluate import Score, compressed, make_validation, unigram
from trainer.shards import open_shards


def test_bits_per_byte_is_the_nats_of_all_tokens_in_bits_over_the_bytes_of_the_text() -> None:
    score = Score(nats=100 * math.log(2), tokens=50, n_bytes=200)
    assert score.bits_per_byte == pytest.approx(0.5)
    assert score.loss == pytest.approx(2 * math.log(2))


def test_a_unigram_model_with_equal_counts_needs_the_logarithm_of_the_vocabulary(
    corpus: Path, tokenizer: Loaded
) -> None:
    validation = make_validation(open_shards([str(corpus / "validation")]), 32, 10**6)
    counts = np.full(tokenizer.vocab_size, 7, np.int64)
    assert unigram(validation, counts).overall.loss == pytest.approx(math.log(tokenizer.vocab_size))


def test_a_unigram_model_of_the_training_tokens_is_better_than_one_that_knows_nothing(
    corpus: Path, tokenizer: Loaded
) -> None:
    validation = make_validation(open_shards([str(corpus / "validation")]), 32, 10**6)
    counts = open_shards([str(corpus / "train")]).token_counts(False)
    assert unigram(validation, counts).overall.loss < math.log(tokenizer.vocab_size)


def test_a_smaller_validation_takes_whole_documents_from_everywhere(corpus: Path) -> None:
    shards = open_shards([str(corpus / "validation")])
    few = make_validation(shards, 32, shards.n_tokens // 3)
    kept = np.flatnonzero(few.keep)
    assert 0 < len(kept) < shards.n_documents
    assert kept.max() > shards.n_documents // 2


def test_compressors_see_the_same_documents_as_the_model(corpus: Path, tmp_path: Path) -> None:
    shards = open_shards([str(corpus / "validation")])
    validation = make_validation(shards, 32, 10**6)
    ids = shards.ids(list(range(shards.n_documents)))
    texts = [f"the text of document {name}, " * 20 for name in ids]
    other = pa.table({"id": [*ids, "not/held#0"], "text": [*texts, "never counted " * 100]})
    Storage(str(tmp_path)).write_table("part-00000.parquet", other)
    whole = "".join(texts).encode()
    found = compressed(validation, (str(tmp_path),))
    assert found["gzip"]["bits_per_byte"] == 8 * len(gzip.compress(whole, 9, mtime=0)) / len(whole)
    assert found["xz"]["bits_per_byte"] == 8 * len(lzma.compress(whole, preset=9)) / len(whole)


def test_text_that_is_not_there_is_an_error(corpus: Path, tmp_path: Path) -> None:
    validation = make_validation(open_shards([str(corpus / "validation")]), 32, 10**6)
    with pytest.raises(TrainerError, match="not there as text"):
        compressed(validation, (str(tmp_path),))

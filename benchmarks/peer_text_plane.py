"""The peer's side of ``text_plane.py``: datatrove's filters and its FineWeb chain, timed in CPU seconds.

Run by the peer's Python (see ``peer.py``). Input: ``documents`` (a JSONL file with ``id`` and ``text``),
``language_model``, ``folder`` for what the chain writes.
"""

import json
import sys
import time
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils.hashing import HashConfig
from fasttext.FastText import _FastText

NEVER = 1e9


def filters_that_never_drop() -> list:
    """The four filters with thresholds out of reach: every rule is computed for every document."""
    return [
        GopherRepetitionFilter(
            dup_line_frac=NEVER,
            dup_para_frac=NEVER,
            dup_line_char_frac=NEVER,
            dup_para_char_frac=NEVER,
            top_n_grams=tuple((n, NEVER) for n in (2, 3, 4)),
            dup_n_grams=tuple((n, NEVER) for n in range(5, 11)),
        ),
        GopherQualityFilter(
            min_doc_words=-1,
            max_doc_words=NEVER,
            min_avg_word_length=-1,
            max_avg_word_length=NEVER,
            max_symbol_word_ratio=NEVER,
            max_bullet_lines_ratio=NEVER,
            max_ellipsis_lines_ratio=NEVER,
            max_non_alpha_words_ratio=-1,
            min_stop_words=-1,
        ),
        C4QualityFilter(
            filter_no_terminal_punct=False,
            min_num_sentences=0,
            filter_lorem_ipsum=False,
            filter_curly_bracket=False,
        ),
        FineWebQualityFilter(
            line_punct_thr=-1, short_line_thr=NEVER, char_duplicates_ratio=NEVER, new_line_ratio=NEVER
        ),
    ]


def language_filter(model: str) -> LanguageFilter:
    """datatrove's language filter for English, on the model file given instead of the one it would fetch."""
    step = LanguageFilter(languages=["en"])
    step.model._model = _FastText(model)
    return step


def time_signals(documents: list[Document]) -> dict[str, float]:
    """CPU seconds of each filter, document by document in a pipeline's order, so that words are split once."""
    steps = filters_that_never_drop()
    for step in steps:
        step.filter(Document(text="Load the tokenizer. Now.", id="warm"))
    seconds = dict.fromkeys((type(step).__name__ for step in steps), 0.0)
    for document in documents:
        for step in steps:
            begun = time.process_time()
            step.filter(document)
            seconds[type(step).__name__] += time.process_time() - begun
    return seconds


def time_chain(source: str, model: str, folder: str) -> dict[str, float]:
    """CPU seconds of the FineWeb chain from JSONL to Parquet and MinHash signatures."""
    path = Path(source)
    steps = [
        JsonlReader(str(path.parent), glob_pattern=path.name),
        language_filter(model),
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
        PIIFormatter(),
    ]
    begun = time.process_time()
    documents = None
    for step in steps:
        documents = step.run(documents)
    kept = list(documents)
    for _ in ParquetWriter(f"{folder}/parquet", compression="zstd").run(iter(kept)):
        pass
    config = MinhashConfig(
        hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5
    )
    signatures = MinhashDedupSignature(f"{folder}/signatures", config=config).run(iter(kept))
    for _ in signatures or ():
        pass
    return {"seconds": time.process_time() - begun, "kept": len(kept)}


if __name__ == "__main__":
    asked = json.loads(sys.stdin.read())
    lines = Path(asked["documents"]).read_text(encoding="utf-8").splitlines()
    documents = [Document(text=row["text"], id=row["id"]) for row in map(json.loads, lines)]
    answer = {
        "signals": time_signals(documents),
        "chain": time_chain(asked["documents"], asked["language_model"], asked["folder"]),
    }
    print(json.dumps(answer))

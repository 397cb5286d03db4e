"""Trains a fastText classifier on two sets of text: small, quick on a CPU, and the same bytes every time.

This is the recipe of the filters behind several open corpora (DCLM, Li et al. 2024, arXiv:2406.11794,
section 4.4; fastText, Joulin et al. 2016, arXiv:1607.01759): positive documents against what the crawl
offers. fastText repeats itself with one thread and a fixed seed only, so training uses one thread.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.store.manifest import Made
from dataflow.store.storage import Storage
from quality_models.config import Quality
from quality_models.errors import QualityError
from quality_models.evaluate import Evaluation, evaluate
from quality_models.registry import CARD, Card, markdown
from quality_models.sample import Sample, draw
from quality_models.score import LABEL, MODEL_FILE, score

__all__ = ["VERSION", "Quality", "Trained", "train", "train_quality", "write"]

VERSION = 2
"""Raise when the bytes of a model trained on the same texts change."""

FOLDER = "models/quality"
_MIN_COUNT = 2  # a word seen once teaches only its document
_LEARNING_RATE = 0.5


@dataclass(frozen=True)
class Trained:
    """A model as the bytes of its file, with its card."""

    model: bytes
    card: Card


def train_quality(
    store: Storage,
    config: Quality,
    positive: Iterator[pa.LargeStringArray],
    negative: Iterator[pa.LargeStringArray],
    seed: int,
) -> Made:
    """Write ``models/quality/`` of an output folder: the model, what it was made from, and how well it does.

    Args:
        store: the output folder.
        config: the recipe's section.
        positive: batches of text of the positive sources, as they will be stored.
        negative: the same of the negative sources.
        seed: decides the sample and the model's start.

    Raises:
        QualityError: a class has too few documents, or training fails.
    """
    trained = train(config, positive, negative, seed)
    counts = {
        "trained_documents": trained.card.trained_positive + trained.card.trained_negative,
        "held_out_documents": trained.card.evaluation.positive + trained.card.evaluation.negative,
        "bytes": len(trained.model),
    }
    return Made(write(store, FOLDER, trained), counts)


def write(store: Storage, folder: str, trained: Trained) -> tuple[str, ...]:
    """Write a model and its card below ``folder``; returns the paths."""
    base = f"{folder}/" if folder else ""
    store.write_bytes(f"{base}{MODEL_FILE}", trained.model)
    store.write_json(f"{base}{CARD}", asdict(trained.card))
    store.write_bytes(f"{base}card.md", markdown(trained.card).encode())
    return (f"{base}{CARD}", f"{base}card.md", f"{base}{MODEL_FILE}")


def train(
    config: Quality,
    positive: Iterable[pa.LargeStringArray],
    negative: Iterable[pa.LargeStringArray],
    seed: int,
) -> Trained:
    """A model that tells the texts of one stream from those of the other, measured on what was held out."""
    sample = draw(positive, negative, config.sample_documents, config.held_out, seed)
    with tempfile.TemporaryDirectory() as folder:
        model = _fit(sample, config, seed, Path(folder))
        file = Path(folder, MODEL_FILE)
        model.save_model(str(file))
        measured = _measure(str(file), sample)
        content = file.read_bytes()
    learned = sample.labels[~sample.held_out]
    card = Card(
        version=VERSION,
        positive=tuple(config.positive),
        negative=tuple(config.negative),
        label="positive",
        offered_positive=sample.offered["positive"],
        offered_negative=sample.offered["negative"],
        trained_positive=int(learned.sum()),
        trained_negative=int((~learned).sum()),
        parameters={
            "dim": config.dim,
            "epochs": config.epochs,
            "word_ngrams": config.word_ngrams,
            "buckets": config.buckets,
            "held_out": config.held_out,
            "seed": seed,
        },
        evaluation=measured,
        sha256=hashlib.sha256(content).hexdigest(),
        n_bytes=len(content),
    )
    return Trained(content, card)


def _fit(sample: Sample, config: Quality, seed: int, folder: Path) -> Any:
    import fasttext

    names = np.where(sample.labels, "positive", "negative")
    lines = folder / "train.txt"
    with lines.open("w", encoding="utf-8", newline="\n") as stream:
        for row in np.flatnonzero(~sample.held_out):
            stream.write(f"{LABEL}{names[row]} {sample.texts[int(row)].as_py()}\n")
    try:
        model = fasttext.train_supervised(
            input=str(lines),
            lr=_LEARNING_RATE,
            dim=config.dim,
            epoch=config.epochs,
            wordNgrams=config.word_ngrams,
            bucket=config.buckets,
            minCount=_MIN_COUNT,
            thread=1,
            seed=seed % 2**31,
            verbose=0,
        )
    except RuntimeError as error:  # fastText's own guard against numbers that run away
        raise QualityError(
            f"training failed: {error}", "quality", "Use fewer epochs or more documents."
        ) from error
    if not all(np.isfinite(matrix).all() for matrix in (model.get_input_matrix(), model.get_output_matrix())):
        fix = "Use fewer epochs, or another build of fastText: see fasttext-community."
        raise QualityError("training ended in numbers that are not finite", "quality", fix)
    return model


def _measure(file: str, sample: Sample) -> Evaluation:
    texts = sample.texts.filter(pa.array(sample.held_out))
    return evaluate(score(file, texts, "positive"), sample.labels[sample.held_out])

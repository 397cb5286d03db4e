"""The models that lie under a folder, each with the card that says what it was made from and how well it
does."""

from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Any

from dataflow.store.storage import Storage
from quality_models.errors import QualityError
from quality_models.evaluate import Evaluation

CARD = "card.json"


@dataclass(frozen=True)
class Card:
    """What a model was trained on, with what, and its measures on held-out text."""

    version: int
    positive: tuple[str, ...]  # names of the sources
    negative: tuple[str, ...]
    label: str
    offered_positive: int  # documents that were read
    offered_negative: int
    trained_positive: int  # documents that were learned from
    trained_negative: int
    parameters: dict[str, int | float]
    evaluation: Evaluation
    sha256: str  # of the model's file
    n_bytes: int


def read_card(folder: str) -> Card:
    """The card of the model in a folder."""
    store = Storage(folder)
    if not store.exists(CARD):
        raise QualityError("no card found", folder, "Give the folder of a model: it holds card.json.")
    return _card(store.read_json(CARD), store.path(CARD))


def find_models(root: str) -> dict[str, Card]:
    """Every model below ``root``, by its folder's path below it."""
    store = Storage(root)
    cards: dict[str, Card] = {}
    for rel in store.list("", CARD):
        described = store.read_json(rel)
        if PurePosixPath(rel).name == CARD and "evaluation" in described:
            cards[str(PurePosixPath(rel).parent)] = _card(described, store.path(rel))
    return cards


def _card(described: dict[str, Any], where: str) -> Card:
    missing = sorted({one.name for one in fields(Card)} - described.keys())
    if missing:
        fix = "It was written by another version: train the model again."
        raise QualityError(f"the card lacks {missing[0]}", where, fix)
    named = {one.name: described[one.name] for one in fields(Card)}
    measures: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in named["evaluation"].items()
    }
    lists = {"positive": tuple(named["positive"]), "negative": tuple(named["negative"])}
    return Card(**{**named, **lists, "evaluation": Evaluation(**measures)})


def markdown(card: Card) -> str:
    """The card as a page to read."""
    measured = card.evaluation
    bins = zip(measured.histogram_positive, measured.histogram_negative, strict=True)
    rows = "\n".join(
        f"| {n / 10:.1f} to {(n + 1) / 10:.1f} | {p:,} | {q:,} |" for n, (p, q) in enumerate(bins)
    )
    classes = "\n".join(
        f"| {name} | {', '.join(sources)} | {read:,} | {learned:,} | {held_out:,} |"
        for name, sources, read, learned, held_out in (
            ("positive", card.positive, card.offered_positive, card.trained_positive, measured.positive),
            ("negative", card.negative, card.offered_negative, card.trained_negative, measured.negative),
        )
    )
    settings = ", ".join(f"{name} {value}" for name, value in sorted(card.parameters.items()))
    return f"""# Quality model

A fastText classifier. Its score is the probability that a document comes from the positive sources rather
than the negative ones, if both were equally common; only the first 20,000 characters are read.

| | sources | documents read | learned from | held out |
| --- | --- | ---: | ---: | ---: |
{classes}

On the held-out documents: AUC {measured.auc:.4f}, average precision {measured.average_precision:.4f},
accuracy {measured.accuracy:.4f} and F1 {measured.f1:.4f} at 0.5.

| score | positive | negative |
| --- | ---: | ---: |
{rows}

Made with {settings}.
File: {card.n_bytes:,} bytes, SHA-256 {card.sha256}.
"""

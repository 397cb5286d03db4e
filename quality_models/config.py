"""The recipe's ``quality`` section: which sources are examples of good text, and which are not."""

from typing import Self

from pydantic import Field, model_validator

from dataflow.config import Config, Size


class Quality(Config):
    """A fastText classifier that tells one kind of text from another; its score is the signal ``quality``.

    The score is the probability that a document comes from the positive sources rather than the negative
    ones, if both were equally common. It says nothing about quality beyond that: choose the examples with
    care.
    """

    positive: list[str] = Field(default_factory=list)
    """Names of the sources that are examples of good text."""
    negative: list[str] = Field(default_factory=list)
    """Names of the sources to tell them from, usually the raw web text that is to be filtered."""
    model: str | None = None
    """Path of a ready fastText model (.bin or .ftz) or its folder, instead of training one."""
    label: str = "positive"
    """The label whose probability is the score; a ready model may call it otherwise (hq, say)."""
    sample_documents: Size = Field(20_000, ge=100)
    """Documents of each class to learn from at most; the same number of both is used."""
    held_out: float = Field(0.1, gt=0, lt=0.9)
    """Share of the sample that is not learned from, to measure on."""
    dim: int = Field(32, ge=2, le=1_000)
    """Length of the vector of a word."""
    epochs: int = Field(5, ge=1)
    """Passes over the sample."""
    word_ngrams: int = Field(2, ge=1, le=5)
    """Longest run of words that is a feature: 2 reads pairs as well as words."""
    buckets: Size = Field(200_000, ge=1_000)
    """Slots that word runs are hashed to; the file takes 4 x dim bytes for each slot and word."""

    @model_validator(mode="after")
    def _two_classes(self) -> Self:
        if both := sorted(set(self.positive) & set(self.negative)):
            raise ValueError(f"the source {both[0]} is both positive and negative")
        if bool(self.positive) != bool(self.negative):
            raise ValueError("positive and negative sources are needed together")
        if self.model is not None and self.positive:
            raise ValueError("give either a ready model, or positive and negative sources to train one")
        return self

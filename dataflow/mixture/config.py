"""What a recipe says about the mixture: how much, in which phases, from which sources, in which order.

Everything that can be checked without the corpus is checked here; names of sources and of signals are checked
by ``dataflow.mixture.expressions.check`` once they are known. Nothing heavy is imported.
"""

import re
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from dataflow.config import Config, parse_size

Unit = Literal["bytes", "tokens"]

_BUDGET = re.compile(r"^(?P<size>.*?)\s*(?P<unit>bytes?|tokens?)?\s*$", re.IGNORECASE)
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
_SHARES_TOLERANCE = 1e-6
_MOST_COPIES = 100
VALIDATION = "validation"
"""The name under which held-out documents are planned: no phase may have it."""


@dataclass(frozen=True)
class Budget:
    """How much the phases hold together, repeated epochs counted as often as they are read."""

    amount: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}"


def parse_budget(text: str) -> Budget:
    """``"20M tokens"`` or ``"1G"`` (bytes) as an amount and its unit."""
    match = _BUDGET.match(text)
    size = parse_size(match["size"]) if match else None
    if match is None or not isinstance(size, int) or size <= 0:
        raise ValueError('a budget is written "20M tokens", or "1G" for bytes')
    unit: Unit = "tokens" if (match["unit"] or "").lower().startswith("token") else "bytes"
    if unit == "tokens" and match["size"].upper().endswith(
        "B"
    ):  # B is for bytes: "1B tokens" would be one token
        raise ValueError("K, M, G and T are the units of tokens: a billion is written 1G tokens")
    return Budget(size, unit)


FINEWEB2 = {1: 1, 2: 2, 3: 3, 5: 5, 100: 8, 1000: 1}
"""Documents that one stands for, at least, and how often it is read: as published for FineWeb-2 (Penedo et al. 2025).
What was found a few times is worth more, what was found thousands of times is spam."""


def _rehydration(value: object) -> object:
    if isinstance(value, bool):
        return FINEWEB2 if value else {}
    return value


def _normal_budget(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return value
    return str(parse_budget(str(value)))


class Phase(Config):
    """A stretch of the corpus with proportions of its own."""

    name: str
    """Name of the phase, and of its folder under `corpus/` and `tokens/`: letters, digits, `_` and `-`."""

    share: float = Field(default=1.0, gt=0, le=1)
    """Part of the budget that this phase takes; the shares of all phases sum to 1."""

    weights: dict[str, float] = Field(default={})
    """Proportion of each source in bytes or tokens, of any sum; a source left out is not drawn from. Empty:
    in proportion to the size of what each source can give to this phase."""

    where: str = ""
    """SQL condition over signals (`quality > 0.8`) and `cluster_size`, the documents in a document's cluster of
    duplicates (1 where it has none): other documents are not drawn. Empty: all are."""

    order: str = ""
    """SQL sort key over signals (`quality ASC`) and `cluster_size` for the documents drawn from each source: it
    arranges, it does not choose. Empty: a shuffle by the seed."""

    @field_validator("name")
    @classmethod
    def _usable_name(cls, name: str) -> str:
        if not _NAME.match(name):
            raise ValueError("the name of a phase is made of letters, digits, _ and -")
        if name == VALIDATION:
            raise ValueError(
                f'"{VALIDATION}" is the name of the held-out documents: choose another for the phase'
            )
        return name

    @field_validator("weights")
    @classmethod
    def _usable_weights(cls, weights: dict[str, float]) -> dict[str, float]:
        for source, weight in weights.items():
            if not isfinite(weight) or weight < 0:
                raise ValueError(f'the weight of "{source}" is {weight}: weights are numbers from 0 up')
        if weights and sum(weights.values()) <= 0:
            raise ValueError("the weights sum to nothing: give one source more than 0, or leave weights out")
        return weights

    @field_validator("where", "order")
    @classmethod
    def _trimmed(cls, sql: str) -> str:
        return sql.strip()


class Mixture(Config):
    """How much of which source is trained on, in which phases."""

    budget: Annotated[str | None, BeforeValidator(_normal_budget)] = None
    """How much to train on: `20M tokens`, or `1G` for bytes. Left out: as much as the documents that the
    phases may draw, so that without weights each is used once."""

    bytes_per_token: float = Field(default=4.0, gt=0)
    """Bytes of text that a token stands for where documents have no exact count of tokens."""

    max_epochs: float = Field(default=4.0, gt=0, le=1000)
    """How often a document may be used at most; a fraction lets that part of a source be used once more.
    Source of the default: Muennighoff et al. 2023, "Scaling Data-Constrained Language Models", section 6."""

    rehydrate: Annotated[dict[int, int], BeforeValidator(_rehydration)] = Field(default={})
    """How often a document is read in an epoch, by the number of documents that it stands for (itself, and those
    removed as its duplicates): `{1: 1, 5: 3}` reads a document that stands for 5 or more three times. `true`:
    the numbers of FineWeb-2. Its copies count as documents of its source. Empty: every document once."""

    phases: list[Phase] = Field(default=[Phase(name="main")])
    """The phases in the order of training."""

    @field_validator("phases")
    @classmethod
    def _shares_make_a_whole(cls, phases: list[Phase]) -> list[Phase]:
        names = [phase.name for phase in phases]
        if not phases:
            raise ValueError("a mixture has at least one phase")
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f'two phases are named "{twice}"')
        total = sum(phase.share for phase in phases)
        if abs(total - 1) > _SHARES_TOLERANCE:
            raise ValueError(f"the shares of the phases sum to {total:g}, not to 1")
        return phases

    @field_validator("rehydrate")
    @classmethod
    def _copies(cls, rehydrate: dict[int, int]) -> dict[int, int]:
        for least, copies in rehydrate.items():
            if least < 1 or not 1 <= copies <= _MOST_COPIES:
                raise ValueError(
                    f"{{{least}: {copies}}}: a document stands for 1 or more, and is read 1 to {_MOST_COPIES} times"
                )
        return dict(sorted(rehydrate.items()))

    @model_validator(mode="after")
    def _finite(self) -> Self:
        if not isfinite(self.bytes_per_token) or not isfinite(self.max_epochs):
            raise ValueError("bytes_per_token and max_epochs are finite numbers")
        return self

    @property
    def parsed_budget(self) -> Budget | None:
        """The budget as amount and unit."""
        return None if self.budget is None else parse_budget(self.budget)


class Validation(Config):
    """What is held out of training, from every source."""

    share: float = Field(default=0.005, ge=0, lt=1)
    """Part of the kept documents of each source that is held out; 0 holds nothing out."""

    max_documents: int = Field(default=500, ge=0)
    """At most so many documents of a source are held out."""

"""What a recipe says about duplicates. Light to import: ``curate`` takes the shape of signatures from it."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from dataflow.config import Config, Size


class Near(Config):
    """Near-duplicates by MinHash and locality-sensitive hashing (Broder 1997; Leskovec et al., chapter 3).

    Two documents whose sets of shingles have Jaccard similarity J become candidates with probability
    1 - (1 - J^rows)^bands: with 14 bands of 8 rows, half of the pairs at J = 0.685, 99 % at 0.85.
    """

    bands: int = Field(default=14, ge=1)
    """Bands of a signature; more bands find more pairs, and more false candidates to verify."""

    rows: int = Field(default=8, ge=1)
    """MinHash values in a band; more rows ask for more likeness. Signatures have bands x rows values."""

    shingle: int = Field(default=5, ge=1)
    """Words in a shingle. Documents with fewer words are deduplicated exactly only."""

    similarity: float = Field(default=0.7, gt=0, le=1)
    """Share of equal signature values (the estimate of J) at which two candidates are near-duplicates."""

    @property
    def permutations(self) -> int:
        """Values in a signature."""
        return self.bands * self.rows


def _on(value: object) -> object:
    return Near() if value is True else value


class Dedup(Config):
    """Which documents are duplicates, and which one of each cluster stays."""

    exact: bool = True
    """Documents of the same text, blind to case, white space and Unicode composition, are duplicates."""

    near: Annotated[Near | Literal[False], BeforeValidator(_on)] = Near()
    """Near-duplicates: true, false, or the parameters."""

    survivor: str = "n_bytes DESC"
    """SQL sort key over the columns of signals: the first document of a cluster stays. Ties go by id."""

    cluster: Literal["greedy", "components"] = "greedy"
    """greedy: a document goes only if it resembles one that stays. components: all but the first go."""

    memory_limit: Size = Field(default=2_000_000_000, ge=100_000_000)
    """Bytes that finding duplicates may hold in memory before it works on disk. No decision depends on it."""

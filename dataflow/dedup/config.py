"""What a recipe says about duplicates. Light to import: ``curate`` takes the shape of signatures from it."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dataflow.config import Config, Size


class Near(Config):
    """Near-duplicates by MinHash and locality-sensitive hashing (Broder 1997; Leskovec et al., chapter 3).

    Two documents whose sets of shingles have Jaccard similarity J become candidates with probability
    1 - (1 - J^rows)^bands: with 14 bands of 8 rows, half of the pairs at J = 0.685, 99 % at 0.85.
    """

    threshold: float | None = Field(default=None, gt=0, lt=1)
    """Jaccard similarity to choose bands and rows for, as datasketch does; with it leave both out. They weigh missed
    pairs below it against false candidates above it: take it somewhat lower than `similarity`."""

    bands: int = Field(default=14, ge=1)
    """Bands of a signature; more bands find more pairs, and more false candidates to verify."""

    rows: int = Field(default=8, ge=1)
    """MinHash values in a band; more rows ask for more likeness."""

    permutations: int = Field(default=112, ge=1, le=32767)
    """MinHash values in a signature: bands x rows where left out. Further ones only sharpen the estimate; with
    `threshold` bands and rows are chosen to use as many of them as serve."""

    shingle: int = Field(default=5, ge=1)
    """Words (or characters) in a shingle. Documents with fewer are deduplicated exactly only."""

    unit: Literal["words", "characters"] = "words"
    """What a shingle is made of. In scripts without spaces every letter is a word."""

    similarity: float = Field(default=0.7, gt=0, le=1)
    """Jaccard similarity at which two candidates are near-duplicates."""

    verify: Literal["signature", "exact"] = "signature"
    """How the similarity of candidates is measured: estimated by the share of equal signature values, or computed
    from the shingles themselves, for which texts are read again."""

    @model_validator(mode="before")
    @classmethod
    def _resolved(cls, given: object) -> object:
        """Bands, rows and permutations in figures, so that they show in whatever is dumped."""
        return _with_bands(dict(given)) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.threshold is not None:
            bands, rows = optimal_bands(self.threshold, self.permutations)
            if (self.bands, self.rows) != (bands, rows):
                raise ValueError(
                    f"a threshold of {self.threshold} with {self.permutations} permutations means {bands} bands of"
                    f" {rows} rows, not {self.bands} of {self.rows}: leave out `threshold`, or `bands` and `rows`"
                )
        if self.permutations < self.bands * self.rows:
            raise ValueError(
                f"{self.bands} bands of {self.rows} rows need {self.bands * self.rows} permutations, not"
                f" {self.permutations}: leave `permutations` out, or give as many or more"
            )
        return self


def _with_bands(given: dict[str, Any]) -> dict[str, Any]:
    """What was left out, from what was given; faults are left for pydantic to name."""
    values = {
        name: given.get(name, Near.model_fields[name].default) for name in ("bands", "rows", "permutations")
    }
    threshold = given.get("threshold")
    if not all(isinstance(value, int) for value in values.values()):
        return given
    if threshold is None:
        given.setdefault("permutations", values["bands"] * values["rows"])
    elif isinstance(threshold, int | float) and 0 < threshold < 1 and 1 <= values["permutations"] <= 32767:
        bands, rows = optimal_bands(threshold, values["permutations"])
        given.setdefault("bands", bands)
        given.setdefault("rows", rows)
    return given


@cache
def optimal_bands(threshold: float, permutations: int) -> tuple[int, int]:
    """datasketch's bands and rows for a Jaccard threshold: the least sum of false positives and negatives."""
    from datasketch import MinHashLSH  # a second of imports that only recipes with a threshold pay

    if permutations < 2:
        return 1, 1  # all there is; datasketch takes two and more
    lsh = MinHashLSH(threshold=threshold, num_perm=permutations)
    return int(lsh.b), int(lsh.r)


class Passages(Config):
    """Passages of one kind that occur in several documents: the first in survivor order keeps them."""

    min_words: int = Field(default=10, ge=1)
    """Passages with fewer words are never cut: they repeat by chance."""


class Paragraphs(Passages):
    """Paragraphs (runs of lines that are not blank) that occur in several documents."""

    min_words: int = Field(default=20, ge=1)
    """Paragraphs with fewer words are never cut."""


class Sentences(Passages):
    """Runs of ``span`` sentences that occur in several documents (C4 cuts spans of 3)."""

    span: int = Field(default=3, ge=1)
    """Sentences in a run."""


class Substrings(Config):
    """Any run of so many words that occurs twice, wherever it begins (Lee et al. 2022: 50 tokens)."""

    words: int = Field(default=50, ge=10)
    """Words in a run; longer repeats are found as runs that overlap."""


class Semantic(Config):
    """Documents that mean the same in other words, by the cosine of their embeddings (Abbas et al. 2023, SemDeDup).

    Needs the extra `semantic`. Embeddings are laid into buckets around k-means centres and compared inside them, as
    SemDeDup does: what falls into different buckets is not compared.
    """

    model: str = ""
    """A model2vec model that embeds the first 512 tokens of each document: a folder, or a name on Hugging Face."""

    embeddings: str = ""
    """Your own embeddings: a folder (or URL) with a Parquet file for each file of `documents/`, of the same name, with
    columns `id` and `embedding`."""

    similarity: float = Field(default=0.9, gt=0, le=1)
    """Cosine at which two documents are duplicates."""

    bucket: int = Field(default=10_000, ge=100)
    """Documents of a bucket, on average; time grows with it, and so do the pairs that are seen."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.model) == bool(self.embeddings):
            raise ValueError("name either a model or a folder of embeddings")
        return self


def _on(section: type[Config]) -> BeforeValidator:
    """``true`` stands for a section with its defaults."""
    return BeforeValidator(lambda value: section() if value is True else value)


class Dedup(Config):
    """Which documents are duplicates, and which one of each cluster stays."""

    exact: bool = True
    """Documents of the same text, blind to case, white space and Unicode composition, are duplicates."""

    url: bool = False
    """Documents of the same URL are duplicates, whatever their text."""

    near: Annotated[Near | Literal[False], _on(Near)] = Near()
    """Near-duplicates: true, false, or the parameters."""

    semantic: Semantic | None = None
    """Duplicates by meaning among what the levels above leave; left out: none."""

    lines: Annotated[Passages | Literal[False], _on(Passages)] = False
    """Cut lines that an earlier document has too: true, false, or the parameters."""

    paragraphs: Annotated[Paragraphs | Literal[False], _on(Paragraphs)] = False
    """Cut paragraphs that an earlier document has too."""

    sentences: Annotated[Sentences | Literal[False], _on(Sentences)] = False
    """Cut runs of sentences that an earlier document has too."""

    substrings: Annotated[Substrings | Literal[False], _on(Substrings)] = False
    """Cut long runs of words that occurred before, anywhere."""

    min_left_words: int = Field(default=50, ge=0)
    """A document of which passages are cut goes as a whole where fewer words than this are left."""

    survivor: str = "n_bytes DESC"
    """SQL sort key over the columns of signals: the first document of a cluster stays. Ties go by id."""

    cluster: Literal["greedy", "components"] = "greedy"
    """greedy: a document goes only if it resembles one that stays. components: all but the first go."""

    mode: Literal["remove", "annotate"] = "remove"
    """remove: duplicates go. annotate: they stay, with cluster and cluster size beside them."""

    against: dict[str, str] = Field(default={})
    """Earlier corpora by a name for each: folders of runs that wrote an index. What they hold is a duplicate here."""

    index: bool = False
    """Write an index of what stays, for `against` of later corpora."""

    memory_limit: Size = Field(default=2_000_000_000, ge=100_000_000)
    """Bytes that one task of deduplication may hold before it works on disk. No decision depends on it."""

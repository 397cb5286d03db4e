"""What a recipe says about evaluation sets and the documents that hold some of their items."""

from typing import Literal

from pydantic import Field, field_validator

from dataflow.config import Config
from dataflow.readers.source import Format, InputPath

Action = Literal["drop", "cut", "annotate"]


class EvaluationSet(Config):
    """One evaluation set whose fields are named. What is left out is guessed from the names that benchmarks use."""

    name: str = Field(pattern=r"^[^/]+$")
    """Name in tables and reports."""

    path: InputPath
    """File, folder, glob or URL of JSONL, JSON, Parquet, Arrow or CSV, or a list of them."""

    format: Format | None = None
    """Format of every file; left out, each file's is guessed from its suffix."""

    prompt: list[str] = Field(default=[])
    """Fields that make up what is asked, in order; `a.b` reaches into nested ones. Of a list, the item that `right`
    says, or all."""

    answer: list[str] = Field(default=[])
    """Fields that make up the answer, in order. Of a list, the first item."""

    choices: list[str] = Field(default=[])
    """Multiple choice: one field that holds the list of choices, or a field for each."""

    right: str = ""
    """Field that says which choice is right: its number from 0, its letter, its label, or the name of its field."""


class Decontaminate(Config):
    """Which documents are taken out because they hold items of evaluation sets."""

    sets: list[EvaluationSet | str] = Field(min_length=1)
    """Evaluation sets: a path or glob (each file is a set, named after it), or an object with named fields."""

    ngram: int = Field(default=13, ge=1, le=128)
    """Words of an n-gram (GPT-3: 13). In scripts without spaces as many characters as so many words have."""

    min_words: int = Field(default=8, ge=1, le=128)
    """An item shorter than an n-gram is looked for as a whole if it has so many words (GPT-3: 8); else it is left
    out, and counted."""

    min_overlap: float = Field(default=0.2, gt=0, le=1)
    """Share of an item's n-grams that makes a document contaminated (Llama 2 calls an item clean below 0.2)."""

    max_shared: int = Field(default=10, ge=1)
    """An n-gram that more different prompts of a set have than this is a phrase of the set (an instruction, a
    template) and no evidence."""

    action: Action = "drop"
    """drop: the document goes. cut: only what was found is cut out of it. annotate: it is only named."""

    min_left_words: int = Field(default=50, ge=0)
    """With `cut`, a document goes as a whole where fewer words than this would be left (Gopher's minimum)."""

    @field_validator("sets", mode="before")
    @classmethod
    def _one_is_a_list(cls, sets: object) -> object:
        return [sets] if isinstance(sets, str | dict) else sets

    @field_validator("sets")
    @classmethod
    def _no_empty_path(cls, sets: list[EvaluationSet | str]) -> list[str | EvaluationSet]:
        if "" in sets:
            raise ValueError("an empty path: name a file, a folder or a glob")
        return sets

"""What a recipe says about rules. Light to import: nothing here binds SQL or opens a set."""

from typing import Self

from pydantic import Field, model_validator

from dataflow.config import Config

DEFAULT_SETS = ("language", "gopher_quality", "gopher_repetition", "c4", "fineweb")


class Rules(Config):
    """Which documents stay: named SQL conditions over their signals, all of which must hold."""

    sets: tuple[str, ...] = DEFAULT_SETS
    """Rule sets to apply, in the order in which reasons are listed. A set says for which kinds of source."""

    keep_languages: tuple[str, ...] = ()
    """Languages to keep, as codes of the language identification (en, de, zh). Empty: all."""

    custom: dict[str, str] = Field(default_factory=dict)
    """Rules of your own: name and the SQL condition under which a document is kept, for every kind of source.

    A name that a set already uses replaces that rule's condition and leaves it for the documents it was for.
    """

    @model_validator(mode="after")
    def _languages_need_their_set(self) -> Self:
        if self.keep_languages and "language" not in self.sets:
            raise ValueError('keep_languages is applied by the set "language", which is not among the sets')
        return self

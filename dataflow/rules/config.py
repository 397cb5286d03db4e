"""What a recipe says about rules. Light to import: nothing here binds SQL or opens a set."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from dataflow.config import Config

DEFAULT_SETS = ("language", "gopher_quality", "gopher_repetition", "c4", "fineweb", "code")


class OwnRule(Config):
    """A rule of your own, or what you change of a set's rule of the same name."""

    keep: str = ""
    """SQL condition under which a document is kept; needed unless a set has a rule of this name."""
    where: str = "true"
    """SQL condition naming the documents it is about (`source = 'web' AND language = 'de'`); of a set's rule it
    leaves those that are among its own."""
    max_share: float | None = Field(default=None, ge=0, le=1)
    """Share of the documents it is about that it is expected to drop at most; left out: `rules.max_share`."""


def _is_own_rule(value: Any) -> str:
    return "rule" if isinstance(value, dict | OwnRule) else "condition"


class Rules(Config):
    """Which documents stay: named SQL conditions over their signals, all of which must hold."""

    sets: tuple[str, ...] = DEFAULT_SETS
    """Rule sets to apply, in the order in which reasons are listed. A set says for which kinds of source."""

    keep_languages: tuple[str, ...] = ()
    """Languages to keep, as codes of the language identification (en, de, zh). Empty: all."""

    custom: Mapping[
        str,
        Annotated[
            Annotated[str, Tag("condition")] | Annotated[OwnRule, Tag("rule")], Discriminator(_is_own_rule)
        ],
    ] = Field(default_factory=dict)
    """Rules of your own by name: the SQL condition under which a document is kept, for every kind of source, or a
    mapping of `keep`, `where` and `max_share`.

    A name that a set already uses replaces that rule's condition and leaves it for the documents it was for.
    """

    max_share: float = Field(default=0.5, ge=0, le=1)
    """A rule that drops more than this share of the documents it is about is reported at the end of a run."""

    @model_validator(mode="after")
    def _languages_need_their_set(self) -> Self:
        if self.keep_languages and "language" not in self.sets:
            raise ValueError('keep_languages is applied by the set "language", which is not among the sets')
        return self

    def own_rules(self) -> dict[str, OwnRule]:
        """``custom`` with every rule written out."""
        return {
            name: OwnRule.model_validate({"keep": rule}) if isinstance(rule, str) else rule
            for name, rule in self.custom.items()
        }

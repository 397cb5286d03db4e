"""The published rule sets: YAML files beside this one, and what they come to as rules.

A set is a name, a source, the kinds of documents it is for, and rules. Where its figures differ from language to
language, ``figures`` names the columns of a table and ``languages`` holds a row for each, under the labels by which
identifiers know it; a rule writes ``{name}`` for the figure of the document's language, which is unknown (NULL) for
one without a row, and ``{is_listed}`` for whether there is one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Self

from pydantic import Field, model_validator

from dataflow.config import Config, nearest
from dataflow.errors import RecipeError

_BRACES = re.compile(r"\{(\w+)\}")


class RuleLine(Config):
    """One rule as a set writes it."""

    keep: str
    """SQL condition under which a document passes."""
    where: str = "true"
    """SQL condition naming the documents the rule is about."""
    max_share: float | None = Field(None, ge=0, le=1)
    """Share of the documents it is about that it is expected to drop at most; left out: `rules.max_share`."""


class RuleSet(Config):
    """A published set of rules, as ``sets/<name>.yaml`` holds it."""

    reference: str
    """Paper and section that the figures come from."""
    kinds: tuple[str, ...]
    """Kinds of source the set is for."""
    where: str = "true"
    """SQL condition naming the documents the whole set is about: languages, scripts."""
    rules: dict[str, RuleLine]
    """The rules by name."""
    figures: tuple[str, ...] = ()
    """Names of the figures that differ by language."""
    languages: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """Labels of a language, between spaces, to its figures."""

    @model_validator(mode="after")
    def _rows_are_full(self) -> Self:
        for labels, row in self.languages.items():
            if len(row) != len(self.figures):
                raise ValueError(f"{labels} has {len(row)} figures of {len(self.figures)}")
        return self


@dataclass(frozen=True)
class Rule:
    """A rule ready to be applied.

    ``where`` already combines the kinds, scripts and languages of its set; ``set`` is "custom" for a user's
    own.
    """

    name: str
    keep: str
    where: str = "true"
    set: str = "custom"
    reference: str = ""
    written: str = ""
    """``keep`` as its set writes it, where that is shorter: a table of figures is long."""

    @property
    def shown(self) -> str:
        """The condition as one shows it to a person."""
        return self.written or self.keep


def set_names() -> list[str]:
    """Names of the rule sets there are, sorted."""
    folder = resources.files("dataflow.rules") / "sets"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


@cache
def load_set(name: str) -> RuleSet:
    """A rule set by name; a RecipeError with the nearest name where there is none."""
    import yaml

    if name not in set_names():
        raise RecipeError(f'unknown rule set "{name}"', "rules.sets", nearest(name, set_names()))
    text = (resources.files("dataflow.rules") / "sets" / f"{name}.yaml").read_text(encoding="utf-8")
    return RuleSet.model_validate(yaml.safe_load(text))


def rules_of_set(name: str, keep_languages: Sequence[str]) -> list[Rule]:
    """The rules of a set in its order; those on ``keep_languages`` only where there are such."""
    from dataflow.rules.sql import quote

    one = load_set(name)
    values = _values(one)
    values["keep_languages"] = ", ".join(quote(language) for language in keep_languages)
    kinds = f"kind IN ({', '.join(quote(kind) for kind in one.kinds)})"
    rules = []
    for rule, line in one.rules.items():
        if "{keep_languages}" in line.keep and not keep_languages:
            continue
        parts = (kinds, *(_filled(part, values) for part in (one.where, line.where)))
        where = " AND ".join(f"({part})" for part in parts if part != "true")
        keep = _filled(line.keep, values)
        by_language = any(f"{{{figure}}}" in line.keep for figure in one.figures)
        rules.append(Rule(rule, keep, where, name, one.reference, line.keep if by_language else ""))
    return rules


def _values(one: RuleSet) -> dict[str, str]:
    """What stands for each name in braces, as SQL."""
    from dataflow.rules.sql import quote

    rows = [(label, row) for labels, row in one.languages.items() for label in labels.split()]
    if not rows:
        return {}
    names = [quote(label) for label, _ in rows]
    tables = {
        figure: ", ".join(f"{name}: {row[column]:g}" for name, (_, row) in zip(names, rows, strict=True))
        for column, figure in enumerate(one.figures)
    }
    listed = {figure: f"(MAP {{{table}}})[language]" for figure, table in tables.items()}
    return {**listed, "is_listed": f"list_contains([{', '.join(names)}], language)"}


def _filled(text: str, values: dict[str, str]) -> str:
    return _BRACES.sub(lambda name: values.get(name[1], name[0]), text)

"""What every section of a recipe is made of: a frozen pydantic model that refuses unknown keys by name.

A section stands beside the code it configures; ``flows.recipe`` composes them. Sizes are written as people
say them (``64M``, ``20M tokens``) and are decimal: K, M, G, T are powers of 1,000.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from dataflow.errors import RecipeError

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)B?\s*$", re.IGNORECASE)
_MAPPINGS = (dict, Mapping)
_SCALE = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class Config(BaseModel):
    """Base of all recipe sections: immutable, and an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )


def parse_size(value: object) -> object:
    """``"64M"`` to 64,000,000; numbers pass as they are; anything else is left for pydantic to refuse."""
    if isinstance(value, str) and (match := _SIZE.match(value)):
        return int(float(match[1]) * _SCALE[match[2].upper()])
    return value


Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(lambda n: n, return_type=int)]
"""A count of bytes, tokens or documents, written ``64M``, ``1.5G`` or ``4000``."""


def nearest(name: str, known: list[str]) -> str:
    """``Did you mean "x"?`` or a list of what there is, for an error's last part."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.65)
    return f'Did you mean "{close[0]}"?' if close else f"Known here: {', '.join(sorted(set(known)))}."


def explain(error: ValidationError, model: type[BaseModel], where: str) -> RecipeError:
    """The first fault of a pydantic error in our three parts, an unknown key with the nearest known one."""
    first = error.errors()[0]
    key = ".".join(_written(model, first["loc"], first["type"] == "extra_forbidden"))
    place = f"{where}, {key}" if key else where
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, first["loc"][:-1])
        return RecipeError(f'unknown key "{first["loc"][-1]}"', place, nearest(str(first["loc"][-1]), known))
    if first["type"] == "missing":
        return RecipeError("this key is needed and is not there", place)
    if first["type"] == "model_type":
        return RecipeError(f"this is a section with keys of its own (found {first['input']!r})", place)
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    found = repr(first.get("input"))
    if isinstance(first.get("input"), dict | list) or len(found) > 80:
        return RecipeError(message, place)  # a whole section as "found" says nothing
    return RecipeError(f"{message} (found {found})", place)


def _written(model: type[BaseModel], location: tuple[int | str, ...], unknown_last: bool) -> list[str]:
    """``location`` as a recipe writes it: without the types that pydantic names where a field may have several."""
    path: list[str] = []
    here: list[Any] = [model]
    for number, part in enumerate(location):
        known = [m.model_fields[part] for kind in here for m in _models_in(kind) if part in m.model_fields]
        if known:
            here = [field.annotation for field in known]
        elif (
            isinstance(part, str)
            and not (unknown_last and number == len(location) - 1)
            and not any(getattr(annotation, "__origin__", None) in _MAPPINGS for annotation in here)
        ):
            continue  # a type, not a key
        else:
            here = [annotation.__args__[-1] for annotation in here if hasattr(annotation, "__args__")]
        path.append(str(part))
    return path


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the model that stands at ``location`` inside ``model``."""
    models: list[type[BaseModel]] = [model]
    for part in location:
        if isinstance(part, int):
            continue
        inner = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        models = [found for annotation in inner for found in _models_in(annotation)] or models
    return [name for m in models for name in m.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _models_in(part)]

"""Evaluation sets as items: what is asked, and what the right answer is.

A set is a file of records in whatever fields its authors chose. Which of them hold prompt and answer is named in the
recipe or guessed, once a set, from the names that published benchmarks use; the guess is printed. Choices taken:

- of multiple choice the right answer alone is the answer: wrong choices are no knowledge of the set, and many are
  phrases of everyday text. Where the right one is not told (hidden labels) the item is its prompt;
- a context or premise belongs to the prompt, a ``passage`` or ``article`` does not: it was published elsewhere, and
  whoever holds it does not hold the item. Name it under `prompt` to protect it too;
- labels such as ``Question:`` around a prompt are left out: they are of the harness, not of the item.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from dataflow.dedup.contamination.config import Decontaminate, EvaluationSet
from dataflow.errors import DataflowError, RecipeError
from dataflow.readers.open import InputFile, Piece, find_files, read_records, split
from dataflow.readers.source import Source

_CONTEXTS = ("context", "body", "premise")
_QUESTIONS = (
    "question", "question_stem", "query", "prompt", "problem", "goal", "ctx", "instruction", "input", "turns",
    "sentence", "context_options", "text",
)  # fmt: skip
_ANSWERS = (
    "answer", "answers", "best_answer", "correct_answer", "canonical_solution", "solution", "code", "continuation",
    "target", "output", "response", "completion", "gold", "label",
)  # fmt: skip
_CHOICES = ("choices", "endings", "options", "answer_choices", "candidates")
_CHOICES_APART = (
    ("a", "b", "c", "d", "e"),
    ("option_a", "option_b", "option_c", "option_d", "option_e"),
    ("answera", "answerb", "answerc"),
    ("opa", "opb", "opc", "opd"),
    ("option1", "option2"),
    ("choice1", "choice2"),
    ("sol1", "sol2"),
)
_RIGHT = (
    "gold", "label", "answerkey", "answer_key", "answer_index", "answer_idx", "correct", "cop", "answer", "target",
)  # fmt: skip
_IDS = ("id", "task_id", "question_id", "item_id", "problem_id", "qid", "key", "idx", "ind")

_BEFORE = re.compile(r"\A\s*(?:question|query|problem|prompt|context|q)\s*:\s*", re.IGNORECASE)
_BEHIND = re.compile(r"\s*\b(?:answer|a)\s*:\s*\Z", re.IGNORECASE)
_PACKED = (".gz", ".zst", ".zstd")
_WHOLE = 1 << 62  # bytes: no file of an evaluation set is divided


@dataclass(frozen=True)
class FoundSet:
    """An evaluation set and its files."""

    name: str
    source: Source
    fields: EvaluationSet
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Item:
    """One item of a set."""

    name: str
    """Its own id where the ids of the set are different from each other, else its place."""
    prompt: str
    """What is asked; empty where the record could not be read as an item."""
    answer: str
    """The right answer; empty where it is not told."""


def find_sets(config: Decontaminate) -> list[FoundSet]:
    """The sets of a recipe, in order; a path without files and two sets of one name are errors."""
    found: list[FoundSet] = []
    for entry in config.sets:
        if isinstance(entry, EvaluationSet):
            source = Source(name="set", path=entry.path, format=entry.format)
            found.append(_set(entry, source, _files(source, entry.name)))
        else:
            for file in _files(Source(name="set", path=entry), entry):
                own = EvaluationSet(name=_stem(file.relative), path=file.path)
                found.append(_set(own, Source(name="set", path=file.path), [file]))
    names = [one.name for one in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RecipeError(
            f'two evaluation sets are named "{twice[0]}"',
            "decontaminate.sets",
            f"Write one as {{name: ..., path: ...}} (found: {', '.join(sorted(names))}).",
        )
    return found


def read_items(found: FoundSet) -> tuple[list[Item], EvaluationSet]:
    """The items of a set, and the fields they were taken from."""
    records = list(_records(found))
    first = next((value for _, value in records if value), None)
    where = f'evaluation set "{found.name}"'
    if first is None:
        what = f"none of its {len(records)} records could be read" if records else "it holds no records"
        raise DataflowError(what, where, "Give a file of JSON objects, one a line, or of rows.")
    fields = _completed(found.fields, first, where)
    names = _names(records, len(found.pieces) > 1)
    items = [
        Item(name, *(_item(value, fields) if value else ("", "")))
        for name, (_, value) in zip(names, records, strict=True)
    ]
    if not any(item.prompt for item in items):
        raise DataflowError(
            f"no record has text in {_written(fields.prompt)} (fields found: {_written(first)})",
            where,
            _name_them(fields),
        )
    return items, fields


def described(fields: EvaluationSet) -> str:
    """What is taken for prompt and answer, for a person: ``prompt question; answer choices[gold]``."""
    right = f"[{fields.right}]" if fields.right else ""
    prompt = ", ".join(fields.prompt) + ("" if fields.choices else right)
    answer = ", ".join(fields.choices) + right if fields.choices else ", ".join(fields.answer)
    return f"prompt {prompt}; " + (f"answer {answer}" if answer else "no answer")


def _files(source: Source, name: str) -> list[InputFile]:
    try:
        return find_files(source)
    except RecipeError as error:
        raise RecipeError(error.what, f'evaluation set "{name}"', error.fix) from error


def _set(fields: EvaluationSet, source: Source, files: list[InputFile]) -> FoundSet:
    pieces = tuple(piece for file in files for piece in split(file, source, _WHOLE))
    return FoundSet(fields.name, source, fields, pieces)


def _stem(relative: str) -> str:
    name = PurePosixPath(relative)
    if name.suffix.lower() in _PACKED:
        name = name.with_suffix("")
    return name.stem


def _records(found: FoundSet) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Place and value of each record; None where it could not be read."""
    for piece in found.pieces:
        for records in read_records(piece, found.source):
            for record in records:
                place = f"{record.number}" if len(found.pieces) == 1 else f"{piece.relative}#{record.number}"
                yield place, record.value


def _names(records: list[tuple[str, Mapping[str, Any] | None]], several: bool) -> list[str]:
    places = [place for place, _ in records]
    for field in _IDS:
        own = [value.get(field) if value else None for _, value in records]
        texts = {str(one) for one in own if isinstance(one, str | int) and str(one)}
        if len(texts) == len(records) and not several:
            return [str(one) for one in own]
    return places


def _completed(fields: EvaluationSet, record: Mapping[str, Any], where: str) -> EvaluationSet:
    """The fields with what is left out guessed; an error where no prompt can be found."""
    known = {_folded(name): name for name in record}
    for name in (*fields.prompt, *fields.answer, *fields.choices, *([fields.right] if fields.right else [])):
        if _value(record, name) is _ABSENT:
            raise DataflowError(
                f'no field "{name}" (fields found: {_written(record)})',
                where,
                "Check the names of its fields.",
            )
    prompt = fields.prompt or _guess_prompt(known)
    if not prompt:
        raise DataflowError(
            f"no field looks like a prompt (fields found: {_written(record)})", where, _name_them(fields)
        )
    answer, choices, right = fields.answer, fields.choices, fields.right
    if not fields.prompt or not (answer or choices):  # whoever names prompt and answer has said all
        choices = choices or ([] if answer else _guess_choices(known, record))
        of_lists = bool(choices) or any(isinstance(_value(record, name), list) for name in prompt)
        right = right or (_first(known, _RIGHT) if of_lists else "")
        if not right:
            choices = []
        if not choices and not answer:
            taken = {*prompt, right}
            answer = [name for name in [_first(known, _ANSWERS, taken)] if name]
    return fields.model_copy(update={"prompt": prompt, "answer": answer, "choices": choices, "right": right})


def _guess_prompt(known: dict[str, str]) -> list[str]:
    question, context = _first(known, _QUESTIONS), _first(known, _CONTEXTS)
    found = [name for name in (context, question) if name]
    if question and _folded(question) == "instruction" and "input" in known:
        found.append(known["input"])
    return found


def _guess_choices(known: dict[str, str], record: Mapping[str, Any]) -> list[str]:
    for name in _CHOICES:
        if name in known and isinstance(record[known[name]], list | dict):
            return [known[name]]
    for names in _CHOICES_APART:
        if names[0] in known and names[1] in known:
            return [known[name] for name in names if name in known]
    return []


def _first(known: dict[str, str], names: tuple[str, ...], taken: Collection[str] = ()) -> str:
    return next((known[name] for name in names if name in known and known[name] not in taken), "")


def _item(record: Mapping[str, Any], fields: EvaluationSet) -> tuple[str, str]:
    """Prompt and answer of a record."""
    right = _value(record, fields.right) if fields.right else _ABSENT
    asked = []
    for name in fields.prompt:
        value = _value(record, name)
        if isinstance(value, list) and right is not _ABSENT and not fields.choices:
            place = _place(right, [], [])
            value = value[place] if place is not None and place < len(value) else None
        asked.append(_text(value))
    prompt = "\n".join(text for text in asked if text.strip())
    prompt = _BEHIND.sub("", _BEFORE.sub("", prompt)).strip()
    if fields.choices:
        return prompt, _right_choice(record, fields.choices, right)
    return prompt, "\n".join(text for name in fields.answer if (text := _text(_value(record, name), True)))


def _right_choice(record: Mapping[str, Any], fields: list[str], right: Any) -> str:
    labels: list[str] = []
    if len(fields) == 1:
        held = _value(record, fields[0])
        if isinstance(held, dict):  # {"text": [...], "label": [...]}, as ARC has it
            labels = [str(label) for label in held.get("label") or []]
            held = held.get("text")
        choices = held if isinstance(held, list) else []
    else:
        choices = [_value(record, name) for name in fields]
    place = _place(right, labels, fields if len(fields) > 1 else [])
    return _text(choices[place], True) if place is not None and place < len(choices) else ""


def _place(right: Any, labels: list[str], fields: list[str]) -> int | None:
    """Which of the choices is meant, from 0: by label, by field, by number or by letter."""
    if isinstance(right, list):
        right = right[0] if right else None
    if isinstance(right, bool) or not isinstance(right, int | float | str):
        return None
    text = str(right).strip().strip("().")
    if text in labels:
        return labels.index(text)
    if isinstance(right, str):
        for number, field in enumerate(fields):
            if text and (field == text or field.lower().endswith(text.lower())):
                return number
    if re.fullmatch(r"\d{1,3}(?:\.0)?", text):
        return int(float(text))
    return ord(text.upper()) - ord("A") if re.fullmatch(r"[A-Za-z]", text) else None


class _Absent:
    """What a field that is not there holds."""


_ABSENT = _Absent()


def _value(record: Mapping[str, Any], name: str) -> Any:
    """The value of a field, which may lie inside others; ``_ABSENT`` where there is none."""
    if name in record:
        return record[name]
    head, dot, rest = name.partition(".")
    if dot and isinstance(inner := record.get(head), Mapping):
        return _value(inner, rest)
    return _ABSENT


def _text(value: Any, one: bool = False) -> str:
    """A value as text: of a list all of it, or only ``one``."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Mapping):
        return next(
            (text for name in ("text", "value", "content") if (text := _text(value.get(name), one))), ""
        )
    if isinstance(value, list):
        texts = (text for item in value if (text := _text(item, one)))
        return next(texts, "") if one else "\n".join(texts)
    return ""


def _folded(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _written(names: Any) -> str:
    return ", ".join(str(name) for name in names)


def _name_them(fields: EvaluationSet) -> str:
    return f"Write {{name: {fields.name}, path: ..., prompt: [FIELD], answer: [FIELD]}}."

"""Records of instruction data as conversations: one converter a form, and what a recipe says about a source.

``alpaca`` is one question and one answer in named fields, ``messages`` a list of turns (as OpenAI or ShareGPT
write them). A converter only renames: every word of the turns is kept, every other field goes to
``metadata``. A record that has no such form is refused with a reason; whether a conversation is *good* is
asked in ``validate``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from dataflow.config import Config, Size
from dataflow.readers.source import Format, Source

Form = Literal["guess", "alpaca", "messages"]


class InstructionFields(Config):
    """Names of the fields, where they differ from the usual ones (whose synonyms are known)."""

    instruction: str = "instruction"
    """What is asked; also found as prompt, question or query."""
    input: str = "input"
    """What the instruction is about, set below it; also found as context."""
    output: str = "output"
    """The answer; also found as response, answer or completion."""
    messages: str = "messages"
    """The list of turns; also found as conversations or conversation."""
    system: str = "system"
    """A system prompt beside the turns."""
    history: str = "history"
    """Earlier turns of an Alpaca record, as pairs of question and answer."""
    id: str = "id"
    """The record's own id, kept as ``input_id``."""
    task: str = "task"
    """The kind of task, kept as ``task``; also found as category."""


class InstructionSource(Config):
    """One named set of files with instruction data."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    """Name in every table and folder: letters, digits, dot, dash and underscore."""
    path: str | list[str]
    """File, folder, glob, URL, or a list of them."""
    format: Format | None = None
    """Format of every file (jsonl, json, parquet); left out, each file's is guessed from its suffix."""
    form: Form = "guess"
    """Form of the records; ``guess`` looks at each: messages where it has turns, else alpaca."""
    fields: InstructionFields = InstructionFields()
    """Names of the fields."""
    licence: str = ""
    """Licence of the data, as it should stand in the dataset card."""
    max_characters: Size = 100_000
    """Characters of a conversation beyond which it is dropped as ``too_long``."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """At most so many records, for a trial; left out, all of them."""

    def as_source(self) -> Source:
        """What the readers need to know of it."""
        return Source(
            name=self.name, path=self.path, format=self.format, licence=self.licence, limit=self.limit
        )


class Message(NamedTuple):
    """One turn."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """A record after conversion; ``extra`` holds every field that is no turn."""

    messages: tuple[Message, ...]
    input_id: object
    task: object
    extra: Mapping[str, Any]


class NotConvertible(ValueError):  # noqa: N818  # an answer, not a failure: the record goes to quarantine
    """A record has not the form of instruction data; its text says why, a word first."""


ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "system": "system",
}
"""Names of roles in use (OpenAI, ShareGPT, OpenAssistant, Gemini); others stay as they are, in lower case."""

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "instruction": ("prompt", "question", "query"),
    "input": ("context",),
    "output": ("response", "answer", "completion"),
    "messages": ("conversations", "conversation"),
    "task": ("category",),
}


def convert(record: object, source: InstructionSource) -> Conversation:
    """A record in the source's form as a conversation; raises NotConvertible with the reason."""
    if not isinstance(record, dict):
        raise NotConvertible(f"not_an_object: the record is {_kind(record)}")
    names = {
        name: _find(record, name, getattr(source.fields, name)) for name in InstructionFields.model_fields
    }
    form = source.form if source.form != "guess" else _guess(record, names)
    messages, used = (from_messages if form == "messages" else from_alpaca)(record, names)
    used = {*used, names["id"], names["task"]}
    extra = {key: value for key, value in record.items() if key not in used}
    return Conversation(messages, record.get(names["id"]), record.get(names["task"]), extra)


def from_alpaca(record: Mapping[str, Any], names: Mapping[str, str]) -> tuple[tuple[Message, ...], set[str]]:
    """Instruction, input and output (after a history of turns) as turns, and the fields they came from."""
    instruction = _text(record, names["instruction"], required=True)
    given = _text(record, names["input"])
    answer = _text(record, names["output"], required=True)
    turns = [*_system(record, names), *_history(record, names["history"])]
    turns.append(Message("user", "\n\n".join(part for part in (instruction, given) if part)))
    turns.append(Message("assistant", answer))
    return tuple(turns), {names[name] for name in ("instruction", "input", "output", "system", "history")}


def from_messages(
    record: Mapping[str, Any], names: Mapping[str, str]
) -> tuple[tuple[Message, ...], set[str]]:
    """A list of ``{role, content}`` or ``{from, value}`` as turns, and the fields they came from."""
    field = names["messages"]
    if field not in record:
        raise NotConvertible(f'missing_field: "{field}" (fields: {", ".join(map(str, record))[:300]})')
    items = record[field]
    if not isinstance(items, list):
        raise NotConvertible(f'wrong_type: "{field}" is {_kind(items)}, not a list of turns')
    turns = [_turn(item, f"{field}[{number}]") for number, item in enumerate(items)]
    return (*_system(record, names), *turns), {field, names["system"]}


def _find(record: Mapping[str, Any], name: str, field: str) -> str:
    """The field's name in this record: the configured one, else the first synonym of an unchanged default."""
    if field in record or field != name:
        return field
    return next((other for other in _SYNONYMS.get(name, ()) if other in record), field)


def _guess(record: Mapping[str, Any], names: Mapping[str, str]) -> Form:
    if names["messages"] in record:
        return "messages"
    if names["instruction"] in record and names["output"] in record:
        return "alpaca"
    fields = ", ".join(map(str, record))[:300]
    raise NotConvertible(f"unknown_form: neither turns nor instruction and output (fields: {fields})")


def _text(record: Mapping[str, Any], field: str, required: bool = False) -> str:
    if required and field not in record:
        raise NotConvertible(f'missing_field: "{field}" (fields: {", ".join(map(str, record))[:300]})')
    value = record.get(field)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise NotConvertible(f'wrong_type: "{field}" is {_kind(value)}, not a string')
    return value


def _system(record: Mapping[str, Any], names: Mapping[str, str]) -> list[Message]:
    system = _text(record, names["system"])
    return [Message("system", system)] if system else []


def _history(record: Mapping[str, Any], field: str) -> list[Message]:
    turns = []
    for number, pair in enumerate(record.get(field) or ()):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
            raise NotConvertible(f'wrong_type: "{field}[{number}]" is no pair of strings')
        turns += [Message("user", pair[0]), Message("assistant", pair[1])]
    return turns


def _turn(item: object, where: str) -> Message:
    if not isinstance(item, dict):
        raise NotConvertible(f'wrong_type: "{where}" is {_kind(item)}, not an object')
    role = item.get("role", item.get("from"))
    if not isinstance(role, str):
        raise NotConvertible(f'wrong_type: role of "{where}" is {_kind(role)}, not a string')
    content = item["content"] if "content" in item else item.get("value")
    name = role.strip().lower()
    return Message(ROLES.get(name, name), _content(content, where))


def _content(content: object, where: str) -> str:
    """The text of a turn: a string, or the texts of a list of typed parts, one below the other."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise NotConvertible(f'wrong_type: content of "{where}" is {_kind(content)}, not text')
    parts = []
    for part in content:
        if isinstance(part, dict) and part.get("type", "text") == "text":
            part = part["text"] if "text" in part else part.get("value")
        if not isinstance(part, str):
            kind = part.get("type") if isinstance(part, dict) else _kind(part)
            raise NotConvertible(f'unsupported_content: a part of "{where}" is {str(kind)[:80]}, not text')
        parts.append(part)
    return "\n".join(parts)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)

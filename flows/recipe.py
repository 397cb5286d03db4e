"""The recipe: one YAML file that describes a corpus and what is trained on it.

Each section is a model that stands beside the code it configures; this file only puts them together, reads YAML
and ``--set``, and checks what no section can see alone (names that one section uses of another). The same models
are the parameters that the Prefect UI shows as a form.
"""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from dataflow.config import Config, Size, explain, nearest
from dataflow.dedup.config import Dedup
from dataflow.dedup.contamination.config import Decontaminate
from dataflow.errors import RecipeError
from dataflow.instructions.forms import InstructionSource
from dataflow.instructions.splits import Splits
from dataflow.mixture.config import Mixture, Validation
from dataflow.readers.source import Extract, Source
from dataflow.rules.evaluate import Rules
from dataflow.signals.options import DEFAULT_FAMILIES, SignalOptions
from dataflow.transforms.pii import Pii
from flows.runner import Runner
from quality_models.config import Quality
from tokenizer_training.config import Tokenizer
from trainer.config import Pretrain, Sft


class Recipe(Config):
    """A corpus and what is trained on it. Only ``sources`` is needed; sections left out take their defaults."""

    name: str = Field("corpus", title="Name", pattern=r"^[^/]+$")
    """Name of the corpus, used for the output folder and in reports."""
    out: str = Field("", title="Output folder")
    """Folder or URL that everything is written to; empty: `out/<name>`."""
    seed: int = Field(1, title="Seed", ge=0, lt=2**63)
    """Every random choice of the run is derived from it."""
    shard_bytes: Size = Field(64_000_000, title="Shard size", gt=0)
    """Bytes of input in one shard, the unit of parallelism, retry and resume."""
    keep_dropped: bool = Field(True, title="Keep dropped texts")
    """Whether documents that fail a rule keep their text on disk; without, a changed rule reads the input again."""
    sources: list[Source] = Field(..., title="Sources", min_length=1)
    """Where the text comes from."""
    extract: Extract = Field(Extract(), title="HTML extraction")
    """How main text is taken out of HTML."""
    transforms: list[str] = Field(["unicode"], title="Transforms")
    """Changes to texts, in this order: `unicode` (repair and normalise); `c4_lines` (only lines that look like
    sentences) or `fineweb_lines` (the same, but a line may end as it likes); `boilerplate` (RefinedWeb's line rules:
    share buttons, counters, menus); `citations` (marks such as [3] cut out; not for code)."""
    pii: Pii = Field(Pii(), title="Personal data")
    """Which personal data is replaced, and by what."""
    quality: Quality | None = Field(None, title="Quality model")
    """A fastText classifier that gives the signal `quality`; left out: no such signal."""
    signals: list[str] = Field(list(DEFAULT_FAMILIES), title="Signals")
    """Families of signals to compute for every document (`quality` is added where there is a quality model); `dataflow
    signals` lists them all."""
    signal_options: SignalOptions = Field(SignalOptions(), title="Models and lists of signals")
    """Files that signals are computed with: language model, lists of domains and words, KenLM models."""
    rules: Rules = Field(Rules(), title="Rules")
    """Which documents are kept, as SQL over signals."""
    dedup: Dedup = Field(Dedup(), title="Deduplication")
    """What repeats: documents (exact, near, by URL or meaning), passages, what earlier corpora have."""
    decontaminate: Decontaminate | None = Field(None, title="Decontamination")
    """Evaluation sets whose items are looked for in documents and conversations; left out: none."""
    validation: Validation = Field(Validation(), title="Validation split")
    """Documents held out of training, whole duplicate clusters at a time."""
    mixture: Mixture = Field(Mixture(), title="Mixture")
    """What is drawn from which source, how often and in which order."""
    tokenizer: Tokenizer | None = Field(None, title="Tokenizer")
    """A byte-level BPE tokenizer to train or to load; left out: text shards are the end of the line."""
    instructions: list[InstructionSource] = Field([], title="Instruction data")
    """Conversations for fine-tuning."""
    instruction_splits: Splits = Field(Splits(), title="Instruction splits")
    """Validation and test shares of the instruction data, by prompt."""
    pretrain: Pretrain | None = Field(None, title="Pretraining")
    """A model to train on the corpus; left out: none is trained."""
    sft: Sft | None = Field(None, title="Fine-tuning")
    """Supervised fine-tuning of that model on the instruction data; left out: none."""
    runner: Runner = Field(Runner(workers=0), title="Runner")
    """What the work is spread over; never changes a byte of the output."""

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        names = [source.name for source in self.sources]
        _unique(names + [source.name for source in self.instructions], "sources or instructions")
        if self.quality is not None:
            for side in ("positive", "negative"):
                for name in getattr(self.quality, side):
                    _known(name, names, f"quality.{side}")
        for phase in self.mixture.phases:
            for name in phase.weights:
                _known(name, names, f"mixture.phases, {phase.name}, weights")
        if self.pretrain is not None and self.tokenizer is None:
            raise ValueError("pretrain needs a section tokenizer: `tokenizer: {vocab_size: 32768}`")
        if self.sft is not None and self.pretrain is None:
            raise ValueError("sft needs a section pretrain: the model that is fine-tuned")
        if self.sft is not None and not self.instructions:
            raise ValueError("sft needs instructions: a list of instruction sources")
        return self

    @property
    def folder(self) -> str:
        """The output folder, absolute where it is local."""
        out = self.out or f"out/{self.name}"
        return out if "://" in out else str(Path(out).expanduser().resolve())

    def source(self, name: str) -> Source:
        """A source by its name."""
        return next(source for source in self.sources if source.name == name)


def load_recipe(path: str, overrides: list[str], out: str | None = None) -> Recipe:
    """A recipe from a YAML file with ``section.key=value`` overrides; every fault is a ``RecipeError``."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(
            f"cannot read the recipe: {error.strerror}", path, "Give the path of a YAML file."
        ) from error
    except UnicodeDecodeError as error:
        raise RecipeError("the recipe is not UTF-8 text", path) from error
    try:
        values = yaml.load(text, _Yaml)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise RecipeError(f"not valid YAML: {line}{error.problem}", path) from error
    except yaml.YAMLError as error:
        raise RecipeError(f"not valid YAML: {' '.join(str(error).split())}", path) from error
    if not isinstance(values, dict):
        raise RecipeError("a recipe is a mapping with at least `sources`", path)
    for override in overrides:
        apply_override(values, override)
    if out is not None:
        values["out"] = out
    return parse_recipe(values, f"{path} with --set" if overrides else path)


class _Yaml(yaml.SafeLoader):  # type: ignore[misc]
    """YAML in which a key may stand once: of two, one would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, refused where two of its keys are equal."""
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                problem = f'the key "{key.value}" stands here a second time'
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def parse_recipe(values: dict[str, Any], where: str) -> Recipe:
    """A recipe from plain values; ``where`` names them in errors."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise explain(error, Recipe, where) from error


def apply_override(values: dict[str, Any], override: str) -> None:
    """``pretrain.lr=1e-3``; an item of a list is named by its ``name`` or its number (``sources.web.limit=100``)."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise RecipeError(f'"{override}" is not of the form section.key=value', "--set")
    *path, last = key.split(".")
    here: Any = values
    for part in path:
        here = _step_into(here, part, key)
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f'the value "{value}" is not valid YAML', f"--set {key}") from error
    if isinstance(here, list):
        here[_position(here, last, key)] = parsed
    else:
        here[last] = parsed


def _step_into(here: Any, part: str, key: str) -> Any:
    if isinstance(here, list):
        return here[_position(here, part, key)]
    inner = here.setdefault(part, {})
    if inner is None:
        inner = here[part] = {}
    if not isinstance(inner, dict | list):
        raise RecipeError(f'"{part}" is a value, not a section', f"--set {key}")
    return inner


def _position(items: list[Any], part: str, key: str) -> int:
    names = [str(item.get("name", n)) if isinstance(item, dict) else str(n) for n, item in enumerate(items)]
    if part in names:
        return names.index(part)
    if part.isdigit() and int(part) < len(items):
        return int(part)
    raise RecipeError(f'no item "{part}" there', f"--set {key}", nearest(part, names))


def _unique(names: list[str], section: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f'two {section} are named "{name}": give each its own name')


def _known(name: str, names: list[str], where: str) -> None:
    if name not in names:
        raise ValueError(f'{where} names "{name}", which is no source. {nearest(name, names)}')

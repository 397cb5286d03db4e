"""Step ``curate``: every input file is read once and becomes documents, signals, a PII audit and a quarantine."""

import hashlib
import unicodedata
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prefect import flow

from dataflow.curate import VERSION, Annotator, Curation, curate
from dataflow.dedup.config import Near
from dataflow.errors import DataflowError
from dataflow.rules.evaluate import active_rules
from dataflow.signals.language import find_model
from dataflow.signals.options import SignalOptions
from dataflow.store.manifest import Manifest, Part, current, manifests
from dataflow.store.shards import InputHashes, InputShard, plan_shards
from flows.progress import console
from flows.recipe import Recipe
from flows.recipe_check import signal_columns
from flows.runner import Job
from flows.session import Session, missing_step, session
from quality_models.score import VERSION as SCORE_VERSION
from quality_models.score import Scorer
from tokenizer_training.count import count_tokens


@flow(name="curate", flow_run_name="curate {recipe.name}")
def curate_flow(recipe: Recipe) -> None:
    """Read, extract, transform, scrub, measure and store every document."""
    with session(recipe) as run:
        hashes = InputHashes(run.store, "curate")
        annotations = _annotations(run)
        settings = _settings(recipe, annotations)
        jobs = []
        for source in recipe.sources:
            curation = curation_of(recipe, source.name, annotations)
            shards = plan_shards(source, recipe.shard_bytes)
            jobs += [_job(run, shard, curation, settings, hashes) for shard in shards]
        hashes.save()
        if not recipe.keep_dropped and any(_is_stale(run, job) for job in jobs):
            console.print(
                "curate: settings or rules have changed; with keep_dropped: false the input is read again"
            )
        made = run.make("curate", jobs)
        _refuse_empty_sources(run, made)


@dataclass(frozen=True)
class Annotation:
    """An annotator with the signal it adds and the content hash of what decides their values."""

    annotator: Annotator
    signal: str
    digest: str


def curated_parts(run: Session) -> dict[str, Manifest]:
    """Manifests of all parts of documents, by ``source/shard``, in order."""
    found = {manifest.part: manifest for manifest in manifests(run.store, "curate")}
    if not found:
        raise missing_step(run.store, "curate")
    return found


def curation_of(recipe: Recipe, source: str, annotations: list[Annotation]) -> Curation:
    """What ``curate`` needs to know of the recipe for one source."""
    near = recipe.dedup.near or Near()  # a signature is always stored: dedup may be switched on later
    return Curation(
        source=recipe.source(source),
        extract=recipe.extract,
        transforms=tuple(recipe.transforms),
        pii=recipe.pii,
        signals=tuple(recipe.signals),
        options=_found(recipe),
        permutations=near.permutations,
        shingle=near.shingle,
        unit=near.unit,
        annotators=tuple(annotation.annotator for annotation in annotations),
        annotations=tuple(annotation.signal for annotation in annotations),
        drop_text=() if recipe.keep_dropped else tuple(active_rules(recipe.rules, signal_columns(recipe))),
    )


def _found(recipe: Recipe) -> SignalOptions:
    """The recipe's options with the language model's path in place, where languages are identified."""
    options = recipe.signal_options
    if not {"language", "paragraph_language"} & set(recipe.signals):
        return options.model_copy(update={"language_model": ""})
    return options.model_copy(update={"language_model": find_model(options.language_model or None)})


def text_settings(recipe: Recipe) -> dict[str, Any]:
    """The part of a fingerprint that decides what a stored text looks like."""
    return {
        "extract": recipe.extract.model_dump(mode="json"),
        "transforms": recipe.transforms,
        "pii": recipe.pii.model_dump(mode="json"),
        "unicode": unicodedata.unidata_version,
    }


def file_digest(path: str) -> str:
    """SHA-256 of a model or tokenizer file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _settings(recipe: Recipe, annotations: list[Annotation]) -> dict[str, Any]:
    """The part of a fingerprint that all sources share; every model and list is read once for it."""
    return {
        **text_settings(recipe),
        "signals": recipe.signals,
        "signal_files": {name: file_digest(path) for name, path in _found(recipe).files().items()},
        "annotations": [annotation.digest for annotation in annotations],
    }


def _job(
    run: Session, shard: InputShard, curation: Curation, settings: dict[str, Any], hashes: InputHashes
) -> Job:
    config = {
        **settings,
        "source": curation.source.model_dump(mode="json", exclude={"path"}),
        "minhash": [curation.permutations, curation.shingle, curation.unit],
    }
    if curation.drop_text:
        config["drop_text"] = [asdict(rule) for rule in curation.drop_text]
    part = Part("curate", f"{shard.source}/{shard.name}", VERSION, config, hashes.of(shard))
    return Job(part, curate, (shard, curation, run.store))


def _is_stale(run: Session, job: Job) -> bool:
    return run.store.exists(job.part.manifest_path) and current(run.store, job.part) is None


def _annotations(run: Session) -> list[Annotation]:
    """The columns that rooms above ``dataflow`` compute: quality, and exact token counts under a ready tokenizer."""
    recipe, found = run.recipe, []
    if recipe.quality is not None:
        model = recipe.quality.model or run.store.path("models/quality/model.bin")
        if not Path(model).exists():
            raise missing_step(run.store, "quality")
        label = recipe.quality.label
        digest = f"quality {SCORE_VERSION} {label} {file_digest(model)}"
        found.append(Annotation(Scorer(model, label), "quality", digest))
    if recipe.tokenizer is not None and recipe.tokenizer.path:
        path = recipe.tokenizer.path
        found.append(Annotation(count_tokens(path), "n_tokens", f"n_tokens {file_digest(path)}"))
    return found


def _refuse_empty_sources(run: Session, made: list[Manifest]) -> None:
    """A source without a single document is a wrong path, format or field name, never what was meant."""
    for source in run.recipe.sources:
        parts = [manifest.counts for manifest in made if manifest.part.split("/", 1)[0] == source.name]
        records = sum(counts["records"] for counts in parts)
        if not sum(counts["documents"] for counts in parts):
            raise DataflowError(
                f"none of the {records:,} records could be read as a document{_commonest_reason(run, source.name)}",
                f"source {source.name}",
                "Check its `format` and `fields.text`.",
            )


def _commonest_reason(run: Session, source: str) -> str:
    """What most records of a source were refused for, in brackets."""
    counted: Counter[str] = Counter()
    for path in run.store.list(f"quarantine/{source}"):
        counted.update(run.store.read_table(path, ["reason"]).column("reason").to_pylist())
    return "".join(f" ({reason}: {count:,})" for reason, count in counted.most_common(1))

"""``python -m quality_models``: train a quality model on examples, measure it, score files with it."""

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from dataflow.config import explain
from dataflow.errors import DataflowError
from quality_models.config import Quality
from quality_models.errors import QualityError

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_BYTES = 64_000_000

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Quality models: small classifiers that score how much a text reads like those you chose as good."
    "\n\n"
    "In a pipeline run the step quality trains one from the recipe's sources; here they work on any files "
    "(JSONL, JSON, Parquet or plain text, also .gz and .zst; folders and globs too).",
)

Positive = Annotated[list[str], typer.Option(help="Files with examples of good text; repeatable.")]
Negative = Annotated[list[str], typer.Option(help="Files with text to tell them from; repeatable.")]
Field = Annotated[str, typer.Option(help="Field or column that holds the text.")]
Label = Annotated[str, typer.Option(help="The label whose probability is the score.")]
Model = Annotated[str, typer.Argument(help="A fastText model, or the folder that holds model.bin.")]


@app.command()
def train(
    positive: Positive,
    negative: Negative,
    out: Annotated[Path, typer.Option(help="Folder for the model and its card.")],
    field: Field = "text",
    sample_documents: Annotated[str, typer.Option(help="Documents of each class at most.")] = "20000",
    epochs: Annotated[int, typer.Option(help="Passes over the sample.")] = 5,
    dim: Annotated[int, typer.Option(help="Length of the vector of a word.")] = 32,
    seed: Annotated[int, typer.Option(help="Decides the sample and the model's start.")] = 1,
) -> None:
    """Train a model that tells two sets of files apart, and show how well it does on held-out documents.

    Example: python -m quality_models train --positive books.jsonl.gz --negative crawl.jsonl.gz --out
    models/books
    """
    from dataflow.store.storage import Storage
    from quality_models.registry import markdown
    from quality_models.train import train as fit
    from quality_models.train import write

    config = _section(
        positive=positive, negative=negative, sample_documents=sample_documents, epochs=epochs, dim=dim
    )
    trained = fit(config, _texts(positive, field), _texts(negative, field), seed)
    write(Storage(str(out)), "", trained)
    typer.echo(markdown(trained.card))
    typer.echo(f"written to {out}")


@app.command()
def evaluate(
    model: Model, positive: Positive, negative: Negative, field: Field = "text", label: Label = "positive"
) -> None:
    """Measure a model on documents it was not trained on.

    Example: python -m quality_models evaluate models/books --positive essays.jsonl --negative forum.jsonl
    """
    import numpy as np

    from quality_models.evaluate import evaluate as measure
    from quality_models.score import Scorer

    scorer = Scorer(model, label)
    good, bad = (
        np.concatenate(
            [
                np.zeros(0, np.float32),
                *(scorer(texts)["quality"].to_numpy() for texts in _texts(files, field)),
            ]
        )
        for files in (positive, negative)
    )
    if not len(good) or not len(bad):
        name = "positive" if not len(good) else "negative"
        raise QualityError(f"the {name} files hold no documents", fix="Give files of both classes.")
    labels = np.concatenate([np.ones(len(good), bool), np.zeros(len(bad), bool)])
    measured = measure(np.concatenate([good, bad]), labels)
    typer.echo(f"documents          {measured.positive:,} positive, {measured.negative:,} negative")
    typer.echo(f"AUC                {measured.auc:.4f}")
    typer.echo(f"average precision  {measured.average_precision:.4f}")
    typer.echo(f"accuracy at 0.5    {measured.accuracy:.4f}")
    typer.echo(f"F1 at 0.5          {measured.f1:.4f}")
    typer.echo("score           positive   negative")
    for n, (p, q) in enumerate(zip(measured.histogram_positive, measured.histogram_negative, strict=True)):
        typer.echo(f"{n / 10:.1f} to {(n + 1) / 10:.1f}  {p:>12,} {q:>10,}")


@app.command()
def score(
    model: Model,
    files: Annotated[list[str], typer.Argument(help="Files to score.")],
    out: Annotated[Path | None, typer.Option(help="Parquet file for input, record and score.")] = None,
    field: Field = "text",
    label: Label = "positive",
) -> None:
    """Score every document of some files: to a Parquet file, or as lines of score, file and record number.

    Example: python -m quality_models score models/books crawl.jsonl.gz --out scores.parquet
    """
    import pyarrow as pa

    from dataflow.store.storage import Storage
    from quality_models.score import Scorer

    scorer = Scorer(model, label)
    schema = pa.schema({"input": pa.string(), "record": pa.int64(), "quality": pa.float32()})
    scored = (
        pa.table([batch["input"], batch["record"], scorer(batch["text"])["quality"]], schema=schema)
        for batch in _documents(files, field)
    )
    if out is None:
        for table in scored:
            for row in table.to_pylist():
                typer.echo(f"{row['quality']:.4f}\t{row['input']}#{row['record']}")
        return
    with Storage(str(out.parent)).parquet_writer(out.name, schema) as writer:
        for table in scored:
            writer.write_table(table)
    typer.echo(f"written to {out}")


@app.command("list")
def list_models(folder: Annotated[str, typer.Argument(help="Where to look.")] = ".") -> None:
    """The models below a folder, with what they were trained on and how well they do.

    Example: python -m quality_models list out
    """
    from quality_models.registry import find_models

    for path, card in find_models(folder).items():
        classes = f"{', '.join(card.positive)} against {', '.join(card.negative)}"
        typer.echo(f"{path}  AUC {card.evaluation.auc:.4f}  {card.n_bytes:,} bytes  {classes}")


@app.command()
def show(folder: Annotated[str, typer.Argument(help="Folder of a model.")]) -> None:
    """The card of a model: data, settings, measures, histogram of scores.

    Example: python -m quality_models show out/my-corpus/models/quality
    """
    from quality_models.registry import markdown, read_card

    typer.echo(markdown(read_card(folder)))


def _documents(files: list[str], field: str) -> "Iterator[pa.RecordBatch]":
    """The documents of some files in batches; what is no document is counted aloud."""
    from dataflow.readers.open import find_files, read, split
    from dataflow.readers.source import Fields, Source

    source = Source(name="files", path=files, fields=Fields(text=field))
    rejected = 0
    pieces = chain.from_iterable(split(file, source, PIECE_BYTES) for file in find_files(source))
    for piece in pieces:
        for batch in read(piece, source):
            rejected += batch.rejects.num_rows
            yield batch.documents
    if rejected:
        typer.echo(f"note: {rejected:,} records were no documents and were left out", err=True)


def _texts(files: list[str], field: str) -> "Iterator[pa.LargeStringArray]":
    return (batch["text"] for batch in _documents(files, field))


def _section(**values: Any) -> Quality:
    try:
        return Quality(**values)
    except ValidationError as error:
        raise explain(error, Quality, "quality") from error


def _fail(error: DataflowError) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    sys.exit(error.exit_status)


def main() -> None:
    """Run the command line; an error the user can mend is one line."""
    try:
        app(prog_name="python -m quality_models")
    except DataflowError as error:
        _fail(error)


if __name__ == "__main__":
    main()

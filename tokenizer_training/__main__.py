"""``python -m tokenizer_training``: learn a vocabulary, measure it, export it, encode with it."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from dataflow.config import explain
from dataflow.errors import DataflowError
from tokenizer_training.config import Tokenizer

PIECE_BYTES = 64_000_000

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Byte-level BPE tokenizers: learn a vocabulary from text, measure it, export it, encode with it.\n\n"
    "In a pipeline run these are the steps tokenizer and tokenize; here they work on any files.",
)

Files = Annotated[
    list[str],
    typer.Argument(
        help="Text files: JSONL, JSON, Parquet or plain text, also .gz and .zst; folders and globs too."
    ),
]
Field = Annotated[str, typer.Option(help="Field or column that holds the text.")]
Ready = Annotated[str, typer.Argument(help="A tokenizer.json, or the folder that holds one.")]


@app.command()
def train(
    files: Files,
    out: Annotated[Path, typer.Option(help="Folder for the tokenizer; transformers can load it.")],
    vocab_size: Annotated[
        str, typer.Option(help="Tokens in the vocabulary, special ones included.")
    ] = "32768",
    pattern: Annotated[str, typer.Option(help="How text is cut before BPE: gpt4 or gpt2.")] = "gpt4",
    field: Field = "text",
) -> None:
    """Learn a vocabulary from all the text in some files.

    Example: python -m tokenizer_training train books.jsonl.gz --out my-tokenizer --vocab-size 8192
    """
    from dataflow.store.storage import Storage
    from tokenizer_training.export import folder_files
    from tokenizer_training.load import parse
    from tokenizer_training.train import learn

    config = _section(vocab_size=vocab_size, pattern=pattern)
    content = learn((texts for _, texts in _texts(files, field)), config)
    store = Storage(str(out))
    for name, file in folder_files(content).items():
        store.write_bytes(name, file)
    typer.echo(f"{parse(content, str(out)).vocab_size:,} tokens written to {out}")


@app.command()
def evaluate(
    tokenizer: Ready,
    files: Files,
    against: Annotated[
        list[str] | None, typer.Option(help="Another tokenizer to compare with; repeatable.")
    ] = None,
    field: Field = "text",
) -> None:
    """Bytes per token, tokens per word and share of the vocabulary used, by file.

    Measure on text the vocabulary was not learned from. Tokens per word means little for scripts written
    without spaces: read tokens per character there.

    Example: python -m tokenizer_training evaluate my-tokenizer held-out.jsonl --against gpt2/tokenizer.json
    """
    from tokenizer_training.evaluate import evaluate as measure
    from tokenizer_training.load import load_file

    texts: list[str] = []
    files_of: list[str] = []
    for name, batch in _texts(files, field):
        texts += batch
        files_of += [name] * len(batch)
    loaded = {path: load_file(path) for path in (tokenizer, *(against or ()))}
    lines = [["tokenizer", "file", *_MEASURES]]
    for row in measure(loaded, texts, files_of).to_pylist():
        measures = (form.format(row[name]) for name, form in _MEASURES.items())
        lines.append([row["tokenizer"], row["group"], *measures])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        names = [cell.ljust(width) for cell, width in zip(line[:2], widths, strict=False)]
        numbers = [cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True)]
        typer.echo("  ".join([*names, *numbers]))


_MEASURES = {
    "documents": "{:,}",
    "bytes": "{:,}",
    "tokens": "{:,}",
    "bytes_per_token": "{:.3f}",
    "tokens_per_word": "{:.3f}",
    "tokens_per_character": "{:.3f}",
    "vocabulary_used": "{:.1%}",
}


@app.command()
def export(tokenizer: Ready, folder: Annotated[Path, typer.Argument(help="Where to write.")]) -> None:
    """Write a folder that transformers' AutoTokenizer loads, chat template included.

    Special tokens that a ready tokenizer lacks are added at the end of its vocabulary, and named.

    Example: python -m tokenizer_training export out/my-corpus/tokenizer hf-tokenizer
    """
    from dataflow.store.storage import Storage
    from tokenizer_training.export import folder_files
    from tokenizer_training.train import adopt

    content, notes = adopt(tokenizer)
    files = folder_files(content)
    for name, file in files.items():
        Storage(str(folder)).write_bytes(name, file)
    for note in notes:
        typer.echo(f"note: {note}")
    typer.echo(f"{', '.join(sorted(files))} written to {folder}")


@app.command()
def encode(
    tokenizer: Ready,
    files: Files,
    out: Annotated[Path, typer.Option(help="Parquet file for the tokens, as the trainer reads them.")],
    field: Field = "text",
    source: Annotated[str, typer.Option(help="Name of the source to write beside each document.")] = "text",
) -> None:
    """Turn documents into a token shard: each text's tokens, then the end token.

    Control tokens written inside a text are encoded as ordinary text.

    Example: python -m tokenizer_training encode my-tokenizer books.jsonl.gz --out tokens/part-00000.parquet
    """
    import pyarrow as pa

    from dataflow.store.storage import Storage
    from tokenizer_training.encode import write_documents
    from tokenizer_training.load import load_file

    def batches() -> Iterator[pa.RecordBatch]:
        seen: Counter[str] = Counter()
        for name, texts in _texts(files, field):
            columns = {
                "id": [f"{source}/{name}#{seen[name] + n}" for n in range(len(texts))],
                "source": [source] * len(texts),
                "text": pa.array(texts, pa.large_string()),
                "n_bytes": [len(text.encode()) for text in texts],
            }
            seen[name] += len(texts)
            yield pa.RecordBatch.from_pydict(columns)

    made = write_documents(Storage(str(out.parent)), out.name, load_file(tokenizer), batches())
    counts = made.counts
    typer.echo(f"{counts['documents']:,} documents, {counts['tokens']:,} tokens written to {out}")


def _texts(files: list[str], field: str) -> Iterator[tuple[str, list[str]]]:
    """The texts of some files in batches, each with its file's name; what is no document is counted aloud."""
    from dataflow.readers.open import find_files, read, split
    from dataflow.readers.source import Fields, Source

    source = Source(name="files", path=files, fields=Fields(text=field))
    rejected = 0
    for file in find_files(source):
        for piece in split(file, source, PIECE_BYTES):
            for batch in read(piece, source):
                rejected += batch.rejects.num_rows
                yield file.relative, batch.documents["text"].to_pylist()
    if rejected:
        typer.echo(f"note: {rejected:,} records were no documents and were left out", err=True)


def _section(**values: Any) -> Tokenizer:
    try:
        return Tokenizer(**values)
    except ValidationError as error:
        raise explain(error, Tokenizer, "tokenizer") from error


def _fail(error: DataflowError, status: int) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    sys.exit(status)


def main() -> None:
    """Run the command line; an error the user can mend is one line."""
    try:
        app(prog_name="python -m tokenizer_training")
    except DataflowError as error:
        _fail(error, error.exit_status)


if __name__ == "__main__":
    main()

"""``python -m trainer``: the commands. ``torchrun -m trainer pretrain ...`` for several devices.

Exit status: 0 done, 1 failed, 2 the call or config is wrong, 3 interrupted and resumable. Results on stdout,
progress and errors on stderr, an error in one line.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import ValidationError

from dataflow.config import explain
from dataflow.errors import DataflowError
from trainer.config import TrainRun
from trainer.errors import RefusedError
from trainer.parent import end_with_parent

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

ConfigFile = Annotated[Path, typer.Option("--config", help="A TrainRun as JSON or YAML.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="field=value, in place of the config's.")]
OnChange = Annotated[str, typer.Option(help="Where the folder holds another run: refuse or restart.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Remove what the run's folder holds first.")]
Model = Annotated[Path, typer.Argument(help="A run, a checkpoint, or an exported model.")]
TokenizerFolder = Annotated[str, typer.Option("--tokenizer", help="Its folder; left out: as the run says.")]
Most = Annotated[int, typer.Option("--tokens", help="Most tokens to write.")]
Temperature = Annotated[float, typer.Option(help="0 always takes the likeliest token.")]
TopK = Annotated[int, typer.Option(help="Choose among so many tokens; 0: all.")]
TopP = Annotated[float, typer.Option(help="Choose among the likeliest tokens of this total probability.")]
Seed = Annotated[int, typer.Option(help="Seed of the choice.")]


def read_run(path: Path, overrides: list[str] | None = None, mode: str = "") -> TrainRun:
    """A TrainRun from a file, with ``field=value`` overrides (values in YAML)."""
    if not path.is_file():
        raise RefusedError("no such file", str(path), "Give a TrainRun as JSON or YAML.")
    try:
        fields: Any = yaml.safe_load(path.read_text())
        for override in overrides or []:
            key, separator, value = override.partition("=")
            if not separator:
                raise RefusedError(f'"{override}" is not field=value', "--set")
            fields[key] = yaml.safe_load(value)
    except (yaml.YAMLError, TypeError) as error:
        raise RefusedError(
            "not a JSON or YAML object", str(path), " ".join(str(error).split())[:120]
        ) from error
    if mode:
        fields = {"mode": mode, **fields}
    try:
        run = TrainRun.model_validate(fields)
    except ValidationError as error:
        raise explain(error, TrainRun, str(path)) from error
    if mode and run.mode != mode:
        raise RefusedError(f'mode is "{run.mode}"', str(path), f"Use: python -m trainer {run.mode}.")
    return run


def _train(config: Path, overrides: list[str] | None, mode: str, on_change: str, fresh: bool) -> None:
    from trainer.loop import train

    if on_change not in ("refuse", "restart"):
        raise RefusedError(f'"{on_change}" is not refuse or restart', "--on-change")
    run = read_run(config, overrides, mode)
    train(run, "restart" if on_change == "restart" else "refuse", fresh)


@app.command()
def pretrain(
    config: ConfigFile, set_: Set = None, on_change: OnChange = "refuse", fresh: Fresh = False
) -> None:
    """Train a model from random weights; running again continues."""
    _train(config, set_, "pretrain", on_change, fresh)


@app.command()
def sft(config: ConfigFile, set_: Set = None, on_change: OnChange = "refuse", fresh: Fresh = False) -> None:
    """Fine-tune a model on conversations; running again continues."""
    _train(config, set_, "sft", on_change, fresh)


@app.command()
def evaluate(
    model: Model,
    data: Annotated[list[str], typer.Option("--data", help="Folders of token shards.")],
    tokens: Annotated[int, typer.Option("--tokens", help="Most tokens to look at.")] = 1_000_000,
    dtype: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
) -> None:
    """Loss, perplexity and bits per byte, over all and per source, as JSON."""
    from trainer import parallel
    from trainer.evaluate import make_validation, validate
    from trainer.setup import load_decoder
    from trainer.shards import open_shards

    with parallel.start(threads=0) as world:
        decoder = load_decoder(model, world.device)
        validation = make_validation(open_shards(data), decoder.shape.max_seq_len, tokens)
        chosen = parallel.choose_dtype(dtype, world.device)
        scores = validate(decoder, validation, world, chosen, max(1, 16384 // decoder.shape.max_seq_len))
        if world.is_first:
            print(json.dumps(scores.as_dict(), indent=1, ensure_ascii=False))


@app.command()
def generate(
    model: Model,
    prompt: Annotated[str, typer.Argument(help="Text to continue.")] = "",
    tokenizer: TokenizerFolder = "",
    most: Most = 128,
    temperature: Temperature = 0.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    seed: Seed = 1,
) -> None:
    """Continue a text."""
    from trainer.generate import Sampling, continue_text

    decoder, loaded = _load(model, tokenizer)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    print(prompt + continue_text(decoder, loaded, prompt, most, sampling))


@app.command()
def chat(
    model: Model,
    tokenizer: TokenizerFolder = "",
    most: Most = 256,
    temperature: Temperature = 0.7,
    top_k: TopK = 50,
    top_p: TopP = 1.0,
    seed: Seed = 1,
) -> None:
    """Talk to a fine-tuned model. /new starts over, /quit leaves."""
    from trainer.chat import converse
    from trainer.generate import Sampling

    decoder, loaded = _load(model, tokenizer)
    converse(decoder, loaded, most, Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed))


@app.command()
def export(
    model: Model,
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    tokenizer: TokenizerFolder = "",
) -> None:
    """Write a model as transformers loads it: safetensors, config and tokenizer."""
    from trainer import hf

    decoder, loaded = _load(model, tokenizer)
    hf.export(decoder, Path(tokenizer or _tokenizer_of(model)), loaded.special_ids, folder)
    print(folder)


@app.command()
def trace(
    config: ConfigFile,
    step: Annotated[int, typer.Argument(help="Step from 1; 0 with --doc.")] = 0,
    doc: Annotated[str, typer.Option("--doc", help="List where this document id stood instead.")] = "",
) -> None:
    """Name the documents of a step (or the steps of a document), as JSON lines."""
    from trainer.setup import prepare
    from trainer.trace import trace_document, trace_step

    prepared = prepare(read_run(config))
    for seen in trace_document(prepared, doc) if doc else trace_step(prepared, step):
        print(json.dumps(vars(seen), ensure_ascii=False))


@app.command()
def budget(config: ConfigFile, set_: Set = None) -> None:
    """Steps, tokens, parameters, operations and memory of a run, as JSON; runs nothing."""
    import torch

    from trainer.budget import estimate
    from trainer.model import build, count_parameters
    from trainer.setup import prepare

    prepared = prepare(read_run(config, set_))
    model = build(prepared.shape, torch.device("meta"))
    flops = model.flops_per_token(prepared.run.seq_len)
    figures = estimate(prepared.budget, count_parameters(model), flops, prepared.run.batch_tokens)
    print(json.dumps(figures, indent=1))


@app.command()
def doctor() -> None:
    """What there is to train on: torch, devices, arithmetic."""
    import torch

    from trainer import parallel

    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    print(f"torch    {torch.__version__}")
    with parallel.start(threads=0):
        print(f"threads  {torch.get_num_threads()}")
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        print(f"cuda:{number}   {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    if not cuda:
        print("device   cpu (for a GPU, install the CUDA build of torch)")
    print(f"bf16     {'yes' if parallel.has_bf16(device) else 'no'} on {device.type}")


def _load(model: Path, tokenizer: str) -> tuple[Any, Any]:
    import torch

    from tokenizer_training.load import load_file
    from trainer.setup import load_decoder

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return load_decoder(model, device), load_file(tokenizer or _tokenizer_of(model))


def _tokenizer_of(model: Path) -> str:
    """The tokenizer's folder, from the model's own folder or from the config of the run it belongs to."""
    if (model / "tokenizer.json").is_file():
        return str(model)
    for folder in (model, *model.parents[:2]):
        if (folder / "config.json").is_file():
            named = json.loads((folder / "config.json").read_text()).get("tokenizer")
            if named:
                return str(named)
    raise RefusedError("cannot tell which tokenizer belongs to it", str(model), "Give --tokenizer.")


def main() -> None:
    """The commands, with errors as one line and exit statuses."""
    end_with_parent()
    try:
        app(standalone_mode=False)
    except DataflowError as error:
        if "DATAFLOW_PARENT" in os.environ:  # a run of the whole line, which tells it in its own words
            print(json.dumps({"what": error.what, "where": error.where, "fix": error.fix}))
        else:
            print(f"trainer: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except typer.Exit as leave:
        sys.exit(leave.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(3)
    except Exception as error:
        if hasattr(error, "format_message"):  # what typer and click raise for a wrong call
            print(f"trainer: {error.format_message()}", file=sys.stderr)
            sys.exit(2)
        raise


if __name__ == "__main__":
    main()

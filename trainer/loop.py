"""``train(run)``: the whole of training, for pretraining and fine-tuning alike.

A run folder holds

    config.json      the run, resolved              checkpoints/step-N/   weights, moments, counters
    metrics.jsonl    a line for each step           samples.jsonl         texts it wrote
    summary.json     written last: the run is done  lock                  held while a trainer is at work

Everything random or ordered is arithmetic in (seed, step), so stopping anywhere and starting again gives
the same weights and the same metrics as never stopping. The host waits for the device only when metrics are
written.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from dataflow.store.storage import Storage
from trainer import checkpoint, parallel
from trainer.attention import document_mask
from trainer.config import TrainRun
from trainer.errors import InterruptedRunError, TrainerError
from trainer.evaluate import Validation, compressed, unigram, validate
from trainer.generate import Sampling, answer, continue_text
from trainer.loader import Loader, Step
from trainer.loss import cross_entropy_sum, sums_by_source
from trainer.metrics import Metrics
from trainer.model import Decoder, build, count_parameters
from trainer.optim import clip_and_step, learning_rate, make_optimizer
from trainer.parallel import World
from trainer.progress import Reporter
from trainer.session import Clock, locked, stop_signals
from trainer.setup import Prepared, difference, load_weights, prepare

MOST_SKIPPED = 20
"""Steps in a row that may be skipped before the run is given up."""
SAMPLING = Sampling(temperature=0.7, top_k=50)
"""How the samples at the end of a run are drawn."""


class Objective(nn.Module):
    """The model with its loss: what data parallelism wraps, since the head is used outside the decoder."""

    def __init__(self, model: Decoder, z_loss: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.z_loss, self.dtype = model, z_loss, dtype

    def forward(
        self, tokens: Tensor, positions: Tensor, segments: Tensor | None, where: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum of the losses at ``where``, and each of them."""
        mask = None if segments is None else document_mask(segments, self.dtype)
        with parallel.autocast(tokens.device, self.dtype):
            hidden = self.model(tokens, positions, mask)
        chosen = hidden.float().flatten(0, 1).index_select(0, where)
        return cross_entropy_sum(chosen, self.model.head_weight, labels, self.z_loss, self.dtype)


@dataclass
class Progress:
    """What a checkpoint keeps besides tensors; all of it plain JSON."""

    step: int = 0
    labels: int = 0  # tokens trained, those in skipped steps included
    skipped: int = 0
    validations: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    last_loss: float = float("nan")
    sources: dict[str, int] = field(default_factory=dict)  # tokens trained of each source


def train(
    run: TrainRun,
    on_change: Literal["refuse", "restart"] = "refuse",
    fresh: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Train, or go on training, until done; returns what ``summary.json`` says.

    Args:
        run: what to train on what.
        on_change: where the folder holds a run of other settings or data: refuse, or start it again.
        fresh: remove what the folder holds first.
        quiet: nothing on stderr.
    """
    folder = Path(run.folder)
    with parallel.start(run.threads) as world, locked(folder, world), stop_signals() as stopped:
        torch.use_deterministic_algorithms(True, warn_only=True)
        prepared = prepare(run, world.size)
        run = prepared.run
        if world.is_first:
            _make_room(folder, prepared, on_change, fresh)
        world.barrier()
        if (folder / "summary.json").is_file():
            summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
            return summary

        dtype = parallel.choose_dtype(run.dtype, world.device)
        model = build(prepared.shape, world.device, run.seed if not run.init_from else None)
        optimizer = make_optimizer(model, run.lr, run.betas, run.weight_decay)
        loader = _loader(prepared, world)
        progress, metrics = _resume(folder, prepared, model, optimizer, loader, world)
        if run.compile:
            for block in model.blocks:
                block.compile()
        objective = parallel.wrap(Objective(model, run.z_loss, dtype), world)
        parameters: list[Tensor] = list(model.parameters())
        budget, names = prepared.budget, prepared.shards.source_names
        reporter = Reporter(folder.name, budget.steps, progress.step, quiet or not world.is_first)
        clock = Clock(model.flops_per_token(run.seq_len), progress.labels)
        reporter.say(_introduction(prepared, model, dtype, world, progress.step))

        def measure() -> None:
            if prepared.validation is not None:
                clock.pause()
                _validate(model, prepared.validation, progress, metrics, reporter, world, dtype, run)
                clock.go_on()

        def save() -> None:
            _log(metrics, progress, clock, reporter, names)
            if world.is_first:
                state = {
                    "loader": loader.state(),
                    "metrics_bytes": metrics.length(),
                    "progress": vars(progress),
                    "shape": prepared.shape.model_dump(mode="json"),
                    "mode": run.mode,
                }
                where = folder / "checkpoints"
                checkpoint.save(where, progress.step, model, optimizer, state, run.keep_checkpoints)
            world.barrier()

        try:
            if progress.step == 0:
                if run.mode == "sft":
                    _sample(model, prepared, progress)
                if 0 in run.eval_at:
                    measure()
            model.train()
            for batch in loader:
                rate = learning_rate(
                    progress.step, budget.steps, run.lr, run.schedule, run.warmup, run.final_lr
                )
                sums = _gradients(objective, batch, run.seed, progress.step, len(names), world)
                loss = sums[0].sum() / max(1, batch.n_labels)
                norm, skipped = clip_and_step(optimizer, parameters, rate, run.clip, loss)
                optimizer.zero_grad(set_to_none=True)
                progress.step += 1
                progress.labels += batch.n_labels
                known = {
                    "step": progress.step,
                    "lr": rate,
                    "tokens": progress.labels,
                    "labels": batch.n_labels,
                }
                metrics.add(known, torch.cat((torch.stack((loss, norm, skipped)).double(), sums.flatten())))
                if progress.step % run.log_every == 0 or progress.step == budget.steps:
                    _log(metrics, progress, clock, reporter, names)
                if _due(progress.step, run, budget.steps):
                    _log(metrics, progress, clock, reporter, names)
                    measure()
                stop = world.any(bool(stopped)) and progress.step < budget.steps
                if stop or progress.step % run.checkpoint_every == 0 or progress.step == budget.steps:
                    save()
                if stop:
                    raise InterruptedRunError(
                        f"stopped by {stopped[0] if stopped else 'a signal'} after step {progress.step}",
                        str(folder),
                        "Run the same command again: it continues.",
                    )
            _sample(model, prepared, progress)
            summary = _summarise(prepared, model, progress, clock, dtype)
            if world.is_first:
                _finish(folder, summary, progress)
            reporter.say(_conclusion(summary))
            world.barrier()
            return summary
        finally:
            reporter.close()
            metrics.close()


def _gradients(
    objective: nn.Module, step: Step, seed: int, number: int, n_sources: int, world: World
) -> Tensor:
    """Accumulate the gradients of a global batch; returns loss and tokens by source, summed over all ranks."""
    torch.manual_seed(int(np.random.SeedSequence((seed, number, world.rank)).generate_state(1)[0]))
    sums = torch.zeros(2, n_sources, dtype=torch.float64, device=world.device)
    for at, cpu_batch in enumerate(step.micro_batches):
        batch = cpu_batch.to(world.device)
        with parallel.without_sync(objective, last=at == len(step.micro_batches) - 1):
            total, losses = objective(
                batch.tokens, batch.positions, batch.segments, batch.where, batch.labels
            )
            (total * (world.size / max(1, step.n_labels))).backward()
        sums += sums_by_source(losses, batch.sources, n_sources)
    return world.sum(sums)


def _loader(prepared: Prepared, world: World) -> Loader:
    run = prepared.run
    return Loader(
        plan=prepared.plan,
        batch_rows=prepared.budget.batch_rows,
        micro_rows=max(1, run.micro_batch_tokens // run.seq_len),
        last_row=prepared.budget.rows,
        isolate=run.isolate,
        rank=world.rank,
        world=world.size,
    )


def _make_room(folder: Path, prepared: Prepared, on_change: str, fresh: bool) -> None:
    """Leave in the folder only what belongs to this run; write down which run it is."""
    identity, text = folder / "identity.json", json.dumps(prepared.identity, indent=1, sort_keys=True) + "\n"
    if identity.is_file() and not fresh:
        before: dict[str, Any] = json.loads(identity.read_text())
        if changed := difference(before, json.loads(text)):
            if on_change == "refuse":
                raise TrainerError(
                    f"the folder holds another run: {changed}",
                    str(folder),
                    "Choose another folder, or start again with --fresh.",
                )
            fresh = True
    if fresh:
        for name in ("summary.json", "identity.json", "config.json", "metrics.jsonl", "samples.jsonl"):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    store = Storage(str(folder))
    store.write_bytes("identity.json", text.encode())
    store.write_json("config.json", prepared.run.model_dump(mode="json"))


def _resume(
    folder: Path,
    prepared: Prepared,
    model: Decoder,
    optimizer: torch.optim.Optimizer,
    loader: Loader,
    world: World,
) -> tuple[Progress, Metrics]:
    """Put the latest checkpoint's state back, or begin (from the weights of ``init_from``)."""
    path = folder / "metrics.jsonl" if world.is_first else None
    found = checkpoint.completed(folder / "checkpoints")
    if not found:
        if prepared.run.init_from:
            load_weights(Path(prepared.run.init_from), model)
        return Progress(), Metrics(path)
    state = checkpoint.read_state(found[-1])
    checkpoint.load_model(found[-1], model)
    checkpoint.load_optimizer(found[-1], model, optimizer)
    loader.resume(state["loader"])
    return Progress(**state["progress"]), Metrics(path, state["metrics_bytes"])


def _log(metrics: Metrics, progress: Progress, clock: Clock, reporter: Reporter, names: list[str]) -> None:
    """Fetch what the device measured since the last time and write a line for each step."""
    lines = metrics.fetch()
    if not lines:
        return
    timing = clock.lap(lines[-1][0]["tokens"])
    for known, (loss, norm, skipped, *sums) in lines:
        nats, tokens = sums[: len(names)], sums[len(names) :]
        by_source = {n: s / t for n, s, t in zip(names, nats, tokens, strict=True) if t}
        line = {**known, "loss": loss, "gradient_norm": norm, "skipped": bool(skipped)}
        metrics.write({**line, "sources": by_source, "timing": timing})
        progress.last_loss = loss
        progress.skipped += int(skipped)
        clock.skipped_in_a_row = clock.skipped_in_a_row + 1 if skipped else 0
        for name, count in zip(names, tokens, strict=True):
            progress.sources[name] = progress.sources.get(name, 0) + int(count)
        if clock.skipped_in_a_row >= MOST_SKIPPED:
            raise TrainerError(
                f"loss or gradient was not finite for {MOST_SKIPPED} steps in a row",
                f"step {known['step']}",
                "Lower lr, or train in fp32.",
            )
    said = f"loss {progress.last_loss:.4f}  {timing['tokens_per_second']:,.0f} tokens/s"
    reporter.step(progress.step, said + (f"  {progress.skipped} skipped" if progress.skipped else ""))


def _validate(
    model: Decoder,
    validation: Validation,
    progress: Progress,
    metrics: Metrics,
    reporter: Reporter,
    world: World,
    dtype: torch.dtype,
    run: TrainRun,
) -> None:
    rows = max(1, run.micro_batch_tokens // run.seq_len)
    scores = validate(model, validation, world, dtype, rows, run.isolate).as_dict()
    progress.validations.append({"step": progress.step, **scores})
    metrics.write({"step": progress.step, "validation": scores})
    reporter.say(
        f"validation at step {progress.step}: loss {scores['loss']:.4f}, "
        f"{scores['bits_per_byte']:.4f} bits per byte"
    )


def _due(step: int, run: TrainRun, steps: int) -> bool:
    return step == steps or step in run.eval_at or (run.eval_every > 0 and step % run.eval_every == 0)


def _sample(model: Decoder, prepared: Prepared, progress: Progress) -> None:
    """Let the model continue (or, fine-tuned, answer) the prompts."""
    run, tokenizer = prepared.run, prepared.tokenizer
    for prompt in run.prompts:
        if run.mode == "sft":
            turns = [{"role": "user", "content": prompt}]
            text = answer(model, tokenizer, turns, run.sample_tokens, SAMPLING)
        else:
            text = continue_text(model, tokenizer, prompt, run.sample_tokens, SAMPLING)
        progress.samples.append({"step": progress.step, "prompt": prompt, "text": text})


def _summarise(
    prepared: Prepared, model: Decoder, progress: Progress, clock: Clock, dtype: torch.dtype
) -> dict[str, Any]:
    """Everything a person or a report asks of a finished run."""
    run, validation = prepared.run, prepared.validation
    baseline: dict[str, Any] = {}
    if validation is not None:
        baseline["unigram"] = unigram(validation, prepared.shards.token_counts(run.mode == "sft")).as_dict()
        if run.validation_text:
            baseline |= compressed(validation, run.validation_text)
    return {
        "mode": run.mode,
        "preset": run.preset,
        "parameters": count_parameters(model),
        "shape": prepared.shape.model_dump(mode="json"),
        "steps": progress.step,
        "tokens_trained": progress.labels,
        "tokens_in_data": prepared.shards.n_tokens,
        "tokens_by_source": progress.sources,
        "accounts": [vars(account) for account in prepared.plan.pieces.accounts],
        "skipped_steps": progress.skipped,
        "final_loss": progress.last_loss,
        "validations": progress.validations,
        "baseline": baseline,
        "dtype": str(dtype).removeprefix("torch."),
        "timing": clock.total(progress.labels),
    }


def _finish(folder: Path, summary: dict[str, Any], progress: Progress) -> None:
    store = Storage(str(folder))
    lines = (json.dumps(sample, ensure_ascii=False) + "\n" for sample in progress.samples)
    store.write_bytes("samples.jsonl", "".join(lines).encode())
    store.write_json("summary.json", summary)


def _introduction(prepared: Prepared, model: Decoder, dtype: torch.dtype, world: World, step: int) -> str:
    arithmetic = f"{str(dtype).removeprefix('torch.')} on {world.size} x {world.device.type}"
    begun = f"going on after step {step} of" if step else "beginning"
    return (
        f"{begun} {prepared.budget.steps} steps of {prepared.run.batch_tokens:,} tokens, "
        f"{count_parameters(model):,} parameters, {prepared.shards.n_tokens:,} tokens of data, {arithmetic}"
    )


def _conclusion(summary: dict[str, Any]) -> str:
    said = f"done: loss {summary['final_loss']:.4f}, {summary['timing']['tokens_per_second']:,.0f} tokens/s"
    if summary["validations"]:
        said += f", {summary['validations'][-1]['bits_per_byte']:.4f} bits per byte"
    if "unigram" in summary["baseline"]:
        said += f" (unigram {summary['baseline']['unigram']['bits_per_byte']:.4f})"
    return said

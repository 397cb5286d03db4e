"""Training as a whole: it learns, stops and goes on without a trace, and says what is wrong in one line."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made_shards import write_shards
from safetensors.torch import load_file

from tokenizer_training.load import Loaded
from trainer import checkpoint
from trainer.config import Pretrain, Sft, TrainRun, pretrain_run, sft_run
from trainer.errors import TrainerError
from trainer.loop import train
from trainer.setup import load_decoder, prepare
from trainer.trace import trace_document, trace_step

MakeRun = Callable[..., TrainRun]


def weights(folder: str | Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint.latest(Path(folder)) / checkpoint.MODEL)


def lines(folder: str | Path) -> list[dict[str, Any]]:
    """metrics.jsonl without the wall-clock."""
    read = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "timing"} for line in read]


def assert_same(one: str | Path, other: str | Path, tolerance: float = 0.0) -> None:
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=tolerance, atol=tolerance)


def start(run: TrainRun, *more: str, processes: int = 1) -> "subprocess.Popen[str]":
    """``python -m trainer`` (or torchrun) as a user starts it."""
    config = Path(run.folder).parent / f"{Path(run.folder).name}.json"
    config.write_text(run.model_dump_json())
    launcher = [sys.executable, "-m"]
    if processes > 1:
        launcher += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    command = [*launcher, "trainer", run.mode, "--config", str(config), *more]
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        command, cwd=root, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_a_run_learns_and_leaves_what_it_should(make_run: MakeRun) -> None:
    run = make_run(steps=0, epochs=6, prompts=("the cat",), eval_every=4)
    summary = train(run, quiet=True)
    folder = Path(run.folder)
    first, last = summary["validations"][0], summary["validations"][-1]
    assert last["loss"] < 0.9 * first["loss"]
    assert last["bits_per_byte"] < summary["baseline"]["unigram"]["bits_per_byte"] * 1.05
    assert last["bits_per_byte"] == pytest.approx(last["loss"] * last["tokens"] / math.log(2) / last["bytes"])
    assert set(last["sources"]) == {"a", "b"}
    assert summary["tokens_trained"] == 6 * summary["tokens_in_data"]
    assert sum(summary["tokens_by_source"].values()) == summary["tokens_trained"]
    assert json.loads((folder / "samples.jsonl").read_text())["prompt"] == "the cat"
    assert TrainRun.model_validate_json((folder / "config.json").read_text()) == run
    assert [line["step"] for line in lines(folder) if "loss" in line] == list(range(1, summary["steps"] + 1))
    assert train(run, quiet=True) == summary  # done: nothing is trained again


def test_law_1_stopped_and_resumed_equals_never_stopped(make_run: MakeRun, tmp_path: Path) -> None:
    whole = make_run(folder=str(tmp_path / "whole"), steps=7, dropout=0.1)
    train(whole, quiet=True)
    parted = whole.model_copy(update={"folder": str(tmp_path / "parted")})
    train(parted, quiet=True)
    folder = tmp_path / "parted"
    (
        folder / "summary.json"
    ).unlink()  # as if it had been killed after step 5, with later lines already written
    for path in checkpoint.completed(folder / "checkpoints")[1:]:
        (path / checkpoint.COMPLETE).unlink()
    with (folder / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 99, "lo')
    train(parted, quiet=True)
    assert_same(tmp_path / "whole", folder)
    assert lines(tmp_path / "whole") == lines(folder)


@pytest.mark.parametrize("micro_batch_tokens", [32, 64])
def test_law_3_accumulation_changes_nothing(
    make_run: MakeRun, tmp_path: Path, micro_batch_tokens: int
) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    train(make_run(folder=str(one)), quiet=True)
    train(make_run(folder=str(many), micro_batch_tokens=micro_batch_tokens), quiet=True)
    assert_same(one, many, tolerance=2e-5)


def test_law_3_and_7_two_processes_train_the_same_and_one_goes_on_from_their_checkpoint(
    make_run: MakeRun, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    train(make_run(folder=str(one), steps=4, checkpoint_every=2, eval_at=(2,)), quiet=True)
    run = make_run(folder=str(two), steps=4, checkpoint_every=2, eval_at=(2,))
    process = start(run, processes=2)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert_same(one, two, tolerance=2e-5)
    scores = [[line["validation"]["loss"] for line in lines(f) if "validation" in line] for f in (one, two)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    (two / "summary.json").unlink()
    (checkpoint.completed(two / "checkpoints")[-1] / checkpoint.COMPLETE).unlink()
    train(run, quiet=True)
    assert_same(one, two, tolerance=2e-5)


def test_law_7_a_kill_in_the_middle_of_a_save_leaves_the_one_before(
    make_run: MakeRun, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(make_run(folder=str(whole)), quiet=True)
    run = make_run(folder=str(killed))
    script = f"""
import os, signal
from trainer import checkpoint
from trainer.config import TrainRun
from trainer.loop import train
flushed = []
def flush(path):
    flushed.append(path)
    if len(flushed) == 9:  # a checkpoint flushes six times: this is inside the second one
        os.kill(os.getpid(), signal.SIGKILL)
checkpoint._flush = flush
train(TrainRun.model_validate_json('''{run.model_dump_json()}'''), quiet=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).resolve().parents[2], check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert checkpoint.latest(killed).name == "step-0000003"
    assert list((killed / "checkpoints").glob("*.tmp"))
    train(run, quiet=True)
    assert_same(whole, killed)
    assert lines(whole) == lines(killed)
    assert not list((killed / "checkpoints").glob("*.tmp"))


def test_law_7_sigterm_saves_and_exits_3_and_the_same_command_goes_on(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(folder=str(tmp_path / "run"), steps=0, epochs=100, checkpoint_every=100_000, log_every=1)
    process = start(run)
    metrics = tmp_path / "run" / "metrics.jsonl"
    waited = time.monotonic()
    while not (metrics.is_file() and metrics.stat().st_size) and time.monotonic() - waited < 120:
        time.sleep(0.1)
    with pytest.raises(TrainerError, match="another trainer"):  # meanwhile the folder is its own
        train(run, quiet=True)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert said.strip().splitlines()[-1].endswith("Run the same command again: it continues.")
    step = checkpoint.read_state(checkpoint.latest(tmp_path / "run"))["step"]
    assert lines(tmp_path / "run")[-1]["step"] == step


def test_another_run_in_the_folder_is_refused_by_name_or_replaced(make_run: MakeRun) -> None:
    train(make_run(), quiet=True)
    with pytest.raises(TrainerError, match=r"lr 0.005 -> 0.001"):
        train(make_run(lr=1e-3), quiet=True)
    assert train(make_run(lr=1e-3), on_change="restart", quiet=True)["steps"] == 6


def test_changed_data_is_refused_with_what_changed(
    make_run: MakeRun, tmp_path: Path, tokenizer: Loaded
) -> None:
    data = write_shards(tmp_path / "data", [[10, 11, 12, 0]] * 40, tokenizer)
    run = make_run(data=(str(data),), validation=(), steps=0)
    train(run, quiet=True)
    write_shards(data, [[10, 11, 13, 0]] * 40, tokenizer)
    with pytest.raises(TrainerError, match=r"changed: part-00000.parquet of phase 0"):
        train(run, quiet=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 0, "tokens": "1M"}, r"1,000,000 training tokens asked for, but the data holds"),
        ({"steps": 500}, r"500 steps of 256 tokens asked for"),
        ({"batch_tokens": 100}, r"does not divide into rows"),
        ({"data": ("/nowhere",)}, r"no token shards"),
        ({"tokenizer": ""}, r"no tokenizer"),
        ({"mode": "sft"}, r"no loss_spans"),
        ({"init_from": "/nowhere"}, r"no whole checkpoint"),
    ],
)
def test_what_cannot_be_trained_is_told_before_anything_is_written(
    make_run: MakeRun, fields: dict[str, object], message: str
) -> None:
    run = make_run(**fields)
    with pytest.raises(TrainerError, match=message):
        train(run, quiet=True)
    assert sorted(path.name for path in Path(run.folder).iterdir()) == ["lock"]


def test_steps_that_are_not_finite_are_counted_and_a_row_of_them_ends_the_run(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.loop.MOST_SKIPPED", 3)
    with pytest.raises(TrainerError, match="not finite for 3 steps"):
        train(make_run(lr=1e30, warmup=0, schedule="constant", eval_at=()), quiet=True)
    assert any(line["skipped"] for line in lines(make_run().folder))


def test_fine_tuning_learns_the_assistants_words_only(
    make_run: MakeRun, tmp_path: Path, tokenizer_folder: Path, tokenizer: Loaded
) -> None:
    train(make_run(folder=str(tmp_path / "base")), quiet=True)
    start_id, end_id = tokenizer.turn_start, tokenizer.turn_end
    chats = [[start_id, 20 + i % 9, end_id, start_id, 40, 60, 61, 62, end_id, 5] for i in range(60)]
    data = write_shards(tmp_path / "chats", chats, tokenizer, spans=[[(5, 9)]] * 60)
    section = Sft(batch_tokens=128, lr=5e-3, epochs=3, prompts=("hello",), threads=1, dtype="fp32")
    run = sft_run(
        section,
        str(tmp_path / "sft"),
        [str(data)],
        [str(data)],
        str(tokenizer_folder),
        str(tmp_path / "base"),
    )
    summary = train(run, quiet=True)
    before, after = summary["validations"]
    assert (before["step"], before["tokens"]) == (0, 4 * 60)
    assert after["loss"] < 0.5 * before["loss"]
    assert summary["tokens_trained"] == 3 * 4 * 60
    samples = [json.loads(line) for line in (tmp_path / "sft" / "samples.jsonl").read_text().splitlines()]
    assert [sample["step"] for sample in samples] == [0, summary["steps"]]


def test_trace_names_the_documents_of_a_step_and_the_steps_of_a_document(make_run: MakeRun) -> None:
    run = make_run(steps=0, epochs=2)
    train(run, quiet=True)
    prepared = prepare(run)
    for step, line in enumerate((line for line in lines(run.folder) if "loss" in line), start=1):
        assert sum(seen.end - seen.start for seen in trace_step(prepared, step)) == line["labels"]
    places = trace_document(prepared, "s/x#7")
    assert sum(seen.end - seen.start for seen in places) == 2 * prepared.shards.lengths[7]
    assert all(place in trace_step(prepared, place.step) for place in places)


def test_sections_of_a_recipe_become_runs(tmp_path: Path) -> None:
    section = Pretrain.model_validate(
        {"preset": "gpt2-3m", "tokens": "1M", "batch_tokens": "8K", "seq_len": 250}
    )
    run = pretrain_run(section, "runs/p", ["tokens/main"], [], "tokenizer")
    assert (run.steps_asked(), run.mode, run.preset) == (125, "pretrain", "gpt2-3m")
    with pytest.raises(ValueError, match='Did you mean "gpt2-3m"'):
        Pretrain(preset="gpt-3m")


def test_the_command_line_tells_a_wrong_key_in_one_line_with_the_nearest(make_run: MakeRun) -> None:
    process = start(make_run(), "--set", "schedul=linear")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert said.count("\n") == 1
    assert 'Did you mean "schedule"?' in said


def test_a_model_is_read_back_from_run_and_checkpoint(make_run: MakeRun) -> None:
    run = make_run()
    train(run, quiet=True)
    last = checkpoint.latest(Path(run.folder))
    one, other = (load_decoder(path, torch.device("cpu")) for path in (Path(run.folder), last))
    assert all(a.equal(b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    (last / checkpoint.MODEL).write_bytes(b"cut short")
    assert checkpoint.latest(Path(run.folder)) != last

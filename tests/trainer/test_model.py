"""The model equals ``transformers``, the loss equals PyTorch's, packing changes nothing."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from made_shards import write_shards

from tokenizer_training.load import Loaded
from trainer import hf
from trainer.attention import attention, document_mask
from trainer.generate import Sampling, generate
from trainer.loader import make_batch
from trainer.loss import cross_entropy_sum, sums_by_source, token_losses
from trainer.model import Decoder, build, count_parameters
from trainer.optim import clip_and_step, learning_rate, make_optimizer
from trainer.packing import make_plan
from trainer.presets import PRESETS, Shape, shape_of
from trainer.setup import load_decoder
from trainer.shards import open_shards

CPU = torch.device("cpu")
LLAMA = shape_of("llama-100k", vocab_size=97, seq_len=24)
GPT2 = Shape(vocab_size=97, max_seq_len=24, n_layers=2, width=48, n_heads=4, n_kv_heads=4, mlp_width=192)


def model_of(shape: Shape) -> Decoder:
    model = build(shape, CPU, seed=3)
    with torch.no_grad():  # values at which every part matters, biases and norms too
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)) * 0.05)
    return model


def gradients(model: torch.nn.Module, logits: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    F.cross_entropy(logits.flatten(0, 1), labels.flatten()).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "shape", [LLAMA, LLAMA.model_copy(update={"tied": False, "rope_base": 500000.0}), GPT2]
)
def test_law_6_equal_to_transformers_in_logits_gradients_and_on_disk(
    shape: Shape, tmp_path: Path, tokenizer_folder: Path, tokenizer: Loaded
) -> None:
    transformers = pytest.importorskip("transformers")
    model = model_of(shape)
    hf.export(model, tokenizer_folder, tokenizer.special_ids, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).train()
    tokens = torch.randint(0, 97, (2, 24), generator=torch.Generator().manual_seed(7))
    ours_logits, their_logits = model.logits(tokens), theirs(tokens).logits
    torch.testing.assert_close(ours_logits, their_logits, rtol=1e-5, atol=1e-5)
    labels = tokens.roll(-1, 1)
    their_gradients = hf.from_transformers(gradients(theirs, their_logits, labels), shape)
    for name, gradient in gradients(model, ours_logits, labels).items():
        torch.testing.assert_close(gradient, their_gradients[name], rtol=1e-5, atol=1e-5, msg=name)
    back = load_decoder(tmp_path, CPU)
    assert all(a.equal(b) for a, b in zip(back.parameters(), model.parameters(), strict=True))
    assert (
        transformers.AutoTokenizer.from_pretrained(tmp_path)("the cat").input_ids
        == tokenizer.encode(["the cat"])[0].tolist()
    )


def test_law_6_the_tied_124m_has_124439808_parameters() -> None:
    model = build(shape_of("gpt2-124m", 50257, 1024), torch.device("meta"))
    assert count_parameters(model) == 124_439_808


@pytest.mark.parametrize(
    ("preset", "millions"), [("llama-3m", 2.9), ("llama-30m", 29), ("llama-300m", 283), ("llama-8b", 6979)]
)
def test_llama_presets_are_named_after_what_they_hold_outside_the_embeddings(
    preset: str, millions: float
) -> None:
    model = build(shape_of(preset, 1000, 512), torch.device("meta"))
    outside = count_parameters(model) - 1000 * PRESETS[preset].width * (1 if PRESETS[preset].tied else 2)
    assert outside / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize("shape", [LLAMA, GPT2])
def test_law_4_packed_loss_is_the_sum_of_unpacked_losses(
    shape: Shape, tmp_path: Path, tokenizer: Loaded
) -> None:
    model = model_of(shape)
    documents = [[10, 11, 12, 13, 0], [20, 21, 22, 0], [30, 31, 32, 33, 34, 35, 0]]
    losses = []
    for name, held in (("all", documents), *((str(n), [d]) for n, d in enumerate(documents))):
        write_shards(tmp_path / name, held, tokenizer)
        plan = make_plan(open_shards([str(tmp_path / name)]), 24, "split", 1, False)
        assert plan.n_rows(1) == 1
        batch = make_batch(plan, [0])
        mask = None if batch.segments is None else document_mask(batch.segments, torch.float32)
        hidden = model(batch.tokens, batch.positions, mask).flatten(0, 1)[batch.where]
        losses.append(token_losses(hidden, model.head_weight, batch.labels))
    torch.testing.assert_close(losses[0], torch.cat(losses[1:]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("packed", [False, True])
def test_both_ways_of_attention_agree(packed: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    q, k, v = (torch.randn(3, h, 16, 8, generator=generator, requires_grad=True) for h in (4, 2, 2))
    segments = torch.arange(16).expand(3, 16) // 5
    results = []
    for dtype in (torch.float32, torch.bfloat16):  # the second is multiplied out
        mask = document_mask(segments, dtype) if packed else None
        out = attention(q.to(dtype), k.to(dtype), v.to(dtype), mask).float()
        results.append((out, *torch.autograd.grad(out.square().sum(), (q, k, v))))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)


def test_the_chunked_loss_has_the_value_and_gradients_of_the_plain_one() -> None:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(2500, 8, generator=generator, requires_grad=True)
    weight = torch.randn(50, 8, generator=generator, requires_grad=True)
    labels = torch.randint(0, 50, (2500,), generator=generator)
    total, each = cross_entropy_sum(hidden, weight, labels, z_loss=1e-2)
    ours = torch.autograd.grad(total / 7, (hidden, weight))
    logits = hidden @ weight.T
    plain = F.cross_entropy(logits, labels, reduction="sum") + 1e-2 * logits.logsumexp(-1).square().sum()
    torch.testing.assert_close(total, plain)
    for got, expected in zip(ours, torch.autograd.grad(plain / 7, (hidden, weight)), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(each, token_losses(hidden, weight, labels))
    sums = sums_by_source(each, labels % 2, 2)
    assert sums[1].tolist() == [int((labels % 2 == s).sum()) for s in (0, 1)]
    assert sums[0].sum().item() == pytest.approx(each.sum().item())


def test_the_cache_gives_the_same_greedy_text_as_reading_everything_again() -> None:
    model = model_of(LLAMA).eval()
    written = list(generate(model, [5, 6, 7], most=12))
    ids = [5, 6, 7]
    for expected in written:
        assert int(model.logits(torch.tensor([ids]))[0, -1].argmax()) == expected
        ids.append(expected)


def test_sampling_is_seeded_and_stops() -> None:
    model = model_of(GPT2)
    hot = Sampling(temperature=1.0, top_k=20, top_p=0.9, seed=4)
    one = list(generate(model, [5], 15, sampling=hot))
    assert one == list(generate(model, [5], 15, sampling=hot))
    assert one != list(generate(model, [5], 15, sampling=hot.model_copy(update={"seed": 5})))
    assert list(generate(model, [5], 15, stop=[one[3]], sampling=hot)) == one[: one.index(one[3])]
    assert len(list(generate(model, [5], 99))) == GPT2.max_seq_len  # the context is full


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1.0, 0.55, 0.1]),
        ("cosine", [0.5, 1.0, 1.0, 0.55, 0.1]),
        ("wsd", [0.5, 1.0, 1.0, 1.0, 0.1]),
    ],
)
def test_schedules_at_the_first_warm_middle_and_last_step(schedule: str, expected: list[float]) -> None:
    rates = [learning_rate(s, 23, 1.0, schedule, 2, 0.1) for s in (0, 1, 2, 12, 22)]  # type: ignore[arg-type]
    assert rates == pytest.approx(expected)


def test_law_8_a_step_that_is_not_finite_is_skipped_and_leaves_no_trace() -> None:
    model = model_of(LLAMA)
    optimizer = make_optimizer(model, 1e-2, (0.9, 0.95), 0.1)
    parameters = list(model.parameters())
    model.logits(torch.tensor([[1, 2, 3]])).sum().backward()
    parameters[0].grad[0, 0] = float("nan")  # type: ignore[index]
    before = [p.detach().clone() for p in parameters]
    _, skipped = clip_and_step(optimizer, parameters, 1e-2, 1.0, torch.tensor(1.0))
    assert skipped.item() == 1
    assert all(a.equal(b) for a, b in zip(before, parameters, strict=True))
    model.zero_grad()
    model.logits(torch.tensor([[1, 2, 3]])).sum().backward()
    _, skipped = clip_and_step(optimizer, parameters, 1e-2, 1.0, torch.tensor(1.0))
    assert skipped.item() == 0
    assert not before[0].equal(parameters[0])
    assert {float(s["step"]) for s in optimizer.state.values()} == {1.0}

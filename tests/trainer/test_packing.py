"""Rows are arithmetic: every token once, whatever is packed with it, and in the order of the corpus."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_shards import write_shards

from tokenizer_training.load import Loaded
from trainer.errors import TrainerError
from trainer.loader import Loader, make_batch
from trainer.packing import best_fit, cut, make_plan
from trainer.shards import Shards, open_shards


@given(st.lists(st.integers(1, 32), max_size=60))
def test_best_fit_places_everything_once_and_never_overfills(sizes: list[int]) -> None:
    rows = best_fit(sizes, 32)
    assert sorted(i for row in rows for i in row) == list(range(len(sizes)))
    assert all(sum(sizes[i] for i in row) <= 32 for row in rows)


def test_best_fit_takes_the_tightest_gap() -> None:
    assert best_fit([6, 5, 4, 3], 9) == [[0, 3], [1, 2]]


def in_memory(lengths: list[int], spans: bool = False) -> Shards:
    """Shards without files: packing looks at lengths only."""
    n = len(lengths)
    shards = Shards(
        [], np.array(lengths), np.ones(n), np.arange(n) % 2, np.zeros(n, int), ["a", "b"], None, 9, {}, ""
    )
    if spans:
        from trainer.shards import Spans

        half = np.array([length // 2 for length in lengths])
        shards.spans = Spans(np.arange(n + 1), half, np.array(lengths))
    return shards


@given(
    st.lists(st.integers(2, 100), min_size=1, max_size=40),
    st.sampled_from(["split", "crop", "drop"]),
    st.booleans(),
)
def test_law_2_tokens_add_up(lengths: list[int], overlong: str, spans: bool) -> None:
    pieces = cut(in_memory(lengths, spans), 16, overlong, None)  # type: ignore[arg-type]
    for account in pieces.accounts:
        parts = (account.trained, account.context, account.cropped, account.dropped)
        assert min(parts) >= 0
        assert sum(parts) == account.read
    assert sum(a.read for a in pieces.accounts) == sum(lengths)
    assert sum(a.trained for a in pieces.accounts) == pieces.labels.sum()
    if overlong == "split" and not spans:
        assert all(a.trained == a.read for a in pieces.accounts)


@given(st.lists(st.integers(1, 40), min_size=5, max_size=60), st.integers(0, 3))
@settings(max_examples=30)
def test_law_1_a_row_depends_only_on_data_seed_epoch_and_length(lengths: list[int], seed: int) -> None:
    one, other = (make_plan(in_memory(lengths), 16, "split", seed, False) for _ in range(2))
    n = one.n_rows(2)
    assert [one.pieces_of(i) for i in range(n)] == [other.pieces_of(i) for i in reversed(range(n))][::-1]


def test_windows_keep_the_order_of_phases(tmp_path: Path, tokenizer: Loaded) -> None:
    for phase, first in (("main", 10), ("anneal", 20)):
        write_shards(tmp_path / phase, [[first] * 9] * 20, tokenizer)
    shards = open_shards([str(tmp_path / "main"), str(tmp_path / "anneal")])
    plan = make_plan(shards, 32, "split", 1, False)
    phases = [shards.phases[piece[0]] for row in range(plan.n_rows(1)) for piece in plan.pieces_of(row)]
    assert phases == sorted(phases)


def test_every_token_of_the_corpus_is_a_label_once(corpus: Path) -> None:
    shards = open_shards([str(corpus / "train")])
    plan = make_plan(shards, 32, "split", 1, False)
    batch = make_batch(plan, list(range(plan.n_rows(1))))
    everything = np.concatenate([shards.tokens(d) for d in range(shards.n_documents)])
    assert sorted(batch.labels.tolist()) == sorted(everything.tolist())


def test_law_5_a_label_is_the_token_after_its_input_in_the_same_document(
    tmp_path: Path, tokenizer: Loaded
) -> None:
    write_shards(tmp_path, [[10, 11, 12, 0], [20, 21, 0]], tokenizer)
    plan = make_plan(open_shards([str(tmp_path)]), 8, "split", 1, False)
    batch = make_batch(plan, [0])
    end = tokenizer.end_of_text
    assert batch.tokens.tolist() == [[end, 10, 11, 12, end, 20, 21, end]]
    assert batch.labels.tolist() == [10, 11, 12, 0, 20, 21, 0]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 0, 1, 2, 0]]


def test_law_5_only_the_assistants_tokens_and_its_end_of_turn_are_trained(
    tmp_path: Path, tokenizer: Loaded
) -> None:
    conversation = [1, 30, 2, 1, 31, 40, 41, 2, 5]
    write_shards(tmp_path, [conversation, [1, 30, 31, 32]], tokenizer, spans=[[(5, 8)], []])
    plan = make_plan(open_shards([str(tmp_path)]), 16, "crop", 1, True)
    assert plan.n_rows(1) == 1  # the second has nothing to train on: no row of it
    assert make_batch(plan, [0]).labels.tolist() == [40, 41, 2]
    assert [a.dropped for a in plan.pieces.accounts] == [4]


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("micro_rows", [1, 2, 8])
def test_law_1_any_world_and_micro_batch_see_the_same_global_batches(
    corpus: Path, world: int, micro_rows: int
) -> None:
    plan = make_plan(open_shards([str(corpus / "train")]), 32, "split", 1, False)
    last = plan.n_rows(1)

    def labels(ranks: int, micro: int) -> list[list[int]]:
        loaders = [Loader(plan, 8, micro, last, rank=r, world=ranks) for r in range(ranks)]
        steps = zip(*loaders, strict=True)
        return [
            sorted(i for step in shares for batch in step.micro_batches for i in batch.labels.tolist())
            for shares in steps
        ]

    assert labels(world, micro_rows) == labels(1, 8)


def test_a_loader_resumes_where_it_was_and_refuses_other_data(corpus: Path) -> None:
    plan = make_plan(open_shards([str(corpus / "train")]), 32, "split", 1, False)
    loader = Loader(plan, 8, 8, plan.n_rows(2))
    steps = iter(loader)
    next(steps)
    state = loader.state()
    second = next(steps)
    steps.close()
    again = Loader(plan, 8, 8, plan.n_rows(2))
    again.resume(state)
    resumed = iter(again)
    assert next(resumed).micro_batches[0].tokens.equal(second.micro_batches[0].tokens)
    resumed.close()
    with pytest.raises(TrainerError, match="changed"):
        again.resume({**state, "fingerprint": "other"})


def test_nothing_left_to_train_on_is_an_error(tmp_path: Path, tokenizer: Loaded) -> None:
    write_shards(tmp_path, [[5] * 50], tokenizer)
    with pytest.raises(TrainerError, match="no token is left"):
        make_plan(open_shards([str(tmp_path)]), 16, "drop", 1, False)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="no token shards"):
        open_shards([str(tmp_path)])

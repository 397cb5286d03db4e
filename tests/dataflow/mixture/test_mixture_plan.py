"""The plan: what is kept, held out, drawn, repeated, and in which order it stands."""

import hashlib
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mixture_corpora import Corpus, rows

from dataflow.errors import DataflowError, RecipeError
from dataflow.mixture import plan as plan_module
from dataflow.mixture.config import Mixture, Phase, Validation
from dataflow.mixture.plan import make_plan
from dataflow.store.documents import FILTER, PLAN
from dataflow.store.storage import Storage

NOTHING_HELD_OUT = Validation(share=0)


def sizes(n: int, seed: int = 0, largest: int = 1000) -> list[int]:
    return [int(size) for size in np.random.default_rng(seed).integers(1, largest, n)]


def plan_of(
    corpus: Corpus,
    folder: Path,
    mixture: Mixture | None = None,
    validation: Validation = NOTHING_HELD_OUT,
    seed: int = 1,
) -> dict[str, list[dict[str, Any]]]:
    """The rows of each phase."""
    store, parts = corpus.write(folder)
    make_plan(store, parts, mixture or Mixture(), validation, seed)
    names = [path[5:-8] for path in store.list("plan")]
    return {name: store.read_table(f"plan/{name}.parquet").to_pylist() for name in names}


def amount(planned: list[dict[str, Any]], source: str, of: str = "n_bytes") -> int:
    return sum(row[of] for row in planned if row["source"] == source)


# What is kept


def test_without_a_budget_every_kept_document_is_used_once(tmp_path: Path) -> None:
    corpus = Corpus({"web": [rows(*sizes(50)), rows(*sizes(30, 1))], "books": [rows(*sizes(9, 2))]})
    planned = plan_of(corpus, tmp_path)["main"]
    assert Counter(row["id"].split("/")[0] for row in planned) == {"web": 80, "books": 9}
    assert len({row["id"] for row in planned}) == 89
    assert [row["position"] for row in planned] == list(range(89))


def test_dropped_duplicate_and_contaminated_documents_are_not_planned(tmp_path: Path) -> None:
    corpus = Corpus(
        {"web": [rows(*[10] * 8)]},
        dropped={"web/shard-0#0"},
        clusters=[[["web/shard-0#1", "web/shard-0#2"], ["web/shard-0#3"]]],
        contaminated={"web/shard-0#4"},
    )
    planned = plan_of(corpus, tmp_path)["main"]
    assert sorted(row["id"][-1] for row in planned) == list("13567")


def test_several_phases_without_a_budget_share_everything_once(tmp_path: Path) -> None:
    phases = [Phase(name="a", share=0.5), Phase(name="b", share=0.3), Phase(name="c", share=0.2)]
    corpus = Corpus({"web": [rows(*sizes(200))], "books": [rows(*sizes(70, 1))]})
    planned = plan_of(corpus, tmp_path, Mixture(phases=phases))
    ids = [row["id"] for name in "abc" for row in planned[name]]
    assert len(ids) == len(set(ids)) == 270


def test_without_a_budget_a_restricted_phase_uses_what_it_may_draw_once(tmp_path: Path) -> None:
    quality: list[object] = [number / 100 for number in range(100)]
    corpus = Corpus(
        {"web": [rows(*sizes(100), quality=quality)], "books": [rows(*sizes(100), quality=quality)]}
    )
    phase = Phase(name="main", weights={"web": 1}, where="quality >= 0.3")
    planned = plan_of(corpus, tmp_path, Mixture(phases=[phase]))["main"]
    assert sorted(int(row["id"].removeprefix("web/shard-0#")) for row in planned) == list(range(30, 100))


# How much is drawn


def test_budget_shares_and_weights_are_met_within_a_document(tmp_path: Path) -> None:
    mixture = Mixture(
        budget="60k",
        phases=[
            Phase(name="main", share=0.75, weights={"web": 2, "books": 1}),
            Phase(name="anneal", share=0.25, weights={"books": 1}),
        ],
    )
    planned = plan_of(
        Corpus({"web": [rows(*sizes(200))], "books": [rows(*sizes(100, 1))]}), tmp_path, mixture
    )
    assert abs(amount(planned["main"], "web") - 30_000) < 1000
    assert abs(amount(planned["main"], "books") - 15_000) < 1000
    assert abs(amount(planned["anneal"], "books") - 15_000) < 1000
    assert amount(planned["anneal"], "web") == 0
    assert amount([*planned["main"], *planned["anneal"]], "books") - 30_000 in range(1000)


@pytest.mark.parametrize(
    ("budget", "exact", "drawn_tokens"),
    [("2k tokens", True, 2000), ("2k tokens", False, 4000), ("2k", True, 1000)],
)
def test_tokens_are_exact_where_all_are_known_and_else_estimated(
    tmp_path: Path, budget: str, exact: bool, drawn_tokens: int
) -> None:
    n_tokens: list[object] = [5] * 1000
    n_tokens[7] = 5 if exact else None
    corpus = Corpus({"web": [rows(*[10] * 1000, n_tokens=n_tokens)]})
    planned = plan_of(corpus, tmp_path, Mixture(budget=budget, bytes_per_token=4))["main"]
    assert 5 * len(planned) == drawn_tokens


def test_a_source_smaller_than_its_part_is_repeated_epoch_by_epoch(tmp_path: Path) -> None:
    mixture = Mixture(budget="2500", phases=[Phase(name="main", weights={"web": 0, "books": 1})])
    planned = plan_of(Corpus({"web": [rows(5)], "books": [rows(*[100] * 10)]}), tmp_path, mixture)["main"]
    assert [row["epoch"] for row in planned] == [0] * 10 + [1] * 10 + [2] * 5
    assert len({row["id"] for row in planned[:10]}) == len({row["id"] for row in planned[10:20]}) == 10


def test_a_budget_beyond_the_epoch_cap_says_what_there_is_and_what_to_change(tmp_path: Path) -> None:
    corpus = Corpus({"web": [rows(*[10] * 1000)], "books": [rows(*[100] * 10)]})
    mixture = Mixture(budget="10k", phases=[Phase(name="main", weights={"web": 0.2, "books": 0.8})])
    with pytest.raises(DataflowError) as caught:
        plan_of(corpus, tmp_path, mixture)
    said = str(caught.value)
    assert 'source "books" holds 1,000 bytes; with max_epochs 4' in said
    assert "it can give 4,000, but 8,000 are needed" in said
    assert 'Set mixture.budget to about 50% of what it is, lower the weight of "books"' in said
    assert "raise mixture.max_epochs to 8." in said
    plan_of(corpus, tmp_path, mixture.model_copy(update={"max_epochs": 8.0}))


def test_a_source_with_a_weight_and_nothing_kept_is_named(tmp_path: Path) -> None:
    corpus = Corpus(
        {"web": [rows(10, quality=[0.1])], "books": [rows(10, quality=[0.9])]}, {"books/shard-0#0"}
    )
    with pytest.raises(DataflowError, match='source "books" has a weight but no kept document'):
        plan_of(corpus, tmp_path / "a", Mixture(phases=[Phase(name="main", weights={"web": 1, "books": 1})]))
    with pytest.raises(DataflowError, match='source "web" has a weight but no kept document that `where`'):
        plan_of(
            corpus,
            tmp_path / "b",
            Mixture(phases=[Phase(name="m", weights={"web": 1}, where="quality > 0.5")]),
        )
    with pytest.raises(DataflowError, match="no kept document can be drawn"):
        plan_of(corpus, tmp_path / "c", Mixture(phases=[Phase(name="m", where="quality > 0.5")]))


def test_a_condition_that_fails_on_a_document_is_the_recipes_fault(tmp_path: Path) -> None:
    phase = Phase(name="main", where="CAST(id AS INTEGER) > 3")
    with pytest.raises(RecipeError, match=r"mixture.phases \(main\), where: could not convert"):
        plan_of(Corpus({"web": [rows(10)]}), tmp_path, Mixture(phases=[phase]))


def test_nothing_kept_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataflowError, match="no document is left to train on"):
        plan_of(Corpus({"web": [rows(10)]}, dropped={"web/shard-0#0"}), tmp_path)


def test_decisions_about_other_documents_are_refused(tmp_path: Path) -> None:
    store, parts = Corpus({"web": [rows(10, 20)]}).write(tmp_path)
    others = pa.Table.from_pylist([{"id": "web/x#0", "passed": True, "reasons": []}] * 2, FILTER)
    store.write_table("decisions/filter/web/shard-0.parquet", others)
    with pytest.raises(DataflowError, match="the decisions are not those of the documents"):
        make_plan(store, parts, Mixture(), NOTHING_HELD_OUT, 1)


# Phases with where and order


def test_a_phase_draws_what_where_lets_through_and_unused_documents_first(tmp_path: Path) -> None:
    quality: list[object] = [
        0.9 if number % 4 == 0 else None if number % 4 == 1 else 0.2 for number in range(200)
    ]
    mixture = Mixture(
        budget="2000",
        phases=[Phase(name="main", share=0.5), Phase(name="anneal", share=0.5, where="quality > 0.5")],
    )
    planned = plan_of(Corpus({"web": [rows(*[10] * 200, quality=quality)]}), tmp_path, mixture)
    assert all(int(row["id"].split("#")[1]) % 4 == 0 for row in planned["anneal"])
    used = {row["id"] for row in planned["main"]}
    n_left = 50 - sum(int(id_.split("#")[1]) % 4 == 0 for id_ in used)
    assert 0 < n_left < 50
    assert not {row["id"] for row in planned["anneal"][:n_left]} & used
    assert [row["epoch"] for row in planned["anneal"]] == [0] * n_left + [1] * 50 + [2] * (50 - n_left)


def test_order_arranges_each_source_and_ties_are_shuffled(tmp_path: Path) -> None:
    quality: list[object] = [round(number % 10 / 10, 1) for number in range(300)]
    corpus = Corpus({name: [rows(*[10] * 300, quality=quality)] for name in ("web", "books")})
    mixture = Mixture(budget="4000", phases=[Phase(name="main", order="quality ASC")])
    planned = plan_of(corpus, tmp_path, mixture)["main"]
    for source in ("web", "books"):
        numbers = [int(row["id"].split("#")[1]) for row in planned if row["source"] == source]
        assert [number % 10 for number in numbers] == sorted(number % 10 for number in numbers)
        assert numbers != sorted(numbers, key=lambda number: (number % 10, number))
        assert len({number % 10 for number in numbers}) == 10, (
            "order does not choose: all qualities are drawn"
        )


def test_a_document_drawn_again_comes_again_after_the_whole_order(tmp_path: Path) -> None:
    quality: list[object] = [3.0, 1.0, 2.0]
    mixture = Mixture(budget="60", phases=[Phase(name="main", order="quality")])
    planned = plan_of(Corpus({"web": [rows(10, 10, 10, quality=quality)]}), tmp_path, mixture)["main"]
    assert [row["id"][-1] for row in planned] == list("120120")


def test_every_prefix_of_a_phase_holds_its_proportions(tmp_path: Path) -> None:
    corpus = Corpus(
        {"web": [rows(*sizes(300))], "books": [rows(*sizes(60, 1, 4000))], "code": [rows(*sizes(90, 2))]}
    )
    phase = Phase(name="main", weights={"web": 0.5, "books": 0.4, "code": 0.1})
    planned = plan_of(corpus, tmp_path, Mixture(budget="200k", phases=[phase]))["main"]
    totals = {source: amount(planned, source) for source in ("web", "books", "code")}
    given, passed, largest = Counter[str](), 0, max(row["n_bytes"] for row in planned)
    for row in planned:
        given[row["source"]] += row["n_bytes"]
        passed += row["n_bytes"]
        for source, total in totals.items():
            assert abs(given[source] - passed * total / sum(totals.values())) <= largest + 1e-6


# Validation


def test_validation_is_a_share_of_each_source_and_never_trained_on(tmp_path: Path) -> None:
    corpus = Corpus(
        {"web": [rows(*sizes(900))], "books": [rows(*sizes(250, 1))], "tiny": [rows(*sizes(50, 2))]}
    )
    planned = plan_of(corpus, tmp_path, validation=Validation(share=0.01, max_documents=7))
    assert Counter(row["source"] for row in planned["validation"]) == {"web": 7, "books": 2}
    held, trained = ({row["id"] for row in planned[name]} for name in ("validation", "main"))
    assert not held & trained
    assert len(held | trained) == 1200


@pytest.mark.parametrize(("n_kept", "held"), [(199, 0), (200, 1)])
def test_a_source_of_200_documents_gives_at_least_one(tmp_path: Path, n_kept: int, held: int) -> None:
    corpus = Corpus({"web": [rows(*[10] * n_kept)]})
    assert len(plan_of(corpus, tmp_path, validation=Validation(share=0.001))["validation"]) == held


def test_clusters_are_held_out_whole_even_over_sources(tmp_path: Path) -> None:
    pairs = [[[f"web/shard-0#{number}"], [f"books/shard-0#{number}"]] for number in range(300)]
    corpus = Corpus({"web": [rows(*[10] * 300)], "books": [rows(*[10] * 300)]}, clusters=pairs)
    planned = plan_of(corpus, tmp_path, validation=Validation(share=0.1))
    held = Counter(row["id"].split("#")[1] for row in planned["validation"])
    assert held
    assert set(held.values()) == {2}
    assert not {row["id"].split("#")[1] for row in planned["main"]} & set(held)


def test_where_every_cluster_is_larger_than_the_share_one_is_held_out(tmp_path: Path) -> None:
    triples = [[[f"web/shard-0#{3 * number + each}"] for each in range(3)] for number in range(100)]
    corpus = Corpus({"web": [rows(*[10] * 300)]}, clusters=triples)
    assert len(plan_of(corpus, tmp_path, validation=Validation(share=0.005))["validation"]) == 3


def test_a_larger_budget_holds_out_the_same_documents(tmp_path: Path) -> None:
    corpus = Corpus({"web": [rows(*sizes(500))]})
    small = plan_of(corpus, tmp_path / "a", Mixture(budget="10k"), Validation(share=0.02))
    large = plan_of(corpus, tmp_path / "b", Mixture(budget="400k"), Validation(share=0.02))
    assert small["validation"] == large["validation"]


# Determinism


def example(folder: Path) -> tuple[Storage, list[tuple[str, str]], Mixture]:
    quality: list[object] = [number % 7 / 7 for number in range(400)]
    corpus = Corpus(
        {"web": [rows(*sizes(400), quality=quality)], "books": [rows(*sizes(400, 1), quality=quality)]},
        clusters=[[["web/shard-0#1", "web/shard-0#2"], ["books/shard-0#3"]]],
    )
    phases = [
        Phase(name="main", share=0.8, weights={"web": 0.6, "books": 0.4}),
        Phase(name="anneal", share=0.2, weights={"books": 1}, where="quality > 0.5", order="quality ASC"),
    ]
    return *corpus.write(folder), Mixture(budget="150k tokens", bytes_per_token=2, phases=phases)


def test_the_plan_does_not_depend_on_the_order_of_parts_or_the_memory_limit(tmp_path: Path) -> None:
    store, parts, mixture = example(tmp_path)
    made = make_plan(store, parts, mixture, Validation(), 1)
    first = {path: store.read_bytes(path) for path in made.outputs}
    make_plan(store, parts[::-1], mixture, Validation(), 1, memory_limit="300M")
    assert {path: store.read_bytes(path) for path in made.outputs} == first


def test_another_seed_is_another_shuffle(tmp_path: Path) -> None:
    corpus = Corpus({"web": [rows(*[10] * 100)]})
    one, two = (plan_of(corpus, tmp_path, seed=seed)["main"] for seed in (1, 2))
    assert [row["id"] for row in one] != [row["id"] for row in two]


def test_version_2_of_the_plan_has_these_rows(tmp_path: Path) -> None:
    assert plan_module.VERSION == 2, "a new version has a new hash: write it here"
    store, parts, mixture = example(tmp_path)
    make_plan(store, parts, mixture, Validation(), 1)
    text = "".join(
        f"{row['phase']} {row['position']} {row['id']} {row['epoch']}\n"
        for name in ("main", "anneal", "validation")
        for row in store.read_table(f"plan/{name}.parquet").to_pylist()
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "690c6a3af82bd5a7"


def test_counts_and_parts_add_up(tmp_path: Path) -> None:
    store, parts, mixture = example(tmp_path)
    counts = make_plan(store, parts, mixture, Validation(), 1, part_bytes=50_000).counts
    assert counts["kept"] == counts["train"] + counts["validation"] + counts["unused"] == 799
    for phase in ("main", "anneal", "validation"):
        with store.open(f"plan/{phase}.parquet") as stream:
            file = pq.ParquetFile(stream)
            assert file.schema_arrow.equals(PLAN)
            assert file.num_row_groups == counts[f"parts:{phase}"]
            assert file.metadata.num_rows == counts[f"documents:{phase}"]
            for group in range(file.num_row_groups - 1):
                size = sum(file.read_row_group(group)["n_bytes"].to_pylist())
                assert abs(size - 50_000) <= 1000


@pytest.mark.slow
def test_a_million_documents_are_planned_in_seconds(tmp_path: Path) -> None:
    store = Storage(str(tmp_path))
    random = np.random.default_rng(0)
    parts = [(source, f"shard-{number:03}") for source in ("books", "code", "web") for number in range(33)]
    for source, part in parts:
        ids = pa.array([f"{source}/{part}.jsonl#{number}" for number in range(10_101)])
        n_bytes = pa.array(random.lognormal(7.5, 1, len(ids)).astype(np.int64) + 1)
        quality = pa.array(random.random(len(ids)), pa.float32())
        columns = {"id": ids, "source": pa.repeat(source, len(ids)), "n_bytes": n_bytes, "quality": quality}
        store.write_table(f"signals/{source}/{part}.parquet", pa.table(columns))
        passed, reasons = pa.array([True] * len(ids)), pa.array([[]] * len(ids), pa.list_(pa.string()))
        table = pa.table({"id": ids, "passed": passed, "reasons": reasons}, FILTER)
        store.write_table(f"decisions/filter/{source}/{part}.parquet", table)
    phases = [
        Phase(name="main", share=0.9, weights={"web": 0.6, "books": 0.3, "code": 0.1}),
        Phase(name="anneal", share=0.1, weights={"books": 1}, where="quality > 0.8", order="quality ASC"),
    ]
    began = time.monotonic()
    counts = make_plan(store, parts, Mixture(budget="2G", phases=phases), Validation(), 1).counts
    assert counts["kept"] == 999_999
    assert time.monotonic() - began < 60


def test_every_source_shuffles_evenly(tmp_path: Path) -> None:
    planned = plan_of(Corpus({"web": [rows(*[10] * 2000)]}), tmp_path)["main"]
    numbers = [int(row["id"].split("#")[1]) for row in planned]
    assert 0.4 < sum(a < b for a, b in pairwise(numbers)) / 1999 < 0.6
    assert abs(np.corrcoef(numbers, range(2000))[0, 1]) < 0.1

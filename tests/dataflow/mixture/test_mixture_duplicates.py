"""What deduplication and decontamination leave of documents, and what clusters of duplicates mean to the plan."""

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixture_corpora import Corpus, rows, text_of
from pydantic import ValidationError

from dataflow.errors import DataflowError
from dataflow.mixture.candidates import joined
from dataflow.mixture.config import FINEWEB2, Mixture, Phase, Validation
from dataflow.mixture.plan import make_plan
from dataflow.mixture.rehydrate import copies, readings, repeated
from dataflow.mixture.tree import describe
from dataflow.mixture.tree import planned as branches
from dataflow.mixture.write import corpus_parts, gather, scatter
from dataflow.store.storage import Storage

NOTHING_HELD_OUT = Validation(share=0)
WEB = "web/shard-0#{}"


def plan_of(corpus: Corpus, folder: Path, mixture: Mixture | None = None) -> dict[str, list[dict[str, Any]]]:
    store, parts = corpus.write(folder)
    make_plan(store, parts, mixture or Mixture(), NOTHING_HELD_OUT, 1)
    return {path[5:-8]: store.read_table(path).to_pylist() for path in store.list("plan")}


def corpus_of(corpus: Corpus, folder: Path) -> dict[str, tuple[str, int]]:
    """Text and size of each document in the written corpus."""
    store, parts = corpus.write(folder)
    make_plan(store, parts, Mixture(), NOTHING_HELD_OUT, 1)
    for part in parts:
        scatter(store, *part)
    for phase, index in corpus_parts(store):
        gather(store, phase, index, parts)
    table = pa.concat_tables(store.read_table(path) for path in store.list("corpus"))
    return {row["id"]: (row["text"], row["n_bytes"]) for row in table.to_pylist()}


# Documents that go


def test_what_any_step_removes_is_not_planned(tmp_path: Path) -> None:
    corpus = Corpus(
        {"web": [rows(*[10] * 8)]},
        clusters=[[[WEB.format(0), WEB.format(1)]]],
        meanings=[[[WEB.format(0), WEB.format(2)]]],
        cuts={WEB.format(3): [(0, 9)], WEB.format(4): [(0, 2)]},
        cut_away={WEB.format(3)},
        contaminated={WEB.format(5)},
        hits={WEB.format(6): [(0, 2)]},
    )
    assert sorted(row["id"][-1] for row in plan_of(corpus, tmp_path)["main"]) == list("0467")


def test_duplicates_that_are_only_annotated_stay(tmp_path: Path) -> None:
    corpus = Corpus(
        {"web": [rows(*[10] * 4)]},
        clusters=[[[WEB.format(0), WEB.format(1)]]],
        cuts={WEB.format(2): [(0, 4)]},
        removes=False,
    )
    assert {row["id"][-1]: row["n_bytes"] for row in plan_of(corpus, tmp_path)["main"]} == dict.fromkeys(
        "0123", 10
    )


# Passages that go


def test_the_corpus_has_the_texts_without_what_was_cut(tmp_path: Path) -> None:
    corpus = Corpus(
        {"web": [rows(40, 40, 40, 40)]},
        cuts={WEB.format(0): [(0, 5), (10, 2)], WEB.format(1): [(3, 7)]},
        hits={WEB.format(1): [(8, 4), (38, 2)], WEB.format(2): [(0, 40)]},
    )
    written = corpus_of(corpus, tmp_path)
    whole = [text_of(WEB.format(n), 40) for n in range(4)]
    assert written == {
        WEB.format(0): (whole[0][5:10] + whole[0][12:], 33),
        WEB.format(1): (whole[1][:3] + whole[1][12:38], 29),
        WEB.format(2): ("", 0),
        WEB.format(3): (whole[3], 40),
    }


def test_the_plan_counts_bytes_as_they_stand_in_the_corpus(tmp_path: Path) -> None:
    corpus = Corpus({"web": [rows(*[100] * 50)]}, cuts={WEB.format(n): [(0, 90)] for n in range(25)})
    mixture = Mixture(phases=[Phase(name="main", where="n_bytes < 50", order="n_bytes")])
    planned = plan_of(corpus, tmp_path, mixture)["main"]
    assert {row["n_bytes"] for row in planned} == {10}
    assert len(planned) == 25


def test_tokens_of_a_cut_document_are_estimated_and_the_plan_says_so(tmp_path: Path) -> None:
    counted: list[object] = [30] * 4
    corpus = Corpus({"web": [rows(*[100] * 4, n_tokens=counted)]}, cuts={WEB.format(0): [(0, 50)]})
    planned = plan_of(corpus, tmp_path, Mixture(budget="105 tokens"))["main"]
    assert {row["id"][-1]: row["n_tokens"] for row in planned} == {"0": None, "1": 30, "2": 30, "3": 30}
    [branch] = branches(Storage(str(tmp_path)))
    assert (branch.n_tokens, branch.exact_tokens) == (105, False)
    assert "~105 tokens" in describe([branch])


def test_cuts_made_anew_after_the_plan_fail_the_part(tmp_path: Path) -> None:
    store, parts = Corpus({"web": [rows(*[100] * 4)]}).write(tmp_path)
    make_plan(store, parts, Mixture(), NOTHING_HELD_OUT, 1)
    Corpus({"web": [rows(*[100] * 4)]}, cuts={WEB.format(0): [(0, 50)]}).write(tmp_path)
    scatter(store, *parts[0])
    with pytest.raises(DataflowError, match="documents, cuts or plan have changed since"):
        gather(store, "main", 0, parts)


def test_a_cut_longer_than_its_document_is_of_another(tmp_path: Path) -> None:
    corpus = Corpus({"web": [rows(10)]}, cuts={WEB.format(0): [(0, 11)]})
    with pytest.raises(DataflowError, match=r"decisions/cuts/web/shard-0\.parquet: more is cut"):
        plan_of(corpus, tmp_path)


# Clusters


def test_where_and_order_know_the_size_of_the_cluster(tmp_path: Path) -> None:
    pair, triple = [WEB.format(n) for n in (0, 1)], [WEB.format(n) for n in (2, 3, 4)]
    corpus = Corpus({"web": [rows(*[10] * 8)]}, clusters=[[pair], [triple]])
    phases = [
        Phase(name="often", share=0.5, where="cluster_size > 1", order="cluster_size DESC"),
        Phase(name="once", share=0.5, where="cluster_size = 1"),
    ]
    planned = plan_of(corpus, tmp_path, Mixture(budget="40", phases=phases))
    assert [row["id"][-1] for row in planned["often"]] == ["2", "0"]
    assert {row["id"][-1] for row in planned["once"]} <= set("567")


def test_clusters_by_meaning_are_held_out_whole_too(tmp_path: Path) -> None:
    corpus = Corpus(
        {"web": [rows(*[10] * 400)]},
        clusters=[[[WEB.format(4 * n)], [WEB.format(4 * n + 1)]] for n in range(100)],
        meanings=[[[WEB.format(4 * n + 1)], [WEB.format(4 * n + 2)]] for n in range(100)],
    )
    store, parts = corpus.write(tmp_path)
    make_plan(store, parts, Mixture(), Validation(share=0.1), 1)
    held = {row["id"] for row in store.read_table("plan/validation.parquet").to_pylist()}
    families = Counter(int(name.split("#")[1]) // 4 for name in held if int(name.split("#")[1]) % 4 < 3)
    assert families
    assert set(families.values()) == {3}


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=12))
def test_joined_groups_are_those_that_a_chain_of_shared_groups_connects(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, np.uint64).T
    connected = np.array([[a == c or b == d for c, d in pairs] for a, b in pairs])
    for _ in pairs:
        connected = connected @ connected
    found = joined(first, second)
    for one, other in product(range(len(pairs)), repeat=2):
        assert (found[one] == found[other]) == connected[one, other]


# Rehydration


@pytest.mark.parametrize(
    ("stands_for", "read"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 5), (99, 5), (100, 8), (999, 8), (1000, 1)]
)
def test_true_stands_for_the_numbers_of_fineweb_2(stands_for: int, read: int) -> None:
    mixture = Mixture.model_validate({"rehydrate": True})
    assert mixture == Mixture(rehydrate=FINEWEB2) == Mixture.model_validate_json(mixture.model_dump_json())
    assert copies(mixture.rehydrate, np.array([stands_for])).tolist() == [read]


@pytest.mark.parametrize("rehydrate", [{0: 1}, {1: 0}, {2: 101}, {1: 1.5}, {"few": 1}, 3])
def test_a_faulty_rehydration_is_refused(rehydrate: object) -> None:
    with pytest.raises(ValidationError):
        Mixture.model_validate({"rehydrate": rehydrate})


def rehydrated(folder: Path, mixture: Mixture, removes: bool = True) -> dict[str, list[dict[str, Any]]]:
    """30 documents, of which 0 stands for three and 3 for two, both of one cluster."""
    clusters = [[[WEB.format(n) for n in (0, 1, 2)], [WEB.format(n) for n in (3, 4)]]]
    corpus = Corpus({"web": [rows(*[10] * 30)]}, clusters=clusters, removes=removes)
    return plan_of(corpus, folder, mixture)


def test_a_document_is_read_once_for_each_copy_before_any_is_read_again(tmp_path: Path) -> None:
    planned = rehydrated(tmp_path, Mixture(rehydrate={2: 2, 3: 4}))["main"]
    times = Counter(row["id"] for row in planned)
    assert (times.pop(WEB.format(0)), times.pop(WEB.format(3))) == (4, 2)
    assert set(times.values()) == {1}
    assert len(times) == 25
    assert [row["epoch"] for row in planned if row["id"] == WEB.format(0)] == [0, 1, 2, 3]


def test_under_an_order_second_readings_come_after_all_first_ones(tmp_path: Path) -> None:
    phase = Phase(name="main", order="cluster_size DESC, n_bytes")
    planned = rehydrated(tmp_path, Mixture(rehydrate={2: 2, 3: 4}, phases=[phase]))["main"]
    assert [row["epoch"] for row in planned] == [0] * 27 + [1, 1, 2, 3]
    assert {row["id"] for row in planned[:2]} == {row["id"] for row in planned[-4:-2]}
    assert {row["id"] for row in planned[-2:]} == {WEB.format(0)}


def test_every_epoch_of_a_source_has_every_copy(tmp_path: Path) -> None:
    phases = [Phase(name="first", share=0.5), Phase(name="second", share=0.5)]
    mixture = Mixture(rehydrate={2: 2, 3: 4}, budget="620", phases=phases)
    planned = rehydrated(tmp_path, mixture)
    assert Counter(row["id"] for row in planned["first"]) == Counter(row["id"] for row in planned["second"])
    drawn = [(row["id"], row["epoch"]) for name in ("first", "second") for row in planned[name]]
    assert len(set(drawn)) == len(drawn) == 62


def test_the_cap_on_epochs_counts_copies(tmp_path: Path) -> None:
    mixture = Mixture(rehydrate={2: 2, 3: 4}, budget="630", max_epochs=2)
    with pytest.raises(
        DataflowError, match=r"holds 310 bytes; with max_epochs 2 .* it can give 620, but 630"
    ):
        rehydrated(tmp_path, mixture)


def test_documents_that_were_only_annotated_stand_for_themselves(tmp_path: Path) -> None:
    planned = rehydrated(tmp_path, Mixture(rehydrate={2: 2, 3: 4}), removes=False)["main"]
    assert set(Counter(row["id"] for row in planned).values()) == {1}
    assert len(planned) == 30


def test_a_survivor_in_an_earlier_corpus_is_no_document_of_this_one_though_it_has_its_id(
    tmp_path: Path,
) -> None:
    corpus = Corpus({"web": [rows(*[10] * 3)]}, clusters=[[[WEB.format(0), WEB.format(1)]]])
    store, parts = corpus.write(tmp_path)
    decided = store.read_table("decisions/dedup/web/shard-0.parquet").slice(1)
    earlier = pa.array(["last year"], pa.string())
    place = decided.schema.get_field_index("earlier")
    store.write_table("decisions/dedup/web/shard-0.parquet", decided.set_column(place, "earlier", earlier))
    make_plan(store, parts, Mixture(rehydrate={2: 5}), NOTHING_HELD_OUT, 1)
    planned = store.read_table("plan/main.parquet")["id"].to_pylist()
    assert sorted(planned) == [WEB.format(0), WEB.format(2)]


@given(st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=3))
def test_readings_count_the_times_a_document_came_before(phases: list[list[int]]) -> None:
    seen: Counter[int] = Counter()
    expected = []
    for phase in phases:
        expected.append([])
        for row in phase:
            expected[-1].append(seen[row])
            seen[row] += 1
    found = readings([np.array(phase, np.int64) for phase in phases])
    assert [one.tolist() for one in found] == expected


@given(st.lists(st.integers(1, 9), max_size=20))
def test_each_copy_has_a_key_of_its_own_and_the_first_that_of_the_document(times: list[int]) -> None:
    keys = np.arange(len(times), dtype=np.uint64) * np.uint64(7919)
    documents, own = repeated(keys, np.array(times, np.int64))
    assert Counter(documents.tolist()) == Counter(dict(enumerate(times)))
    assert len(set(own.tolist())) == len(own)
    firsts = np.cumsum([0, *times])[:-1] if times else []
    assert own[np.array(firsts, np.int64)].tolist() == keys.tolist()

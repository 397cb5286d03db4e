"""Clusters, survivors and levels of one group, against their definitions written out in plain Python."""

import time
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.dedup.config import Near
from dataflow.dedup.near.alike import Group, decide
from dataflow.kernels import survivors

NO_SETS = (np.empty(0, np.uint64), np.empty(0, np.int64))


@dataclass(frozen=True)
class Case:
    """Documents by place, the first ``n_earlier`` of an earlier corpus; ``sets`` where they are compared exactly."""

    signatures: np.ndarray
    buckets: list[list[int]]
    n_earlier: int = 0
    sets: list[set[int]] | None = None

    def decided(self, near: Near, greedy: bool = True):  # type: ignore[no-untyped-def]
        sizes = [len(bucket) for bucket in self.buckets]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        members = np.array([x for bucket in self.buckets for x in bucket], np.int32)
        hashes, bounds = NO_SETS
        if self.sets is not None:
            hashes = np.array([x for one in self.sets for x in sorted(one)], np.uint64)
            bounds = np.concatenate([[0], np.cumsum([len(one) for one in self.sets])]).astype(np.int64)
        n = len(self.signatures)
        group = Group(np.arange(n), np.arange(n) < self.n_earlier, (self.signatures, hashes, bounds))
        return decide(group, offsets, members, near, greedy)

    def similarity(self, a: int, b: int) -> Fraction:
        if self.sets and self.sets[a] and self.sets[b]:
            return Fraction(len(self.sets[a] & self.sets[b]), len(self.sets[a] | self.sets[b]))
        return Fraction(int((self.signatures[a] == self.signatures[b]).sum()), self.signatures.shape[1])

    def alike(self, least: Fraction) -> set[tuple[int, int]]:
        """Both directions of every pair that is compared and alike."""
        pairs = {(a, b) for bucket in self.buckets for a in bucket for b in bucket if a != b}
        pairs = {(a, b) for a, b in pairs if max(a, b) >= self.n_earlier}
        return {(a, b) for a, b in pairs if self.similarity(a, b) >= least}

    def greedy(self, least: Fraction) -> list[int]:
        """The first that stays and is alike; its own where there is none."""
        alike, survivor = self.alike(least), list[int]()
        for x in range(len(self.signatures)):
            staying = [y for y in range(x) if survivor[y] == y and (x, y) in alike]
            survivor.append(staying[0] if staying else x)
        return survivor

    def first(self, least: Fraction) -> list[int]:
        """The first of each document's component."""
        label, alike = list(range(len(self.signatures))), self.alike(least)
        for _ in label:  # the least label spreads along alike pairs until nothing changes
            for a, b in alike:
                label[b] = min(label[a], label[b])
        return label


@st.composite
def cases(draw: st.DrawFn, width: int, exact: bool) -> Case:
    n = draw(st.integers(1, 14))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    signatures = np.repeat(random.integers(0, 9, (1, width)), n, axis=0)
    for row in signatures:  # around one document, at distances of all kinds
        row[random.random(width) < random.random() * 0.6] = random.integers(10, 12)
    sets = None
    if exact:
        sets = [set(np.flatnonzero(random.random(30) < 0.8).tolist()) for _ in range(n)]
        sets = [one if random.random() < 0.8 else set() for one in sets]
    buckets = []
    for _ in range(draw(st.integers(0, 6)) if n > 1 else 0):
        size = int(random.integers(2, n + 1))
        buckets.append(sorted(random.choice(n, size, replace=False).tolist()))
    return Case(signatures.astype(np.uint32), buckets, draw(st.integers(0, n // 2)), sets)


anything = st.one_of(cases(4, False), cases(20, False), cases(200, False), cases(8, True))
similarities = st.sampled_from([0.3, 0.5, 0.7, 0.75, 0.9, 0.95, 1.0])


def near(case: Case, similarity: float) -> Near:
    return Near(bands=case.signatures.shape[1], rows=1, similarity=similarity)


def levels(similarity: float) -> list[Fraction]:
    higher = [Fraction(str(similarity)) + Fraction(k, 100) for k in range(62)]
    return [one for one in higher if one == higher[0] or one <= Fraction(95, 100)]


def shares(found) -> list[Fraction]:  # type: ignore[no-untyped-def]
    return [Fraction(a, b) for a, b in zip(found.equal.tolist(), found.every.tolist(), strict=True)]


@settings(deadline=None)
@given(case=anything, similarity=similarities)
def test_greedy_drops_a_document_just_where_one_that_stays_is_alike(case: Case, similarity: float) -> None:
    found = case.decided(near(case, similarity))
    least = Fraction(str(similarity))
    expected = case.greedy(least)
    assert found.survivor.tolist() == expected
    assert shares(found) == [case.similarity(x, y) if x != y else 1 for x, y in enumerate(expected)]
    assert found.first.tolist() == case.first(least)


@settings(deadline=None)
@given(case=anything, similarity=similarities)
def test_levels_are_greedy_decisions_at_each_higher_similarity(case: Case, similarity: float) -> None:
    gone = case.decided(near(case, similarity)).gone
    for bit, least in enumerate(levels(similarity)):
        assert ((gone >> bit) & 1).tolist() == [int(x != y) for x, y in enumerate(case.greedy(least))]
    assert not (gone >> len(levels(similarity))).any()


@settings(deadline=None)
@given(case=anything, similarity=similarities)
def test_by_components_all_but_the_first_go_at_every_level(case: Case, similarity: float) -> None:
    found = case.decided(near(case, similarity), greedy=False)
    least = Fraction(str(similarity))
    first = [x if x < case.n_earlier else y for x, y in enumerate(case.first(least))]
    assert found.survivor.tolist() == first
    assert shares(found) == [case.similarity(x, y) if x != y else 1 for x, y in enumerate(first)]
    for bit, least in enumerate(levels(similarity)):
        expected = [int(x != y and x >= case.n_earlier) for x, y in enumerate(case.first(least))]
        assert ((found.gone >> bit) & 1).tolist() == expected


@settings(deadline=None)
@given(case=anything, order=st.randoms(use_true_random=False))
def test_the_order_of_buckets_does_not_matter(case: Case, order) -> None:  # type: ignore[no-untyped-def]
    found = case.decided(near(case, 0.7))
    shuffled = list(case.buckets)
    order.shuffle(shuffled)
    again = Case(case.signatures, shuffled, case.n_earlier, case.sets).decided(near(case, 0.7))
    for name in ("first", "survivor", "equal", "every", "gone"):
        assert getattr(again, name).tolist() == getattr(found, name).tolist()


def test_a_chain_keeps_both_ends_when_greedy_and_one_when_by_component() -> None:
    chain = Case(np.array([[1, 1, 1, 1], [1, 1, 2, 2], [2, 2, 2, 2]], np.uint32), [[0, 1, 2]])
    half = Near(bands=4, rows=1, similarity=0.5)
    found = chain.decided(half)
    assert (found.first.tolist(), found.survivor.tolist()) == ([0, 0, 0], [0, 0, 2])
    found = chain.decided(half, greedy=False)
    assert (found.survivor.tolist(), found.equal.tolist()) == ([0, 0, 0], [4, 2, 0])


def test_a_document_may_go_at_a_higher_level_where_the_one_that_it_repeats_stays() -> None:
    # The third is .75 of the second, which is .75 of the first: gone at .7 for the second's sake only by chance.
    chain = Case(np.array([[1] * 8, [1] * 6 + [2] * 2, [1] * 4 + [2] * 4], np.uint32), [[0, 1, 2]])
    gone = chain.decided(Near(bands=8, rows=1, similarity=0.7)).gone
    assert [f"{bits:b}".count("1") for bits in gone.tolist()] == [0, 6, 0]  # .70 to .75
    chain = Case(np.array([[1] * 8, [1] * 7 + [2], [1] * 6 + [2] * 2], np.uint32), [[0, 1, 2]])
    gone = chain.decided(Near(bands=8, rows=1, similarity=0.7)).gone
    assert [f"{bits:b}".count("1") for bits in gone.tolist()] == [0, 18, 6]  # to .87; and the third to .75


def test_documents_of_an_earlier_corpus_stay_and_are_not_compared_with_each_other() -> None:
    case = Case(np.ones((4, 4), np.uint32), [[0, 1, 2, 3]], n_earlier=2)
    found = case.decided(Near(bands=4, rows=1))
    assert found.survivor.tolist() == [0, 1, 0, 0]
    assert found.gone.tolist()[:2] == [0, 0]
    assert Case(np.ones((2, 4), np.uint32), [[0, 1]], n_earlier=2).decided(Near(bands=4, rows=1)).counts == {
        "compared": 0, "verified": 0, "capped": 0,
    }  # fmt: skip


def test_the_share_of_pairs_that_were_alike_is_counted() -> None:
    case = Case(np.array([[1, 1], [1, 1], [2, 2], [3, 3]], np.uint32), [[0, 1], [0, 1], [2, 3], [1, 2]])
    counts = case.decided(Near(bands=2, rows=1)).counts
    assert counts == {"compared": 3, "verified": 1, "capped": 0}


def of_template(n: int) -> np.ndarray:
    """Each alike to the others at .8 of 20 values, none more."""
    signatures = np.ones((n, 20), np.uint32)
    signatures[:, 18:] = np.arange(2, n + 2)[:, None]
    signatures[:, 17] = np.arange(n) % 2
    signatures[:, 16] = np.arange(n) % 3
    return signatures


def test_of_many_alike_only_so_many_are_looked_at_for_higher_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(of_template(survivors.MATES + 60), [list(range(survivors.MATES + 60))])
    wanted = Near(bands=20, rows=1, similarity=0.7)
    found = case.decided(wanted)
    assert found.survivor.tolist() == [0] * len(case.signatures)
    assert 0 < found.counts["capped"] <= 59
    few = Case(case.signatures[: survivors.MATES], [list(range(survivors.MATES))]).decided(wanted)
    assert few.counts["capped"] == 0
    assert few.gone.tolist() == found.gone.tolist()[: survivors.MATES]


@pytest.mark.parametrize("width", [1, 14])
def test_a_million_equal_documents_in_every_bucket_take_no_longer_than_reading_them(width: int) -> None:
    n = 1_000_000 // width
    members = np.tile(np.arange(n, dtype=np.int32), width)
    offsets = np.arange(width + 1, dtype=np.int64) * n
    group = Group(np.arange(n), np.zeros(n, np.bool_), (np.ones((n, 8), np.uint32), *NO_SETS))
    decide(group, offsets[:1], members[:0], Near(bands=8, rows=1), True)
    started = time.process_time()
    found = decide(group, offsets, members, Near(bands=8, rows=1), True)
    assert time.process_time() - started < 5
    assert not found.survivor.any()
    assert found.counts["compared"] == n - 1


def test_documents_of_which_no_two_are_alike_are_each_compared_once() -> None:
    n = 300
    case = Case(np.arange(n * 4, dtype=np.uint32).reshape(n, 4), [list(range(n))] * 5)
    assert case.decided(Near(bands=4, rows=1)).counts["compared"] == n * (n - 1) // 2


def test_levels_end_at_95_hundredths_and_at_least_are_the_one_asked_for() -> None:
    assert [len(levels(one)) for one in (0.7, 0.95, 0.96, 0.3)] == [26, 1, 1, 62]
    from dataflow.kernels.likeness import levels as ours

    for one in (0.7, 0.75, 0.95, 0.96, 1.0, 0.3):
        assert list(ours(one, 112).similarities) == levels(one)
    assert [int(ours(0.7, 112).needed[k]) for k in (0, 5, 25)] == [79, 84, 107]  # 78.4, 84, 106.4
    assert int(ours(0.29, 100).needed[0]) == 29  # 0.29 * 100 is 28.999999999999996 in floating point
    assert all(a <= b for a, b in pairwise(ours(0.7, 10).needed.tolist()))

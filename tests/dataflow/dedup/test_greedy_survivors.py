"""Components and survivors, against their definitions written out in plain Python."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.dedup import components, survivors
from dataflow.dedup.near import Buckets

WIDTH = 4


@dataclass(frozen=True)
class Case:
    signatures: np.ndarray
    buckets: list[list[int]]

    def laid_out(self) -> Buckets:
        sizes = [len(bucket) for bucket in self.buckets]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return Buckets(starts, np.array([x for bucket in self.buckets for x in bucket], np.int32))

    def equal(self, a: int, b: int) -> int:
        return int((self.signatures[a] == self.signatures[b]).sum())

    def alike(self, needed: int) -> set[tuple[int, int]]:
        """Both directions of every pair that shares a bucket and has enough equal values."""
        pairs = {(a, b) for bucket in self.buckets for a in bucket for b in bucket if a != b}
        return {(a, b) for a, b in pairs if self.equal(a, b) >= needed}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n = draw(st.integers(0, 14))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    signatures = random.integers(0, 2 + n // 5, (n, WIDTH), dtype=np.uint64)
    buckets = []
    for _ in range(draw(st.integers(0, 8)) if n > 1 else 0):
        size = int(random.integers(2, n + 1))
        buckets.append(sorted(random.choice(n, size, replace=False).tolist()))
    return Case(signatures, buckets)


@settings(deadline=None)
@given(case=cases(), needed=st.integers(1, WIDTH))
def test_components_are_those_of_the_graph_of_alike_pairs(case: Case, needed: int) -> None:
    label = list(range(len(case.signatures)))
    for _ in label:  # the least label spreads along alike pairs until nothing changes
        for a, b in case.alike(needed):
            label[b] = min(label[a], label[b])
    first = components.alike_components(case.signatures, case.laid_out(), needed)
    assert first.tolist() == label


@settings(deadline=None)
@given(case=cases(), needed=st.integers(1, WIDTH))
def test_greedy_drops_a_document_just_where_one_that_stays_is_alike(case: Case, needed: int) -> None:
    alike = case.alike(needed)
    expected: list[int] = []
    for x in range(len(case.signatures)):
        staying = [y for y in range(x) if expected[y] == y and (x, y) in alike]
        expected.append(staying[0] if staying else x)
    found = survivors.greedy(case.signatures, case.laid_out(), needed)
    assert found.survivor.tolist() == expected
    assert found.equal.tolist() == [case.equal(x, y) for x, y in enumerate(expected)]


def test_a_chain_keeps_both_ends_when_greedy_and_one_when_by_component() -> None:
    case = Case(np.array([[1, 1, 1, 1], [1, 1, 2, 2], [2, 2, 2, 2]], np.uint64), [[0, 1, 2]])
    first = components.alike_components(case.signatures, case.laid_out(), 2)
    assert first.tolist() == [0, 0, 0]
    assert survivors.greedy(case.signatures, case.laid_out(), 2).survivor.tolist() == [0, 0, 2]
    alone = survivors.first_of_component(case.signatures, first)
    assert alone.survivor.tolist() == [0, 0, 0]
    assert alone.equal.tolist() == [4, 2, 0]


@pytest.mark.parametrize("n", [100_000])
def test_a_bucket_of_alike_documents_is_not_quadratic(n: int) -> None:
    signatures = np.ones((n, WIDTH), np.uint64)
    buckets = Buckets(np.array([0, n, 2 * n]), np.tile(np.arange(n, dtype=np.int32), 2))
    assert not components.alike_components(signatures, buckets, WIDTH).any()
    assert not survivors.greedy(signatures, buckets, WIDTH).survivor.any()

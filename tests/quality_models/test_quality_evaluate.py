"""The measures, against small cases worked by hand and against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality_models.evaluate import area_under_curve, average_precision, evaluate


@pytest.mark.parametrize(
    ("scores", "labels", "auc", "precision"),
    [
        ([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0], 1.0, 1.0),
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0], 0.0, (1 / 3 + 2 / 4) / 2),
        ([0.9, 0.5, 0.4, 0.1], [1, 0, 1, 0], 0.75, (1 + 2 / 3) / 2),
        ([0.5, 0.5, 0.5, 0.5], [1, 0, 1, 0], 0.5, 0.5),
    ],
)
def test_by_hand(scores, labels, auc, precision):
    scores, labels = np.array(scores), np.array(labels, bool)
    assert area_under_curve(scores, labels) == pytest.approx(auc)
    assert average_precision(scores, labels) == pytest.approx(precision)


cases = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


@given(rows=cases)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows):
    pairs = [(p > n) + (p == n) / 2 for p, yes in rows if yes for n, other in rows if not other]
    scores, labels = np.array([s / 5 for s, _ in rows]), np.array([label for _, label in rows])
    assert area_under_curve(scores, labels) == pytest.approx(sum(pairs) / len(pairs))


@given(rows=cases)
def test_average_precision_is_the_mean_precision_at_the_positives(rows):
    def precision_at(score):
        above = [label for s, label in rows if s >= score]
        return sum(above) / len(above)

    expected = [precision_at(s) for s, label in rows if label]
    scores, labels = np.array([s / 5 for s, _ in rows]), np.array([label for _, label in rows])
    assert average_precision(scores, labels) == pytest.approx(sum(expected) / len(expected))


def test_the_whole_evaluation():
    measured = evaluate(np.array([0.95, 0.65, 0.35, 0.55, 0.05, 1.0]), np.array([1, 1, 1, 0, 0, 1], bool))
    assert (measured.positive, measured.negative) == (4, 2)
    assert measured.accuracy == pytest.approx(4 / 6)
    assert measured.f1 == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert measured.histogram_positive == (0, 0, 0, 1, 0, 0, 1, 0, 0, 2)
    assert measured.histogram_negative == (1, 0, 0, 0, 0, 1, 0, 0, 0, 0)

"""Every figure against a value worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_emo.evaluation import metrics

LABELS = ("a", "b", "c")
TRUE = ["a", "a", "a", "b", "b", "b"]
GUESS = ["a", "a", "b", "b", None, "c"]


def test_confusion_has_true_labels_in_rows_and_no_abstention() -> None:
    expected = [[2, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert metrics.confusion(LABELS, TRUE, GUESS).tolist() == expected


def test_an_abstention_is_an_error() -> None:
    assert metrics.accuracy(TRUE, GUESS) == pytest.approx(3 / 6)
    assert metrics.accuracy_answered(TRUE, GUESS) == pytest.approx(3 / 5)


def test_average_recall_is_over_the_labels_that_occur() -> None:
    recall = metrics.unweighted_average_recall(LABELS, TRUE, GUESS)
    assert recall == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_f1_counts_a_label_that_is_only_estimated() -> None:
    # a: 2*2/(3+2); b: 2*1/(3+2); c: 0/(0+1)
    assert metrics.macro_f1(LABELS, TRUE, GUESS) == pytest.approx((0.8 + 0.4 + 0.0) / 3)


def test_nothing_is_not_zero() -> None:
    assert metrics.accuracy([], []) is None
    assert metrics.accuracy_answered(["a"], [None]) is None
    assert metrics.unweighted_average_recall(LABELS, [], []) is None
    assert metrics.macro_f1(LABELS, [], []) is None
    assert metrics.roc_auc([0.1], [True]) is None
    assert metrics.concordance([1.0], [1.0]) is None
    assert metrics.pearson([1.0, 1.0], [0.0, 1.0]) is None
    assert metrics.concordance([1.0, 1.0], [1.0, 1.0]) is None


def test_roc_auc_counts_pairs_and_half_of_ties() -> None:
    scores, positive = [0.9, 0.5, 0.5, 0.1], [True, True, False, False]
    assert metrics.roc_auc(scores, positive) == pytest.approx(3.5 / 4)
    assert metrics.roc_auc([0.1, 0.9], [True, False]) == 0.0


def test_roc_auc_equals_counting_every_pair() -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 8, 60) / 8
    positive = rng.random(60) < 0.4
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[positive]
        for low in scores[~positive]
    ]
    assert metrics.roc_auc(scores, positive) == pytest.approx(sum(pairs) / len(pairs))


def test_concordance_and_correlation_by_hand() -> None:
    # x = 0 1 2, y = 1 2 3: r = 1; CCC = 2 (2/3) / (2/3 + 2/3 + 1) = 4/7
    assert metrics.pearson([0, 1, 2], [1, 2, 3]) == pytest.approx(1.0)
    assert metrics.concordance([0, 1, 2], [1, 2, 3]) == pytest.approx(4 / 7)
    # x = 0 1 2, y = 0 2 1: covariance 1/3, variances 2/3
    assert metrics.pearson([0, 1, 2], [0, 2, 1]) == pytest.approx(0.5)
    assert metrics.concordance([0, 1, 2], [0, 2, 1]) == pytest.approx(0.5)


def test_concordance_with_a_constant_is_zero() -> None:
    assert metrics.concordance([0.0, 1.0], [0.5, 0.5]) == 0.0
    assert math.isclose(metrics.concordance([0.0, 1.0], [1.0, 0.0]) or 0.0, -1.0)


@pytest.mark.parametrize("n", [2, 3, 6, 7, 10])
@pytest.mark.parametrize("value", [0.1, 0.3, -0.7])
def test_one_constant_has_no_concordance_though_its_mean_is_rounded(value: float, n: int) -> None:
    assert metrics.concordance([value] * n, [value] * n) is None
    assert metrics.concordance([value] * n, [0.5] * n) == pytest.approx(0.0)


def test_values_that_hardly_differ_have_no_correlation() -> None:
    assert metrics.pearson([0.0, 1e-200], [0.0, 1e-200]) is None

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_emo.errors import ModelError
from edge_emo.estimators.calibration import (
    dimensions,
    expected_calibration_error,
    expected_value,
    fit_temperature,
    mean_posterior,
    negative_log_likelihood,
    posterior,
    softmax,
)
from edge_emo.manifest import DimensionTable, ModelPackage, TensorSpec
from edge_emo.types import Posterior
from tests.fakes.manifests import bare_package, labelled


def package(table: DimensionTable, *more: TensorSpec) -> ModelPackage:
    return bare_package("p", "eeg", *more, labelled("logits", ("rest", "load")), dimensions=table)


def test_softmax_by_hand() -> None:
    np.testing.assert_allclose(softmax([0.0, math.log(3.0)]), [0.25, 0.75])
    np.testing.assert_allclose(softmax([0.0, 2 * math.log(3.0)], temperature=2.0), [0.25, 0.75])


def test_softmax_of_huge_logits_is_finite() -> None:
    np.testing.assert_allclose(softmax([[1e4, 0.0], [-1e4, -1e4]]), [[1.0, 0.0], [0.5, 0.5]])


def test_posterior_keeps_names_and_order() -> None:
    estimate = posterior(("rest", "load"), np.array([[0.0, math.log(4.0)]], np.float32))
    assert list(estimate) == ["rest", "load"]
    assert estimate["load"] == pytest.approx(0.8)
    assert sum(estimate.values()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("logits", [[0.0, math.nan], [math.inf, 0.0], [0.0], [0.0, 1.0, 2.0]])
def test_logits_that_are_none_are_an_error(logits: list[float]) -> None:
    with pytest.raises(ModelError, match="rest, load"):
        posterior(("rest", "load"), logits)


def test_mean_posterior() -> None:
    rows = [Posterior(("a", "b"), (0.2, 0.8)), Posterior(("a", "b"), (0.6, 0.4))]
    assert mean_posterior(rows).probabilities == pytest.approx((0.4, 0.6))
    with pytest.raises(ValueError, match="same labels"):
        mean_posterior([rows[0], Posterior(("b", "a"), (0.2, 0.8))])
    with pytest.raises(ValueError, match="same labels"):
        mean_posterior([])


def test_dimensions_from_the_table() -> None:
    table = DimensionTable("mapping", arousal={"load": 0.5, "rest": -0.5})
    estimate = Posterior(("rest", "load"), (0.25, 0.75))
    assert expected_value(estimate, table.arousal) == pytest.approx(0.25)
    assert dimensions(package(table), estimate, {}) == (None, pytest.approx(0.25), None)


def test_dimensions_from_the_model_are_read_by_name_and_bounded() -> None:
    own = labelled("va", ("arousal", "valence"))
    one = package(DimensionTable("model"), own)
    assert one.labels == ("rest", "load")
    estimate = Posterior(("rest", "load"), (0.5, 0.5))
    given = dimensions(one, estimate, {"va": np.array([[0.25, -3.0]], np.float32)})
    assert (given.valence, given.arousal, given.dominance) == (-1.0, 0.25, None)
    with pytest.raises(ModelError, match="arousal, valence"):
        dimensions(one, estimate, {"va": np.array([[math.nan, 0.0]], np.float32)})


def test_dimensions_may_be_mixed() -> None:
    own = labelled("valence_arousal", ("valence", "arousal"))
    one = package(DimensionTable("mixed", dominance={"load": 0.5, "rest": -0.5}), own)
    estimate = Posterior(("rest", "load"), (0.25, 0.75))
    outputs = {"valence_arousal": np.array([[0.25, -0.5]], np.float32)}
    assert dimensions(one, estimate, outputs) == (0.25, -0.5, pytest.approx(0.25))


def test_calibration_error_by_hand() -> None:
    # Two bins: |0.9 + 0.9 - 1| and |0.6 - 1|, over three samples.
    sure, right = [0.9, 0.9, 0.6], [True, False, True]
    assert expected_calibration_error(sure, right) == pytest.approx((0.8 + 0.4) / 3)


def test_calibration_error_cancels_within_a_bin_only() -> None:
    assert expected_calibration_error([0.5, 0.5], [True, False]) == pytest.approx(0.0)
    assert expected_calibration_error([0.2, 0.9], [True, True]) == pytest.approx(0.9 / 2)


def test_bins_are_closed_above() -> None:
    # 1/3 is the upper end of the first of three bins, so it shares it with 0.1.
    gap = abs((1 / 3 - 1.0) + (0.1 - 0.0)) / 2
    assert expected_calibration_error([1 / 3, 0.1], [True, False], bins=3) == pytest.approx(gap)
    assert math.isnan(expected_calibration_error([], []))


def test_likelihood_of_classes_and_of_distributions() -> None:
    logits = [[0.0, math.log(3.0)]]
    assert negative_log_likelihood(logits, [1]) == pytest.approx(-math.log(0.75))
    expected = -(0.5 * math.log(0.25) + 0.5 * math.log(0.75))
    assert negative_log_likelihood(logits, [[0.5, 0.5]]) == pytest.approx(expected)


def test_temperature_has_its_closed_form() -> None:
    # Three of four right at log-odds 4: the best log-odds are log 3, so T = 4 / log 3.
    logits = [[4.0, 0.0]] * 4
    assert fit_temperature(logits, [0, 0, 0, 1]) == pytest.approx(4 / math.log(3), rel=1e-4)


def test_temperature_undoes_a_known_scale() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4000, 4)) * 2
    targets = softmax(logits)
    assert fit_temperature(logits * 3, targets) == pytest.approx(3.0, rel=1e-3)


def test_temperature_stays_in_its_range() -> None:
    assert fit_temperature([[1.0, 0.0]], [0]) == pytest.approx(0.05, rel=1e-3)

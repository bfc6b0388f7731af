"""From a model's raw outputs to calibrated probabilities and dimensions, and how good they are.

Probability calibration divides the logits by one temperature fitted on validation data:
Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. All arithmetic is float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_emo.errors import ModelError
from edge_emo.manifest import DIMENSIONS, ModelPackage, is_dimensional
from edge_emo.types import Posterior

Floats = npt.NDArray[np.float64]


class Dimensions(NamedTuple):
    """Values in −1 … +1, each None when the model does not give it."""

    valence: float | None
    arousal: float | None
    dominance: float | None


def softmax(logits: npt.ArrayLike, temperature: float = 1.0) -> Floats:
    """Return the softmax of logits divided by a temperature, over the last axis.

    Args:
        logits: Shape (…, n_labels).
        temperature: Above 0; more than 1 flattens, less than 1 sharpens.

    Returns:
        float64 probabilities of the same shape; each row sums to 1.
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def posterior(labels: Sequence[str], logits: npt.ArrayLike, temperature: float = 1.0) -> Posterior:
    """Return the calibrated posterior of one window.

    Args:
        labels: Names in the order of the logits.
        logits: Shape (n_labels,) or (1, n_labels).
        temperature: The package's temperature.

    Raises:
        ModelError: The logits are not one finite number per label.
    """
    row = np.asarray(logits, dtype=np.float64).reshape(-1)
    if row.size != len(labels) or not np.isfinite(row).all():
        raise ModelError(
            f"the model gave {row.tolist()} for the labels {', '.join(labels)}",
            hint="check its input for NaN; compare backends with: edge-emo evaluate --backend",
        )
    return Posterior(tuple(labels), tuple(softmax(row, temperature).tolist()))


def mean_posterior(posteriors: Sequence[Posterior]) -> Posterior:
    """Return the unweighted mean of posteriors over the same labels.

    Raises:
        ValueError: There is none, or their labels differ.
    """
    if len({one.names for one in posteriors}) != 1:
        raise ValueError("a mean needs posteriors over the same labels")
    rows = np.array([one.probabilities for one in posteriors])
    return Posterior(posteriors[0].names, tuple(np.clip(rows.mean(axis=0), 0.0, 1.0).tolist()))


def expected_value(estimate: Posterior, values: Mapping[str, float] | None) -> float | None:
    """Return the mean of the labels' values under the posterior; None without values."""
    if values is None:
        return None
    return float(sum(estimate[name] * values[name] for name in estimate))


def dimensions(
    package: ModelPackage, estimate: Posterior, outputs: Mapping[str, npt.NDArray[Any]]
) -> Dimensions:
    """Return valence, arousal and dominance by the package's tables and from its own outputs.

    Args:
        package: Says which of them come from where.
        estimate: The calibrated posterior.
        outputs: What the model gave, by the manifest's names.
    """
    own, tables = _own_dimensions(package, outputs), package.dimensions
    return Dimensions(
        *(own[name] if name in own else expected_value(estimate, getattr(tables, name))
          for name in DIMENSIONS)
    )  # fmt: skip


def expected_calibration_error(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 15
) -> float:
    """Return the expected calibration error with equal-width bins (Guo et al. 2017, eq. 3).

    The gap between mean confidence and accuracy in each bin ((m − 1) / bins, m / bins],
    weighted by the share of samples in it.

    Args:
        confidence: Shape (n,): probability of the estimated label.
        correct: Shape (n,): whether that label is the true one.
        bins: Number of bins.

    Returns:
        0 … 1; nan without samples.
    """
    sure = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    if sure.size == 0:
        return math.nan
    which = np.digitize(sure, np.arange(1, bins) / bins, right=True)
    gaps = np.bincount(which, weights=sure - right, minlength=bins)
    return float(np.abs(gaps).sum() / sure.size)


def negative_log_likelihood(
    logits: npt.ArrayLike, targets: npt.ArrayLike, temperature: float = 1.0
) -> float:
    """Return the mean cross-entropy in nats.

    Args:
        logits: Shape (n, n_labels).
        targets: Shape (n,): number of the true label; or (n, n_labels): its distribution.
        temperature: Divides the logits.
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    shifted = scaled - scaled.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    wanted = np.asarray(targets)
    if wanted.ndim == 1:
        return float(-log_p[np.arange(len(log_p)), wanted].mean())
    return float(-(wanted * log_p).sum(axis=-1).mean())


def fit_temperature(logits: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Return the temperature that makes validation targets most likely.

    The mean negative log-likelihood is convex in 1 / temperature, so it has one minimum, found
    by golden-section search over the logarithm of the temperature.

    Args:
        logits: Shape (n, n_labels), of data that the model was not trained on.
        targets: Shape (n,): number of the true label; or (n, n_labels): its distribution.

    Returns:
        Temperature in 0.05 … 20; an end of that range when the minimum lies beyond it.
    """

    def loss(log_t: float) -> float:
        return negative_log_likelihood(logits, targets, math.exp(log_t))

    return math.exp(_golden_section(loss, math.log(0.05), math.log(20.0)))


def _golden_section(
    function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-6
) -> float:
    """Return where a function with one minimum in ``low`` … ``high`` is smallest (Kiefer 1953)."""
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2.0


def _own_dimensions(
    package: ModelPackage, outputs: Mapping[str, npt.NDArray[Any]]
) -> dict[str, float]:
    given: dict[str, float] = {}
    for spec in filter(is_dimensional, package.outputs):
        row = np.asarray(outputs[spec.name], dtype=np.float64).reshape(-1)
        if not np.isfinite(row).all():
            raise ModelError(
                f"{package.id} gave {row.tolist()} for {', '.join(spec.labels)}",
                hint="check its input for NaN",
            )
        given |= dict(zip(spec.labels, np.clip(row, -1.0, 1.0).tolist(), strict=True))
    return given

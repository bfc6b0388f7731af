"""Probability calibration and the figures that training needs on its validation part."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def log_softmax(logits: npt.NDArray[np.floating], temperature: float = 1.0) -> Array:
    """Return log probabilities (n, classes) of logits (n, classes)."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def fit_temperature(logits: npt.NDArray[np.floating], targets: npt.NDArray[np.floating]) -> float:
    """Return the temperature of least cross entropy (Guo et al. 2017).

    Args:
        logits: (n, classes) on validation data.
        targets: (n, classes) shares that sum to 1: one-hot labels or votes.
    """
    grid = np.exp(np.linspace(np.log(0.25), np.log(8.0), 400))
    losses = [-(targets * log_softmax(logits, t)).sum(axis=1).mean() for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 4)


def figures(
    logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], temperature: float = 1.0
) -> Mapping[str, float]:
    """Return n, accuracy, unweighted average recall and expected calibration error.

    Args:
        logits: (n, classes).
        labels: (n,) class numbers; negative ones are left out.
        temperature: Divides the logits before the softmax.
    """
    known = labels >= 0
    logits, labels = logits[known], labels[known]
    hit = logits.argmax(axis=1) == labels
    recalls = [hit[labels == c].mean() for c in np.unique(labels)]
    return {
        "n": len(labels),
        "accuracy": round(float(hit.mean()), 4),
        "unweighted_average_recall": round(float(np.mean(recalls)), 4),
        "expected_calibration_error": round(_calibration_error(logits, hit, temperature), 4),
    }


def reliability(unweighted_average_recall: float, classes: int) -> float:
    """Return recall above chance, 0 at chance and 1 at perfection: the weight of a vote."""
    chance = 1.0 / classes
    return round(max(0.0, (unweighted_average_recall - chance) / (1.0 - chance)), 3)


def _calibration_error(
    logits: npt.NDArray[np.floating], hit: npt.NDArray[np.bool_], temperature: float
) -> float:
    """Mean gap between confidence and accuracy over 15 equal bins (Naeini et al. 2015)."""
    confidence = np.exp(log_softmax(logits, temperature)).max(axis=1)
    bins = np.minimum((confidence * 15).astype(int), 14)
    gaps = [
        (bins == b).mean() * abs(hit[bins == b].mean() - confidence[bins == b].mean())
        for b in np.unique(bins)
    ]
    return float(np.sum(gaps))

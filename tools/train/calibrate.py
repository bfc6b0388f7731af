"""The figures that a training script needs on its validation part.

The temperature itself is fitted by ``edge_emo.estimators.calibration.fit_temperature``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge_emo.estimators.calibration import expected_calibration_error, softmax


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
    error = expected_calibration_error(softmax(logits, temperature).max(axis=1), hit)
    return {
        "n": len(labels),
        "accuracy": round(float(hit.mean()), 4),
        "unweighted_average_recall": round(float(np.mean(recalls)), 4),
        "expected_calibration_error": round(error, 4),
    }


def reliability(unweighted_average_recall: float, classes: int) -> float:
    """Return recall above chance, 0 at chance and 1 at perfection: the weight of a vote."""
    chance = 1.0 / classes
    return round(max(0.0, (unweighted_average_recall - chance) / (1.0 - chance)), 3)

"""Utterances: where they end, and what their windows say together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_emo.types import Posterior, Prediction

Floats = npt.NDArray[np.float64]
_POWER = 8


class Pauses:
    """Follows activity hop by hop: speech begins an utterance, a hop without it ends one.

    Attributes:
        begin: Sample at which the utterance began, or where the next one begins at the earliest.
    """

    _QUIET = 0.1  # share of active frames under which a hop is a pause

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, as at a gap in the sound."""
        self.begin = 0
        self._spoken = 0

    def hear(self, active: float, begin: int, end: int) -> tuple[int, int] | None:
        """Take a hop of sound.

        Args:
            active: Share of its frames that look like speech.
            begin: Its first sample.
            end: The sample behind it.

        Returns:
            First sample and end of the utterance that it ends, when that had several hops.
        """
        if active >= self._QUIET:
            self._spoken += 1
            return None
        ended = (self.begin, begin) if self._spoken > 1 else None
        self._spoken, self.begin = 0, end
        return ended


def weights_of(windows: Sequence[Prediction]) -> Floats:
    """Return what each window of an utterance counts, the most of them 1.

    It is the eighth power of its quality: the first windows of an utterance hold a second of it,
    the later ones that second too and more. Counted by quality itself they make the utterance less
    sure than it is right; see "As a live stream" in the cards of the packages.

    Args:
        windows: At least one.

    Returns:
        Shape (n,); all 1 where no window has any quality.
    """
    qualities = np.array([one.quality for one in windows])
    most = qualities.max()
    return np.asarray((qualities / most) ** _POWER) if most > 0 else np.ones(len(windows))


def weighted_posterior(windows: Sequence[Prediction], weights: Floats) -> Posterior:
    """Return the weighted mean of posteriors.

    Args:
        windows: At least one, all with posteriors over the same labels.
        weights: What each counts, shape (n,).
    """
    posteriors = [one.posterior for one in windows if one.posterior is not None]
    rows = np.array([one.probabilities for one in posteriors])
    mean = np.clip(weights @ rows / weights.sum(), 0.0, 1.0)
    return Posterior(posteriors[0].names, tuple(mean.tolist()))


def weighted_mean(values: Sequence[float | None], weights: Floats) -> float | None:
    """Return the weighted mean of the values that are known; None without any.

    Args:
        values: Of n windows.
        weights: What each counts, shape (n,).
    """
    pairs = [(weight, value) for weight, value in zip(weights, values, strict=True)
             if value is not None]  # fmt: skip
    total = sum(weight for weight, _ in pairs)
    if not total:
        return None
    return float(sum(weight * value for weight, value in pairs) / total)

"""Utterances: where they end, and what their windows say together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_emo.estimators.calibration import mean_posterior
from edge_emo.types import Posterior, Prediction


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


def weighted_posterior(windows: Sequence[Prediction]) -> Posterior:
    """Return the mean posterior of windows, weighted by quality where there is any.

    Args:
        windows: At least one, all with posteriors over the same labels.
    """
    posteriors = [one.posterior for one in windows if one.posterior is not None]
    weights = np.array([one.quality for one in windows])
    if not weights.sum():
        return mean_posterior(posteriors)
    rows = np.array([one.probabilities for one in posteriors])
    mean = np.clip(weights @ rows / weights.sum(), 0.0, 1.0)
    return Posterior(posteriors[0].names, tuple(mean.tolist()))

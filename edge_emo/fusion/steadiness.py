"""Notices a body signal that is broken, by its own answers over time.

EEG, pulse and skin name labels of their own: load is not stress, so that they cannot be compared as
votes over the categories are. But their windows overlap by nine tenths, and their samples are never
the same twice. An arousal that jumps from one window to the next, or that does not move at all,
contradicts that. The bounds lie between what packages say of healthy recordings and of random ones:
``docs/concepts/fusion.md`` has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_emo.fusion.base import Vote
from edge_emo.fusion.doubt import Doubts
from edge_emo.types import Modality, Prediction

UNSTEADY = 0.15
"""Mean change of arousal from one window to the next above which a signal is in doubt."""

_LOOK_NS = 500_000_000
_OVERLAP = 4.0  # windows at least so many times as long as the time between them
_SAME = 1e-9
_SPAN = 12.0  # looks
_LEAST = 6
_WARM_S = 16.0


class _Steps:
    """Running mean of the change from look to look."""

    def __init__(self) -> None:
        self.began_ns = 0
        self.looked_ns: int | None = None
        self._last = 0.0
        self._mean = 0.0
        self._count = 0

    def look(self, arousal: float, t_ns: int) -> None:
        """Take the arousal of a new window that began at ``t_ns``."""
        if self.looked_ns is None:
            self.began_ns = t_ns
        else:
            self._count += 1
            share = max(1.0 / self._count, 1.0 / _SPAN)
            self._mean += share * (abs(arousal - self._last) - self._mean)
        self._last, self.looked_ns = arousal, t_ns

    def sign(self) -> str | None:
        """Return what is wrong, in words, or nothing; None while that is not known."""
        known_s = (self.looked_ns or 0) / 1e9 - self.began_ns / 1e9
        if self._count < _LEAST or known_s < _WARM_S:
            return None
        if self._mean > UNSTEADY:
            return "jumps between windows that overlap"
        return "gives the same answer although its signal changes" if self._mean < _SAME else ""


class SteadinessWatch(Doubts):
    """Watches the arousal of each body signal by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: dict[Modality, _Steps] = {}
        self._t_ns: int | None = None

    def forget(self, modality: Modality) -> None:
        """Start again with a modality whose stream is gone."""
        super().forget(modality)
        self._steps.pop(modality, None)

    def look(self, votes: Sequence[Vote], t_ns: int) -> None:
        """Take the votes of one side at an instant, at most twice a second."""
        if self._t_ns is not None and t_ns - self._t_ns < _LOOK_NS:
            return
        self._t_ns = t_ns
        for vote in votes:
            prediction = vote.prediction
            arousal = prediction.arousal
            if arousal is None or not math.isfinite(arousal):
                continue
            steps = self._looked(prediction, arousal)
            self.settle(prediction.modality, steps.sign(), t_ns)

    def _looked(self, prediction: Prediction, arousal: float) -> _Steps:
        """Return the steps of a modality after its newest window; a gap begins them afresh."""
        steps = self._steps.setdefault(prediction.modality, _Steps())
        if steps.looked_ns == prediction.t_ns:
            return steps
        apart_ns = 0 if steps.looked_ns is None else prediction.t_ns - steps.looked_ns
        if apart_ns * _OVERLAP > prediction.duration_ns:
            steps = self._steps[prediction.modality] = _Steps()
        steps.look(arousal, prediction.t_ns)
        return steps

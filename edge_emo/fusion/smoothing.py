"""Smoothing over time: one-pole filters on numbers, hysteresis on the label.

A one-pole filter of time constant τ moves by 1 − exp(−Δt/τ) of the way to its input, so the
result does not depend on how often it is asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edge_emo.types import Affect, Posterior

RESTING = ("neutral", "rest", "baseline")
"""Labels that mean the absence of an emotion; intensity is the distance from them."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """Settings of the smoothing.

    Attributes:
        posterior_s: Time constant of the posterior.
        dimension_s: Time constant of valence, arousal and dominance.
        margin: A new label must lead the held one by this much probability …
        hold_s: … for this long, before it replaces it.
    """

    posterior_s: float = 0.3
    dimension_s: float = 0.5
    margin: float = 0.1
    hold_s: float = 0.3


class AffectSmoother:
    """Smooths one side of the state."""

    def __init__(self, settings: Smoothing) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next step starts fresh."""
        self._t_ns: int | None = None
        self._posterior: Posterior | None = None
        self._dimensions: dict[str, float | None] = {}
        self._label = ""
        self._challenger = ""
        self._challenged_ns = 0

    def step(
        self,
        posterior: Posterior,
        dimensions: Mapping[str, float | None],
        t_ns: int,
        age_ns: int,
    ) -> Affect:
        """Take the pooled values at ``t_ns`` and return the smoothed side."""
        elapsed_s = 0.0 if self._t_ns is None else (t_ns - self._t_ns) / 1e9
        self._t_ns = t_ns
        smoothed = self._blend(posterior, elapsed_s)
        self._posterior = smoothed
        self._dimensions = {
            name: _one_pole(
                self._dimensions.get(name), value, elapsed_s, self._settings.dimension_s
            )
            for name, value in dimensions.items()
        }
        label = self._hold(smoothed, t_ns)
        return Affect(
            posterior=smoothed,
            label=label,
            confidence=smoothed[label],
            valence=self._dimensions.get("valence"),
            arousal=self._dimensions.get("arousal"),
            dominance=self._dimensions.get("dominance"),
            intensity=_intensity(smoothed),
            age_ns=age_ns,
        )

    def _blend(self, posterior: Posterior, elapsed_s: float) -> Posterior:
        held = self._posterior
        if held is None or held.names != posterior.names:
            return posterior
        step = 1.0 - math.exp(-elapsed_s / self._settings.posterior_s)
        mixed = [
            old + step * (new - old)
            for old, new in zip(held.probabilities, posterior.probabilities, strict=True)
        ]
        return Posterior(posterior.names, tuple(min(max(p, 0.0), 1.0) for p in mixed))

    def _hold(self, posterior: Posterior, t_ns: int) -> str:
        leader = posterior.label
        if self._label not in posterior or leader == self._label:
            self._challenger = ""
            self._label = leader
            return self._label
        if posterior[leader] - posterior[self._label] < self._settings.margin:
            self._challenger = ""
        elif leader != self._challenger:
            self._challenger, self._challenged_ns = leader, t_ns
        elif t_ns - self._challenged_ns >= self._settings.hold_s * 1e9:
            self._label, self._challenger = leader, ""
        return self._label


def _one_pole(
    held: float | None, value: float | None, elapsed_s: float, constant_s: float
) -> float | None:
    if held is None or value is None:
        return value
    return held + (1.0 - math.exp(-elapsed_s / constant_s)) * (value - held)


def _intensity(posterior: Posterior) -> float:
    resting = [posterior[name] for name in RESTING if name in posterior]
    return 1.0 - max(resting) if resting else posterior.confidence

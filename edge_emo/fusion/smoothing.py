"""Smoothing over time: one-pole filters on numbers; a change-point filter or hysteresis on labels.

A one-pole filter of time constant τ moves by 1 − exp(−Δt/τ) of the way to its input, so the
result does not depend on how often it is asked.

The change-point filter is the forward filter of a label that stays until it jumps, with constant
hazard, to any label (Rabiner, Proceedings of the IEEE 1989; the hazard as in Adams and MacKay,
arXiv 0710.3742). It holds a label through weak evidence and leaves it at once on strong evidence,
and whatever part of the belief moves takes the smoothed posterior along. The defaults are what
``tools/bench_fusion.py`` found fastest at five false switches per minute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge_emo.fusion.signs import Signs
from edge_emo.types import RESTING, Affect, Posterior

_NO_SIGNS = Signs()

_LEAST = 1e-6
"""Least share, of the greatest one, that a label counts with, so that it can come back."""

_BELIEVED = 1e-300
"""Least belief in a label before a look; with a hazard of 0 it would fall to 0 and stay there."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """Settings of the smoothing.

    Attributes:
        tracking: What chooses the label: "change-point" or "hysteresis".
        posterior_s: Time constant of the posterior; 0 follows at once.
        dimension_s: Time constant of valence, arousal and dominance; likewise.
        margin: Hysteresis: a new label must lead the held one by this much probability …
        hold_s: … for this long, before it replaces it.
        hazard_hz: Change-point filter: expected changes of label per second.
        evidence_hz: Change-point filter: independent looks per second. Pooled posteriors follow
            each other faster than that, and repeat each other.
        lead: Change-point filter: a new label must be believed more by this much, 0 … 1.
    """

    tracking: Literal["change-point", "hysteresis"] = "change-point"
    posterior_s: float = 0.3
    dimension_s: float = 0.5
    margin: float = 0.1
    hold_s: float = 0.3
    hazard_hz: float = 4.0
    evidence_hz: float = 10.0
    lead: float = 0.6


class ChangeFilter:
    """Belief over which label holds, given that labels jump.

    Args:
        hazard_hz: Expected changes per second.
        evidence_hz: Independent looks per second.
        lead: A new label must be believed more than the held one by this much.

    Attributes:
        label: The label that holds; empty before the first step.
    """

    def __init__(self, hazard_hz: float, evidence_hz: float, lead: float) -> None:
        self._hazard_hz = hazard_hz
        self._evidence_hz = evidence_hz
        self._lead = lead
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._names: tuple[str, ...] = ()
        self._belief: list[float] = []
        self.label = ""

    def step(self, posterior: Posterior, elapsed_s: float) -> float:
        """Take what was pooled over the last ``elapsed_s``; return how much of the belief moved.

        Returns:
            Total variation between the belief before and after, 0 … 1; 1 on the first step.
        """
        if self._names != posterior.names:
            self._names, self._belief = posterior.names, list(posterior.probabilities)
            self.label = posterior.label
            return 1.0
        looks = self._evidence_hz * elapsed_s
        jump = (1.0 - math.exp(-self._hazard_hz * elapsed_s)) / len(self._belief)
        stay = 1.0 - jump * len(self._belief)
        top = posterior.confidence
        least = top * _LEAST
        before = self._belief
        raised: list[float] = [
            max(stay * held + jump, _BELIEVED) * (share / top if share > least else _LEAST) ** looks
            for held, share in zip(before, posterior.probabilities, strict=True)
        ]
        total = sum(raised)
        self._belief = belief = [value / total for value in raised]
        most = max(belief)
        if most - belief[self._names.index(self.label)] >= self._lead:
            self.label = self._names[belief.index(most)]
        apart = sum([abs(a - b) for a, b in zip(before, belief, strict=True)])
        return min(0.5 * apart, 1.0)  # rounding may lead beyond, and the posterior below 0


class AffectSmoother:
    """Smooths one side of the state."""

    def __init__(self, settings: Smoothing) -> None:
        self._settings = settings
        self._filter = ChangeFilter(settings.hazard_hz, settings.evidence_hz, settings.lead)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next step starts fresh."""
        self._filter.reset()
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
        signs: Signs = _NO_SIGNS,
    ) -> Affect:
        """Take the pooled values at ``t_ns`` and return the smoothed side; signs as they are."""
        elapsed_s = 0.0 if self._t_ns is None else (t_ns - self._t_ns) / 1e9
        self._t_ns = t_ns
        follows = self._settings.tracking == "change-point"
        moved = self._filter.step(posterior, elapsed_s) if follows else 0.0
        smoothed = self._blend(posterior, elapsed_s, moved)
        self._posterior, held = smoothed, self._dimensions
        step = 1.0 - _kept(elapsed_s, self._settings.dimension_s)
        self._dimensions = {
            name: _one_pole(held.get(name), value, step) for name, value in dimensions.items()
        }
        label = self._filter.label if follows else self._hold(smoothed, t_ns)
        return Affect(
            posterior=smoothed,
            label=label,
            confidence=smoothed[label],
            valence=self._dimensions.get("valence"),
            arousal=self._dimensions.get("arousal"),
            dominance=self._dimensions.get("dominance"),
            intensity=_intensity(smoothed),
            age_ns=age_ns,
            entropy=signs.entropy,
            conflict=signs.conflict,
            coherence=signs.coherence,
        )

    def _blend(self, posterior: Posterior, elapsed_s: float, moved: float) -> Posterior:
        held = self._posterior
        if held is None or held.names != posterior.names:
            return posterior
        step = 1.0 - (1.0 - moved) * _kept(elapsed_s, self._settings.posterior_s)
        mixed = [  # rounding keeps it within 0 … 1, as both ends are
            old + step * (new - old)
            for old, new in zip(held.probabilities, posterior.probabilities, strict=True)
        ]
        return Posterior(posterior.names, tuple(mixed))

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


def _kept(elapsed_s: float, constant_s: float) -> float:
    """Share of its old value that a one-pole filter keeps."""
    return math.exp(-elapsed_s / constant_s) if constant_s > 0 else 0.0


def _one_pole(held: float | None, value: float | None, step: float) -> float | None:
    if held is None or value is None:
        return value
    return held + step * (value - held)


def _intensity(posterior: Posterior) -> float:
    """Return what the resting labels leave; EEG and pulse each bring one of their own."""
    resting = [posterior[name] for name in RESTING if name in posterior]
    return max(1.0 - sum(resting), 0.0) if resting else posterior.confidence

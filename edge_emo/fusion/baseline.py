"""The resting state of a person or of a place, and how posteriors and dimensions shift by it.

A face at rest may look sad to a model, a room may make every voice sound angry. What a modality
says over some seconds of rest is learned as the mean of its log probabilities; later posteriors
are moved by what that mean lies off the resting label's own:

    log p' = log p − strength · (b − r),   b the learned mean, r that of a plain resting answer

both centred, so that a baseline equal to ``r`` changes nothing. Dimensions lose the learned mean.
Kept in memory only; a baseline expires and can be erased.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from edge_emo.fusion.heads import FLOOR
from edge_emo.fusion.smoothing import RESTING
from edge_emo.types import Modality, Posterior, Prediction

DIMENSIONS = ("valence", "arousal", "dominance")
_LEAST_PREDICTIONS = 3
_REST = 0.7
"""Share of the resting label in a plain resting answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rest:
    """What one modality says at rest.

    Attributes:
        shift: By label, what to take from the log probability.
        dimensions: Mean of each dimension that was given.
        count: Predictions that it was learned from.
        until_ns: When it expires, on the session clock.
    """

    shift: Mapping[str, float]
    dimensions: Mapping[str, float]
    count: int
    until_ns: int


class Baseline:
    """Learns the resting state of each modality, and applies it.

    Args:
        strength: How much of what was learned is taken off, 0 … 1. Thirty seconds of rest are
            a small sample, so by default half.
        lifetime_s: Seconds until a baseline expires.
    """

    def __init__(self, strength: float = 0.5, lifetime_s: float = 3600.0) -> None:
        self._strength = strength
        self._lifetime_ns = round(lifetime_s * 1e9)
        self._until_ns: int | None = None
        self._heard: dict[Modality, list[Prediction]] = {}
        self._rests: dict[Modality, Rest] = {}

    @property
    def learning(self) -> bool:
        """True while predictions are being learned from."""
        return self._until_ns is not None

    @property
    def rests(self) -> Mapping[Modality, Rest]:
        """What was learned, by modality, expired ones included until they are used."""
        return dict(self._rests)

    def begin(self, t_ns: int, seconds: float = 30.0) -> None:
        """Learn from predictions until ``seconds`` after ``t_ns``; what was learned stays so far.

        Raises:
            ValueError: ``seconds`` is not above 0.
        """
        if not seconds > 0:
            raise ValueError(f"a baseline of {seconds} s")
        self._until_ns = t_ns + round(seconds * 1e9)
        self._heard = {}

    def erase(self) -> None:
        """Forget everything that was learned, and stop learning."""
        self._until_ns = None
        self._heard, self._rests = {}, {}

    def apply(self, prediction: Prediction) -> Prediction:
        """Take note of a prediction, and return it shifted by the baseline of its modality."""
        if self._until_ns is not None:
            self._learn(prediction)
        rest = self._rests.get(prediction.modality)
        if rest is None or prediction.posterior is None:
            return prediction
        if prediction.end_ns >= rest.until_ns:
            del self._rests[prediction.modality]
            return prediction
        return self._shifted(prediction, prediction.posterior, rest)

    def _learn(self, prediction: Prediction) -> None:
        assert self._until_ns is not None
        if prediction.end_ns >= self._until_ns:
            end_ns, self._until_ns = self._until_ns, None
            self._rests |= {
                modality: _rest(heard, end_ns + self._lifetime_ns)
                for modality, heard in self._heard.items()
                if len(heard) >= _LEAST_PREDICTIONS
            }
            self._heard = {}
        elif prediction.posterior is not None:
            self._heard.setdefault(prediction.modality, []).append(prediction)

    def _shifted(self, prediction: Prediction, posterior: Posterior, rest: Rest) -> Prediction:
        raised = {
            name: max(share, FLOOR) * math.exp(-self._strength * rest.shift.get(name, 0.0))
            for name, share in posterior.items()
        }
        total = sum(raised.values())
        shares = tuple(value / total for value in raised.values())
        return dataclasses.replace(
            prediction,
            posterior=Posterior(posterior.names, shares),
            valence=self._moved(prediction.valence, rest, "valence"),
            arousal=self._moved(prediction.arousal, rest, "arousal"),
            dominance=self._moved(prediction.dominance, rest, "dominance"),
        )

    def _moved(self, value: float | None, rest: Rest, name: str) -> float | None:
        if value is None:
            return None
        moved = value - self._strength * rest.dimensions.get(name, 0.0)
        return min(max(moved, -1.0), 1.0)


def _rest(heard: list[Prediction], until_ns: int) -> Rest:
    posteriors = [one.posterior for one in heard if one.posterior is not None]
    names = posteriors[-1].names
    same = [one for one in posteriors if one.names == names]
    learned = {
        name: sum(math.log(max(one[name], FLOOR)) for one in same) / len(same) for name in names
    }
    plain = _plain(names)
    shift = {name: _centred(learned)[name] - _centred(plain)[name] for name in names}
    return Rest(shift, _means(heard), len(heard), until_ns)


def _plain(names: tuple[str, ...]) -> dict[str, float]:
    """Return log probabilities of a plain resting answer; flat without a resting label."""
    resting = next((name for name in RESTING if name in names), None)
    if resting is None or len(names) < 2:
        return dict.fromkeys(names, 0.0)
    rest = math.log((1.0 - _REST) / (len(names) - 1))
    return {name: math.log(_REST) if name == resting else rest for name in names}


def _centred(logs: Mapping[str, float]) -> dict[str, float]:
    mean = sum(logs.values()) / len(logs)
    return {name: value - mean for name, value in logs.items()}


def _means(heard: list[Prediction]) -> dict[str, float]:
    means = {}
    for name in DIMENSIONS:
        values = [value for one in heard if (value := getattr(one, name)) is not None]
        if values:
            means[name] = sum(values) / len(values)
    return means

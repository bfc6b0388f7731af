"""Estimators whose answers are moved by what they say of a person at rest.

A face at rest may look sad to a model, a language may make every voice sound angry. What
a model says over some seconds of rest is learned as the mean of its centred log probabilities b;
later posteriors are moved by half of what that lies off r, a plain answer of rest:

    log p' = log p − ½ (b − r)

so that a baseline equal to r changes nothing. Dimensions lose half of their mean at rest, which is
0 for a plain answer. Half: some seconds of rest are a small sample, and more measured worse for
some (``docs/evidence/baselines.md``).
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Sequence

from edge_emo.clock import Clock
from edge_emo.errors import ConfigError
from edge_emo.estimators.base import Features
from edge_emo.estimators.baseline import VALID_S, Baseline, expiry
from edge_emo.estimators.keeping import KeepingEstimator
from edge_emo.manifest import DIMENSIONS, ModelPackage
from edge_emo.runtime.base import LoadedModel
from edge_emo.types import RESTING, Chunk, Posterior, Prediction

STRENGTH = 0.5
"""Share of what was learned that is taken off."""

_PLAIN = 0.7  # share of the resting label in a plain answer of rest
_FLOOR = 1e-4  # least probability that counts, so that one window cannot veto a label
_MOST = 64  # windows that are estimated for a baseline, spread evenly


class RestingEstimator(KeepingEstimator):
    """Runs the model of one package; with a baseline, what it says is moved.

    Args:
        package: The package.
        model: Its model, loaded.
        clock: The session clock, which times the inference.
    """

    def __init__(self, package: ModelPackage, model: LoadedModel, clock: Clock) -> None:
        super().__init__(package, model, clock, len(package.labels) + len(DIMENSIONS))

    def predict(self, features: Features) -> Prediction:
        """Run the model on one window's features, or abstain; move the answer by the baseline."""
        prediction, baseline = super().predict(features), self.baseline
        return prediction if baseline is None else moved(prediction, baseline)

    def rest(self, windows: Sequence[Features], valid_s: float = VALID_S) -> Baseline:
        """Return the baseline of windows in which the person rested.

        Args:
            windows: As :meth:`features` or :meth:`windows_of` gave them.
            valid_s: Seconds until it ends.

        Raises:
            ConfigError: No window has an estimate; the message says why.
        """
        fit = [one for one in windows if one.counts and one.tensors]
        chosen = fit[:: -(-len(fit) // _MOST)] if fit else []
        answers = [super(RestingEstimator, self).predict(window) for window in chosen]
        said = [one for one in answers if one.posterior is not None]
        if not said:
            reasons = [one.reason for one in windows if one.reason]
            reasons += [one.abstained for one in answers if one.abstained]
            raise ConfigError(
                f"no usable {self.modality} window for a baseline: "
                f"{reasons[0] if reasons else 'none was cut'}",
                hint="take a longer baseline, in view and with an even voice",
            )
        return learned(said, valid_s)

    @abstractmethod
    def windows_of(self, chunk: Chunk) -> list[Features]:
        """Return the features of each window of a clip."""


def learned(said: Sequence[Prediction], valid_s: float = VALID_S) -> Baseline:
    """Return the baseline of what one model said at rest.

    Args:
        said: At least one, none of which abstains, all over the same labels.
        valid_s: Seconds until it ends.
    """
    dimensions = [_mean([getattr(one, name) for one in said]) for name in DIMENSIONS]
    logs = [_centred(one.posterior) for one in said if one.posterior is not None]
    values = [sum(column) / len(logs) for column in zip(*logs, strict=True)]
    return Baseline(
        modality=said[0].modality,
        model_id=said[0].model_id,
        values=(*values, *(mean for mean, _ in dimensions)),
        known=(*(1.0 for _ in values), *(share for _, share in dimensions)),
        windows=len(said),
        expires=expiry(valid_s),
    )


def moved(prediction: Prediction, baseline: Baseline, strength: float = STRENGTH) -> Prediction:
    """Return a prediction moved by a baseline; an abstention stays as it is.

    Args:
        prediction: Of the package that the baseline was taken for.
        baseline: What that package says at rest.
        strength: Share of it that is taken off, 0 … 1.
    """
    posterior = prediction.posterior
    if posterior is None:
        return prediction
    plain = _plain(posterior.names)
    pairs = zip(baseline.values, plain, strict=False)
    logs = [-strength * (at_rest - r) for at_rest, r in pairs]
    top = max(logs)  # far from rest, the factors themselves would be 0 or too large
    raised = [
        max(share, _FLOOR) * math.exp(log - top)
        for share, log in zip(posterior.probabilities, logs, strict=True)
    ]
    total = sum(raised)
    off = dict(zip(DIMENSIONS, baseline.values[len(plain) :], strict=True))
    return dataclasses.replace(
        prediction,
        posterior=Posterior(posterior.names, tuple(value / total for value in raised)),
        valence=_less(prediction.valence, strength * off["valence"]),
        arousal=_less(prediction.arousal, strength * off["arousal"]),
        dominance=_less(prediction.dominance, strength * off["dominance"]),
    )


def _less(value: float | None, off: float) -> float | None:
    return None if value is None else min(max(value - off, -1.0), 1.0)


def _centred(posterior: Posterior) -> list[float]:
    logs = [math.log(max(share, _FLOOR)) for share in posterior.probabilities]
    mean = sum(logs) / len(logs)
    return [value - mean for value in logs]


def _plain(names: tuple[str, ...]) -> list[float]:
    """Return centred log probabilities of a plain answer of rest; flat without a resting label."""
    resting = next((name for name in RESTING if name in names), None)
    if resting is None or len(names) < 2:
        return [0.0] * len(names)
    other = (1.0 - _PLAIN) / (len(names) - 1)
    return _centred(Posterior(names, tuple(_PLAIN if n == resting else other for n in names)))


def _mean(values: Sequence[float | None]) -> tuple[float, float]:
    """Return the mean of what is known, 0 if nothing is, and the share that is known."""
    known = [value for value in values if value is not None]
    return (sum(known) / len(known) if known else 0.0), len(known) / len(values)

"""Pooling of posteriors, and the fusion that is built on it.

Log-linear pooling (Genest & Zidek, "Combining probability distributions", Statistical Science
1986): p(c) ∝ Π_m p_m(c)^w_m. A vote of weight below 1 is flattened, so one poor vote alone gives
little confidence; independent votes that agree sharpen each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from edge_emo.fusion.base import LIFETIME_S, Fused, Fusion, Pool, Trust, Vote
from edge_emo.fusion.divergence import divergence
from edge_emo.fusion.doubt import Doubts, Watch
from edge_emo.fusion.heads import FLOOR
from edge_emo.fusion.signs import Signs, conflict, entropy
from edge_emo.fusion.smoothing import AffectSmoother, Smoothing
from edge_emo.fusion.steadiness import SteadinessWatch
from edge_emo.types import (
    CATEGORIES,
    EXPRESSED,
    FELT,
    MODALITIES,
    Affect,
    Modality,
    Posterior,
    Prediction,
)


class LogLinearPool(Pool):
    """Weighted geometric mean, normalised."""

    def pool(self, votes: list[Vote]) -> Posterior:
        """Combine votes; a label that a vote does not name gets that vote's mean log probability.

        Args:
            votes: At least one.

        Returns:
            Posterior over the union of names, categories first and in their order.
        """
        names = union(votes)
        scores = dict.fromkeys(names, 0.0)
        for vote in votes:
            logs = _logs(vote)
            absent = sum(logs.values()) / len(logs)
            for name in names:
                scores[name] += vote.weight * logs.get(name, absent)
        return _normalised(names, scores)


class LinearPool(Pool):
    """Weighted mean; it never sharpens, and a weight alone never flattens."""

    def pool(self, votes: list[Vote]) -> Posterior:
        """Combine votes; a label that a vote does not name gets 0 from it.

        Args:
            votes: At least one.

        Returns:
            Posterior over the union of names, categories first and in their order.
        """
        names = union(votes)
        return mixture(votes, names)


def mixture(votes: list[Vote], names: tuple[str, ...]) -> Posterior:
    """Return the weighted mean of the posteriors over ``names``."""
    sums = dict.fromkeys(names, 0.0)
    for vote in votes:
        posterior = vote.prediction.posterior
        assert posterior is not None
        for name, share in zip(posterior.names, posterior.probabilities, strict=True):
            sums[name] += vote.weight * share
    total = sum(sums.values())
    return Posterior(names, tuple([min(value / total, 1.0) for value in sums.values()]))


def union(votes: list[Vote]) -> tuple[str, ...]:
    """Return every name that a vote has, categories first and in their order."""
    return _joined(tuple([
        posterior.names for vote in votes if (posterior := vote.prediction.posterior) is not None
    ]))  # fmt: skip


@lru_cache(maxsize=256)
def _joined(given: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    if len(set(given)) == 1:
        return given[0]
    named = {name for names in given for name in names}
    first = [name for name in CATEGORIES if name in named]
    return (*first, *sorted(named.difference(first)))


def _logs(vote: Vote) -> dict[str, float]:
    posterior = vote.prediction.posterior
    if posterior is None:
        return {}
    pairs = zip(posterior.names, posterior.probabilities, strict=True)
    return {name: math.log(p if p > FLOOR else FLOOR) for name, p in pairs}


def _normalised(names: tuple[str, ...], scores: Mapping[str, float]) -> Posterior:
    top = max(scores.values())
    raised = [math.exp(scores[name] - top) for name in names]
    total = sum(raised)
    return Posterior(names, tuple(value / total for value in raised))


class PooledFusion(Fusion):
    """Fuses each side by a pool, then smooths it.

    Args:
        trust: Reliability and lifetime by modality; what is missing counts fully and ages at
            the default pace.
        pool: How posteriors combine.
        smoothing: Time constants and hysteresis.
    """

    def __init__(
        self,
        trust: Mapping[Modality, Trust] | None = None,
        pool: Pool | None = None,
        smoothing: Smoothing | None = None,
    ) -> None:
        plain = {name: Trust(lifetime_s=LIFETIME_S[name]) for name in MODALITIES}
        self._trust = {**plain, **(trust or {})}
        self._pool = pool or LogLinearPool()
        self._newest: dict[Modality, Prediction] = {}
        self._expressed = AffectSmoother(smoothing or Smoothing())
        self._felt = AffectSmoother(smoothing or Smoothing())
        self._watches: dict[tuple[Modality, ...], Doubts] = {
            EXPRESSED: Watch(),
            FELT: SteadinessWatch(),
        }
        self._watch_of = {one: watch for side, watch in self._watches.items() for one in side}

    def update(self, prediction: Prediction) -> None:
        """Take a prediction; an abstention stops its modality from counting."""
        self._newest[prediction.modality] = prediction

    def lost(self, modality: Modality) -> None:
        """Stop counting ``modality``."""
        self._newest.pop(modality, None)
        self._watch_of[modality].forget(modality)

    def doubts(self) -> Mapping[Modality, str]:
        """Return why modalities are trusted less now."""
        return {one: why for watch in self._watches.values() for one, why in watch.doubts.items()}

    def fuse(self, t_ns: int) -> Fused:
        """Return both sides at ``t_ns``."""
        expressed = self._side(EXPRESSED, self._expressed, t_ns)
        felt = self._side(FELT, self._felt, t_ns)
        reason = "" if expressed or felt else self._reason(t_ns)
        return Fused(expressed, felt, divergence(expressed, felt), reason)

    def _side(
        self, modalities: tuple[Modality, ...], smoother: AffectSmoother, t_ns: int
    ) -> Affect | None:
        votes = [vote for name in modalities if (vote := self._vote(name, t_ns))]
        if not votes:
            smoother.reset()
            return None
        self._watches[modalities].look(votes, t_ns)
        age_ns = t_ns - max(vote.prediction.end_ns for vote in votes)
        pooled = self._pool.read(votes)
        doubt = entropy(pooled.posterior.probabilities)
        signs = Signs(doubt, conflict(votes), pooled.coherence)
        return smoother.step(pooled.posterior, _dimensions(votes), t_ns, max(age_ns, 0), signs)

    def _vote(self, modality: Modality, t_ns: int) -> Vote | None:
        prediction = self._newest.get(modality)
        if prediction is None or prediction.posterior is None:
            return None
        fresh = self._fresh(prediction, t_ns)
        weight = self._trust[modality].reliability * prediction.quality * fresh
        weight *= self._watch_of[modality].factor(modality)
        return Vote(prediction, weight, fresh) if weight > 0 else None

    def _fresh(self, prediction: Prediction, t_ns: int) -> float:
        lifetime_s = self._trust[prediction.modality].lifetime_s
        age = max(t_ns - prediction.end_ns, 0) / 1e9 / lifetime_s
        return 0.0 if age > 3.0 else math.exp(-age)

    def _reason(self, t_ns: int) -> str:
        reasons = []
        for modality, prediction in self._newest.items():
            stale = f"nothing for {(t_ns - prediction.end_ns) / 1e9:.1f} s"
            why = "no weight" if self._fresh(prediction, t_ns) > 0 else stale
            reasons.append(f"{modality}: {prediction.abstained or why}")
        return "; ".join(reasons) or "no evidence yet"


def _dimensions(votes: list[Vote]) -> dict[str, float | None]:
    pairs = [(vote.weight, vote.prediction) for vote in votes]
    return {
        "valence": _mean([(weight, one.valence) for weight, one in pairs]),
        "arousal": _mean([(weight, one.arousal) for weight, one in pairs]),
        "dominance": _mean([(weight, one.dominance) for weight, one in pairs]),
    }


def _mean(pairs: list[tuple[float, float | None]]) -> float | None:
    """Return the weighted mean of the values that are known."""
    total = moment = 0.0
    for weight, value in pairs:
        if value is not None:
            total += weight
            moment += weight * value
    return moment / total if total else None

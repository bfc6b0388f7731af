"""Signs of doubt that go with a fused posterior: how open it is, and whether the votes disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_emo.fusion.base import Vote
from edge_emo.types import Posterior


@dataclass(frozen=True, slots=True)
class Signs:
    """What :class:`edge_emo.types.Affect` carries of the same names."""

    entropy: float | None = None
    conflict: float | None = None
    coherence: float | None = None


def entropy(shares: Sequence[float]) -> float:
    """Return Shannon's entropy over its largest value: 0 (certain) … 1 (flat)."""
    if len(shares) < 2:
        return 0.0
    nats = -sum([share * math.log(share) for share in shares if share > 0.0])
    return min(max(nats / math.log(len(shares)), 0.0), 1.0)


def conflict(votes: Sequence[Vote]) -> float | None:
    """Return how much the votes of one side disagree, 0 … 1.

    The mean total variation between each vote p_m and the mean vote q, by weights w_m that sum to
    1, over its largest value for k votes:

        conflict = Σ_m w_m ½ Σ_c |p_mc − q_c| / (1 − 1/k)

    0 when all say the same, 1 when votes of equal weight have no label in common; a vote of little
    weight causes little conflict.

    Returns:
        None for fewer than two votes, and for votes whose labels are not the same, in any order.
    """
    first = votes[0].prediction.posterior
    if len(votes) < 2 or first is None:
        return None
    names, total, said = first.names, 0.0, []
    shift = -math.frexp(max(vote.weight for vote in votes))[1]  # the square of 1e-200 would be 0
    for vote in votes:
        posterior = vote.prediction.posterior
        if posterior is None or posterior.names != names:
            if posterior is None or set(posterior.names) != set(names):
                return None
            posterior = Posterior(names, tuple(posterior[name] for name in names))
        weight = math.ldexp(vote.weight, shift)
        total += weight
        said.append((weight, posterior.probabilities))
    mixed = [0.0] * len(names)
    for weight, shares in said:
        mixed = [held + weight * share for held, share in zip(mixed, shares, strict=True)]
    gaps = [
        weight * abs(total * share - held)
        for weight, shares in said
        for held, share in zip(mixed, shares, strict=True)
    ]
    return min(0.5 * sum(gaps) / (total * total * (1.0 - 1.0 / len(votes))), 1.0)

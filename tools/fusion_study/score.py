"""How good fused posteriors are, and how sure a difference is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from fusion_study.heads import Head, fit, to_shares
from fusion_study.votes import Floats, Votes, folds, smoothed, split_raters

from edge_emo.estimators.calibration import expected_calibration_error


@dataclass(frozen=True)
class Clips:
    """Scores of each clip, shape (n,) each, and the posteriors that they came from."""

    kl: Floats
    js: Floats
    agreement: Floats
    accuracy: Floats
    posterior: Floats


def score(posterior: Floats, votes: Votes) -> Clips:
    """Score posteriors, shape (n, 6), against the votes of both senses.

    KL is from the smoothed votes to the posterior, in nats; agreement is with their most frequent
    label (the first on a tie), accuracy against the intended emotion.
    """
    wanted = smoothed(votes.both)
    best = posterior.argmax(axis=1)
    middle = 0.5 * (wanted + posterior)
    return Clips(
        _kl(wanted, posterior),
        0.5 * (_kl(wanted, middle) + _kl(posterior, middle)),
        (best == votes.both.argmax(axis=1)).astype(np.float64),
        (best == votes.intended).astype(np.float64),
        posterior,
    )


def _kl(wanted: Floats, given: Floats) -> Floats:
    return np.asarray((wanted * np.log(wanted / given)).sum(axis=1))


def calibration(clips: Clips, votes: Votes) -> dict[str, float]:
    """Return the calibration error of the most probable label against three truths.

    ``votes``: the share of smoothed votes that it got, which the posterior estimates;
    ``majority``: whether it is the majority's; ``intended``: whether it is the intended one.
    """
    best = clips.posterior.argmax(axis=1)
    sure = clips.posterior.max(axis=1)
    share = smoothed(votes.both)[np.arange(len(best)), best]
    truths = {"votes": share, "majority": clips.agreement, "intended": clips.accuracy}
    return {name: expected_calibration_error(sure, truth) for name, truth in truths.items()}


def out_of_fold(head: Head, votes: Votes, seed: int = 0) -> dict[str, Floats]:
    """Return posteriors of each clip from a fit without its actor: both, voice alone, face alone.

    A head that was not fitted for subsets gives both only.
    """
    names = ("both", "voice", "face") if head.subsets else ("both",)
    result = {name: np.zeros_like(votes.both) for name in names}
    for test in folds(votes, seed=seed):
        theta = fit(head, votes.take(~test))
        shares = to_shares(votes.take(test))
        with torch.no_grad():
            logs = [head.joint(theta, shares)]
            logs += head.alone(theta, shares) if head.subsets else ()
        for name, log in zip(names, logs, strict=True):
            result[name][test] = log.exp().numpy()
    return result


def noise_floor(votes: Votes, seed: int = 0) -> tuple[Clips, Votes]:
    """Score one half of the raters with both senses against the other half."""
    first, second = split_raters(votes.both, seed)
    other = Votes(votes.voice, votes.face, second, votes.intended, votes.actor)
    return score(smoothed(first), other), other


def interval(values: Floats, votes: Votes, draws: int = 2000, seed: int = 0) -> list[float]:
    """Return the 95 % interval of a mean, drawing actors with replacement."""
    actors, which = np.unique(votes.actor, return_inverse=True)
    totals = np.bincount(which, weights=values)
    counts = np.bincount(which)
    drawn = np.random.default_rng(seed).integers(len(actors), size=(draws, len(actors)))
    means = totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return [float(value) for value in np.percentile(means, [2.5, 97.5])]


def compared(one: Clips, other: Clips, votes: Votes) -> Mapping[str, list[float]]:
    """Return mean and 95 % interval of ``one`` − ``other``, paired by clip."""
    result = {}
    for name in ("kl", "js", "agreement", "accuracy"):
        gap = getattr(one, name) - getattr(other, name)
        result[name] = [float(gap.mean()), *interval(gap, votes)]
    return result

"""How soon a broken modality is noticed, and how often a healthy one is blamed.

Simulated: sequences of CREMA-D clips as in :mod:`fusion_study.sequences`. A third modality stands
for text: it draws its raters from those who had both senses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from fusion_study.votes import LABELS, Floats, Votes, some_raters

from edge_emo.fusion.base import Vote
from edge_emo.fusion.doubt import Watch
from edge_emo.types import CATEGORIES, Modality, Posterior, Prediction

FAULTS = ("random", "stuck on one label", "always sad")
HOP_S = {"face": 0.1, "voice": 0.5, "text": 1.0}
_SOURCE = {"face": "face", "voice": "voice", "text": "both"}


def watched(
    votes: Votes,
    modalities: Sequence[Modality],
    seed: int,
    broken: Modality | None = None,
    fault: str = "",
    seconds: float = 60.0,
) -> dict[Modality, float]:
    """Return when each modality was first doubted, in seconds; one never doubted is left out."""
    random = np.random.default_rng(seed)
    watch, cast, first = Watch(), {}, {}
    clip = int(random.integers(len(votes.actor)))
    until = random.uniform(2.0, 8.0)
    held = _fixed(str(random.choice(LABELS)))
    for step in range(int(seconds * 10)):
        t_s = step / 10
        if t_s >= until:
            label = votes.both[clip].argmax()
            clip = int(random.choice(np.flatnonzero(votes.both.argmax(axis=1) != label)))
            until = t_s + random.uniform(2.0, 8.0)
        for modality in modalities:
            if step % round(HOP_S[modality] * 10) == 0:
                healthy = some_raters(getattr(votes, _SOURCE[modality])[clip], random)
                shares = _faulty(fault, held, random) if modality == broken else healthy
                cast[modality] = _vote(modality, shares, round(t_s * 1e9))
        watch.look(list(cast.values()), round(t_s * 1e9))
        for modality in watch.doubts:
            first.setdefault(modality, t_s)
    return first


def _fixed(label: str) -> Floats:
    return np.array([0.8 if name == label else 0.04 for name in LABELS])


def _faulty(fault: str, held: Floats, random: np.random.Generator) -> Floats:
    if fault == "random":
        return np.asarray(random.dirichlet([0.5] * len(LABELS)))
    if fault == "always sad":
        noisy = 8.0 * _fixed("sadness") + 0.5
        return np.asarray(random.dirichlet(4.0 * noisy))
    return held


def _vote(modality: Modality, shares: Floats, t_ns: int) -> Vote:
    named = dict(zip(LABELS, shares.tolist(), strict=True))
    row = [named.get(name, 1e-4) for name in CATEGORIES]
    posterior = Posterior(CATEGORIES, tuple(value / sum(row) for value in row))
    return Vote(Prediction(modality, t_ns, 0, posterior, None, None, None, 1.0, "", 0), 1.0)


def study(votes: Votes, runs: int = 40) -> dict[str, Any]:
    """Return, by set of modalities and fault, how it was noticed; and false blame on healthy ones.

    ``noticed`` is the share of runs in which the broken modality was in doubt within 30 s,
    ``median_s`` the median of when, None where in half of them it never was; ``others`` the share
    in which a healthy one was within 60 s.
    """
    result: dict[str, Any] = {}
    for modalities in (("voice", "face"), ("voice", "face", "text")):
        key = " + ".join(modalities)
        found = [watched(votes, modalities, seed) for seed in range(runs)]
        result[key] = {"none": {"others": float(np.mean([bool(one) for one in found]))}}
        for fault in FAULTS:
            for broken in modalities:
                found = [watched(votes, modalities, s, broken, fault) for s in range(runs)]
                result[key][f"{broken} {fault}"] = _summary(found, broken)
    return result


def _summary(found: list[dict[Modality, float]], broken: Modality) -> dict[str, float | None]:
    times = [one.get(broken, np.inf) for one in found]
    others = [any(name != broken for name in one) for one in found]
    median_s = float(np.median(times))
    return {
        "noticed": float(np.mean([t <= 30.0 for t in times])),
        "median_s": median_s if np.isfinite(median_s) else None,
        "others": float(np.mean(others)),
    }

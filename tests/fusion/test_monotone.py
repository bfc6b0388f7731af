"""A modality that is better than chance never lowers the expected log-likelihood (simulated)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fusion.votes import sharp, to_vote

from edge_emo.fusion.base import Vote
from edge_emo.fusion.methods import make_pool
from edge_emo.types import CATEGORIES, Modality, Posterior

Accuracies = dict[Modality, float]
WORLDS: list[Accuracies] = [
    {"face": 0.7, "voice": 0.4, "text": 0.5},
    {"face": 0.8, "voice": 0.3, "text": 0.25},
    {"face": 0.5, "voice": 0.5, "text": 0.5},
    {"face": 0.35, "voice": 0.25, "text": 0.7},
]

LEAST = 0.001
"""Nats within which two pools of 1500 clips count as equally good."""


def calibrated(truth: str, accuracy: float, random: np.random.Generator) -> Posterior:
    """An answer that is right as often as it says."""
    others = [name for name in CATEGORIES if name != truth]
    label = truth if random.random() < accuracy else str(random.choice(others))
    return sharp(label, accuracy)


def likelihoods(accuracies: Accuracies, count: int) -> dict[frozenset[str], np.ndarray]:
    """Log-likelihood of the truth of each clip, by subset of the modalities."""
    random = np.random.default_rng(0)
    pool = make_pool("channel")
    found: dict[frozenset[str], list[float]] = {}
    for _ in range(count):
        truth = str(random.choice(CATEGORIES))
        cast: dict[str, Vote] = {}
        for modality, accuracy in accuracies.items():
            reliability = (accuracy - 1 / 7) / (1 - 1 / 7)
            answer = calibrated(truth, accuracy, random)
            cast[modality] = to_vote(answer, reliability, modality)
        for n in range(1, len(cast) + 1):
            for names in itertools.combinations(cast, n):
                chance = pool.pool([cast[name] for name in names])[truth]
                found.setdefault(frozenset(names), []).append(float(np.log(chance)))
    return {names: np.array(row) for names, row in found.items()}


@pytest.mark.parametrize("accuracies", WORLDS, ids=str)
def test_no_modality_above_chance_makes_it_worse(accuracies: Accuracies) -> None:
    found = likelihoods(accuracies, 1500)
    for names, row in found.items():
        assert row.mean() > np.log(1 / 7), names
        for more, other in found.items():
            if names < more:
                assert (other - row).mean() > -LEAST, (sorted(names), sorted(more))

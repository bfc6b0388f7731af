"""Votes for tests of fusion, and strategies that draw them."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from edge_emo.fusion.base import Vote
from edge_emo.fusion.heads import FLOOR
from edge_emo.types import CATEGORIES, MODALITIES, Modality, Posterior, Prediction

FEW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties whose examples cost milliseconds: a loaded machine is no failure."""


def to_posterior(shares: list[float], names: tuple[str, ...] = CATEGORIES) -> Posterior:
    total = sum(shares)
    return Posterior(names, tuple(min(value / total, 1.0) for value in shares))


def to_vote(
    posterior: Posterior, weight: float = 1.0, modality: Modality = "face", fresh: float = 1.0
) -> Vote:
    prediction = Prediction(modality, 0, 0, posterior, None, None, None, 1.0, "m", 0)
    return Vote(prediction, weight, fresh)


def sharp(name: str, share: float, names: tuple[str, ...] = CATEGORIES) -> Posterior:
    rest = (1 - share) / (len(names) - 1)
    return Posterior(names, tuple(share if one == name else rest for one in names))


@st.composite
def posteriors(draw: st.DrawFn, names: tuple[str, ...] = CATEGORIES) -> Posterior:
    """Any posterior, zeros and ones included."""
    share = st.floats(0.0, 1.0) | st.sampled_from([0.0, 1.0, 1e-300])
    values = draw(st.lists(share, min_size=len(names), max_size=len(names)))
    if sum(values) < 1e-6:
        values[draw(st.integers(0, len(names) - 1))] = 1.0
    return to_posterior(values, names)


def centred_logs(rows: np.ndarray) -> np.ndarray:
    """The centred log-ratio of each row (Aitchison, 1982)."""
    logs = np.log(np.maximum(rows, FLOOR))
    return logs - logs.mean(axis=-1, keepdims=True)


subsets = st.sets(st.sampled_from(CATEGORIES), min_size=2).map(
    lambda names: tuple(name for name in CATEGORIES if name in names)
)


@st.composite
def vote_lists(draw: st.DrawFn, modalities: tuple[Modality, ...] = MODALITIES) -> list[Vote]:
    """Votes of different modalities over any subsets of the categories."""
    chosen = draw(st.lists(st.sampled_from(modalities), min_size=1, max_size=5, unique=True))
    result = []
    for modality in chosen:
        posterior = draw(posteriors(draw(subsets)))
        fresh = draw(st.floats(0.05, 1.0))
        result.append(to_vote(posterior, fresh * draw(st.floats(1e-3, 1.0)), modality, fresh))
    return result


def random_unitary(seed: int, size: int = 7) -> np.ndarray:
    random = np.random.default_rng(seed)
    square = random.normal(size=(size, size)) + 1j * random.normal(size=(size, size))
    return np.linalg.qr(square)[0]

"""Full log-linear pooling: a learned matrix on the logarithms of each vote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_emo.fusion.base import Pool, Vote
from edge_emo.fusion.heads import (
    FLOOR,
    Floats,
    Names,
    is_categorical,
    read_head,
    shares,
    widened_square,
)
from edge_emo.fusion.pooling import LogLinearPool, union
from edge_emo.types import CATEGORIES, Modality, Posterior


class FullLogLinearPool(Pool):
    """posterior = softmax(Σ_m e_m clr(p_m) W_m), W_m a matrix over the categories.

    Labels that are not categories are pooled log-linearly.

    Args:
        heads: Parameters by method; the packaged ones by default.
    """

    def __init__(self, heads: Mapping[str, Any] | None = None) -> None:
        mine, labels, self._strength = read_head("full-log-linear", heads)
        self._matrices: dict[Modality, Floats] = {
            name: widened_square(labels, rows) for name, rows in mine["matrices"].items()
        }
        self._mean: Floats = np.asarray(np.mean(list(self._matrices.values()), axis=0))
        self._plain = LogLinearPool()
        self._stacked: dict[tuple[Names, tuple[Modality, ...]], Floats] = {}

    def pool(self, votes: list[Vote]) -> Posterior:
        """Combine at least one vote."""
        names = union(votes)
        if not is_categorical(names):
            return self._plain.pool(votes)
        matrix = self._matrix(names, tuple([vote.prediction.modality for vote in votes]))
        exponents = self._strength.exponents(votes, [vote.weight for vote in votes])
        logs = np.log(np.maximum(shares(votes, names), FLOOR))
        scores = (logs * np.array(exponents)[:, None]).reshape(-1) @ matrix
        raised = np.exp(scores - np.maximum.reduce(scores))
        return Posterior(names, tuple((raised / np.add.reduce(raised)).tolist()))

    def _matrix(self, names: Names, modalities: tuple[Modality, ...]) -> Floats:
        """Return centring and W_m of each vote, one below the other, shape (n_votes · n, n)."""
        key = (names, modalities)
        if key not in self._stacked:
            at = [CATEGORIES.index(name) for name in names]
            centring = np.eye(len(names)) - 1.0 / len(names)
            parts = [self._matrices.get(one, self._mean)[np.ix_(at, at)] for one in modalities]
            self._stacked[key] = np.concatenate([centring @ part for part in parts])
        return self._stacked[key]

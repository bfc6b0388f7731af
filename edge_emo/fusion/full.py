"""Full log-linear pooling: a learned matrix on the logarithms of each vote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_emo.fusion.base import Pool, Vote
from edge_emo.fusion.heads import (
    Floats,
    centred_logs,
    is_categorical,
    read_heads,
    shares,
    strength,
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
        heads = heads or read_heads()
        mine, labels = heads["full-log-linear"], heads["labels"]
        self._strength = strength(heads, "full-log-linear")
        self._matrices: dict[Modality, Floats] = {
            name: widened_square(labels, rows) for name, rows in mine["matrices"].items()
        }
        self._mean: Floats = np.asarray(np.mean(list(self._matrices.values()), axis=0))
        self._plain = LogLinearPool()

    def pool(self, votes: list[Vote]) -> Posterior:
        """Combine at least one vote."""
        names = union(votes)
        if not is_categorical(names):
            return self._plain.pool(votes)
        at = [CATEGORIES.index(name) for name in names]
        exponents = self._strength.exponents(votes, [vote.weight for vote in votes])
        scores = np.zeros(len(names))
        rows = centred_logs(shares(votes, names))
        for vote, exponent, row in zip(votes, exponents, rows, strict=True):
            matrix = self._matrices.get(vote.prediction.modality, self._mean)
            scores += exponent * (row @ matrix[np.ix_(at, at)])
        raised = np.exp(scores - scores.max())
        return Posterior(names, tuple((raised / raised.sum()).tolist()))

"""The noisy-channel pool: log-linear pooling between two confusion tables.

People mistake one expression for another, and do so in each sense and in the final word. With
H and S row-stochastic tables, a_m weights by category, e_m the exponent of a vote:

    q_m = p_m H;   z = Σ_m e_m a_m ∘ clr(q_m);   posterior = softmax(z) S

S bounds how sure the pool can be, which a product of posteriors does not have. With H = S = I
and a_m = 1 it is log-linear pooling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_emo.fusion.base import Pool, Vote
from edge_emo.fusion.heads import (
    Floats,
    Names,
    is_categorical,
    read_head,
    shares,
    widened_row,
    widened_square,
)
from edge_emo.fusion.pooling import LogLinearPool, union
from edge_emo.types import CATEGORIES, Modality, Posterior

Tables = tuple[Floats, Floats, Floats]
"""What is heard, what is said, and the weights of each vote."""


class ChannelPool(Pool):
    """Pools categories through learned confusion tables, and other labels log-linearly.

    Args:
        heads: Parameters by method; the packaged ones by default.
    """

    def __init__(self, heads: Mapping[str, Any] | None = None) -> None:
        mine, labels, self._strength = read_head("channel", heads)
        self._heard = widened_square(labels, mine["heard"])
        self._said = widened_square(labels, mine["said"])
        rows = {name: widened_row(labels, row) for name, row in mine["weights"].items()}
        self._weights: dict[Modality, Floats] = rows
        self._mean: Floats = np.asarray(np.mean(list(rows.values()), axis=0))
        self._plain = LogLinearPool()
        self._tables: dict[tuple[Names, tuple[Modality, ...]], Tables] = {}

    def pool(self, votes: list[Vote]) -> Posterior:
        """Combine at least one vote; see the module for the formula."""
        names = union(votes)
        if not is_categorical(names):
            return self._plain.pool(votes)
        heard, said, weights = self.tables(names, tuple(v.prediction.modality for v in votes))
        logs = np.log(shares(votes, names) @ heard)
        centred = logs - np.add.reduce(logs, 1, keepdims=True) / len(names)
        exponents = self._strength.exponents(votes, [vote.weight for vote in votes])
        scores = np.array(exponents) @ (weights * centred)
        raised = np.exp(scores - np.maximum.reduce(scores))
        pooled = raised @ said
        return Posterior(names, tuple((pooled / np.add.reduce(pooled)).tolist()))

    def tables(self, names: Names, modalities: tuple[Modality, ...]) -> Tables:
        """Return tables and weights for what is at hand; rows of tables sum to 1 again."""
        key = (names, modalities)
        if key not in self._tables:
            at = [CATEGORIES.index(name) for name in names]
            tables = [table[np.ix_(at, at)] for table in (self._heard, self._said)]
            heard, said = (table / table.sum(axis=1, keepdims=True) for table in tables)
            weights = np.array([self._weights.get(one, self._mean)[at] for one in modalities])
            self._tables[key] = (heard, said, weights)
        return self._tables[key]

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
    centred_logs,
    is_categorical,
    read_heads,
    shares,
    strength,
    widened_row,
    widened_square,
)
from edge_emo.fusion.pooling import LogLinearPool, union
from edge_emo.types import CATEGORIES, Modality, Posterior


class ChannelPool(Pool):
    """Pools categories through learned confusion tables, and other labels log-linearly.

    Args:
        heads: Parameters by method; the packaged ones by default.
    """

    def __init__(self, heads: Mapping[str, Any] | None = None) -> None:
        heads = heads or read_heads()
        mine, labels = heads["channel"], heads["labels"]
        self._strength = strength(heads, "channel")
        self._heard = widened_square(labels, mine["heard"])
        self._said = widened_square(labels, mine["said"])
        rows = {name: widened_row(labels, row) for name, row in mine["weights"].items()}
        self._weights: dict[Modality, Floats] = rows
        self._mean: Floats = np.asarray(np.mean(list(rows.values()), axis=0))
        self._plain = LogLinearPool()
        self._tables: dict[Names, tuple[list[int], Floats, Floats]] = {}

    def pool(self, votes: list[Vote]) -> Posterior:
        """Combine at least one vote; see the module for the formula."""
        names = union(votes)
        if not is_categorical(names):
            return self._plain.pool(votes)
        at, heard, said = self._restricted(names)
        evidence = centred_logs(shares(votes, names) @ heard)
        exponents = self._strength.exponents(votes, [vote.weight for vote in votes])
        weights = np.array([self._weights.get(v.prediction.modality, self._mean) for v in votes])
        scores = np.array(exponents) @ (weights[:, at] * evidence)
        raised = np.exp(scores - scores.max())
        pooled = (raised @ said) / raised.sum()
        return Posterior(names, tuple((pooled / pooled.sum()).tolist()))

    def _restricted(self, names: Names) -> tuple[list[int], Floats, Floats]:
        """Return columns and tables for the categories at hand; rows sum to 1 again."""
        if names not in self._tables:
            at = [CATEGORIES.index(name) for name in names]
            tables = [table[np.ix_(at, at)] for table in (self._heard, self._said)]
            heard, said = (table / table.sum(axis=1, keepdims=True) for table in tables)
            self._tables[names] = (at, heard, said)
        return self._tables[names]

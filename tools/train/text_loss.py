"""Losses of the text model over the labels that there are, and over what teachers say."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from text_net import Heads
from text_table import Floats, Table, Truth
from torch import Tensor


def category_weights(table: Table, lift: float) -> Floats:
    """Return the weight of each category: rare ones more, by a power of their share."""
    share = table.truth.categories.sum(0) + 1.0
    weights = (share / share.sum()) ** -lift
    return np.asarray(weights / weights.mean(), np.float32)


def loss_of(heads: Heads, truth: Truth, weights: Floats, affect_weight: float) -> Tensor:
    """Return the loss over the labels that there are."""
    t = Truth(*map(torch.from_numpy, truth))
    w = torch.from_numpy(weights)
    has_categories, has_emotions, has_affect = t.has.unbind(-1)
    target = t.categories * w
    total = target.sum(-1, keepdim=True).clamp(min=1e-6)
    weight = total[:, 0] / t.categories.sum(-1).clamp(min=1.0)
    cross = -(F.log_softmax(heads.logits, -1) * target / total).sum(-1) * weight
    scores = F.binary_cross_entropy_with_logits(heads.scores, t.categories, reduction="none").sum(
        -1
    )
    emotions = F.binary_cross_entropy_with_logits(heads.emotions, t.emotions, reduction="none").sum(
        -1
    )
    affect = (heads.affect - t.affect).square().mean(-1)
    n = len(t.has)
    return (
        (cross * has_categories).sum()
        + 0.5 * (scores * has_categories).sum()
        + 0.7 * (emotions * has_emotions).sum()
        + 3.0 * affect_weight * (affect * has_affect).sum()
    ) / n


def taught_loss(heads: Heads, said: Heads, has: Tensor, affect: float) -> Tensor:
    """Return the loss against the teachers' answers.

    Args:
        heads: Of the small network.
        said: Of the teachers.
        has: (n, 3) whether the corpus has categories, emotions and affect; without, an answer
            counts for less.
        affect: Weight of valence, arousal and dominance.
    """
    weight = OWN + (1.0 - OWN) * has
    cross = -(F.log_softmax(heads.logits, -1) * said.logits).sum(-1)
    scores = _entropy(heads.scores, said.scores)
    emotions = _entropy(heads.emotions, said.emotions)
    feeling = (heads.affect - said.affect).square().mean(-1)
    parts = torch.stack([cross + 0.5 * scores, 0.7 * emotions, 3.0 * affect * feeling], -1)
    return (parts * weight).sum(-1).mean()


OWN = 0.4
"""What an answer counts of which the corpus has no truth."""


def _entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(-1)

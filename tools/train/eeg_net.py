"""The EEG network: standardised region features and their mask in, rest and load out."""

from __future__ import annotations

import torch
from torch import nn

from edge_emo.features.eeg import FEATURES

LABELS = ("rest", "load")
LIMIT = 4.0  # a standardised value beyond it is an artefact, not evidence


class RegionNet(nn.Module):
    """A linear net, or one with a hidden layer, over values that are 0 where unknown.

    Args:
        hidden: Units of the hidden layer; 0 for a linear net.
        dropout: Share of inputs (half of it for hidden units) dropped in training.
    """

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        n = len(FEATURES)
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("scale", torch.ones(n))
        head = [nn.Linear(n, len(LABELS))]
        if hidden:
            head = [nn.Linear(n, hidden), nn.ReLU(), nn.Dropout(dropout / 2), nn.Linear(hidden, 2)]
        self.head = nn.Sequential(nn.Dropout(dropout), *head)

    def standardise(self, values: torch.Tensor, mask: torch.Tensor) -> None:
        """Take mean and deviation from the training part, shape (n, features) each."""
        count = mask.sum(0).clamp(min=1.0)
        self.mean.copy_((values * mask).sum(0) / count)
        variance = ((values - self.mean) ** 2 * mask).sum(0) / count
        self.scale.copy_(1.0 / variance.sqrt().clamp(min=1e-3))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, 2) of values and mask side by side, (batch, 2 · features)."""
        values, mask = features.chunk(2, dim=1)
        known = ((values - self.mean) * self.scale * mask).clamp(-LIMIT, LIMIT)
        return self.head(known)

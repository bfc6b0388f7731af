"""Networks of ``from_manifest.py``: as small as shows that a recipe can be trained."""

from __future__ import annotations

from itertools import pairwise, starmap

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


class Bag(nn.Module):
    """Text: the sum of the rows of all tokens and of the context, each over its root."""

    def __init__(self, rows: int, labels: int, width: int = 16) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, width)
        nn.init.normal_(self.table.weight, std=0.05)
        self.head = nn.Linear(2 * width, labels)

    def forward(self, words: Tensor, before: Tensor) -> Tensor:
        """Return logits of rows (n, words, ids) and (n, context, ids)."""
        return self.head(torch.cat([self._sum(words), self._sum(before)], dim=1))

    def _sum(self, ids: Tensor) -> Tensor:
        ids = ids.flatten(1)
        known = (ids > 0).float()[:, :, None]
        return (self.table(ids) * known).sum(1) / known.sum(1).clamp(min=1.0).sqrt()


class Picture(nn.Module):
    """Voice and face: four convolutions over a log-mel window or a picture, mean and maximum."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        widths = (1, 16, 24, 32, 48)
        self.body = nn.Sequential(*starmap(_halving, pairwise(widths)))
        self.head = nn.Linear(2 * widths[-1], labels)

    def forward(self, picture: Tensor) -> Tensor:
        """Return logits of windows (n, 1, height, width)."""
        found = self.body(picture)
        return self.head(torch.cat([found.mean((2, 3)), found.amax((2, 3))], dim=1))


class Row(nn.Module):
    """EEG and body signals: a logistic regression on standardised features, no baseline."""

    def __init__(self, rows: npt.NDArray[np.float32], labels: int) -> None:
        super().__init__()
        self.count = rows.shape[1] // 4
        values = rows[:, : self.count]
        self.register_buffer("mean", torch.from_numpy(values.mean(0)))
        self.register_buffer("scale", torch.from_numpy(1.0 / np.maximum(values.std(0), 1e-3)))
        self.head = nn.Linear(self.count, labels)

    def forward(self, row: Tensor) -> Tensor:
        """Return logits of rows (n, 4 · features)."""
        values, mask = row[:, : self.count], row[:, self.count : 2 * self.count]
        return self.head(((values - self.mean) * self.scale * mask).clamp(-3.0, 3.0))


def _halving(inputs: int, outputs: int) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())

"""The networks of the face models: module and the shape of its input, nothing else."""

from __future__ import annotations

import torch
from torch import nn

INPUT_PX = 48


def build(name: str = "small", classes: int = 7) -> nn.Module:
    """Return an untrained network.

    Args:
        name: ``small``: 0.49 M parameters, 42 M multiply-adds for one 48 px picture;
            ``deeper``: the same with one more residual block, 0.78 M and 52 M.
        classes: Number of labels.

    Returns:
        A module from float32 (n, 1, 48, 48) to logits (n, classes). Convolution, ReLU, addition
        and one mean only, so that every compiler takes it.

    Raises:
        KeyError: No network has this name.
    """
    return SmallResNet(classes, {"small": 1, "deeper": 2}[name])


class SmallResNet(nn.Module):
    """Three residual stages at 24, 12 and 6 px under a full-resolution stem.

    Args:
        classes: Number of labels.
        last_blocks: Residual blocks of the last stage.
    """

    def __init__(self, classes: int, last_blocks: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(1, 24),
            _conv(24, 32, stride=2),
            Residual(32),
            _conv(32, 64, stride=2),
            Residual(64),
            _conv(64, 128, stride=2),
            *(Residual(128) for _ in range(last_blocks)),
        )
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(128, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) of standardised pictures (n, 1, height, width)."""
        pooled = self.body(image).mean(dim=(2, 3))
        return self.head(self.dropout(pooled))


class Residual(nn.Module):
    """Two convolutions beside the identity (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of the input's shape."""
        return torch.relu(x + self.norm(self.second(self.first(x))))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )

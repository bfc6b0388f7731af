"""The networks of the face models: modules and the shape of their input, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

INPUT_PX = 48


class Answer(NamedTuple):
    """What a network says of n pictures.

    Attributes:
        voted: Logits (n, 7) of the category that most of ten raters would name.
        published: Logits (n, 7) of the one label that FER2013 was published with.
        affect: Valence and arousal, (n, 2), −1 … +1.
        covered: Log-odds (n, 2) that eyes, mouth are covered.
    """

    voted: torch.Tensor
    published: torch.Tensor
    affect: torch.Tensor
    covered: torch.Tensor


def build(name: str, classes: int = 7) -> FaceNet:
    """Return an untrained network.

    Args:
        name: ``small``: 0.88 M parameters, 73 M multiply-adds for one 48 px picture;
            ``teacher``: 7.9 M and 646 M; ``tiny``: for trying the tools.
        classes: Number of labels.

    Raises:
        KeyError: No network has this name.
    """
    widths, blocks, dropout = {
        "small": ((24, 32, 64, 128), (2, 2, 2), 0.1),
        "teacher": ((48, 96, 192, 384), (2, 2, 2), 0.4),
        "tiny": ((8, 8, 16, 16), (1, 1, 1), 0.1),
    }[name]
    return FaceNet(widths, blocks, dropout, classes)


class FaceNet(nn.Module):
    """Residual stages at 24, 12 and 6 px under a full-resolution stem, and four heads.

    Convolution, ReLU, addition, one mean and tanh only, so that every compiler takes it.

    Args:
        widths: Channels of the stem and of each stage.
        blocks: Residual blocks of each stage.
        dropout: Before the heads.
        classes: Number of labels.
    """

    def __init__(
        self, widths: Sequence[int], blocks: Sequence[int], dropout: float, classes: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(1, widths[0])]
        for before, width, count in zip(widths, widths[1:], blocks, strict=False):
            layers += [_conv(before, width, stride=2), *(Residual(width) for _ in range(count))]
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.voted = nn.Linear(widths[-1], classes)
        self.published = nn.Linear(widths[-1], classes)
        self.affect = nn.Linear(widths[-1], 2)
        self.covered = nn.Linear(widths[-1], 2)

    def forward(self, image: torch.Tensor) -> Answer:
        """Return what is said of standardised pictures (n, 1, 48, 48)."""
        pooled = self.dropout(self.body(image).mean(dim=(2, 3)))
        return Answer(
            self.voted(pooled),
            self.published(pooled),
            torch.tanh(self.affect(pooled)),
            self.covered(pooled),
        )


class Voted(nn.Module):
    """The outputs of the package ``face-expression-small``."""

    def __init__(self, net: FaceNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return logits, valence and arousal, and what is covered."""
        answer = self.net(image)
        return answer.voted, answer.affect, answer.covered


class Published(nn.Module):
    """The output of the package ``face-fer2013-small``."""

    def __init__(self, net: FaceNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits (n, 7)."""
        return self.net(image).published


class Residual(nn.Module):
    """Two convolutions beside the identity (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of the input's shape."""
        return torch.relu(x + self.norm(self.second(self.first(x))))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )

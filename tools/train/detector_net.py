"""The face detector: three maps of centres, boxes and five landmarks from one colour picture.

In the family of YuNet and CenterNet: no anchors, depthwise-separable convolutions, a small
feature pyramid. Only convolution, ReLU, addition, nearest resizing and transposition, with static
shapes, so that LiteRT, OpenVINO and TensorRT all take it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import nn

WIDTH_PX, HEIGHT_PX = 320, 256
CENTRE = 127.5
"""Taken off the grey levels before they enter the network."""
STRIDES = (8, 16, 32)
OUTPUTS = tuple(f"{kind}_{stride}" for stride in STRIDES for kind in ("score", "box", "points"))
CHANNELS = {"score": 1, "box": 4, "points": 10}
_RARE = 0.01
"""Share of cells that hold a face, for the bias that training starts from."""


class Separable(nn.Module):
    """Depthwise 3×3, pointwise, each with batch norm; adds its input where shapes agree."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.adds = inside == outside and stride == 1
        self.body = nn.Sequential(
            nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False),
            nn.BatchNorm2d(inside),
            nn.ReLU(inplace=True),
            nn.Conv2d(inside, outside, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, outside, rows, columns)."""
        y = self.body(x)
        return self.act(x + y if self.adds else y)


class Head(nn.Module):
    """Score logit, box and landmarks of one level."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = Separable(width, width)
        self.maps = nn.ModuleList(nn.Conv2d(width, size, 1) for size in CHANNELS.values())
        nn.init.constant_(self.maps[0].bias, math.log(_RARE / (1 - _RARE)))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return score, box and points, (n, channels, rows, columns)."""
        x = self.body(x)
        return [conv(x) for conv in self.maps]


class Detector(nn.Module):
    """Picture (n, height, width, 3), −127.5 … 127.5 → nine maps (n, rows, columns, channels).

    Args:
        widths: Channels after the stem and at strides 4, 8, 16, 32, and of the pyramid.
    """

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 88, 112, 64)) -> None:
        super().__init__()
        stem, w4, w8, w16, w32, pyramid = widths
        self.scale = 1 / CENTRE
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)
        )
        self.to8 = nn.Sequential(
            Separable(stem, w4, 2), Separable(w4, w4), Separable(w4, w8, 2), Separable(w8, w8),
            Separable(w8, w8),
        )  # fmt: skip
        self.to16 = nn.Sequential(Separable(w8, w16, 2), *(Separable(w16, w16) for _ in range(3)))
        self.to32 = nn.Sequential(Separable(w16, w32, 2), *(Separable(w32, w32) for _ in range(2)))
        self.lateral = nn.ModuleList(_pointwise(w, pyramid) for w in (w8, w16, w32))
        self.smooth = nn.ModuleList(Separable(pyramid, pyramid) for _ in range(2))
        self.heads = nn.ModuleList(Head(pyramid) for _ in STRIDES)

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return score, box and points of each stride, in the order of :data:`OUTPUTS`."""
        x = picture.permute(0, 3, 1, 2)
        x = x if self.scale == 1.0 else x * self.scale
        c8 = self.to8(self.stem(x))
        c16 = self.to16(c8)
        p32 = self.lateral[2](self.to32(c16))
        p16 = self.smooth[0](self.lateral[1](c16) + _doubled(p32))
        p8 = self.smooth[1](self.lateral[0](c8) + _doubled(p16))
        maps = [m for head, p in zip(self.heads, (p8, p16, p32), strict=True) for m in head(p)]
        return tuple(m.permute(0, 2, 3, 1) for m in maps)


def deployed(net: Detector) -> Detector:
    """Return a copy for export, whose first weights do the scaling of the grey levels."""
    ready = copy.deepcopy(net).eval()
    with torch.no_grad():
        ready.stem[0].weight *= ready.scale
    ready.scale = 1.0
    return ready


def _pointwise(inside: int, outside: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)
    )


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")

"""The light, blur, noise and compression of a poor camera, on any device."""

from __future__ import annotations

import math
from collections.abc import Callable

import face_augment
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

Reals = npt.NDArray[np.float64]
_Change = Callable[[torch.Tensor], torch.Tensor]


def worsened(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return pictures made worse, each in its own way.

    Args:
        images: float32 (n, 3, height, width), 0 … 255; sides are multiples of 8.
        rng: Of every choice.
    """
    n = len(images)
    noise = torch.Generator(images.device).manual_seed(int(rng.integers(2**62)))
    dark = rng.random(n) < 0.12
    gain = np.where(dark, rng.uniform(0.1, 0.45, n), np.exp(rng.normal(0, 0.25, n)))
    lit = images * _column(gain[:, None] * np.exp(rng.normal(0, 0.07, (n, 3))), images)
    lit = _ramped(_contrasted(lit, rng), rng)
    lit = _greyed(lit, rng)
    _blur(lit, rng, noise)
    level = np.where(dark | (rng.random(n) < 0.35), rng.uniform(1, 9, n), 0.0)
    lit += torch.randn(lit.shape, generator=noise, device=lit.device) * _column(level, lit)
    lit = lit.clamp_(0.0, 255.0).round_()
    _compress(lit, rng, noise)
    return lit


def _column(values: Reals, like: torch.Tensor) -> torch.Tensor:
    """Return (n, 1 or 3, 1, 1) on the device of a batch."""
    sent = torch.from_numpy(values.astype(np.float32)).to(like.device)
    return sent.reshape(len(values), -1, 1, 1)


def _contrasted(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    n = len(images)
    factor = np.where(rng.random(n) < 0.5, rng.uniform(0.6, 1.3, n), 1.0)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * _column(factor, images) + mean


def _ramped(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    n = len(images)
    some = rng.random(n) < 0.25
    low = np.where(some, rng.uniform(0.3, 1.0, n), 1.0)
    high = np.where(some, rng.uniform(0.7, 1.5, n), 1.0)
    across = torch.linspace(0, 1, images.shape[3], device=images.device)
    start = _column(low, images)
    return images * (start + (_column(high, images) - start) * across)


def _greyed(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    some = _column((rng.random(len(images)) < 0.15).astype(float), images)
    return torch.lerp(images, images.mean(dim=1, keepdim=True), some)


def _blur(images: torch.Tensor, rng: np.random.Generator, noise: torch.Generator) -> None:
    """Blur a fifth of the pictures, shake or coarsen a few."""
    kind = rng.random(len(images))
    for rows, change in (
        (kind < 0.2, lambda part: _soft(part, noise)),
        ((kind >= 0.2) & (kind < 0.28), lambda part: _shaken(part, rng)),
        ((kind >= 0.28) & (kind < 0.36), lambda part: _coarse(part, rng)),
    ):
        _apply(images, rows, change)


def _apply(images: torch.Tensor, rows: npt.NDArray[np.bool_], change: _Change) -> None:
    if rows.any():
        at = torch.from_numpy(np.flatnonzero(rows)).to(images.device)
        images[at] = change(images[at])


def _soft(images: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    n, _, height, width = images.shape
    deviation = face_augment.uniform(n, noise, 0.5, 1.8).repeat_interleave(3, 0)
    flat = face_augment.blur(images.reshape(-1, 1, height, width), deviation)
    return flat.view(n, 3, height, width)


def _shaken(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    length = 2 * int(rng.integers(1, 4)) + 1
    size = (1, length) if rng.random() < 0.5 else (length, 1)
    padding = (size[0] // 2, size[1] // 2)
    return F.avg_pool2d(images, size, 1, padding, count_include_pad=False)


def _coarse(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    factor = math.exp(rng.uniform(math.log(0.35), math.log(0.8)))
    small = F.interpolate(images, scale_factor=factor, mode="bilinear", antialias=True)
    return F.interpolate(small, images.shape[2:], mode="bilinear")


def _compress(images: torch.Tensor, rng: np.random.Generator, noise: torch.Generator) -> None:
    rows = rng.random(len(images)) < 0.3
    _apply(images, rows, lambda part: _coded(part, noise))


def _coded(images: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    n, _, height, width = images.shape
    quality = face_augment.uniform(n, noise, 20.0, 85.0).repeat_interleave(3, 0)
    coded = face_augment.jpeg(images.reshape(-1, 1, height, width), quality)
    return coded.clamp(0.0, 255.0).view(n, 3, height, width)

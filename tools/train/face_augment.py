"""Varying a batch of face crops as cameras, framing and people vary; runs on any device.

Pictures are float32 (n, 1, side, side), 0 … 255, framed as FER2013 frames a face. Every random
number comes from the generator given, so a batch can be drawn again.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F

_TABLE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
"""Luminance quantization of ITU-T T.81, table K.1."""
_BLOCK = 8
_BLUR_REACH = 6
_FAR_PX = (14, 18, 22, 26, 31, 38)
EYES, MOUTH = 0, 1
"""Columns of what :func:`cover` tells."""


def uniform(n: int, rng: torch.Generator, low: float, high: float) -> torch.Tensor:
    """Return (n, 1, 1, 1) drawn from low … high on the generator's device."""
    return torch.empty(n, 1, 1, 1, device=rng.device).uniform_(low, high, generator=rng)


def place(
    images: torch.Tensor, rng: torch.Generator, strength: float, size_px: int
) -> torch.Tensor:
    """Vary place, scale, tilt and side: no finder's box is the corpus' box.

    Returns:
        float32 (n, channels, size_px, size_px); ``size_px`` is a multiple of 8.
    """
    n, channels = images.shape[:2]
    scale, stretch, turn, dx, dy = (
        uniform(n, rng, -most * strength, most * strength).flatten()
        for most in (0.20, 0.06, 0.28, 0.13, 0.13)
    )
    more = uniform(n, rng, 0.0, 1.0).flatten() < 0.1
    turn = torch.where(more, 2.0 * turn, turn)
    side = torch.where(uniform(n, rng, -1.0, 1.0).flatten() < 0, -1.0, 1.0)
    cos, sin = (1.0 + scale) * turn.cos(), (1.0 + scale) * turn.sin()
    rows = (cos * side * (1.0 + stretch), -sin, dx, sin * side * (1.0 + stretch), cos, dy)
    shape = [n, channels, size_px, size_px]
    grid = F.affine_grid(torch.stack(rows, 1).view(n, 2, 3), shape, False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def degrade(images: torch.Tensor, rng: torch.Generator, strength: float) -> torch.Tensor:
    """Give pictures poor light, blur, few pixels, noise, JPEG and a grey patch, each to some."""
    lit = _dimmed(_light(images, rng, strength), rng, 0.12 * strength)
    blurred = _some(lit, blur(lit, uniform(len(lit), rng, 0.4, 2.4)), rng, 0.3 * strength)
    coarse = _some(blurred, _coarse(blurred), rng, 0.2 * strength)
    noisy = coarse + torch.randn(coarse.shape, generator=rng, device=rng.device) * _noise_level(
        len(images), rng, strength
    )
    coded = _some(noisy, jpeg(noisy, uniform(len(noisy), rng, 12.0, 70.0)), rng, 0.15 * strength)
    return _patch(coded, rng).clamp(0.0, 255.0).round()


def cover(
    images: torch.Tensor, rng: torch.Generator, share: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cover the mouth or the eyes of some pictures, as masks, hands and dark glasses do.

    Args:
        images: Framed as the corpus frames them, before :func:`place`.
        rng: Of every choice.
        share: Of the pictures that are covered.

    Returns:
        The pictures, and float32 (n, 2): 1 where eyes, mouth are covered.
    """
    n, _, side, _ = images.shape
    at = (torch.arange(side, device=rng.device) + 0.5) / side
    x, y = at.view(1, 1, 1, -1), at.view(1, 1, -1, 1)
    kind = uniform(n, rng, 0.0, 1.0) / max(share, 1e-6)
    mouth = torch.where(kind < 0.45, _mask(x, y, rng, n), _hand(x, y, rng, n))
    eyes = _glasses(x, y, rng, n)
    shape = torch.where(kind < 0.65, mouth, torch.where(kind < 1.0, eyes, torch.zeros_like(eyes)))
    fill = _fill(images, x, y, rng, glasses=(kind >= 0.65))
    opaque = uniform(n, rng, 0.85, 1.0)
    told = torch.cat([((kind >= 0.65) & (kind < 1.0)), kind < 0.65], 1).flatten(1)
    return images + (fill - images) * shape * opaque, told.float()


def standardise(images: torch.Tensor) -> torch.Tensor:
    """Give each picture mean 0 and deviation 1, as ``edge_emo.features.face.standardise``."""
    centred = images - images.mean(dim=(2, 3), keepdim=True)
    deviation = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return centred / deviation.clamp(min=1.0)


def blur(images: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """Return pictures under a Gaussian, each its own.

    Args:
        images: (n, 1, height, width).
        deviation: (n, 1, 1, 1), px, up to a third of the reach.
    """
    n, _, height, width = images.shape
    steps = torch.arange(-_BLUR_REACH, _BLUR_REACH + 1, device=images.device).float()
    kernel = (-0.5 * (steps / deviation.view(n, 1)).square()).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).view(n, 1, 1, -1)
    padded = F.pad(images, [_BLUR_REACH] * 4, mode="replicate").transpose(0, 1)
    across = F.conv2d(padded, kernel, groups=n)
    return F.conv2d(across, kernel.transpose(2, 3), groups=n).view(n, 1, height, width)


def jpeg(images: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """Round the cosine coefficients of 8×8 blocks as a coder does.

    Args:
        images: (n, 1, height, width), 0 … 255; sides are multiples of 8.
        quality: (n, 1, 1, 1), 1 … 100.
    """
    factor = torch.where(quality < 50, 50.0 / quality, 2.0 - quality / 50.0)
    step = (_table(images.device) * factor).clamp(min=1.0)
    waves = _cosines(images.device)
    coded = (F.conv2d(images - 128.0, waves, stride=_BLOCK) / step).round() * step
    return F.conv_transpose2d(coded, waves, stride=_BLOCK) + 128.0


def _some(
    plain: torch.Tensor, changed: torch.Tensor, rng: torch.Generator, share: float
) -> torch.Tensor:
    return torch.where(uniform(len(plain), rng, 0.0, 1.0) < share, changed, plain)


def _light(images: torch.Tensor, rng: torch.Generator, strength: float) -> torch.Tensor:
    n, _, height, width = images.shape
    most = 0.4 * strength
    across = torch.linspace(-1, 1, width, device=rng.device).view(1, 1, 1, width)
    down = torch.linspace(-1, 1, height, device=rng.device).view(1, 1, height, 1)
    slope = across * uniform(n, rng, -most, most) + down * uniform(n, rng, -most, most)
    gamma = uniform(n, rng, -0.5 * strength, 0.5 * strength).exp()
    shaded = (images / 255.0).clamp(min=1e-3).pow(gamma) * (1.0 + slope)
    return shaded.clamp(0.0, 1.0) * 255.0


def _dimmed(images: torch.Tensor, rng: torch.Generator, share: float) -> torch.Tensor:
    """Take light away; the sensor's noise and its whole grey levels stay."""
    gain = uniform(len(images), rng, math.log(0.08), 0.0).exp()
    noise = 2.5 * torch.randn(images.shape, generator=rng, device=rng.device)
    return _some(images, (images * gain + noise).clamp(0.0, 255.0).round(), rng, share)


def _coarse(images: torch.Tensor) -> torch.Tensor:
    """Take the pixels of a far face: one resolution for each part of the batch."""
    parts = []
    for part, side in zip(images.chunk(len(_FAR_PX)), _FAR_PX, strict=False):
        small = F.interpolate(part, size=(side, side), mode="area")
        parts.append(
            F.interpolate(small, size=images.shape[2:], mode="bilinear", align_corners=False)
        )
    return torch.cat(parts)


def _noise_level(n: int, rng: torch.Generator, strength: float) -> torch.Tensor:
    plain = uniform(n, rng, 0.0, 7.0 * strength)
    return torch.where(
        uniform(n, rng, 0.0, 1.0) < 0.08 * strength, uniform(n, rng, 7.0, 24.0), plain
    )


@functools.cache
def _table(device: torch.device) -> torch.Tensor:
    return torch.tensor(_TABLE, device=device).view(1, -1, 1, 1)


@functools.cache
def _cosines(device: torch.device) -> torch.Tensor:
    """Return the orthonormal cosine patterns of a block, (64, 1, 8, 8), by rows of the table."""
    steps = torch.arange(_BLOCK, device=device).float()
    angles = steps.view(-1, 1) * (2.0 * steps + 1.0) * math.pi / (2 * _BLOCK)
    basis = angles.cos() * math.sqrt(2.0 / _BLOCK)
    basis[0] /= math.sqrt(2.0)
    return torch.einsum("ux,vy->uvxy", basis, basis).reshape(-1, 1, _BLOCK, _BLOCK)


def _patch(images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    n, _, height, width = images.shape
    half = uniform(n, rng, -0.2, 0.17).clamp(min=0.0)
    at_x, at_y = uniform(n, rng, 0.0, 1.0) * width, uniform(n, rng, 0.0, 1.0) * height
    x = torch.arange(width, device=rng.device).view(1, 1, 1, -1)
    y = torch.arange(height, device=rng.device).view(1, 1, -1, 1)
    inside = ((x - at_x).abs() < half * width) & ((y - at_y).abs() < half * height)
    return torch.where(inside, images.mean(dim=(2, 3), keepdim=True), images)


def _soft(distance: torch.Tensor) -> torch.Tensor:
    """Return 1 inside (negative distance), 0 outside, over about one pixel of 48."""
    return torch.sigmoid(-distance * 130.0)


def _mask(x: torch.Tensor, y: torch.Tensor, rng: torch.Generator, n: int) -> torch.Tensor:
    top = uniform(n, rng, 0.50, 0.66)
    middle = uniform(n, rng, 0.46, 0.54)
    wide = uniform(n, rng, 0.28, 0.44)
    rise = uniform(n, rng, 0.0, 0.10)
    off = ((x - middle) / wide).clamp(-1.0, 1.0)
    upper = top - rise * (1.0 - off.square()) - y
    narrowed = (x - middle).abs() - wide * (1.0 - 0.5 * (y - top).clamp(min=0.0))
    lower = y - uniform(n, rng, 0.93, 1.1)
    return _soft(torch.maximum(torch.maximum(upper, narrowed), lower))


def _hand(x: torch.Tensor, y: torch.Tensor, rng: torch.Generator, n: int) -> torch.Tensor:
    turn = uniform(n, rng, -math.pi, math.pi)
    at_x, at_y = x - uniform(n, rng, 0.38, 0.62), y - uniform(n, rng, 0.72, 0.84)
    along = (at_x * turn.cos() + at_y * turn.sin()) / uniform(n, rng, 0.22, 0.40)
    across = (at_y * turn.cos() - at_x * turn.sin()) / uniform(n, rng, 0.13, 0.22)
    return _soft(0.2 * ((along.square() + across.square()).sqrt() - 1.0))


def _glasses(x: torch.Tensor, y: torch.Tensor, rng: torch.Generator, n: int) -> torch.Tensor:
    apart, height = uniform(n, rng, 0.16, 0.22), uniform(n, rng, 0.34, 0.42)
    wide, high = uniform(n, rng, 0.12, 0.18), uniform(n, rng, 0.07, 0.13)
    round_ = uniform(n, rng, 2.0, 6.0)
    from_middle = ((x - 0.5).abs() - apart).abs() / wide
    lens = (from_middle.pow(round_) + ((y - height).abs() / high).pow(round_)).pow(1 / round_)
    bridge = torch.maximum((x - 0.5).abs() - apart, (y - height + 0.02).abs() - 0.012)
    return torch.maximum(_soft(0.12 * (lens - 1.0)), _soft(bridge))


def _fill(
    images: torch.Tensor, x: torch.Tensor, y: torch.Tensor, rng: torch.Generator,
    glasses: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Return what covers: cloth, skin or dark glass, with folds and a slope of light."""
    n = len(images)
    cloth = uniform(n, rng, 15.0, 250.0)
    skin = images.mean(dim=(2, 3), keepdim=True) * uniform(n, rng, 0.8, 1.3)
    tone = torch.where(uniform(n, rng, 0.0, 1.0) < 0.4, skin, cloth)
    tone = torch.where(glasses, uniform(n, rng, 0.0, 80.0), tone)
    slope = (x - 0.5) * uniform(n, rng, -60.0, 60.0) + (y - 0.5) * uniform(n, rng, -60.0, 60.0)
    waves = (y * uniform(n, rng, 8.0, 70.0) + x * uniform(n, rng, -25.0, 25.0)).sin()
    folds = waves * uniform(n, rng, 0.0, 14.0)
    grain = torch.randn(images.shape, generator=rng, device=rng.device)
    return (tone + slope + folds + grain * uniform(n, rng, 0.0, 10.0)).clamp(0.0, 255.0)

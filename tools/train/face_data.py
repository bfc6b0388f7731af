"""FER2013 with the votes of FER+: reading, splitting and augmenting."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from edge_emo.types import CATEGORIES

NO_FACE = ("unknown", "NF")
PUBLISHED = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
"""Label of FER2013 → ours."""


@dataclass(frozen=True)
class Faces:
    """Pictures with the votes of their ten raters.

    Attributes:
        images: uint8 (n, 48, 48), grey.
        targets: float32 (n, 7), share of the votes of each category; rows sum to 1.
        labels: int64 (n,), the category with most votes; -1 where another has as many.
        names: n file names.
    """

    images: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def take(self, index: npt.NDArray[np.int64]) -> Faces:
        """Return the rows of ``index``."""
        names = tuple(self.names[i] for i in index)
        return Faces(self.images[index], self.targets[index], self.labels[index], names)


def read(data: Path, usage: str) -> Faces:
    """Read one split from the folder that holds ``fer2013plus/``.

    Rows whose leading vote is "unknown", "not a face" or contempt are left out; so are votes
    for those in the remaining rows.

    Args:
        data: Folder with ``fer2013plus/images.npy`` and ``fer2013plus/labels.npz``.
        usage: ``Training`` or ``PublicTest``.
    """
    table = np.load(data / "fer2013plus" / "labels.npz")
    images = np.load(data / "fer2013plus" / "images.npy", mmap_mode="r")
    columns = [str(c) for c in table["vote_columns"]]
    votes = table["votes"].astype(np.float32)
    mapped = votes[:, [columns.index(c) for c in CATEGORIES]]
    others = votes[:, [columns.index(c) for c in (*NO_FACE, "contempt")]]
    keep = (table["usage"] == usage) & (mapped.max(1) >= others.max(1)) & (mapped.max(1) > 0)
    rows = np.flatnonzero(keep)
    mapped = mapped[rows]
    best = mapped.max(1, keepdims=True)
    tied = (mapped == best).sum(1) + (others[rows] == best).sum(1) > 1
    labels = np.where(tied, -1, mapped.argmax(1))
    names = tuple(str(n) for n in table["name"][rows])
    return Faces(images[rows], mapped / mapped.sum(1, keepdims=True), labels, names)


def read_published(data: Path, usage: str) -> Faces:
    """Read every row of one split with the one label that FER2013 was published with.

    A picture that was published twice, with two labels, has -1.

    Args:
        data: As for :func:`read`.
        usage: ``Training`` or ``PublicTest``.
    """
    table = np.load(data / "fer2013plus" / "labels.npz")
    images = np.load(data / "fer2013plus" / "images.npy", mmap_mode="r")
    rows = np.flatnonzero(table["usage"] == usage)
    known = [PUBLISHED.get(str(name)) for name in table["fer2013_label"][rows]]
    labels = np.array([-1 if name is None else CATEGORIES.index(name) for name in known])
    targets = (labels[:, np.newaxis] == np.arange(len(CATEGORIES))).astype(np.float32)
    return Faces(images[rows], targets, labels, tuple(str(n) for n in table["name"][rows]))


def split(faces: Faces, seed: int, part: float = 0.1) -> tuple[Faces, Faces]:
    """Cut a validation part off; identical pictures stay on one side.

    Returns:
        Training part and validation part.
    """
    digests = [hashlib.sha256(image.tobytes()).digest() for image in faces.images]
    draw = np.random.default_rng(seed).random(len(digests))
    first = {digest: i for i, digest in reversed(list(enumerate(digests)))}
    kept_back = np.array([draw[first[digest]] < part for digest in digests])
    return faces.take(np.flatnonzero(~kept_back)), faces.take(np.flatnonzero(kept_back))


def without(faces: Faces, others: Faces) -> Faces:
    """Return ``faces`` less those whose picture also occurs in ``others``."""
    known = {image.tobytes() for image in others.images}
    keep = [i for i, image in enumerate(faces.images) if image.tobytes() not in known]
    return faces.take(np.array(keep, dtype=np.int64))


def augment(
    images: torch.Tensor, size_px: int, rng: torch.Generator, strength: float = 1.0
) -> torch.Tensor:
    """Vary a batch as camera crops vary.

    Place, scale and tilt (a face finder's box is not the corpus' box), mirror, light from one
    side, gamma, blur, low resolution, noise and one grey patch.

    Args:
        images: float32 (n, 1, h, w) in 0 … 255.
        size_px: Side of the result.
        rng: Source of every random number.
        strength: Factor on the ranges of place, light and noise.

    Returns:
        float32 (n, 1, size_px, size_px) in 0 … 255.
    """
    shape = [len(images), 1, size_px, size_px]
    grid = F.affine_grid(_placements(len(images), rng, strength), shape, False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    lit = _light(moved, rng, strength)
    blurred = F.avg_pool2d(lit, 3, stride=1, padding=1, count_include_pad=False)
    share = _uniform(len(images), rng, -2.0, 1.0).clamp(min=0.0)
    mixed = _coarse(lit + share * (blurred - lit), rng)
    deviation = _uniform(len(images), rng, 0.0, 8.0 * strength)
    noise = torch.randn(mixed.shape, generator=rng) * deviation
    return _patch(mixed + noise, rng).clamp(0.0, 255.0)


def _uniform(n: int, rng: torch.Generator, low: float, high: float) -> torch.Tensor:
    return torch.empty(n, 1, 1, 1).uniform_(low, high, generator=rng)


def _placements(n: int, rng: torch.Generator, strength: float) -> torch.Tensor:
    scale, stretch, turn, dx, dy = (
        _uniform(n, rng, -most * strength, most * strength).flatten()
        for most in (0.20, 0.06, 0.28, 0.14, 0.14)
    )
    side = torch.where(_uniform(n, rng, -1.0, 1.0).flatten() < 0, -1.0, 1.0)
    cos, sin = (1.0 + scale) * turn.cos(), (1.0 + scale) * turn.sin()
    rows = (cos * side * (1.0 + stretch), -sin, dx, sin * side * (1.0 + stretch), cos, dy)
    return torch.stack(rows, 1).view(n, 2, 3)


def _light(images: torch.Tensor, rng: torch.Generator, strength: float) -> torch.Tensor:
    n, _, height, width = images.shape
    most = 0.35 * strength
    slope_x = torch.linspace(-1, 1, width).view(1, 1, 1, width) * _uniform(n, rng, -most, most)
    slope_y = torch.linspace(-1, 1, height).view(1, 1, height, 1) * _uniform(n, rng, -most, most)
    gamma = _uniform(n, rng, -0.5 * strength, 0.5 * strength).exp()
    shaded = (images / 255.0).clamp(min=1e-3).pow(gamma) * (1.0 + slope_x + slope_y)
    return shaded.clamp(0.0, 1.0) * 255.0


def _coarse(images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Halve the resolution of one picture in ten."""
    n, _, height, width = images.shape
    small = F.avg_pool2d(images, 2)
    large = F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
    return torch.where(_uniform(n, rng, 0.0, 1.0) < 0.1, large, images)


def _patch(images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    n, _, height, width = images.shape
    half = _uniform(n, rng, -0.15, 0.2).clamp(min=0.0)
    at_x, at_y = _uniform(n, rng, 0.0, 1.0) * width, _uniform(n, rng, 0.0, 1.0) * height
    inside_x = (torch.arange(width).view(1, 1, 1, -1) - at_x).abs() < half * width
    inside_y = (torch.arange(height).view(1, 1, -1, 1) - at_y).abs() < half * height
    return torch.where(inside_x & inside_y, images.mean(dim=(2, 3), keepdim=True), images)

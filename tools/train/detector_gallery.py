"""Pictures on a device, at several sizes, and pieces of them laid onto canvases.

Places are continuous: a pixel reaches from its number to the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from detector_data import Floats, Picture

Bools = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

_LEVELS = 4
"""Sizes that are kept of each picture: whole, a half, a quarter, an eighth."""
_COLOURED = 12
"""A picture whose channels differ by no more than this is grey."""
WHOLE, SQUARE, OVAL = 0, 1, 2
"""What a piece shows: everything, a rectangle, an ellipse with soft edges."""


@dataclass
class Listing:
    """What is known of n pictures; faces are filled up to the same number.

    Attributes:
        sizes: float64 (n, 2): width and height, px.
        grey: bool (n,): has no colours.
        boxes: float32 (n, m, 4): left, top, right, bottom, px.
        points: float32 (n, m, 5, 2), px; NaN where unknown.
        there: bool (n, m), false for what fills up.
        bare: bool (n, m): not known to wear a mask.
    """

    sizes: Reals
    grey: Bools
    boxes: Floats
    points: Floats
    there: Bools
    bare: Bools

    @classmethod
    def of(cls, pictures: Sequence[Picture]) -> Listing:
        """List pictures."""
        n, most = len(pictures), max(1, *(len(picture.faces.boxes) for picture in pictures))
        listing = cls(
            np.array([picture.pixels.shape[1::-1] for picture in pictures], np.float64),
            np.array([np.ptp(p.pixels[::7, ::7], axis=2).max() < _COLOURED for p in pictures]),
            np.zeros((n, most, 4), np.float32), np.full((n, most, 5, 2), np.nan, np.float32),
            np.zeros((n, most), bool), np.zeros((n, most), bool),
        )  # fmt: skip
        for k, picture in enumerate(pictures):
            count = len(picture.faces.boxes)
            listing.boxes[k, :count] = picture.faces.boxes
            listing.points[k, :count] = picture.faces.points
            listing.there[k, :count] = True
            listing.bare[k, :count] = [word != "with_mask" for word in picture.faces.masked]
        return listing

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.sizes)


@dataclass
class Pieces:
    """Pieces of pictures to lay onto canvases, one per row.

    Attributes:
        at: int64 (n,), number of the canvas.
        index: int64 (n,), number of the picture.
        matrix: float64 (n, 2, 3), from px of the picture to px of the canvas.
        kind: int64 (n,): :data:`WHOLE`, :data:`SQUARE`, :data:`OVAL`.
        window: float64 (n, 4), px of the picture: what a square or oval piece may show.
        soft: float64 (n,), width of an oval's edge as a share of its radius.
        clip: float64 (n, 4), px of the canvas, outside of which nothing is laid.
        tint: float64 (n, 3), gain of red, green and blue.
        fill: float64 (n, 3), grey levels laid first within ``clip`` by whole pieces.
    """

    at: Whole
    index: Whole
    matrix: Reals
    kind: Whole
    window: Reals
    soft: Reals
    clip: Reals
    tint: Reals
    fill: Reals

    def take(self, rows: npt.NDArray[np.intp]) -> Pieces:
        """Return some of the pieces."""
        return Pieces(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def joined(self, other: Pieces) -> Pieces:
        """Return these and others."""
        names = self.__dataclass_fields__
        return Pieces(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in names))


class Gallery:
    """Pictures of different sizes on one device, each beside its smaller copies.

    Args:
        pictures: To hold.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, pictures: Sequence[Picture], device: str) -> None:
        step = 2 ** (_LEVELS - 1)
        longest = max(max(picture.pixels.shape[:2]) for picture in pictures)
        self._side = -(-longest // step) * step
        self._device = device
        self.listing = Listing.of(pictures)
        below = np.cumsum([0, *(self._side >> level for level in range(1, _LEVELS - 1))])
        self._corners = np.array([(0, 0), *((self._side, y) for y in below)], np.float64)
        self._atlas = self._filled(pictures)

    def lay(self, canvas: torch.Tensor, pieces: Pieces) -> None:
        """Lay pieces onto canvases in place, at most one onto each.

        Args:
            canvas: float32 (n, 3, height, width), 0 … 255.
            pieces: Of this gallery.
        """
        height, width = canvas.shape[2:]
        columns = self._sent(self._table(pieces, (width, height)))
        theta, size, level, corner, window, clip, soft, kind, tint, fill = columns.split(
            [6, 2, 1, 2, 4, 4, 1, 1, 3, 3], dim=1
        )
        shape = [len(pieces.at), 3, height, width]
        place = F.affine_grid(theta.view(-1, 2, 3), shape, align_corners=False)
        size, level = size[:, None, None], level[:, None, None]
        shown = ((place >= 0) & (place < size)).all(dim=3) * _mask(place, window, soft, kind)
        inner = torch.minimum(place.maximum(level / 2), size - level / 2)
        where = (inner / level + corner[:, None, None]) * self._unit() - 1.0
        index, at = torch.from_numpy(np.stack([pieces.index, pieces.at])).to(self._device)
        seen = F.grid_sample(self._atlas[index].float(), where, align_corners=False)
        colour = (seen * tint[:, :, None, None]).clamp(max=255.0)
        here = canvas[at]
        below = torch.where((kind == WHOLE)[..., None, None], fill[:, :, None, None], here)
        laid = torch.lerp(below, colour, shown[:, None])
        canvas[at] = torch.where(_inside(clip, width, height, self._device), laid, here)

    def _table(self, pieces: Pieces, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Return everything that is told of pieces, a row each."""
        scale = np.sqrt(np.abs(np.linalg.det(pieces.matrix[:, :, :2])))
        level = np.clip(np.floor(np.log2(1.0 / scale) + 0.4), 0, _LEVELS - 1).astype(int)
        columns = (
            _theta(pieces.matrix, size), self.listing.sizes[pieces.index], 2.0**level,
            self._corners[level], pieces.window, pieces.clip, pieces.soft, pieces.kind,
            pieces.tint, pieces.fill,
        )  # fmt: skip
        rows = [np.reshape(column, (len(pieces.at), -1)) for column in columns]
        return np.concatenate(rows, axis=1).astype(np.float32)

    def _unit(self) -> torch.Tensor:
        height, width = self._atlas.shape[2:]
        return torch.tensor([2.0 / width, 2.0 / height]).to(self._device)

    def _sent(self, values: npt.NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(values).to(self._device)

    def _filled(self, pictures: Sequence[Picture]) -> torch.Tensor:
        """Return uint8 (n, 3, side, 1.5 sides): each size beside the larger one."""
        side = self._side
        first = np.zeros((len(pictures), 3, side, side), np.uint8)
        for k, picture in enumerate(pictures):
            high, wide = picture.pixels.shape[:2]
            first[k, :, :high, :wide] = picture.pixels.transpose(2, 0, 1)
        part = torch.from_numpy(first).to(self._device)
        atlas = torch.zeros(len(pictures), 3, side, side + side // 2, dtype=torch.uint8)
        atlas = atlas.to(self._device)
        for x, y in self._corners.astype(int):
            small = part.shape[2]
            atlas[:, :, y : y + small, x : x + small] = part
            part = torch.cat([_halved(some) for some in part.split(64)])
        return atlas


def _mask(
    place: torch.Tensor, window: torch.Tensor, soft: torch.Tensor, kind: torch.Tensor
) -> torch.Tensor:
    """Return how much of each place a piece shows, (n, height, width)."""
    centre = ((window[:, :2] + window[:, 2:]) / 2)[:, None, None]
    half = ((window[:, 2:] - window[:, :2]) / 2)[:, None, None]
    off = (place - centre).abs() / half
    square = (off.amax(dim=3) <= 1.0).float()
    oval = ((1.0 - off.square().sum(dim=3).sqrt()) / soft[:, :, None] + 0.5).clamp(0.0, 1.0)
    shown = torch.where(kind[..., None] == OVAL, oval, square)
    return torch.where(kind[..., None] == WHOLE, torch.ones_like(shown), shown)


def _inside(clip: torch.Tensor, width: int, height: int, device: str) -> torch.Tensor:
    """Return which px of each canvas lie in its rectangle, (n, 1, height, width)."""
    left, top, right, bottom = clip[:, :, None, None].unbind(1)
    x = (torch.arange(width, device=device) + 0.5)[None, None]
    y = (torch.arange(height, device=device) + 0.5)[None, :, None]
    return ((x >= left) & (x < right) & (y >= top) & (y < bottom))[:, None]


def _halved(pictures: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(pictures.float(), 2).round().to(torch.uint8)


def _theta(matrix: Reals, size: tuple[int, int]) -> Reals:
    """Return what ``affine_grid`` needs to give the px of a picture for each px of a canvas."""
    back = np.linalg.inv(matrix[:, :, :2])
    half = np.array(size) / 2.0
    shift = np.einsum("nij,nj->ni", back, half[None] - matrix[:, :, 2])
    return np.concatenate([back * half[None, None], shift[:, :, None]], axis=2)

"""Training pictures of the face detector: scenes, faces and look-alikes pasted, bad light.

What is shown where is drawn for a whole batch at once; the pixels are made on any device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import detector_harm
import numpy as np
import torch
import torch.nn.functional as F
from detector_data import Floats
from detector_gallery import OVAL, SQUARE, WHOLE, Bools, Gallery, Listing, Pieces, Reals, Whole
from torch.utils.data import IterableDataset, get_worker_info

_MIRROR = [1, 0, 2, 4, 3]
_LEAST_PX = 9.0
_VISIBLE = 0.35
_PASTED_PX = (12.0, 260.0)
_FREE_TRIES = 6
_MOSAICS, _SCENES = 0.3, 0.4
"""Shares of four scenes side by side and of one scene; the rest has a background alone."""
_WARM = np.array([1.15, 0.95, 0.8])


@dataclass(frozen=True)
class Sketch:
    """What is to be seen on a batch of canvases.

    Attributes:
        size: Width and height, px.
        noise: float32 (n, 3, rows, columns): coarse grey levels below everything.
        layers: Which gallery (scenes or faces) and its pieces, the lowest first.
        boxes: float32 (n, m, 4), px, not cut at the edge.
        points: float32 (n, m, 5, 2), px; NaN where unknown.
        there: bool (n, m), false for what fills up.
        ignored: bool (n, m): too small or too far outside to ask for, yet no background.
        seed: Of light, blur, noise and compression.
    """

    size: tuple[int, int]
    noise: Floats
    layers: list[tuple[str, Pieces]]
    boxes: Floats
    points: Floats
    there: Bools
    ignored: Bools
    seed: int


@dataclass(frozen=True)
class Examples:
    """A batch of pictures, float32 (n, height, width, 3), RGB, 0 … 255, and its faces.

    The faces are those of :class:`Sketch`, on the same device.
    """

    images: torch.Tensor
    boxes: torch.Tensor
    points: torch.Tensor
    there: torch.Tensor
    ignored: torch.Tensor


class Painter:
    """Makes the pixels of sketches.

    Args:
        scenes: Where the scenes are.
        faces: Where the bare faces are.
        device: ``cpu`` or ``cuda``, that of the galleries.
    """

    def __init__(self, scenes: Gallery, faces: Gallery, device: str) -> None:
        self._galleries = {"scenes": scenes, "faces": faces}
        self._device = device

    def paint(self, sketch: Sketch, harm: bool = True) -> Examples:
        """Return the pictures of a sketch, made worse unless told otherwise."""
        width, height = sketch.size
        noise = self._sent(sketch.noise)
        canvas = F.interpolate(noise, (height, width), mode="bicubic", align_corners=False)
        canvas = canvas.clamp(0.0, 255.0)
        for name, pieces in sketch.layers:
            if len(pieces.at):
                self._galleries[name].lay(canvas, pieces)
        rng = np.random.default_rng(sketch.seed)
        images = detector_harm.worsened(canvas, rng) if harm else canvas
        faces = (sketch.boxes, sketch.points, sketch.there, sketch.ignored)
        return Examples(images.permute(0, 2, 3, 1).contiguous(), *map(self._sent, faces))

    def _sent(self, values: Floats | Bools) -> torch.Tensor:
        return torch.from_numpy(values).to(self._device)


class Sketches(IterableDataset):  # type: ignore[type-arg]
    """An endless stream of sketches; each process that draws them has its own seed.

    Args:
        scenes: Pictures with all faces known.
        faces: Pictures of one bare face each.
        batch: Canvases of one sketch.
        size: Width and height, px.
        seed: Of every choice.
    """

    def __init__(
        self, scenes: Listing, faces: Listing, batch: int, size: tuple[int, int], seed: list[int]
    ) -> None:
        super().__init__()
        self._listings = scenes, faces
        self._batch, self._size, self._seed = batch, size, seed

    def __iter__(self) -> Iterator[Sketch]:
        """Draw for ever."""
        worker = get_worker_info()
        rng = np.random.default_rng([*self._seed, worker.id if worker else 0])
        composer = Composer(*self._listings, rng)
        while True:
            yield composer.sketch(self._batch, *self._size)


class Composer:
    """Draws sketches.

    Args:
        scenes: Pictures with all faces known.
        faces: Pictures of one bare face each.
        generator: Of every choice.
    """

    def __init__(self, scenes: Listing, faces: Listing, generator: np.random.Generator) -> None:
        self._scenes = scenes
        self._faces = faces
        self._rng = generator

    def sketch(self, count: int, width: int, height: int) -> Sketch:
        """Return what is to be seen on so many canvases."""
        rng = self._rng
        size = np.array([width, height], np.float64)
        kind = rng.random(count)
        mosaics = np.flatnonzero(kind < _MOSAICS)
        single = np.flatnonzero((kind >= _MOSAICS) & (kind < _MOSAICS + _SCENES))
        bare = np.flatnonzero(kind >= _MOSAICS + _SCENES)
        cut = (rng.uniform(0.3, 0.7, (len(mosaics), 2)) * size).round()
        tiles = [self._scene(mosaics, tile) for tile in _tiles(cut, width, height)]
        one, seen = self._scene(single, _everywhere(len(single), size))
        lowest = self._background(bare, size).joined(one).joined(tiles[0][0])
        known = _gathered([seen, *(found for _, found in tiles)], count)
        layers = [("scenes", p) for p in (lowest, *(pieces for pieces, _ in tiles[1:]))]
        layers += self._lookalikes(np.concatenate([single, bare]), known, size)
        wanted = np.zeros(count, int)
        wanted[single] = rng.random(len(single)) < 0.45
        wanted[bare] = rng.choice([0, 1, 2, 3], len(bare), p=[0.12, 0.5, 0.23, 0.15])
        for number in range(3):
            pieces, known = self._pasted(np.flatnonzero(wanted > number), known, size)
            layers.append(("faces", pieces))
        cells = [int(n) for n in rng.integers(2, 14, 2)]
        noise = rng.integers(0, 256, (count, 3, *cells)).astype(np.float32)
        return Sketch(
            (width, height), noise, layers, known.boxes, known.points, known.there,
            known.ignored, int(rng.integers(2**62)),
        )  # fmt: skip

    def _scene(self, at: Whole, clip: Reals) -> tuple[Pieces, _Found]:
        """Put one scene into the rectangle of each canvas; return its faces too."""
        rng, scenes, n = self._rng, self._scenes, len(at)
        index = rng.integers(len(scenes), size=n)
        size, tile = scenes.sizes[index], clip[:, 2:] - clip[:, :2]
        fit = (tile / size).min(axis=1)
        centre = rng.uniform(0.2, 0.8, (n, 2)) * size
        scale = fit * np.exp(rng.uniform(-0.35, 1.1, n))
        box, any_face = self._chosen(index)
        wanted = np.exp(rng.uniform(math.log(13), np.log(0.75 * tile[:, 1])))
        side = np.sqrt(np.maximum(1.0, (box[:, 2:] - box[:, :2]).prod(axis=1)))
        focused = any_face & (rng.random(n) < 0.75)
        centre = np.where(focused[:, None], (box[:, :2] + box[:, 2:]) / 2, centre)
        scale = np.where(focused, np.clip(wanted / side, 0.5 * fit, 4.0 * fit), scale)
        place = clip[:, :2] + rng.uniform(0.1, 0.9, (n, 2)) * tile
        matrix = _affine(rng, centre, place, scale, rng.random(n) < 0.5)
        pieces = _pieces(at, index, matrix, clip)
        pieces.fill[:] = rng.integers(0, 256, (n, 3))
        return pieces, _seen(scenes, index, matrix, at, clip)

    def _chosen(self, index: Whole) -> tuple[Floats, Bools]:
        """Return one face of each scene, bare ones more often, and whether there is any."""
        scenes = self._scenes
        weights = np.where(scenes.bare[index], 2.5, 1.0)
        draw = np.log(weights) + self._rng.gumbel(size=weights.shape)
        best = np.where(scenes.there[index], draw, -np.inf).argmax(axis=1)
        return scenes.boxes[index, best], scenes.there[index].any(axis=1)

    def _background(self, at: Whole, size: Reals) -> Pieces:
        """Fill three of four canvases with a piece of a scene without any face."""
        index, window, free = self._windows(len(at))
        use = np.flatnonzero(free & (self._rng.random(len(at)) < 0.75))
        matrix = _stretched(window[use], np.tile(size, (len(use), 1)))
        return _pieces(at[use], index[use], matrix, _everywhere(len(use), size))

    def _windows(self, count: int) -> tuple[Whole, Reals, Bools]:
        """Return scenes and a window of each, and whether it holds no face."""
        rng, scenes = self._rng, self._scenes
        index = rng.integers(len(scenes), size=(count, _FREE_TRIES))
        sizes = scenes.sizes[index]
        size = rng.uniform(0.25, 0.9, (count, _FREE_TRIES, 1)) * sizes
        low = rng.uniform(0, 1, size.shape) * (sizes - size)
        window = np.concatenate([low, low + size], axis=2)
        touched = _touches(window, scenes.boxes[index], scenes.there[index])
        best = (~touched).argmax(axis=1)
        rows = np.arange(count)
        return index[rows, best], window[rows, best], ~touched[rows, best]

    def _lookalikes(self, at: Whole, known: _Known, size: Reals) -> list[tuple[str, Pieces]]:
        """Return pieces without a face to paste, so that a seam is no sign of one."""
        wanted = self._rng.choice([0, 1, 2], len(at), p=[0.6, 0.25, 0.15])
        layers = []
        for number in range(2):
            rows = at[wanted > number]
            index, window, free = self._windows(len(rows))
            square = np.tile([96.0, 96.0], (len(rows), 1))
            matrix, bounds = self._placed(np.full(len(rows), 96.0), square, size)
            free &= ~_touches(bounds, known.boxes[rows], known.there[rows])
            matrix = _chained(matrix, _stretched(window, square))
            pieces = _pieces(rows, index, matrix, _everywhere(len(rows), size))
            self._outline(pieces, window)
            layers.append(("scenes", pieces.take(np.flatnonzero(free))))
        return layers

    def _pasted(self, at: Whole, known: _Known, size: Reals) -> tuple[Pieces, _Known]:
        """Return faces to paste where none is, and all faces then."""
        rng, faces = self._rng, self._faces
        index = rng.integers(len(faces), size=len(at))
        box, whole = faces.boxes[index, 0], faces.sizes[index]
        side = np.sqrt((box[:, 2:] - box[:, :2]).prod(axis=1)).astype(np.float64)
        matrix, bounds = self._placed(side, whole, size, rng.random(len(at)) < 0.5)
        use = np.flatnonzero(~_touches(bounds, known.boxes[at], known.there[at]))
        pieces = _pieces(at, index, matrix, _everywhere(len(at), size))
        self._outline(pieces, np.concatenate([np.zeros_like(whole), whole], axis=1))
        tinted = faces.grey[index] & (rng.random(len(at)) < 0.8)
        warm = _WARM ** rng.uniform(0.2, 1.3, (len(at), 1)) * rng.uniform(0.85, 1.1, (len(at), 1))
        pieces.tint[tinted] = warm[tinted]
        pieces = pieces.take(use)
        more = _seen(faces, pieces.index, pieces.matrix, pieces.at, pieces.clip)
        return pieces, _joined(known, _gathered([more], len(known.there)))

    def _placed(
        self, side: Reals, patch: Reals, size: Reals, mirrored: Bools | None = None
    ) -> tuple[Reals, Reals]:
        """Return where patches go, and the upright box around each there."""
        rng, n = self._rng, len(side)
        low, high = np.log([_PASTED_PX[0], min(_PASTED_PX[1], 0.95 * size[1])])
        wanted = np.exp(rng.uniform(low, high, n))
        place = rng.uniform(-0.05, 1.05, (n, 2)) * size
        inside = np.clip(place, 0.4 * wanted[:, None], size - 0.4 * wanted[:, None])
        place = np.where(rng.random((n, 1)) < 0.75, inside, place)
        mirrored = np.zeros(n, bool) if mirrored is None else mirrored
        matrix = _affine(rng, patch / 2, place, wanted / side, mirrored)
        ends = np.stack([np.zeros(n), patch[:, 0], np.zeros(n), patch[:, 1]], axis=1)
        corners = np.stack([ends[:, [0, 2]], ends[:, [1, 2]], ends[:, [1, 3]], ends[:, [0, 3]]], 1)
        there = corners @ matrix[:, :, :2].transpose(0, 2, 1) + matrix[:, None, :, 2]
        return matrix, np.concatenate([there.min(axis=1), there.max(axis=1)], axis=1)

    def _outline(self, pieces: Pieces, window: Reals) -> None:
        """Give pieces the outline of a head or of a rectangle."""
        rng, n = self._rng, len(window)
        oval = rng.random(n) < 0.7
        half = np.stack([rng.uniform(0.40, 0.52, n), rng.uniform(0.47, 0.56, n)], axis=1)
        half = np.where(oval[:, None], half, 0.5 - 1 / 96)
        size = window[:, 2:] - window[:, :2]
        middle = (window[:, :2] + window[:, 2:]) / 2
        pieces.window[:] = np.concatenate([middle - half * size, middle + half * size], axis=1)
        pieces.kind[:] = np.where(oval, OVAL, SQUARE)
        pieces.soft[:] = rng.uniform(0.01, 0.14, n)


def _everywhere(count: int, size: Reals) -> Reals:
    return np.tile([0.0, 0.0, size[0], size[1]], (count, 1))


@dataclass(frozen=True)
class _Found:
    """Faces in a list: number of the canvas, boxes, points, ignored."""

    at: Whole
    boxes: Floats
    points: Floats
    ignored: Bools


@dataclass(frozen=True)
class _Known:
    """The faces of each canvas, filled up to the same number."""

    boxes: Floats
    points: Floats
    there: Bools
    ignored: Bools


def _seen(faces: Listing, index: Whole, matrix: Reals, at: Whole, clip: Reals) -> _Found:
    """Return the faces of pieces where they are now; what the clip hides mostly is ignored."""
    boxes, points = _moved(faces.boxes[index], faces.points[index], matrix)
    edges = np.concatenate([clip[:, None, :2], clip[:, None, :2]], axis=2)
    limits = np.concatenate([clip[:, None, 2:], clip[:, None, 2:]], axis=2)
    cut = np.clip(boxes, edges, limits)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(axis=2)
    shown = (cut[..., 2:] - cut[..., :2]).prod(axis=2)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    out = ((centre < edges[..., :2]) | (centre >= limits[..., :2])).any(axis=2)
    ignored = (np.sqrt(area) < _LEAST_PX) | (shown < _VISIBLE * area) | out
    boxes = np.where(ignored[..., None], cut, boxes).astype(np.float32)
    rows, columns = np.nonzero(faces.there[index] & (shown > 0))
    return _Found(at[rows], boxes[rows, columns], points[rows, columns], ignored[rows, columns])


def _gathered(found: list[_Found], count: int) -> _Known:
    """Sort lists of faces by canvas."""
    names = ("at", "boxes", "points", "ignored")
    at, boxes, points, ignored = (
        np.concatenate([getattr(part, name) for part in found]) for name in names
    )
    order = np.argsort(at, kind="stable")
    at = at[order]
    counts = np.bincount(at, minlength=count)
    column = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
    most = max(1, int(counts.max()))
    known = _Known(
        np.zeros((count, most, 4), np.float32),
        np.full((count, most, 5, 2), np.nan, np.float32),
        np.zeros((count, most), bool),
        np.zeros((count, most), bool),
    )
    known.boxes[at, column], known.points[at, column] = boxes[order], points[order]
    known.there[at, column], known.ignored[at, column] = True, ignored[order]
    return known


def _joined(known: _Known, more: _Known) -> _Known:
    names = known.__dataclass_fields__
    return _Known(*(np.concatenate([getattr(known, n), getattr(more, n)], axis=1) for n in names))


def _tiles(cut: Reals, width: int, height: int) -> list[Reals]:
    """Return the four rectangles around a point of each canvas."""
    x, y = cut.T
    zero, right, bottom = np.zeros_like(x), np.full_like(x, width), np.full_like(y, height)
    sides = ((zero, zero, x, y), (x, zero, right, y), (zero, y, x, bottom), (x, y, right, bottom))
    return [np.stack(side, axis=1) for side in sides]


def _pieces(at: Whole, index: Whole, matrix: Reals, clip: Reals) -> Pieces:
    n = len(at)
    return Pieces(
        at, index, matrix, np.full(n, WHOLE), np.tile([0.0, 0.0, 1.0, 1.0], (n, 1)),
        np.ones(n), clip, np.ones((n, 3)), np.zeros((n, 3)),
    )  # fmt: skip


def _affine(
    rng: np.random.Generator, at: Reals, place: Reals, scale: Reals, mirrored: Bools
) -> Reals:
    """Return float64 (n, 2, 3) that turns, scales and brings ``at`` to ``place``."""
    n = len(scale)
    turn = np.where(rng.random(n) < 0.88, rng.normal(0, 10, n), rng.uniform(-50, 50, n))
    sine, cosine = np.sin(np.radians(turn)), np.cos(np.radians(turn))
    across = np.exp(rng.normal(0, 0.06, n)) * np.where(mirrored, -1.0, 1.0)
    rows = np.stack([cosine * across, -sine, sine * across, cosine], axis=1).reshape(n, 2, 2)
    linear = rows * scale[:, None, None]
    shift = place - np.einsum("nij,nj->ni", linear, at)
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def _stretched(window: Reals, size: Reals) -> Reals:
    """Return float64 (n, 2, 3) that brings windows to rectangles of ``size`` at the origin."""
    scale = size / (window[:, 2:] - window[:, :2])
    matrix = np.zeros((len(window), 2, 3))
    matrix[:, 0, 0], matrix[:, 1, 1] = scale.T
    matrix[:, :, 2] = -window[:, :2] * scale
    return matrix


def _chained(after: Reals, first: Reals) -> Reals:
    """Return the map that does ``first``, then ``after``."""
    linear = after[:, :, :2] @ first[:, :, :2]
    shift = np.einsum("nij,nj->ni", after[:, :, :2], first[:, :, 2]) + after[:, :, 2]
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def _moved(boxes: Floats, points: Floats, matrix: Reals) -> tuple[Floats, Floats]:
    """Move boxes by their centre and the change of scale; landmarks change sides in a mirror."""
    linear, shift = matrix[:, :, :2], matrix[:, None, :, 2]
    determinant = np.linalg.det(linear)
    centre = np.einsum("nij,nmj->nmi", linear, (boxes[..., :2] + boxes[..., 2:]) / 2) + shift
    size = np.sqrt(np.abs(determinant))[:, None, None]
    half = (boxes[..., 2:] - boxes[..., :2]) / 2 * size
    new = np.einsum("nij,nmkj->nmki", linear, points) + shift[:, :, None]
    new = np.where((determinant < 0)[:, None, None, None], new[:, :, _MIRROR], new)
    boxes = np.concatenate([centre - half, centre + half], axis=2)
    return boxes.astype(np.float32), new.astype(np.float32)


def _touches(box: Reals, boxes: Floats, there: Bools) -> Bools:
    """Tell whether a box, (…, 4), meets any of (…, m, 4) by more than a sliver of the other."""
    low = np.maximum(box[..., None, :2], boxes[..., :2])
    high = np.minimum(box[..., None, 2:], boxes[..., 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    return np.asarray(((shared > 0.1 * area) & there).any(axis=-1))

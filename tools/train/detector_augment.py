"""One training picture of the face detector: a scene, faces and look-alikes pasted, bad light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from detector_data import Floats, Image, Picture

_MIRROR = [1, 0, 2, 4, 3]
_LEAST_PX, _IGNORED_PX = 9.0, 1.0
_VISIBLE = 0.35
_PASTED_PX = (12.0, 260.0)
_FREE_TRIES = 6


@dataclass(frozen=True)
class Example:
    """A picture and its targets.

    Attributes:
        image: uint8 RGB (height, width, 3).
        boxes: float32 (n, 4), px, not cut at the edge.
        points: float32 (n, 5, 2), px; NaN where unknown.
        ignored: bool (n,): too small or too far outside to ask for, yet no background.
    """

    image: Image
    boxes: Floats
    points: Floats
    ignored: np.ndarray[tuple[int], np.dtype[np.bool_]]


class Composer:
    """Makes examples.

    Args:
        scenes: Pictures with all faces known.
        faces: Pictures of one bare face each.
        generator: Of every choice.
        calm: Show mostly whole scenes, and harm the pictures less.
    """

    def __init__(
        self, scenes: Sequence[Picture], faces: Sequence[Picture], generator: np.random.Generator,
        calm: bool = False,
    ) -> None:  # fmt: skip
        self._calm = calm
        self._scenes = scenes
        self._faces = faces
        self._rng = generator

    def example(self, width: int, height: int) -> Example:
        """Return one picture of this size."""
        rng = self._rng
        kind = rng.random()
        mosaics, scenes = (0.15, 0.82) if self._calm else (0.3, 0.7)
        if kind < mosaics:
            return self._mosaic(width, height)
        if kind < scenes:
            image, boxes, points = self._scene(width, height)
            count = int(rng.random() < 0.45)
        else:
            image, boxes, points = self._background(width, height)
            count = int(rng.choice([0, 1, 2, 3], p=[0.12, 0.5, 0.23, 0.15]))
        for _ in range(int(rng.choice([0, 1, 2], p=[0.6, 0.25, 0.15]))):
            self._paste_lookalike(image, boxes)
        for _ in range(count):
            boxes, points = self._paste_face(image, boxes, points)
        worse = _worsened(rng, image, self._calm)
        return Example(worse, boxes, points, _ignored(boxes, (height, width)))

    def _mosaic(self, width: int, height: int) -> Example:
        """Return four scenes side by side (Bochkovskiy et al. 2020): more faces a picture."""
        rng = self._rng
        x, y = (int(side * rng.uniform(0.3, 0.7)) for side in (width, height))
        image = np.empty((height, width, 3), np.uint8)
        parts = []
        for left, right in ((0, x), (x, width)):
            for top, bottom in ((0, y), (y, height)):
                size = (right - left, bottom - top)
                piece, boxes, points = self._scene(*size)
                image[top:bottom, left:right] = piece
                parts.append(_within(boxes, points, size, (left, top)))
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return Example(_worsened(rng, image, self._calm), *columns)

    def _scene(self, width: int, height: int) -> tuple[Image, Floats, Floats]:
        rng = self._rng
        picture = self._scenes[rng.integers(len(self._scenes))]
        boxes, points = picture.faces.boxes, picture.faces.points
        high, wide = picture.pixels.shape[:2]
        fit = min(width / wide, height / high)
        at = rng.uniform((0.2, 0.2), (0.8, 0.8)) * (wide, high)
        scale = fit * math.exp(rng.uniform(-0.35, 1.1))
        if self._calm and rng.random() < 0.7:
            scale = fit * math.exp(rng.uniform(-0.15, 0.5))
        elif len(boxes) and rng.random() < 0.85:
            weights = np.where(np.array(picture.faces.masked) == "with_mask", 1.0, 2.5)
            box = boxes[rng.choice(len(boxes), p=weights / weights.sum())]
            at = (box[:2] + box[2:]) / 2
            wanted = math.exp(rng.uniform(math.log(13), math.log(0.75 * height)))
            side = math.sqrt(max(1.0, float(np.prod(box[2:] - box[:2]))))
            scale = float(np.clip(wanted / side, 0.5 * fit, 4.0 * fit))
        edge = 0.35 if self._calm else 0.1
        place = rng.uniform(edge, 1.0 - edge, 2) * (width, height)
        matrix = _affine(rng, at, place, scale, rng.random() < 0.5)
        image = _warped(rng, picture.pixels, matrix, (width, height))
        return image, *_moved(boxes, points, matrix)

    def _background(self, width: int, height: int) -> tuple[Image, Floats, Floats]:
        empty = np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)
        patch = self._patch() if self._rng.random() < 0.75 else None
        if patch is None:
            cells = tuple(int(n) for n in self._rng.integers(2, 14, 2))
            patch = self._rng.integers(0, 256, (*cells, 3)).astype(np.uint8)
        how = cv2.INTER_CUBIC if self._rng.random() < 0.8 else cv2.INTER_NEAREST
        return np.asarray(cv2.resize(patch, (width, height), interpolation=how)), *empty

    def _patch(self) -> Image | None:
        """Return a piece of a scene without any face, or None when none was hit."""
        rng = self._rng
        for _ in range(_FREE_TRIES):
            picture = self._scenes[rng.integers(len(self._scenes))]
            high, wide = picture.pixels.shape[:2]
            size = rng.uniform(0.25, 0.9) * np.array([wide, high])
            low = rng.uniform(0, 1, 2) * ([wide, high] - size)
            window = np.concatenate([low, low + size]).astype(np.float32)
            if not _touches(window, picture.faces.boxes):
                x0, y0, x1, y1 = window.astype(int)
                return picture.pixels[y0:y1, x0:x1]
        return None

    def _paste_lookalike(self, image: Image, boxes: Floats) -> None:
        """Paste a piece without a face, so that a seam is no sign of one."""
        patch = self._patch()
        if patch is None:
            return
        square = np.asarray(cv2.resize(patch, (96, 96), interpolation=cv2.INTER_AREA))
        matrix, corners = self._placed(image, 96.0, 96.0)
        if not _touches(_bounds(corners), boxes):
            self._blend(image, square, matrix)

    def _paste_face(self, image: Image, boxes: Floats, points: Floats) -> tuple[Floats, Floats]:
        rng = self._rng
        picture = self._faces[rng.integers(len(self._faces))]
        box = picture.faces.boxes[:1]
        side = float(np.sqrt(np.prod(box[0, 2:] - box[0, :2])))
        wide = picture.pixels.shape[1]
        matrix, corners = self._placed(image, side, float(wide), rng.random() < 0.5)
        if _touches(_bounds(corners), boxes):
            return boxes, points
        pixels = picture.pixels
        if rng.random() < 0.8 and np.ptp(pixels[::7, ::7], axis=2).max() < 12:
            tint = np.array([1.15, 0.95, 0.8]) ** rng.uniform(0.2, 1.3) * rng.uniform(0.85, 1.1)
            pixels = np.clip(pixels * tint, 0, 255).astype(np.uint8)
        self._blend(image, pixels, matrix)
        new_box, new_points = _moved(box, picture.faces.points[:1], matrix)
        return np.vstack([boxes, new_box]), np.concatenate([points, new_points])

    def _placed(
        self, image: Image, side: float, wide: float, mirrored: bool = False
    ) -> tuple[Floats, Floats]:
        rng = self._rng
        height, width = image.shape[:2]
        low, high = np.log([_PASTED_PX[0], min(_PASTED_PX[1], 0.95 * height)])
        wanted = math.exp(rng.uniform(low, high))
        place = rng.uniform((-0.05, -0.05), (1.05, 1.05)) * (width, height)
        if rng.random() < 0.75:
            place = np.clip(place, 0.4 * wanted, np.array([width, height]) - 0.4 * wanted)
        matrix = _affine(rng, np.full(2, wide / 2), place, wanted / side, mirrored)
        square = np.array([[0, 0], [wide, 0], [wide, wide], [0, wide]], np.float32)
        return matrix, square @ matrix[:, :2].T + matrix[:, 2]

    def _blend(self, image: Image, patch: Image, matrix: Floats) -> None:
        rng = self._rng
        high, wide = patch.shape[:2]
        mask = np.zeros((high, wide), np.uint8)
        if rng.random() < 0.7:
            axes = (int(wide * rng.uniform(0.40, 0.52)), int(high * rng.uniform(0.47, 0.56)))
            cv2.ellipse(mask, (wide // 2, high // 2), axes, 0, 0, 360, 255, -1)
            soft = 2 * int(rng.integers(0, max(2, wide // 16))) + 1
            mask = np.asarray(cv2.GaussianBlur(mask, (soft, soft), 0))
        else:
            mask[1:-1, 1:-1] = 255
        _lay_over(image, patch, mask, matrix)


def _lay_over(image: Image, patch: Image, mask: Image, matrix: Floats) -> None:
    """Warp a patch onto the picture where its mask says."""
    high, wide = patch.shape[:2]
    corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]]) @ matrix[:, :2].T
    bounds = _bounds(corners + matrix[:, 2])
    x0, y0 = (max(0, int(v)) for v in bounds[:2])
    region = image[y0 : max(y0, int(bounds[3]) + 1), x0 : max(x0, int(bounds[2]) + 1)]
    if not region.size:
        return
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    matrix = np.hstack([matrix[:, :2], matrix[:, 2:] - [[x0], [y0]]])
    if shrink < 0.6:
        small = (max(2, round(wide * shrink / 0.6)), max(2, round(high * shrink / 0.6)))
        patch = np.asarray(cv2.resize(patch, small, interpolation=cv2.INTER_AREA))
        mask = np.asarray(cv2.resize(mask, small, interpolation=cv2.INTER_AREA))
        matrix = matrix @ np.diag([wide / small[0], high / small[1], 1.0])
    size = (region.shape[1], region.shape[0])
    over = cv2.warpAffine(patch, matrix, size, flags=cv2.INTER_LINEAR).astype(np.float32)
    alpha = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR).astype(np.float32)
    region[:] = region + (over - region) * (alpha[..., None] / 255.0)


def _affine(
    rng: np.random.Generator, at: Floats, place: Floats, scale: float, mirrored: bool
) -> Floats:
    turn = rng.normal(0, 10) if rng.random() < 0.88 else rng.uniform(-50, 50)
    sine, cosine = math.sin(math.radians(turn)), math.cos(math.radians(turn))
    stretch = math.exp(rng.normal(0, 0.06))
    flip = -1.0 if mirrored else 1.0
    linear = scale * np.array([[cosine * flip * stretch, -sine], [sine * flip * stretch, cosine]])
    return np.hstack([linear, (place - linear @ at)[:, None]]).astype(np.float64)


def _warped(
    rng: np.random.Generator, pixels: Image, matrix: Floats, size: tuple[int, int]
) -> Image:
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink < 0.6:
        factor = 0.6 / shrink
        small = (round(pixels.shape[1] / factor), round(pixels.shape[0] / factor))
        matrix = matrix @ np.diag([pixels.shape[1] / small[0], pixels.shape[0] / small[1], 1.0])
        pixels = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA))
    colour = rng.integers(0, 256, 3).tolist()
    return np.array(cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR,
                                   borderMode=cv2.BORDER_CONSTANT, borderValue=colour))  # fmt: skip


def _moved(boxes: Floats, points: Floats, matrix: Floats) -> tuple[Floats, Floats]:
    """Move boxes by their centre and the change of scale; landmarks change sides in a mirror."""
    linear, shift = matrix[:, :2], matrix[:, 2]
    determinant = np.linalg.det(linear)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ linear.T + shift
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * math.sqrt(abs(determinant))
    new = points @ linear.T + shift
    new = new[:, _MIRROR] if determinant < 0 else new
    return np.hstack([centre - half, centre + half]).astype(np.float32), new.astype(np.float32)


def _bounds(corners: Floats) -> Floats:
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)]).astype(np.float32)


def _touches(box: Floats, boxes: Floats) -> bool:
    """Tell whether a box meets any other by more than a sliver of the other."""
    if not len(boxes):
        return False
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    return bool((shared > 0.1 * np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)).any())


def _ignored(boxes: Floats, shape: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    whole = np.array([[0, 0, shape[1], shape[0]]], np.float32)
    inside = np.clip(boxes, 0, [shape[1], shape[0], shape[1], shape[0]])
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    seen = np.prod(inside[:, 2:] - inside[:, :2], axis=1) / np.maximum(area, _IGNORED_PX)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    out = ((centre < 0) | (centre >= whole[0, 2:])).any(axis=1)
    return np.asarray((np.sqrt(area) < _LEAST_PX) | (seen < _VISIBLE) | out)


def _within(
    boxes: Floats, points: Floats, size: tuple[int, int], shift: tuple[int, int]
) -> tuple[Floats, Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return the faces of a piece in its place; those that it hides mostly end at its edge."""
    ignored = _ignored(boxes, size[::-1])
    cut = np.clip(boxes, 0, [*size, *size]).astype(np.float32)
    there = (cut[:, 2:] > cut[:, :2]).all(axis=1)
    boxes = np.where(ignored[:, None], cut, boxes)[there]
    moved = np.tile(np.array(shift, np.float32), 2)
    return boxes + moved, points[there] + moved[:2], ignored[there]


def _worsened(rng: np.random.Generator, image: Image, calm: bool = False) -> Image:
    """Give the picture the light, blur, noise and compression of a poor camera."""
    if calm and rng.random() < 0.5:
        return np.clip(image * math.exp(rng.normal(0, 0.15)), 0, 255).astype(np.uint8)
    picture = image.astype(np.float32)
    dark = rng.random() < 0.12
    gain = rng.uniform(0.1, 0.45) if dark else math.exp(rng.normal(0, 0.25))
    picture *= gain * np.exp(rng.normal(0, 0.07, 3)).astype(np.float32)
    if rng.random() < 0.5:
        picture = (picture - picture.mean()) * rng.uniform(0.6, 1.3) + picture.mean()
    if rng.random() < 0.25:
        ends = rng.uniform(0.3, 1.0), rng.uniform(0.7, 1.5)
        ramp = np.linspace(*ends, picture.shape[1], dtype=np.float32)
        picture *= ramp[None, :, None]
    if rng.random() < 0.15:
        picture[:] = picture.mean(axis=2, keepdims=True)
    picture = _blurred(rng, picture)
    if dark or rng.random() < 0.35:
        noise = rng.standard_normal(picture.shape, dtype=np.float32)
        picture += np.float32(rng.uniform(1, 9)) * noise
    worse = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 85))]
        worse = np.asarray(cv2.imdecode(cv2.imencode(".jpg", worse, quality)[1], 1))
    return worse


def _blurred(rng: np.random.Generator, picture: Floats) -> Floats:
    kind = rng.random()
    if kind < 0.2:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.8)))
    if kind < 0.28:
        kernel = np.full((1, int(rng.integers(3, 8))), 1.0, np.float32)
        kernel /= kernel.size
        return np.asarray(cv2.filter2D(picture, -1, kernel if rng.random() < 0.5 else kernel.T))
    return picture

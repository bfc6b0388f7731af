"""Finding one face in a stream of frames within a fixed cost per frame.

A frontal-face cascade (Viola and Jones 2001, as OpenCV ships it) over the whole picture at
every size costs several times what a frame may. So each call does one cheap part: beside the
last face when there is one; else the whole picture at a quarter of its size, which shows near
faces, in turn with one tile of the half-size picture, which shows far ones.
"""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_emo.errors import UnavailableError
from edge_emo.imaging import cv2

Grey = npt.NDArray[np.uint8]

CASCADE = "haarcascade_frontalface_alt2.xml"
_WINDOW_PX = 20
"""Side of the cascade's smallest face."""
_OTHER_SHRINK = 1.12
_NEAR_PX = 24
"""Side of the smallest face that is looked for in the coarse picture."""
_COARSE_SHORT_SIDE_PX = 120
_FACE_IN_LOCAL_PX = 36
_LOCAL_SIZES_PX = (20, 52)
_LOCAL_REACH = 0.5
_SEARCH_STEP, _LOCAL_STEP = 1.2, 1.15
_RESCAN_GROWTH = 1.2
"""A rescan looks only for faces that are this much larger than the one followed."""
_RESCAN_EVERY = 10
_SWITCH_RATIO = 1.3
"""How much better another face must be before it is followed instead."""


class Box(NamedTuple):
    """A square around a face, in pixels of the frame; may reach over its edge by rounding."""

    x: int
    y: int
    side: int


class FaceFinder:
    """Finds and follows the largest, most central face of one stream. Not thread-safe.

    Its answer depends on the frames that it was given since :meth:`reset`, and on nothing else.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the last face."""
        self._last: Box | None = None
        self._calls = 0
        self._tile = 0

    def find(self, grey: Grey) -> Box | None:
        """Return the face in the next frame of the stream, or None.

        A near face (96 px of 480 and more) is mostly found at once, a far one within 12 calls.

        Args:
            grey: Shape (height, width).

        Raises:
            UnavailableError: OpenCV has no cascades.
        """
        self._calls += 1
        if self._last is None:
            self._last = self._refined(grey, self._search(grey))
        else:
            self._last = self._followed(grey, self._last)
        return self._last

    @cached_property
    def _cascade(self) -> Any:
        vision = cv2()
        folder = getattr(getattr(vision, "data", None), "haarcascades", "")
        path = Path(folder) / CASCADE
        if not hasattr(vision, "CascadeClassifier") or not path.is_file():
            raise UnavailableError(
                f"this OpenCV has no {CASCADE}",
                hint="pip install 'opencv-python-headless>=4.10,<5'",
            )
        return vision.CascadeClassifier(str(path))

    def _followed(self, grey: Grey, last: Box) -> Box | None:
        """Search beside the last face; where it is gone, and once a second, farther away."""
        found = self._beside(grey, last)
        if found is None:
            return self._refined(grey, self._coarse(grey))
        found = _steadied(last, found)
        if self._calls % _RESCAN_EVERY:
            return found
        larger = self._refined(grey, self._coarse(grey, _RESCAN_GROWTH * found.side))
        return _preferred(found, larger, grey.shape)

    def _refined(self, grey: Grey, candidate: Box | None) -> Box | None:
        """Look again at a candidate in finer steps: mends its size."""
        return candidate and (self._beside(grey, candidate) or candidate)

    def _search(self, grey: Grey) -> Box | None:
        """Take the turn of the coarse picture or of the next fine tile.

        Every other coarse picture is a little smaller: a face that the cascade misses at one
        sampling it often finds at another.
        """
        if self._calls % 2:
            return self._coarse(grey, shrink=1.0 if self._calls % 4 == 1 else _OTHER_SHRINK)
        self._tile = (self._tile + 1) % _TILES
        return self._fine(grey, self._tile)

    def _coarse(self, grey: Grey, smallest_px: float = 0.0, shrink: float = 1.0) -> Box | None:
        whole_factor = _coarse_factor(grey)
        factor = whole_factor * shrink
        small = _shrunk(grey, factor)
        least_px = _WINDOW_PX if whole_factor == 1 else _NEAR_PX
        sizes_px = max(least_px, round(smallest_px / factor)), min(small.shape)
        boxes = self._detect(small, sizes_px, _SEARCH_STEP, neighbours=2)
        return _best([_mapped(box, factor, 0, 0) for box in boxes], grey.shape)

    def _fine(self, grey: Grey, tile: int) -> Box | None:
        factor = max(1, _coarse_factor(grey) // 2)
        if factor == _coarse_factor(grey):
            return None
        largest_px = 2 * _NEAR_PX + 4
        x, y, width, height = _tile_of(grey, factor, tile, largest_px)
        small = _shrunk(grey[y : y + height, x : x + width], factor)
        boxes = self._detect(small, (_WINDOW_PX, largest_px), _SEARCH_STEP, neighbours=2)
        return _best([_mapped(box, factor, x, y) for box in boxes], grey.shape)

    def _beside(self, grey: Grey, last: Box) -> Box | None:
        """Search around the last face, scaled so that a face of its size has one fixed size."""
        reach = round(last.side * _LOCAL_REACH)
        x, y = max(0, last.x - reach), max(0, last.y - reach)
        region = grey[y : last.y + last.side + reach, x : last.x + last.side + reach]
        factor = last.side / _FACE_IN_LOCAL_PX
        size = (round(region.shape[1] / factor), round(region.shape[0] / factor))
        if min(size) < _WINDOW_PX:
            return None
        small = cv2().resize(region, size, interpolation=cv2().INTER_AREA)
        boxes = self._detect(small, _LOCAL_SIZES_PX, _LOCAL_STEP, neighbours=2)
        return _best([_mapped(box, factor, x, y) for box in boxes], grey.shape)

    def _detect(
        self, grey: Grey, sizes_px: tuple[int, int], step: float, neighbours: int
    ) -> list[tuple[int, int, int, int]]:
        if sizes_px[0] > sizes_px[1]:
            return []
        sizes = {"minSize": (sizes_px[0],) * 2, "maxSize": (sizes_px[1],) * 2}
        boxes = self._cascade.detectMultiScale(grey, step, neighbours, **sizes)
        return [tuple(int(value) for value in box) for box in boxes]  # type: ignore[misc]


_TILE_COLUMNS, _TILE_ROWS = 3, 2
_TILES = _TILE_COLUMNS * _TILE_ROWS


def _coarse_factor(grey: Grey) -> int:
    short_side_px = min(grey.shape[0], grey.shape[1])
    return max(1, round(int(short_side_px) / _COARSE_SHORT_SIDE_PX))


def _shrunk(grey: Grey, factor: float) -> Grey:
    if factor == 1.0:
        return grey
    size = (max(1, int(grey.shape[1] / factor)), max(1, int(grey.shape[0] / factor)))
    shrunk: Grey = cv2().resize(grey, size, interpolation=cv2().INTER_AREA)
    return shrunk


def _tile_of(grey: Grey, factor: int, tile: int, overlap_px: int) -> tuple[int, int, int, int]:
    """Return x, y, width and height of a tile; neighbours share the largest face looked for."""
    height, width = grey.shape
    row, column = divmod(tile, _TILE_COLUMNS)
    shared = overlap_px * factor
    x = max(0, column * width // _TILE_COLUMNS - shared // 2)
    y = max(0, row * height // _TILE_ROWS - shared // 2)
    return x, y, width // _TILE_COLUMNS + shared, height // _TILE_ROWS + shared


def _mapped(box: tuple[int, int, int, int], factor: float, x: int, y: int) -> Box:
    return Box(x + round(box[0] * factor), y + round(box[1] * factor), round(box[2] * factor))


def _score(box: Box, shape: tuple[int, ...]) -> float:
    """Side in pixels, halved for a face in the corner."""
    height, width = shape[:2]
    off_x = (box.x + box.side / 2) / width - 0.5
    off_y = (box.y + box.side / 2) / height - 0.5
    return box.side * (1.0 - math.hypot(off_x, off_y) / math.sqrt(2.0))


def _best(boxes: list[Box], shape: tuple[int, ...]) -> Box | None:
    return max(boxes, key=lambda box: _score(box, shape), default=None)


def _preferred(followed: Box | None, other: Box | None, shape: tuple[int, ...]) -> Box | None:
    if followed is None or other is None:
        return followed or other
    better = _score(other, shape) > _SWITCH_RATIO * _score(followed, shape)
    return other if better else followed


def _steadied(last: Box, new: Box) -> Box:
    """Average a box that hardly moved with the last one: the cascade's boxes tremble."""
    if abs(new.x - last.x) + abs(new.y - last.y) > 0.15 * last.side:
        return new
    return Box(*((a + b) // 2 for a, b in zip(last, new, strict=True)))

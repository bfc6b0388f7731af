"""Finding every face of a picture, with five landmarks, by a small network.

The network (package ``face-detector-small``) looks at one picture of fixed size and gives, for
cells of 8, 16 and 32 px, the log-odds of a face there, its box and its landmarks. Here a frame
is fitted into that picture, and the maps become faces in pixels of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge_emo.errors import ModelError
from edge_emo.features.settings import odd_number
from edge_emo.imaging import cv2

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

LANDMARKS = ("right eye", "left eye", "nose", "right mouth corner", "left mouth corner")
"""In this order; right is the person's own right, on the left of a picture."""
STRIDES = (8, 16, 32)
UNIT = 4.0
"""The maps give boxes and landmarks in so many strides."""
_CANDIDATES = 96
"""The best cells that are looked at; every face raises several."""
_LOG_SIZE_LIMIT = 4.0
BACKGROUND = 114
"""Grey level beside a frame that does not fill the network's picture."""
_CENTRE = np.float32(127.5)


class Point(NamedTuple):
    """A place in the frame, px."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """One face, in pixels of the frame; may reach over its edges.

    Attributes:
        x: Left edge of the box.
        y: Upper edge.
        width: Of the box, which goes from brow or hairline to chin.
        height: Of the box.
        score: 0 … 1, how sure the network is that this is a face.
        points: Five landmarks in the order of :data:`LANDMARKS`.
    """

    x: float
    y: float
    width: float
    height: float
    score: float
    points: tuple[Point, Point, Point, Point, Point]

    @property
    def side(self) -> float:
        """Side of the square of the same area, px."""
        return math.sqrt(max(0.0, self.width) * max(0.0, self.height))

    @property
    def centre(self) -> Point:
        """Centre of the box."""
        return Point(self.x + self.width / 2, self.y + self.height / 2)

    def moved(self, x: float, y: float) -> DetectedFace:
        """Return the face at another place, ``x`` and ``y`` px further."""
        a, b, c, d, e = (Point(p.x + x, p.y + y) for p in self.points)
        return replace(self, x=self.x + x, y=self.y + y, points=(a, b, c, d, e))


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """The parameters of a detector package, from ``[features]`` of its model.toml.

    Attributes:
        width_px: Width of the network's picture.
        height_px: Height of the network's picture.
        threshold: Least score of a face; chosen on validation scenes.
        overlap: Of two faces that share more than this (intersection over union), the better
            one stays.
        most: At most so many faces, the surest.
        follow: Share of the threshold that is enough for a face that is followed already.
        small_px: In the network's picture. A face of a smaller side, of which it sees little, …
        small_share: … counts as so much less sure.
    """

    width_px: int = 320
    height_px: int = 256
    threshold: float = 0.5
    overlap: float = 0.4
    most: int = 32
    follow: float = 0.6
    small_px: float = 0.0
    small_share: float = 1.0


class Detects(Protocol):
    """Finds the faces of one frame."""

    def detect(self, frame: Image) -> list[DetectedFace]:
        """Return the faces of an RGB frame, uint8 (height, width, 3), the surest first."""
        ...


class Runs(Protocol):
    """What a loaded model does."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
        """Return the network's outputs by name."""
        ...


class FaceDetector:
    """Finds faces with a loaded network. Not thread-safe: reuses its buffers.

    Args:
        model: The loaded network; input ``image`` (1, height, width, 3) float32 RGB
            grey levels less 127.5.
        settings: The package's parameters.
    """

    def __init__(self, model: Runs, settings: DetectorSettings) -> None:
        self._model = model
        self._settings = settings
        size = (settings.height_px, settings.width_px, 3)
        self._picture = np.full(size, BACKGROUND, np.uint8)
        self._tensor = np.empty((1, *size), np.float32)

    def detect(self, frame: Image) -> list[DetectedFace]:
        """Return the faces of a frame, the surest first; of one without a pixel, none.

        Args:
            frame: RGB uint8, shape (height, width, 3).

        Raises:
            ModelError: The network gave what is no number.
        """
        if frame.size == 0:
            return []
        scale = fit(frame, self._picture)
        np.subtract(self._picture, _CENTRE, out=self._tensor[0])
        outputs = self._model.run({"image": self._tensor})
        if not all(np.isfinite(outputs[name]).all() for name in _SCORES):
            raise _no_numbers("scores")
        found = decode(outputs, self._settings)
        if not (np.isfinite(found.boxes).all() and np.isfinite(found.points).all()):
            raise _no_numbers("places")
        return [_face(*row, scale) for row in zip(found.boxes, found.points, found.scores,
                                                  strict=True)]  # fmt: skip


_SCORES = tuple(f"score_{stride}" for stride in STRIDES)


def _no_numbers(what: str) -> ModelError:
    return ModelError(
        f"the detector gave {what} of faces that are no numbers",
        hint="compare backends with: edge-emo bench --autotune --model face-detector-small",
    )


@dataclass(frozen=True, slots=True)
class Found:
    """Faces in pixels of the network's picture, the surest first.

    Attributes:
        boxes: float32 (n, 4): left, top, right, bottom.
        points: float32 (n, 5, 2).
        scores: float32 (n,), 0 … 1.
    """

    boxes: Floats
    points: Floats
    scores: Floats


def detector_settings(features: Mapping[str, Any], where: str) -> DetectorSettings:
    """Read the parameters of a detector package.

    Args:
        features: Table ``[features]`` of its model.toml.
        where: Name of the package, for the message.

    Raises:
        ModelError: A key is unknown or a value is no number.
    """
    known = tuple(entry.name for entry in fields(DetectorSettings))
    for key, value in features.items():
        if key not in known or isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ModelError(
                f"{where}: [features] {key} = {value!r} is not for a face detector",
                hint=f"numbers that may be there: {', '.join(known)}",
            )
    if odd := odd_number(DetectorSettings, features):
        raise ModelError(f"{where}: [features] {odd}")
    settings = DetectorSettings(**features)
    if not 0.0 < settings.threshold * settings.follow <= settings.threshold < 1.0:
        raise ModelError(f"{where}: [features] threshold and follow are no shares between 0 and 1")
    return settings


def fit(frame: Image, picture: Image) -> float:
    """Scale a frame into the upper left of a picture, grey beside it.

    Args:
        frame: RGB uint8 (height, width, 3).
        picture: Written in place, same layout.

    Returns:
        Pixels of the frame per pixel of the picture.
    """
    height, width = frame.shape[:2]
    scale = float(max(height / picture.shape[0], width / picture.shape[1]))
    high = min(picture.shape[0], max(1, round(height / scale)))
    wide = min(picture.shape[1], max(1, round(width / scale)))
    vision = cv2()
    # Averaging over halves is fast; over other factors it costs ten times as much.
    while frame.shape[0] >= 2 * high and frame.shape[1] >= 2 * wide:
        half = (max(wide, frame.shape[1] // 2), max(high, frame.shape[0] // 2))
        frame = vision.resize(frame, half, interpolation=vision.INTER_AREA)
    # Not INTER_LINEAR: it rounds otherwise on Arm than on x86, and a landmark may jump for that.
    picture[:high, :wide] = vision.resize(
        frame, (wide, high), interpolation=vision.INTER_LINEAR_EXACT
    )
    picture[high:] = BACKGROUND
    picture[:high, wide:] = BACKGROUND
    return scale


def decode(outputs: Mapping[str, npt.NDArray[Any]], settings: DetectorSettings) -> Found:
    """Turn the network's maps into faces.

    Args:
        outputs: For each stride ``score_8`` (1, rows, columns, 1) in log-odds, ``box_8``
            (…, 4): centre less the cell's centre and logarithm of the size, ``points_8``
            (…, 10); in units of four strides.
        settings: Threshold, overlap and greatest number.
    """
    least = math.log(settings.threshold / (1.0 - settings.threshold))
    levels = [_level(outputs, stride, least) for stride in STRIDES]
    scores = np.concatenate([level[2] for level in levels])
    order = np.argsort(-scores, kind="stable")[:_CANDIDATES]
    boxes = np.concatenate([level[0] for level in levels])[order]
    kept = suppress(boxes, settings.overlap)[: settings.most]
    points = np.concatenate([level[1] for level in levels])[order][kept]
    chances = (1.0 / (1.0 + np.exp(-scores[order][kept]))).astype(np.float32)
    return _sure_enough(Found(boxes[kept], points, chances), settings)


def _sure_enough(found: Found, settings: DetectorSettings) -> Found:
    """Take from the scores of small faces; drop those that fall below the threshold."""
    small = _area(found.boxes) < settings.small_px**2
    if not small.any():
        return found
    scores = np.where(small, found.scores * np.float32(settings.small_share), found.scores)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= settings.threshold]
    return Found(found.boxes[order], found.points[order], scores[order])


def suppress(boxes: Floats, overlap: float) -> npt.NDArray[np.intp]:
    """Return the indices of the boxes that no better one overlaps too much.

    Args:
        boxes: float32 (n, 4): left, top, right, bottom, the best first.
        overlap: Greatest intersection over union of two that both stay.
    """
    shared = box_overlap(boxes, boxes) > overlap
    free = np.ones(len(boxes), bool)
    for k in range(len(boxes)):
        if free[k]:
            free[k + 1 :] &= ~shared[k, k + 1 :]
    return np.flatnonzero(free)


def box_overlap(ours: Floats, theirs: Floats) -> Floats:
    """Return the intersection over union of each pair of boxes, float32 (n, m).

    Args:
        ours: (n, 4): left, top, right, bottom.
        theirs: (m, 4).
    """
    low = np.maximum(ours[:, None, :2], theirs[None, :, :2])
    high = np.minimum(ours[:, None, 2:], theirs[None, :, 2:])
    both = np.maximum(high - low, 0.0).prod(axis=2)
    either = _area(ours)[:, None] + _area(theirs)[None] - both
    return np.asarray(both / np.maximum(either, 1e-9), dtype=np.float32)


def _area(boxes: Floats) -> Floats:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), dtype=np.float32)


def _level(
    outputs: Mapping[str, npt.NDArray[Any]], stride: int, least: float
) -> tuple[Floats, Floats, Floats]:
    """Return boxes, landmarks and log-odds of the cells of one map that reach the threshold."""
    odds = outputs[f"score_{stride}"][0, :, :, 0]
    rows, columns = np.nonzero(odds >= least)
    if not len(rows):
        return _NO_BOXES, _NO_POINTS, _NO_SCORES
    cells = np.stack([columns, rows], axis=1).astype(np.float32) + np.float32(0.5)
    box = outputs[f"box_{stride}"][0, rows, columns]
    centre = (cells + box[:, :2] * UNIT) * stride
    size = np.minimum(box[:, 2:], _LOG_SIZE_LIMIT)
    half = np.exp(size) * np.float32(UNIT * stride / 2)
    points = outputs[f"points_{stride}"][0, rows, columns].reshape(-1, 5, 2)
    places = (cells[:, np.newaxis] + points * UNIT) * stride
    return np.hstack([centre - half, centre + half]), places, odds[rows, columns]


_NO_BOXES = np.zeros((0, 4), np.float32)
_NO_POINTS = np.zeros((0, 5, 2), np.float32)
_NO_SCORES = np.zeros(0, np.float32)


def _face(box: Floats, points: Floats, score: np.float32, scale: float) -> DetectedFace:
    left, top, right, bottom = (float(v) * scale for v in box)
    a, b, c, d, e = (Point(float(x) * scale, float(y) * scale) for x, y in points)
    return DetectedFace(left, top, right - left, bottom - top, float(score), (a, b, c, d, e))


def detected(faces: Sequence[DetectedFace]) -> Floats:
    """Return the boxes of faces, float32 (n, 4): left, top, right, bottom."""
    rows = [(f.x, f.y, f.x + f.width, f.y + f.height) for f in faces]
    return np.array(rows, np.float32).reshape(-1, 4)

"""From five landmarks to an upright crop of one size, and to a rough pose of the head.

The crop is framed as the pictures of FER2013 are, on which expression models are trained:
``FER_TEMPLATE`` says where the landmarks lie in such a picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_emo.features.face_detector import DetectedFace, Point
from edge_emo.imaging import cv2

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

FER_TEMPLATE: tuple[Point, ...] = (
    Point(0.32, 0.39),
    Point(0.68, 0.39),
    Point(0.50, 0.58),
    Point(0.345, 0.745),
    Point(0.655, 0.745),
)
"""Landmarks as shares of the crop's side: medians over pictures of FER2013 in which
``face-detector-small`` is sure of one face (``tools/train/face_template.py``)."""

_HEAD = np.array(
    [[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.6, -0.5], [-0.4, 1.08, -0.1], [0.4, 1.08, -0.1]]
)
"""A rough head: x to the picture's right, y down, z away from the camera, in eye distances."""
_UNMIX = np.linalg.pinv(_HEAD - _HEAD.mean(axis=0))
_SHRINK = 0.6
"""Below this scale a bilinear warp skips pixels; then the picture is averaged down first."""


class Pose(NamedTuple):
    """Direction of a head in degrees; (0, 0, 0) looks into the camera, upright.

    Attributes:
        yaw: Turned towards the picture's right.
        pitch: Raised.
        roll: Tilted clockwise in the picture.
    """

    yaw: float
    pitch: float
    roll: float


class Aligned(NamedTuple):
    """An upright crop.

    Attributes:
        image: uint8 (size, size) or (size, size, 3), like the frame; the edge is repeated
            outside the frame.
        inside: Share of the crop that lies inside the frame, 0 … 1.
        scale: Pixels of the crop per pixel of the frame.
    """

    image: Image
    inside: float
    scale: float


def similarity(source: npt.ArrayLike, target: npt.ArrayLike) -> Floats:
    """Return the turn, scale and shift that bring points nearest to others, least squares.

    S. Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", IEEE PAMI 13(4), 1991, equations 38 to 43, in two dimensions; never a mirror.

    Args:
        source: (n, 2), n ≥ 2.
        target: (n, 2).

    Returns:
        float64 (2, 3): target ≈ matrix[:, :2] @ source + matrix[:, 2]. Where all points of the
        source coincide, the scale is 0.
    """
    ours, theirs = np.asarray(source, np.float64), np.asarray(target, np.float64)
    centre, goal = ours.mean(axis=0), theirs.mean(axis=0)
    x, y = (ours - centre).T
    u, v = (theirs - goal).T
    spread = float((x * x + y * y).sum())
    # In two dimensions the singular value decomposition of the paper has this closed form.
    cosine = float((x * u + y * v).sum()) / spread if spread > 0 else 0.0
    sine = float((x * v - y * u).sum()) / spread if spread > 0 else 0.0
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.hstack([linear, (goal - linear @ centre)[:, np.newaxis]])


def align(
    image: Image, face: DetectedFace, size_px: int, template: Sequence[Point] = FER_TEMPLATE
) -> Aligned:
    """Cut an upright crop of a face.

    Args:
        image: The frame, uint8 (height, width) or (height, width, 3).
        face: In pixels of the frame.
        size_px: Side of the crop.
        template: Where the five landmarks go, as shares of the side.
    """
    matrix = similarity(face.points, np.array(template) * size_px)
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    if scale <= 0.0:
        return Aligned(np.zeros((size_px, size_px, *image.shape[2:]), np.uint8), 0.0, 0.0)
    inside = _inside(matrix, size_px, image.shape[:2])
    vision = cv2()
    source, matrix = _near_part(image, matrix, size_px)
    source, matrix = _averaged_down(source, matrix, scale)
    crop = vision.warpAffine(
        source, matrix, (size_px, size_px), flags=vision.INTER_LINEAR,
        borderMode=vision.BORDER_REPLICATE,
    )  # fmt: skip
    return Aligned(crop, inside, scale)


def pose(points: Sequence[Point]) -> Pose:
    """Return a rough direction of the head from its five landmarks.

    The landmarks are taken for a scaled orthographic picture of one average head; the map
    from head to picture is solved by least squares, and the nearest rotation is read off. A
    nose that lies 0.05 eye distances beside its place turns yaw by about 6°; pitch is the
    least sure, as it depends on the length of the nose and on an open mouth.

    Args:
        points: In the order of ``LANDMARKS``, px.
    """
    places = np.asarray(points, np.float64)
    mixed = (_UNMIX @ (places - places.mean(axis=0))).T
    left, _, right = np.linalg.svd(mixed, full_matrices=False)
    across, down = left @ right
    ahead = -np.cross(across, down)
    forward = np.array([-across[2], -down[2], ahead[2]])
    yaw = math.atan2(forward[0], -forward[2])
    pitch = math.asin(min(1.0, max(-1.0, -forward[1])))
    roll = math.atan2(places[1, 1] - places[0, 1], places[1, 0] - places[0, 0])
    return Pose(*(math.degrees(angle) for angle in (yaw, pitch, roll)))


def eye_distance(face: DetectedFace) -> float:
    """Return the distance between the eyes, px."""
    return math.dist(face.points[0], face.points[1])


def _corners(matrix: Floats, size_px: int) -> Floats:
    """Return the crop's corners in the frame, (4, 2)."""
    crop = np.array([[0, 0], [size_px, 0], [size_px, size_px], [0, size_px]], np.float64)
    return np.asarray(np.linalg.solve(matrix[:, :2], (crop - matrix[:, 2]).T).T)


def _inside(matrix: Floats, size_px: int, shape: tuple[int, ...]) -> float:
    """Return the share of a grid of 8×8 places of the crop that lies inside the frame."""
    steps = (np.arange(8) + 0.5) * size_px / 8
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    x, y = np.linalg.solve(matrix[:, :2], (grid - matrix[:, 2]).T)
    return float(((x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0])).mean())


def _near_part(image: Image, matrix: Floats, size_px: int) -> tuple[Image, Floats]:
    """Return the part of the frame that the crop needs, and the transform from there."""
    corners = _corners(matrix, size_px)
    ends = np.array((image.shape[1], image.shape[0]))
    low = np.clip(np.floor(corners.min(axis=0)) - 2, 0, ends - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 2, low + 1, ends).astype(int)
    (x0, y0), (x1, y1) = low, high
    part = image[y0:y1, x0:x1]
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (x0, y0)
    return part, moved


def _averaged_down(image: Image, matrix: Floats, scale: float) -> tuple[Image, Floats]:
    if scale >= _SHRINK:
        return image, matrix
    vision = cv2()
    height, width = image.shape[:2]
    size = (max(1, round(width * scale / _SHRINK)), max(1, round(height * scale / _SHRINK)))
    # Halves and EXACT alone: averages over other factors are rounded otherwise on Arm than on x86.
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        half = (max(size[0], image.shape[1] // 2), max(size[1], image.shape[0] // 2))
        image = vision.resize(image, half, interpolation=vision.INTER_AREA)
    small = vision.resize(image, size, interpolation=vision.INTER_LINEAR_EXACT)
    return small, matrix @ np.diag([width / size[0], height / size[1], 1.0])

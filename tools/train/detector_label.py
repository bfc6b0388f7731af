"""Boxes and landmarks for the synthetic faces, which have none, by the half-trained network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from detector_data import Faces, Floats, Image, Picture

from edge_emo.features.face_detector import DetectedFace, FaceDetector, detected

_CANVAS_PX, _AT_PX = 256, 64
_MIRROR = [1, 0, 2, 4, 3]
_AGREE = 0.06
"""Greatest mean distance of landmarks seen plainly and in a mirror, in sides of the face."""


def label(detector: FaceDetector, paths: Sequence[Path]) -> list[Picture]:
    """Return the pictures on which the network agrees with itself in a mirror.

    Args:
        detector: With a low threshold.
        paths: Square pictures of one face each.
    """
    pictures = []
    for path in paths:
        pixels = np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))
        found = _seen(detector, pixels), _seen(detector, np.ascontiguousarray(pixels[:, ::-1]))
        if found[0] is None or found[1] is None:
            continue
        faces = _agreed(*found, pixels.shape[1])
        if faces is not None:
            pictures.append(Picture(path, faces, pixels))
    return pictures


def _seen(detector: FaceDetector, pixels: Image) -> DetectedFace | None:
    canvas = np.full((_CANVAS_PX, _CANVAS_PX, 3), 114, np.uint8)
    high, wide = pixels.shape[:2]
    canvas[_AT_PX : _AT_PX + high, _AT_PX : _AT_PX + wide] = pixels
    faces = [f for f in detector.detect(canvas) if f.side > 0.35 * wide]
    return max(faces, key=lambda face: face.score, default=None)


def _agreed(plain: DetectedFace, mirrored: DetectedFace, wide: int) -> Faces | None:
    """Return the mean of both, or None when they differ."""
    points = np.array(plain.points, np.float32) - _AT_PX
    other = np.array(mirrored.points, np.float32) - _AT_PX
    other[:, 0] = wide - 1 - other[:, 0]
    other = other[_MIRROR]
    if np.hypot(*(points - other).T).mean() > _AGREE * plain.side:
        return None
    box = _mean_box(detected([plain]) - _AT_PX, detected([mirrored]) - _AT_PX, wide)
    unknown = np.full((1, 4), np.nan, np.float32)
    return Faces(box, ((points + other) / 2)[np.newaxis], unknown, ("",))


def _mean_box(plain: Floats, mirrored: Floats, wide: int) -> Floats:
    turned = mirrored.copy()
    turned[:, [0, 2]] = wide - 1 - mirrored[:, [2, 0]]
    return np.asarray((plain + turned) / 2, dtype=np.float32)

"""Where the five landmarks lie in the pictures of FER2013, by the exported detector.

    python tools/train/face_template.py --data DIR

Prints the median place of each landmark as a share of the picture's side, mirrored places
averaged, for ``edge_emo.features.face_align.FER_TEMPLATE``. Training pictures only.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import face_data
import numpy as np

from edge_emo.features.face_detector import LANDMARKS, FaceDetector, detector_settings
from edge_emo.manifest import read_package
from edge_emo.runtime.choose import load_model

_CANVAS = (256, 320)
_SIDE_PX = 150
_MIRROR = [1, 0, 2, 4, 3]
SURE = 0.7
"""Least score of a face that counts."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--detector", type=Path, default=Path("models/face-detector-small"))
    parser.add_argument("--pictures", type=int, default=4000)
    given = parser.parse_args()
    places = landmarks(given.detector, face_data.read(given.data, "Training"), given.pictures)
    mirrored = np.stack([1.0 - places[:, _MIRROR, 0], places[:, _MIRROR, 1]], axis=2)
    both = np.concatenate([places, mirrored])
    print(f"{len(places)} of {given.pictures} pictures have one sure face")
    for name, (x, y), spread in zip(
        LANDMARKS, np.median(both, axis=0), both.std(axis=0), strict=True
    ):
        print(f"{name}: {x:.3f}, {y:.3f} (deviation {spread[0]:.3f}, {spread[1]:.3f})")


def landmarks(folder: Path, faces: face_data.Faces, count: int) -> np.ndarray:
    """Return (n, 5, 2) shares of the side, of the pictures in which one sure face is found."""
    package = read_package(folder)
    settings = replace(detector_settings(package.features, package.id), threshold=SURE)
    detector = FaceDetector(load_model(package), settings)
    canvas = np.full((*_CANVAS, 3), 114, np.uint8)
    top, left = (_CANVAS[0] - _SIDE_PX) // 2, (_CANVAS[1] - _SIDE_PX) // 2
    rows = []
    for image in faces.images[:: max(1, len(faces.images) // count)][:count]:
        large = cv2.resize(image, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC)
        canvas[top : top + _SIDE_PX, left : left + _SIDE_PX] = large[:, :, np.newaxis]
        found = [face for face in detector.detect(canvas) if face.side > 0.4 * _SIDE_PX]
        if len(found) == 1:
            rows.append((np.array(found[0].points) - (left, top)) / _SIDE_PX)
    return np.array(rows)


if __name__ == "__main__":
    main()

"""Placing the five landmarks of a face more exactly than its detector does.

A detector looks at the whole frame in few pixels. The network here (package
``face-landmarks-small``) sees the face alone, upright by the detector's own landmarks, and says
how far each of them lies from its place in the template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.errors import ModelError
from edge_emo.features.face import standardise
from edge_emo.features.face_align import FER_TEMPLATE, align, similarity
from edge_emo.features.face_detector import DetectedFace, Point, Runs
from edge_emo.features.settings import odd_number
from edge_emo.imaging import cv2

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LandmarkSettings:
    """The parameters of a landmark package, from ``[features]`` of its model.toml.

    Attributes:
        size_px: Side of the network's square grey picture.
        unit_px: The network gives distances in so many px of that picture.
        most: At most so many faces of a frame, the surest; the others keep what they have.
        reach: A landmark that went farther than this share of the crop's side is not believed.
    """

    size_px: int = 48
    unit_px: float = 4.0
    most: int = 8
    reach: float = 0.5


class LandmarkRefiner:
    """Moves landmarks with a loaded network.

    Args:
        model: Input ``image`` (1, 1, size, size) float32, mean 0 and deviation 1; output
            ``points`` (1, 10): x and y of each landmark less the template's.
        settings: The package's parameters.
    """

    def __init__(self, model: Runs, settings: LandmarkSettings) -> None:
        self._model = model
        self._settings = settings
        self._template = np.array(FER_TEMPLATE) * settings.size_px

    def refined(self, frame: Image, faces: list[DetectedFace]) -> list[DetectedFace]:
        """Return the faces, the first ones with new landmarks.

        Args:
            frame: RGB uint8, shape (height, width, 3).
            faces: In pixels of the frame, the surest first.

        Raises:
            ModelError: The network gave what is no number.
        """
        most = self._settings.most
        return [self._refined(frame, face) for face in faces[:most]] + faces[most:]

    def _refined(self, frame: Image, face: DetectedFace) -> DetectedFace:
        aligned = align(frame, face, self._settings.size_px)
        if aligned.scale <= 0.0:
            return face
        vision = cv2()
        grey = standardise(vision.cvtColor(aligned.image, vision.COLOR_RGB2GRAY))
        moves = (self._moves(grey) + self._mirrored_moves(grey)) / 2
        if not np.isfinite(moves).all():
            raise ModelError("the network gave landmarks of a face that are no numbers")
        if np.abs(moves).max() > self._settings.reach * self._settings.size_px:
            return face
        matrix = similarity(face.points, self._template)
        places = np.linalg.solve(matrix[:, :2], (self._template + moves - matrix[:, 2]).T).T
        a, b, c, d, e = (Point(float(x), float(y)) for x, y in places)
        return replace(face, points=(a, b, c, d, e))

    def _moves(self, grey: npt.NDArray[np.float32]) -> Floats:
        """Return how far each landmark lies from the template's, px of the crop, (5, 2)."""
        answer = self._model.run({"image": grey[np.newaxis, np.newaxis]})["points"]
        return np.asarray(answer.reshape(-1, 2), np.float64) * self._settings.unit_px

    def _mirrored_moves(self, grey: npt.NDArray[np.float32]) -> Floats:
        """Return the same as seen in a mirror: the mean of both errs less."""
        side = self._settings.size_px
        places: Floats = (self._template + self._moves(np.ascontiguousarray(grey[:, ::-1])))[
            _MIRROR
        ]
        places[:, 0] = side - places[:, 0]
        return np.asarray(places - self._template)


_MIRROR = [1, 0, 2, 4, 3]
"""Landmarks of the other side."""


def landmark_settings(features: Mapping[str, Any], where: str) -> LandmarkSettings:
    """Read the parameters of a landmark package.

    Args:
        features: Table ``[features]`` of its model.toml.
        where: Name of the package, for the message.

    Raises:
        ModelError: A key is unknown or a value is no number above 0.
    """
    known = tuple(entry.name for entry in fields(LandmarkSettings))
    for key, value in features.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if key not in known or not number or value <= 0:
            raise ModelError(
                f"{where}: [features] {key} = {value!r} is not for landmarks of faces",
                hint=f"numbers above 0 that may be there: {', '.join(known)}",
            )
    if odd := odd_number(LandmarkSettings, features):
        raise ModelError(f"{where}: [features] {odd}")
    return LandmarkSettings(**features)

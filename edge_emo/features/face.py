"""Face crops: one face out of a frame, judged and prepared for a model.

The models' training pictures are framed as the cascade frames a face: measured on FER2013, the
cascade's box is 0.97 of the picture's side in the median, and centred. So the margin is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.errors import ModelError
from edge_emo.features.face_finder import Box, FaceFinder, Grey
from edge_emo.imaging import cv2

_FLAT = 3.0
"""Standard deviation in grey levels below which a picture shows nothing."""
_DARK, _BRIGHT = 25.0, 235.0
_BLURRED, _SHARP = 0.005, 0.08
"""Sharpness: FER2013 has 0.74 in the median; blurred with a deviation of 1, 2 and 4 px of 48,
0.067, 0.012 and 0.003."""


@dataclass(frozen=True, slots=True)
class FaceSettings:
    """The parameters of a package, from ``[features]`` of its model.toml.

    Attributes:
        size_px: Side of the model's square grey input.
        interval_s: Least originating time between two estimates, seconds.
        margin: Added on each side of the found box, as a share of its side.
        min_face_px: Faces with a smaller side are not estimated.
        good_face_px: Faces of this side and more lose no quality for their size.
        min_inside: Least share of the crop that must lie inside the frame.
    """

    size_px: int = 48
    interval_s: float = 0.1
    margin: float = 0.0
    min_face_px: int = 36
    good_face_px: int = 72
    min_inside: float = 0.75


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """A face as a model reads it.

    Attributes:
        image: float32 (1, 1, size, size), mean 0 and deviation 1; None when there is a reason.
        quality: 0 … 1: size, sharpness, exposure and completeness multiplied.
        box: Where it was in the frame; None without a face.
        reason: None, or why it cannot be estimated: "no face", "face 18 px", "face cut off",
            "too dark", "too bright", "flat picture".
    """

    image: npt.NDArray[np.float32] | None
    quality: float
    box: Box | None
    reason: str | None


class FaceReader:
    """Turns the frames of one stream into crops. Not thread-safe.

    Args:
        settings: The package's parameters.
    """

    def __init__(self, settings: FaceSettings) -> None:
        self._settings = settings
        self._finder = FaceFinder()
        self._grey: Grey | None = None

    def reset(self) -> None:
        """Forget the face that was followed."""
        self._finder.reset()

    def read(self, frame: npt.NDArray[np.uint8]) -> FaceCrop:
        """Find the face in the next frame of the stream and prepare it.

        Args:
            frame: RGB, shape (height, width, 3).
        """
        vision = cv2()
        self._grey = vision.cvtColor(frame, vision.COLOR_RGB2GRAY, self._reusable(frame))
        return self._crop(self._grey, self._finder.find(self._grey))

    def read_crop(self, crop: npt.NDArray[np.uint8]) -> FaceCrop:
        """Prepare a picture that is a face crop already.

        Args:
            crop: RGB, shape (height, width, 3).
        """
        vision = cv2()
        face = _resized(vision.cvtColor(crop, vision.COLOR_RGB2GRAY), self._settings.size_px)
        return _judged(face, min(crop.shape[:2]), 1.0, None, self._settings)

    def _reusable(self, frame: npt.NDArray[np.uint8]) -> Grey | None:
        fits = self._grey is not None and self._grey.shape == frame.shape[:2]
        return self._grey if fits else None

    def _crop(self, grey: Grey, box: Box | None) -> FaceCrop:
        settings = self._settings
        if box is None:
            return FaceCrop(None, 0.0, None, "no face")
        if box.side < settings.min_face_px:
            return FaceCrop(None, 0.0, box, f"face {box.side} px")
        patch, inside = cut(grey, box, settings.margin)
        if inside < settings.min_inside:
            return FaceCrop(None, 0.0, box, "face cut off")
        return _judged(_resized(patch, settings.size_px), box.side, inside, box, settings)


def settings_from(features: Mapping[str, Any], where: str) -> FaceSettings:
    """Read the parameters of a package.

    Args:
        features: Table ``[features]`` of its model.toml.
        where: Name of the package, for the message.

    Raises:
        ModelError: A key is unknown or a value is no number.
    """
    known = {entry.name: entry.type for entry in fields(FaceSettings)}
    for key, value in features.items():
        if key not in known or isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ModelError(
                f"{where}: [features] {key} = {value!r} is not for faces",
                hint=f"numbers that may be there: {', '.join(known)}",
            )
    return FaceSettings(**features)


def standardise(images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Give each picture mean 0 and standard deviation 1.

    Args:
        images: (…, height, width) in 0 … 255, any numeric dtype.

    Returns:
        float32 of the same shape. A flat picture becomes zeros: the deviation counts as at
        least 1 grey level.
    """
    grey = images.astype(np.float32)
    grey -= grey.mean(axis=(-2, -1), keepdims=True)
    deviation = np.sqrt(np.square(grey).mean(axis=(-2, -1), keepdims=True))
    grey /= np.maximum(deviation, np.float32(1.0))
    return grey


def cut(grey: Grey, box: Box, margin: float) -> tuple[Grey, float]:
    """Cut a square out of a picture; what lies outside repeats the edge.

    Args:
        grey: Shape (height, width).
        box: The face.
        margin: Added on each side, as a share of the box.

    Returns:
        The square, and the share of it that lies inside the picture. A view when all does.
    """
    grow = round(box.side * margin)
    left, top, side = box.x - grow, box.y - grow, box.side + 2 * grow
    height, width = grey.shape
    x0, y0 = min(max(left, 0), width), min(max(top, 0), height)
    x1, y1 = max(min(left + side, width), x0), max(min(top + side, height), y0)
    inside = (x1 - x0) * (y1 - y0) / (side * side)
    if inside in (0.0, 1.0):
        return grey[y0:y1, x0:x1], inside
    edges = (y0 - top, top + side - y1, x0 - left, left + side - x1)
    vision = cv2()
    return vision.copyMakeBorder(grey[y0:y1, x0:x1], *edges, vision.BORDER_REPLICATE), inside


def sharpness(image: npt.NDArray[np.float32]) -> float:
    """Return the variance of the Laplacian of a standardised crop (Pech-Pacheco et al. 2000).

    Args:
        image: float32 (size, size), mean 0 and deviation 1, so that contrast cancels out.
    """
    vision = cv2()
    return float(vision.Laplacian(image, vision.CV_32F).var())


def _resized(grey: Grey, size_px: int) -> Grey:
    vision = cv2()
    shrinks = min(grey.shape) > size_px
    how = vision.INTER_AREA if shrinks else vision.INTER_LINEAR
    face: Grey = vision.resize(grey, (size_px, size_px), interpolation=how)
    return face


def _judged(
    face: Grey, side_px: int, inside: float, box: Box | None, settings: FaceSettings
) -> FaceCrop:
    mean, deviation = float(face.mean()), float(face.std())
    reason = _unusable(mean, deviation)
    if reason is not None:
        return FaceCrop(None, 0.0, box, reason)
    image = standardise(face)
    factors = (
        _ramp(side_px, 0.0, settings.good_face_px),
        0.2 + 0.8 * _ramp(_log(sharpness(image)), _log(_BLURRED), _log(_SHARP)),
        _ramp(deviation, 0.0, 25.0),
        _ramp(mean, 0.0, 60.0) * _ramp(255.0 - mean, 0.0, 60.0),
        inside,
    )
    return FaceCrop(image[np.newaxis, np.newaxis], float(np.prod(factors)), box, None)


def _unusable(mean: float, deviation: float) -> str | None:
    if deviation >= 2 * _FLAT or (deviation >= _FLAT and _DARK <= mean <= _BRIGHT):
        return None
    if _DARK <= mean <= _BRIGHT:
        return "flat picture"
    return "too dark" if mean < _DARK else "too bright"


def _log(value: float) -> float:
    return math.log(max(value, 1e-6))


def _ramp(value: float, low: float, high: float) -> float:
    """Return 0 at ``low`` and below, 1 at ``high`` and above."""
    return min(1.0, max(0.0, (value - low) / (high - low)))

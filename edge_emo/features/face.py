"""Face crops: one face out of a frame, judged and prepared for a model.

What is wrong with a face is found by checks, each a factor of the quality and its reason in
words. Where the product falls below the package's bound, the worst check says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_emo.errors import ModelError
from edge_emo.features.face_align import FER_TEMPLATE, Pose, align, pose
from edge_emo.features.face_detector import BACKGROUND, DetectedFace, Detects, Point
from edge_emo.features.settings import odd_number
from edge_emo.imaging import cv2

Image = npt.NDArray[np.uint8]

_FLAT = 3.0
"""Standard deviation in grey levels below which a picture shows nothing."""
_DARK, _BRIGHT = 25.0, 235.0
_BLURRED, _SHARP = 0.005, 0.08
"""Sharpness: FER2013 has 0.74 in the median; blurred with a deviation of 1, 2 and 4 px of 48,
0.067, 0.012 and 0.003."""
_FARTHEST_PX = 1e6
"""No picture has a place so far away; what is computed of one nearer stays finite."""
_LONG, _LONGEST = 2.5, 4.0
"""Longer by shorter side: up to the first, a picture may be a face; from the second on, none."""
EMPTY = "empty picture"


@dataclass(frozen=True, slots=True)
class FaceSettings:
    """The parameters of a package, from ``[features]`` of its model.toml.

    Attributes:
        size_px: Side of the model's square grey input.
        interval_s: Least originating time between two estimates, seconds.
        margin: Added on each side of the crop, as a share of its side.
        min_face_px: Faces whose box has a smaller side are not estimated.
        good_face_px: Faces of this side and more lose no quality for their size.
        min_inside: Least share of the crop that must lie inside the frame.
        good_turn_deg: Up to so far to either side a head loses no quality.
        max_turn_deg: From here on it is not estimated.
        good_nod_deg: Likewise up and down, which landmarks tell less surely.
        max_nod_deg: From here on it is not estimated.
        max_tilt_deg: A head that leans more, as one upside down, is not estimated; crops are
            turned upright, so less tilt costs no quality.
        sure_score: Faces that the detector gives this score and more lose no quality for it.
        covered_eyes: Share of the quality that stays when the eyes are surely covered.
        covered_mouth: Share that stays when the mouth is; of both nothing stays.
        min_quality: With less quality it abstains.
        search_from_px: A picture to be estimated alone is searched for a face when its
            shorter side is at least this, and taken for a crop when it is less or no face is
            found.
        search_margin: Grey border around such a picture while it is searched, as a share of
            its longer side: a face that fills a picture is none that detectors know.
    """

    size_px: int = 48
    interval_s: float = 0.1
    margin: float = 0.0
    min_face_px: float = 24.0
    good_face_px: float = 72.0
    min_inside: float = 0.75
    good_turn_deg: float = 25.0
    max_turn_deg: float = 60.0
    good_nod_deg: float = 30.0
    max_nod_deg: float = 55.0
    max_tilt_deg: float = 100.0
    sure_score: float = 0.8
    covered_eyes: float = 0.5
    covered_mouth: float = 0.35
    min_quality: float = 0.05
    search_from_px: float = 96.0
    search_margin: float = 0.25


class Check(NamedTuple):
    """One thing that may be wrong.

    Attributes:
        factor: What it leaves of the quality, 0 … 1.
        reason: What is wrong when that is little.
    """

    factor: float
    reason: str


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """A face as a model reads it.

    Attributes:
        image: float32 (1, 1, size, size), mean 0 and deviation 1; None when there is a reason.
        quality: 0 … 1: the factors of all checks multiplied.
        reason: None, or why it cannot be estimated, such as "face 18 px", "turned 62°",
            "face cut off", "too dark", "flat picture".
    """

    image: npt.NDArray[np.float32] | None
    quality: float
    reason: str | None


def read_face(frame: Image, face: DetectedFace, settings: FaceSettings) -> FaceCrop:
    """Cut a face out of a frame, upright, and prepare it.

    Args:
        frame: RGB uint8, shape (height, width, 3).
        face: In pixels of the frame.
        settings: The package's parameters.
    """
    if frame.size == 0:
        return FaceCrop(None, 0.0, EMPTY)
    checks = face_checks(face, settings)
    if any(check.factor <= 0.0 for check in checks):
        return _refused(checks)
    aligned = align(frame, face, settings.size_px, _template(settings.margin))
    inside = 0.0 if aligned.inside < settings.min_inside else aligned.inside
    checks.append(Check(inside, "face cut off"))
    if inside <= 0.0:
        return _refused(checks)
    vision = cv2()
    return _judged(vision.cvtColor(aligned.image, vision.COLOR_RGB2GRAY), checks, settings)


def read_picture(
    picture: Image, detector: Detects | None, settings: FaceSettings, least_score: float = 0.0
) -> FaceCrop:
    """Prepare a picture that stands alone: a crop, or one in which the largest face counts.

    Args:
        picture: RGB uint8, shape (height, width, 3).
        detector: Searches pictures of ``search_from_px`` and more; None takes all for crops.
        settings: The package's parameters.
        least_score: Faces of which the detector is less sure are not looked at.
    """
    if detector is not None and min(picture.shape[:2]) >= settings.search_from_px:
        face = _largest_in(picture, detector, settings, least_score)
        if face is not None:
            return read_face(picture, face, replace(settings, min_inside=0.0))
    return read_crop(picture, settings)


def read_crop(crop: Image, settings: FaceSettings) -> FaceCrop:
    """Prepare a picture that is a face crop already.

    Args:
        crop: RGB uint8, shape (height, width, 3).
        settings: The package's parameters.
    """
    if crop.size == 0:
        return FaceCrop(None, 0.0, EMPTY)
    vision = cv2()
    face = _resized(vision.cvtColor(crop, vision.COLOR_RGB2GRAY), settings.size_px)
    return _judged(face, shape_checks(crop.shape[1], crop.shape[0], settings), settings)


def settings_from(features: Mapping[str, Any], where: str) -> FaceSettings:
    """Read the parameters of a package.

    Args:
        features: Table ``[features]`` of its model.toml.
        where: Name of the package, for the message.

    Raises:
        ModelError: A key is unknown, a value is no number, or the numbers cannot be.
    """
    known = {entry.name: entry.type for entry in fields(FaceSettings)}
    for key, value in features.items():
        if key not in known or isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ModelError(
                f"{where}: [features] {key} = {value!r} is not for faces",
                hint=f"numbers that may be there: {', '.join(known)}",
            )
    if odd := odd_number(FaceSettings, features):
        raise ModelError(f"{where}: [features] {odd}")
    settings = FaceSettings(**features)
    for problem in _contradictions(settings):
        raise ModelError(f"{where}: [features] {problem}")
    return settings


def _contradictions(settings: FaceSettings) -> list[str]:
    above_0 = ("size_px", "good_face_px", "sure_score")
    problems = [f"{name} is not above 0" for name in above_0 if getattr(settings, name) <= 0]
    if settings.max_turn_deg <= settings.good_turn_deg:
        problems.append("max_turn_deg is not above good_turn_deg")
    if settings.max_nod_deg <= settings.good_nod_deg:
        problems.append("max_nod_deg is not above good_nod_deg")
    return problems


def quality_of(checks: Sequence[Check]) -> float:
    """Return the product of the checks' factors, 0 … 1."""
    return math.prod(min(1.0, max(0.0, check.factor)) for check in checks)


def worst_of(checks: Sequence[Check]) -> str:
    """Return the reason of the check that costs the most quality."""
    return min(checks, key=lambda check: check.factor).reason


def face_checks(face: DetectedFace, settings: FaceSettings) -> list[Check]:
    """Judge what is known of a face before its pixels are looked at: size, score, direction."""
    if not _placed(face):
        return [Check(0.0, "face at no place")]
    side = face.side
    size = 0.0 if side < settings.min_face_px else side / settings.good_face_px
    return [
        Check(size, f"face {round(side)} px"),
        Check(face.score / settings.sure_score, "face uncertain"),
        *pose_checks(pose(face.points), settings),
    ]


def shape_checks(width: int, height: int, settings: FaceSettings) -> list[Check]:
    """Judge size and shape, px, of a picture that is taken for a crop."""
    shorter, longer = sorted((width, height))
    return [
        Check(shorter / settings.good_face_px, f"face {shorter} px"),
        Check(
            _fall(longer / shorter, _LONG, _LONGEST), f"picture {width} × {height} px is no face"
        ),
    ]


def pose_checks(head: Pose, settings: FaceSettings) -> list[Check]:
    """Judge a head's direction."""
    turn = _fall(abs(head.yaw), settings.good_turn_deg, settings.max_turn_deg)
    nod = _fall(abs(head.pitch), settings.good_nod_deg, settings.max_nod_deg)
    way = "raised" if head.pitch > 0 else "lowered"
    return [
        Check(turn, f"turned {abs(head.yaw):.0f}°"),
        Check(nod, f"{way} {abs(head.pitch):.0f}°"),
        Check(float(abs(head.roll) <= settings.max_tilt_deg), f"tilted {abs(head.roll):.0f}°"),
    ]


def covering_checks(log_odds: Mapping[str, float], settings: FaceSettings) -> list[Check]:
    """Judge what a network says of covered parts.

    Args:
        log_odds: That ``eyes`` and ``mouth`` are covered; an absent part is not.
        settings: The package's parameters.
    """
    eyes, mouth = (_chance(log_odds.get(part, -math.inf)) for part in ("eyes", "mouth"))
    return [
        Check(1.0 - eyes * mouth, "eyes and mouth covered"),
        Check(1.0 - eyes * (1.0 - settings.covered_eyes), "eyes covered"),
        Check(1.0 - mouth * (1.0 - settings.covered_mouth), "mouth covered"),
    ]


def picture_checks(face: Image, image: npt.NDArray[np.float32]) -> list[Check]:
    """Judge contrast, exposure and sharpness of a crop.

    Args:
        face: Grey, (size, size).
        image: The same, standardised.
    """
    mean, deviation = float(face.mean()), float(face.std())
    sharp = _ramp(_log(sharpness(image)), _log(_BLURRED), _log(_SHARP))
    return [
        Check(_ramp(deviation, 0.0, 25.0), "flat picture"),
        Check(_ramp(mean, 0.0, 60.0), "too dark"),
        Check(_ramp(255.0 - mean, 0.0, 60.0), "too bright"),
        Check(0.2 + 0.8 * sharp, "blurred"),
    ]


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


def sharpness(image: npt.NDArray[np.float32]) -> float:
    """Return the variance of the Laplacian of a standardised crop (Pech-Pacheco et al. 2000).

    Args:
        image: float32 (size, size), mean 0 and deviation 1, so that contrast cancels out.
    """
    vision = cv2()
    return float(vision.Laplacian(image, vision.CV_32F).var())


@cache
def _template(margin: float) -> tuple[Point, ...]:
    """Return where the landmarks go in a crop that is larger by a margin on each side."""
    shrink = 1.0 / (1.0 + 2.0 * margin)
    return tuple(Point(*(0.5 + (v - 0.5) * shrink for v in point)) for point in FER_TEMPLATE)


def _largest_in(
    picture: Image, detector: Detects, settings: FaceSettings, least_score: float
) -> DetectedFace | None:
    height, width = picture.shape[:2]
    longer = min(max(height, width), _LONGEST * min(height, width))
    border = round(settings.search_margin * longer)
    vision = cv2()
    colour = (BACKGROUND,) * 3
    framed = vision.copyMakeBorder(
        picture, border, border, border, border, vision.BORDER_CONSTANT, value=colour
    )
    found = [face.moved(-border, -border) for face in detector.detect(framed) if _placed(face)]
    usable = [
        face
        for face in found
        if face.side >= settings.min_face_px
        and face.score >= least_score
        and _reaches_into(face, width, height)
    ]
    return max(usable, key=lambda face: face.side, default=None)


def _placed(face: DetectedFace) -> bool:
    """Tell whether box, score and landmarks are numbers that a face in a picture may have."""
    box = (face.x, face.y, face.width, face.height, face.score)
    numbers = (*box, *(value for point in face.points for value in point))
    return all(abs(value) <= _FARTHEST_PX for value in numbers)


def _reaches_into(face: DetectedFace, width: int, height: int) -> bool:
    across = face.x < width and face.x + face.width > 0
    return across and face.y < height and face.y + face.height > 0


def _resized(grey: Image, size_px: int) -> Image:
    vision = cv2()
    shrinks = min(grey.shape) > size_px
    how = vision.INTER_AREA if shrinks else vision.INTER_LINEAR_EXACT
    face: Image = vision.resize(grey, (size_px, size_px), interpolation=how)
    return face


def _judged(face: Image, checks: Sequence[Check], settings: FaceSettings) -> FaceCrop:
    reason = _unusable(float(face.mean()), float(face.std()))
    if reason is not None:
        return FaceCrop(None, 0.0, reason)
    image = standardise(face)
    checks = [*checks, *picture_checks(face, image)]
    if quality_of(checks) < settings.min_quality:
        return _refused(checks)
    return FaceCrop(image[np.newaxis, np.newaxis], quality_of(checks), None)


def _refused(checks: Sequence[Check]) -> FaceCrop:
    return FaceCrop(None, quality_of(checks), worst_of(checks))


def _unusable(mean: float, deviation: float) -> str | None:
    if deviation >= 2 * _FLAT or (deviation >= _FLAT and _DARK <= mean <= _BRIGHT):
        return None
    if _DARK <= mean <= _BRIGHT:
        return "flat picture"
    return "too dark" if mean < _DARK else "too bright"


def _chance(log_odds: float) -> float:
    """Return the probability of log-odds."""
    return 1.0 / (1.0 + math.exp(-min(60.0, max(-60.0, log_odds))))


def _log(value: float) -> float:
    return math.log(max(value, 1e-6))


def _ramp(value: float, low: float, high: float) -> float:
    """Return 0 at ``low`` and below, 1 at ``high`` and above."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _fall(value: float, good: float, bad: float) -> float:
    """Return 1 at ``good`` and below, 0 at ``bad`` and above."""
    return 1.0 - _ramp(value, good, bad)

"""Faces of a few strokes, and a detector that finds them as a network finds photographs.

A drawn face carries its person's number in its colours, so that of two that overlap the hidden
one is missed or found in part. The background must be grey.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_emo.features.face_align import similarity
from edge_emo.features.face_detector import DetectedFace, Point
from edge_emo.imaging import cv2

Image = npt.NDArray[np.uint8]

PLACES = ((-0.19, -0.1), (0.19, -0.1), (0.0, 0.1), (-0.15, 0.28), (0.15, 0.28))
"""Landmarks beside the centre of a face, in sides of its box."""
_SKIN = (205, 160)
_MARK = 40
_CODE = 100


def backdrop(width: int = 640, height: int = 480, seed: int = 3) -> Image:
    """Return soft grey blotches: something to search, nothing to find."""
    blotches = np.random.default_rng(seed).integers(60, 190, (9, 12)).astype(np.uint8)
    grey = cv2().resize(blotches, (width, height), interpolation=cv2().INTER_CUBIC)
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


def draw_face(
    frame: Image, x: float, y: float, side: float, person: int = 0, roll_deg: float = 0.0,
    turn: float = 0.0,
) -> Image:  # fmt: skip
    """Draw a face with this centre into a frame, over what was there.

    Args:
        frame: Changed in place.
        x: Centre, px.
        y: Centre, px.
        side: Height of the face, px.
        person: 0 … 9.
        roll_deg: Clockwise.
        turn: How far the nose lies off the middle, in sides: 0.12 is about 45°.
    """
    vision, code = cv2(), _CODE + person
    centre, axes = (round(x), round(y)), (round(side * 0.42), round(side * 0.5))
    vision.ellipse(frame, centre, axes, roll_deg, 0, 360, (*_SKIN, code), -1)
    radius = max(1, round(side * 0.06))
    for number, place in enumerate(landmarks(x, y, side, roll_deg, turn)):
        colour = (_MARK + number, 2 * _MARK, code)
        vision.circle(frame, (round(place.x), round(place.y)), radius, colour, -1)
    return frame


def landmarks(
    x: float, y: float, side: float, roll_deg: float = 0.0, turn: float = 0.0
) -> tuple[Point, Point, Point, Point, Point]:
    """Return where the landmarks of such a face are."""
    angle = math.radians(roll_deg)
    sine, cosine = math.sin(angle), math.cos(angle)
    places = [(a + (turn if n == 2 else 0.0), b) for n, (a, b) in enumerate(PLACES)]
    a, b, c, d, e = (
        Point(x + side * (p * cosine - q * sine), y + side * (p * sine + q * cosine))
        for p, q in places
    )
    return a, b, c, d, e


class DrawnFaceFinder:
    """Finds drawn faces of which at least three landmarks show.

    Attributes:
        begin_score: As of a real finder. The score is the share of landmarks that show, so
            that a face of which three show is one that is only followed.
        calls: How often it was asked.
        closed: Whether it was closed.
    """

    begin_score = 0.7

    def __init__(self, people: int = 3) -> None:
        self._people = people
        self.calls = 0
        self.closed = False

    def detect(self, frame: Image) -> list[DetectedFace]:
        self.calls += 1
        found = [self._person(frame, person) for person in range(self._people)]
        return sorted((face for face in found if face), key=lambda face: -face.score)

    def close(self) -> None:
        self.closed = True

    def _person(self, frame: Image, person: int) -> DetectedFace | None:
        red, green, blue = (frame[..., n] for n in range(3))
        mine = (blue == _CODE + person) & (red != green)
        marks = mine & (green == 2 * _MARK)
        shown = {n: _middle(marks & (red == _MARK + n)) for n in range(5)}
        places = {n: place for n, place in shown.items() if place is not None}
        if len(places) < 3:
            return None
        return _face(mine, places)


def _middle(mask: npt.NDArray[np.bool_]) -> Point | None:
    rows, columns = np.nonzero(mask)
    return Point(float(columns.mean()), float(rows.mean())) if len(rows) else None


def _face(mask: npt.NDArray[np.bool_], places: dict[int, Point]) -> DetectedFace:
    """Return the face, with guesses for the landmarks that are hidden."""
    matrix = similarity([PLACES[n] for n in places], list(places.values()))
    guess: Sequence[Sequence[float]] = (np.array(PLACES) @ matrix[:, :2].T + matrix[:, 2]).tolist()
    a, b, c, d, e = (places.get(n, Point(*guess[n])) for n in range(5))
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    left, top = float(columns[0]), float(rows[0])
    wide, high = float(columns[-1]) + 1 - left, float(rows[-1]) + 1 - top
    return DetectedFace(left, top, wide, high, len(places) / 5, (a, b, c, d, e))

"""Placing landmarks anew: what the network says is brought back into the frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.errors import ModelError
from edge_emo.features.face_align import FER_TEMPLATE
from edge_emo.features.face_detector import DetectedFace, Point
from edge_emo.features.face_landmarks import (
    LandmarkRefiner,
    LandmarkSettings,
    landmark_settings,
)

FRAME = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
SIDE = 96.0
"""Side of the template's crop in the frame: twice the network's picture."""


class Says:
    """A network that gives one answer, in a mirror the mirrored one, and keeps what it sees."""

    def __init__(self, answer: npt.ArrayLike) -> None:
        self.answer = np.array(answer, np.float32).reshape(5, 2)
        self.seen: list[npt.NDArray[Any]] = []

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        self.seen.append(inputs["image"])
        in_mirror = len(self.seen) % 2 == 0
        answer = self.answer[[1, 0, 2, 4, 3]] * (-1, 1) if in_mirror else self.answer
        return {"points": answer.astype(np.float32).reshape(1, 10)}


def upright(x: float = 100.0, y: float = 80.0, turn_deg: float = 0.0) -> DetectedFace:
    """Return a face whose landmarks are the template's, turned about the crop's corner."""
    angle = np.radians(turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    places = np.array(FER_TEMPLATE) * SIDE @ turn.T + (x, y)
    a, b, c, d, e = (Point(float(px), float(py)) for px, py in places)
    return DetectedFace(x, y, SIDE, SIDE, 0.9, (a, b, c, d, e))


def test_no_move_leaves_the_landmarks_where_they_are() -> None:
    (face,) = LandmarkRefiner(Says(np.zeros(10)), LandmarkSettings()).refined(FRAME, [upright()])
    assert np.allclose(face.points, upright().points, atol=1e-6)


def test_a_move_counts_in_units_of_the_crop() -> None:
    moves = np.zeros((5, 2))
    moves[2] = (1.0, -0.5)  # the nose: 4 px right and 2 px up in 48 px, twice that in the frame
    (face,) = LandmarkRefiner(Says(moves), LandmarkSettings()).refined(FRAME, [upright()])
    was = upright()
    assert np.allclose(face.points[2], (was.points[2].x + 8.0, was.points[2].y - 4.0), atol=1e-6)
    assert np.allclose(face.points[0], was.points[0], atol=1e-6)
    assert (face.x, face.y, face.score) == (was.x, was.y, was.score)


def test_a_move_turns_with_the_face() -> None:
    moves = np.zeros((5, 2))
    moves[0] = (1.0, 0.0)
    face = upright(160.0, 60.0, turn_deg=90.0)
    (new,) = LandmarkRefiner(Says(moves), LandmarkSettings()).refined(FRAME, [face])
    assert np.allclose(new.points[0], (face.points[0].x, face.points[0].y + 8.0), atol=1e-6)


def test_the_network_sees_a_standardised_grey_crop() -> None:
    says = Says(np.zeros(10))
    LandmarkRefiner(says, LandmarkSettings()).refined(FRAME, [upright()])
    image, mirrored = says.seen
    assert np.array_equal(mirrored[..., ::-1], image)
    assert (image.shape, image.dtype) == ((1, 1, 48, 48), np.float32)
    assert abs(float(image.mean())) < 1e-5
    assert float(image.std()) == pytest.approx(1.0, abs=1e-4)


def test_a_wild_move_is_not_believed() -> None:
    moves = np.zeros((5, 2))
    moves[4] = (0.0, 7.0)  # 28 px of 48
    (face,) = LandmarkRefiner(Says(moves), LandmarkSettings()).refined(FRAME, [upright()])
    assert face == upright()


def test_landmarks_in_one_place_cannot_be_framed_and_stay() -> None:
    point = Point(10.0, 10.0)
    flat = replace(upright(), points=(point,) * 5)
    says = Says(np.tile([0.0, 1.0], 5))
    assert LandmarkRefiner(says, LandmarkSettings()).refined(FRAME, [flat]) == [flat]
    assert says.seen == []


def test_only_the_surest_faces_are_looked_at() -> None:
    says = Says(np.tile([0.0, 0.1], 5))
    faces = [upright(10.0 * k) for k in range(4)]
    new = LandmarkRefiner(says, LandmarkSettings(most=3)).refined(FRAME, faces)
    assert len(says.seen) == 3 * 2
    assert [a == b for a, b in zip(new, faces, strict=True)] == [False, False, False, True]


@pytest.mark.parametrize("features", [{"size_px": 48.0}, {"reach": float("nan")}])
def test_numbers_of_another_sort_are_named(features: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=next(iter(features))):
        landmark_settings(features, "mine")


@pytest.mark.parametrize("features", [{"size": 48}, {"size_px": "48"}, {"unit_px": 0}])
def test_wrong_parameters_are_named(features: dict[str, Any]) -> None:
    (key,) = features
    with pytest.raises(ModelError, match=key) as caught:
        landmark_settings(features, "mine")
    assert "unit_px" in (caught.value.hint or "")


def test_moves_that_are_no_numbers_are_an_error() -> None:
    moves = np.zeros((5, 2))
    moves[3, 1] = np.nan
    with pytest.raises(ModelError, match="no numbers"):
        LandmarkRefiner(Says(moves), LandmarkSettings()).refined(FRAME, [upright()])

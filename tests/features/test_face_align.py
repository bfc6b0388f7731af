from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.features.face_align import FER_TEMPLATE, align, pose, similarity
from edge_emo.features.face_detector import DetectedFace, Point

SIZE = 48


def turned(degrees: float, scale: float, x: float, y: float) -> npt.NDArray[np.float64]:
    angle = math.radians(degrees)
    sine, cosine = scale * math.sin(angle), scale * math.cos(angle)
    return np.array([[cosine, -sine, x], [sine, cosine, y]])


def moved(matrix: npt.NDArray[np.float64], points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(points) @ matrix[:, :2].T + matrix[:, 2]


def face_at(points: npt.NDArray[np.float64]) -> DetectedFace:
    low, high = points.min(axis=0), points.max(axis=0)
    a, b, c, d, e = (Point(float(x), float(y)) for x, y in points)
    return DetectedFace(*map(float, (*low, *(high - low))), 0.9, (a, b, c, d, e))


@given(
    degrees=st.floats(-180, 180),
    scale=st.floats(0.05, 20),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)
def test_a_known_similarity_is_found_again(
    degrees: float, scale: float, x: float, y: float
) -> None:
    truth = turned(degrees, scale, x, y)
    found = similarity(FER_TEMPLATE, moved(truth, FER_TEMPLATE))
    assert np.allclose(found, truth, atol=1e-6 * max(1.0, scale, abs(x), abs(y)))


@given(st.integers(0, 10_000))
def test_no_other_similarity_fits_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, target = rng.normal(0, 10, (2, 5, 2))
    best = similarity(source, target)

    def error(matrix: npt.NDArray[np.float64]) -> float:
        return float(np.square(moved(matrix, source) - target).sum())

    other = best + turned(*rng.normal(0, 0.05, 4)) - turned(0, 0, 0, 0)
    assert error(best) <= error(other) + 1e-9


def test_a_mirror_is_never_used() -> None:
    mirrored = [(-x, y) for x, y in FER_TEMPLATE]
    matrix = similarity(FER_TEMPLATE, mirrored)
    assert np.linalg.det(matrix[:, :2]) >= 0


def test_points_that_coincide_give_no_scale() -> None:
    assert similarity([(3, 4)] * 5, FER_TEMPLATE)[:, :2].tolist() == [[0, 0], [0, 0]]


def test_landmarks_that_coincide_give_a_crop_outside_the_frame() -> None:
    crop = align(np.zeros((9, 9, 3), np.uint8), face_at(np.full((5, 2), 4.0)), SIZE)
    assert crop.image.shape == (SIZE, SIZE, 3)
    assert crop.inside == 0.0


@pytest.mark.parametrize("degrees", [0, 30, -75, 180])
@pytest.mark.parametrize("scale", [0.7, 1.0, 4.0])
def test_landmarks_land_where_the_template_says(degrees: float, scale: float) -> None:
    points = moved(turned(degrees, scale * SIZE, 0, 0), FER_TEMPLATE)
    points += (250, 250) - points.mean(axis=0)
    frame = np.zeros((500, 500), np.uint8)
    x, y = points[2].round().astype(int)
    half = max(1, round(2 * scale))
    frame[y - half : y + half + 1, x - half : x + half + 1] = 255
    crop = align(frame, face_at(points), SIZE)
    row, column = np.unravel_index(int(crop.image.argmax()), crop.image.shape)
    mass = np.argwhere(crop.image > 64).mean(axis=0)
    assert crop.inside == 1.0
    assert crop.scale == pytest.approx(1 / scale, rel=1e-6)
    assert abs(mass[1] - FER_TEMPLATE[2].x * SIZE) < 2, (row, column)
    assert abs(mass[0] - FER_TEMPLATE[2].y * SIZE) < 2, (row, column)


@given(x=st.floats(-200, 300), y=st.floats(-200, 300), side=st.floats(2, 400))
def test_any_place_gives_a_crop_of_its_size(x: float, y: float, side: float) -> None:
    points = np.array(FER_TEMPLATE) * side + (x, y)
    crop = align(np.full((90, 120, 3), 77, np.uint8), face_at(points), SIZE)
    assert crop.image.shape == (SIZE, SIZE, 3)
    assert set(np.unique(crop.image)) == {77}
    assert 0.0 <= crop.inside <= 1.0


@pytest.mark.parametrize("far", [1e19, -1e19, 1e30])
def test_a_place_beyond_all_pictures_is_outside(far: float) -> None:
    points = np.array(FER_TEMPLATE) * 40 * abs(far) + far
    with np.errstate(invalid="raise"):
        crop = align(np.full((90, 120, 3), 77, np.uint8), face_at(points), SIZE)
    assert crop.image.shape == (SIZE, SIZE, 3)
    assert crop.inside == 0.0


def test_a_face_half_outside_is_half_inside() -> None:
    points = np.array(FER_TEMPLATE) * 40 + (-20, 30)
    crop = align(np.zeros((100, 100), np.uint8), face_at(points), SIZE)
    assert crop.inside == pytest.approx(0.5, abs=0.01)


def head(yaw: float, pitch: float, roll: float) -> list[Point]:
    """Return the landmarks of the head that the pose is read by, turned and projected."""
    from edge_emo.features.face_align import _HEAD

    a, b, c = (math.radians(v) for v in (-yaw, -pitch, roll))
    about_y = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    places = 40 * _HEAD @ (about_z @ about_y @ about_x).T + (100, 100, 0)
    return [Point(float(x), float(y)) for x, y, _ in places]


@pytest.mark.parametrize("yaw", [-50, -20, 0, 35])
@pytest.mark.parametrize("pitch", [-25, 0, 25])
def test_the_direction_of_a_turned_head_is_read(yaw: float, pitch: float) -> None:
    found = pose(head(yaw, pitch, 0))
    assert found.yaw == pytest.approx(yaw, abs=1.0)
    assert found.pitch == pytest.approx(pitch, abs=1.0)


@pytest.mark.parametrize("roll", [-170, -90, -20, 0, 45, 180])
def test_a_tilted_head_looks_ahead(roll: float) -> None:
    found = pose(head(0, 0, roll))
    assert math.cos(math.radians(found.roll - roll)) == pytest.approx(1.0, abs=1e-3)
    assert abs(found.yaw) < 1.0
    assert abs(found.pitch) < 1.0


def test_landmarks_that_coincide_have_a_finite_pose() -> None:
    assert all(math.isfinite(angle) for angle in pose([Point(3.0, 4.0)] * 5))

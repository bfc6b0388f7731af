from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.errors import ModelError
from edge_emo.features.face_detector import (
    STRIDES,
    DetectorSettings,
    FaceDetector,
    box_overlap,
    decode,
    detector_settings,
    fit,
    suppress,
)

WIDTH, HEIGHT = 320, 256
Maps = dict[str, npt.NDArray[np.float32]]
SETTINGS = DetectorSettings(WIDTH, HEIGHT, threshold=0.5)


def empty() -> Maps:
    maps: Maps = {}
    for stride in STRIDES:
        rows, columns = HEIGHT // stride, WIDTH // stride
        maps[f"score_{stride}"] = np.full((1, rows, columns, 1), -9, np.float32)
        maps[f"box_{stride}"] = np.zeros((1, rows, columns, 4), np.float32)
        maps[f"points_{stride}"] = np.zeros((1, rows, columns, 10), np.float32)
    return maps


def put(maps: Maps, stride: int, row: int, column: int, odds: float) -> None:
    """Put a face of 4 × 4 strides, a quarter of a stride right of the cell's centre."""
    maps[f"score_{stride}"][0, row, column] = odds
    maps[f"box_{stride}"][0, row, column] = (0.0625, 0.0, 0.0, math.log(1.5))
    maps[f"points_{stride}"][0, row, column] = np.arange(10) / 10


class Fixed:
    """A network that keeps what it was shown and always answers the same."""

    def __init__(self, maps: Maps) -> None:
        self.maps = maps
        self.seen: npt.NDArray[np.float32] | None = None

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Maps:
        self.seen = inputs["image"].copy()
        return self.maps


@pytest.mark.parametrize("stride", STRIDES)
def test_a_cell_becomes_a_box_and_landmarks(stride: int) -> None:
    maps = empty()
    put(maps, stride, 2, 3, 2.0)
    found = decode(maps, SETTINGS)
    x, y = (3.5 + 0.25) * stride, 2.5 * stride
    wide, high = 4 * stride, 6 * stride
    assert found.boxes.tolist() == [
        pytest.approx([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], rel=1e-5)
    ]
    assert found.scores.tolist() == [pytest.approx(1 / (1 + math.exp(-2.0)))]
    first = [(3.5 + 0.0) * stride, (2.5 + 0.4) * stride]
    last = [(3.5 + 3.2) * stride, (2.5 + 3.6) * stride]
    assert found.points[0, 0].tolist() == pytest.approx(first, rel=1e-5)
    assert found.points[0, 4].tolist() == pytest.approx(last, rel=1e-5)


def test_nothing_is_found_in_empty_maps() -> None:
    found = decode(empty(), SETTINGS)
    assert (found.boxes.shape, found.points.shape, found.scores.shape) == ((0, 4), (0, 5, 2), (0,))


@pytest.mark.parametrize("shape", [(0, 0), (0, 640), (480, 0)])
def test_nothing_is_found_in_a_frame_without_a_pixel(shape: tuple[int, int]) -> None:
    network = Fixed(empty())
    assert FaceDetector(network, DetectorSettings()).detect(np.zeros((*shape, 3), np.uint8)) == []
    assert network.seen is None


@pytest.mark.parametrize("shape", [(1, 2000), (2000, 1), (1, 1)])
def test_a_frame_of_any_shape_is_searched(shape: tuple[int, int]) -> None:
    maps = empty()
    put(maps, 8, 3, 4, 2.0)
    faces = FaceDetector(Fixed(maps), DetectorSettings()).detect(np.zeros((*shape, 3), np.uint8))
    assert len(faces) == 1
    assert math.isfinite(faces[0].side)


def test_of_neighbouring_cells_the_best_one_speaks() -> None:
    maps = empty()
    for column, odds in ((10, 1.0), (11, 3.0), (12, 2.0)):
        put(maps, 8, 9, column, odds)
    put(maps, 16, 12, 3, 0.5)
    found = decode(maps, SETTINGS)
    assert found.scores.tolist() == pytest.approx([1 / (1 + math.exp(-o)) for o in (3.0, 0.5)])


def test_the_threshold_and_the_number_bound_the_answer() -> None:
    maps = empty()
    for k in range(6):
        put(maps, 8, 4 + 4 * k, 20, k - 2.5)
    assert len(decode(maps, SETTINGS).scores) == 3
    assert len(decode(maps, DetectorSettings(WIDTH, HEIGHT, 0.01)).scores) == 6
    two = decode(maps, DetectorSettings(WIDTH, HEIGHT, 0.01, most=2))
    assert two.scores.tolist() == pytest.approx([1 / (1 + math.exp(-o)) for o in (2.5, 1.5)])


def test_suppression_keeps_the_best_of_each_group() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [30, 0, 40, 10], [8, 8, 18, 18]], np.float32)
    assert suppress(boxes, 0.4).tolist() == [0, 2, 3]
    assert suppress(boxes, 0.0).tolist() == [0, 2]


def test_overlap_of_known_boxes() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 5, 5]], np.float32)
    assert box_overlap(boxes, boxes)[0].tolist() == pytest.approx([1.0, 1 / 7, 0.0])


@pytest.mark.parametrize(
    ("width", "height"),
    [(320, 240), (640, 480), (480, 640), (1920, 1080), (2001, 1501), (100, 60), (1, 1), (1000, 3)],
)
def test_a_frame_is_fitted_without_stretching(width: int, height: int) -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    scale = fit(np.full((height, width, 3), 200, np.uint8), picture)
    filled = (picture == 200).all(axis=2)
    high, wide = filled.any(axis=1).sum(), filled.any(axis=0).sum()
    assert abs(wide * scale - width) <= scale
    assert abs(high * scale - height) <= scale
    assert wide == WIDTH or high == HEIGHT
    assert (picture[~filled] == 114).all()


def test_answers_are_pixels_of_the_frame() -> None:
    maps = empty()
    put(maps, 8, 2, 3, 2.0)
    model = Fixed(maps)
    (face,) = FaceDetector(model, SETTINGS).detect(np.full((480, 640, 3), 255, np.uint8))
    assert (face.x, face.y) == pytest.approx(((30.0 - 16) * 2, (20.0 - 24) * 2))
    assert (face.width, face.height) == pytest.approx((64, 96))
    assert tuple(face.points[0]) == pytest.approx((56.0, 46.4))
    assert face.side == pytest.approx(math.sqrt(64 * 96))
    assert model.seen is not None
    assert model.seen.shape == (1, HEIGHT, WIDTH, 3)
    assert model.seen.dtype == np.float32
    assert set(np.unique(model.seen[0, :240])) == {127.5}
    assert set(np.unique(model.seen[0, 240:])) == {114 - 127.5}


def test_a_moved_face_takes_its_landmarks_along() -> None:
    maps = empty()
    put(maps, 8, 2, 3, 2.0)
    (face,) = FaceDetector(Fixed(maps), SETTINGS).detect(np.zeros((256, 320, 3), np.uint8))
    there = face.moved(10.0, -4.0)
    assert there.centre == pytest.approx((face.centre.x + 10.0, face.centre.y - 4.0))
    for before, after in zip(face.points, there.points, strict=True):
        assert after == pytest.approx((before.x + 10.0, before.y - 4.0))
    assert (there.side, there.score) == (face.side, face.score)


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 40))
def test_any_maps_give_finite_faces_apart_from_each_other(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    maps = {k: (spread * rng.standard_normal(m.shape)).astype(np.float32) for k, m in
            empty().items()}  # fmt: skip
    found = decode(maps, SETTINGS)
    assert len(found.scores) <= SETTINGS.most
    assert np.isfinite(found.boxes).all()
    assert np.isfinite(found.points).all()
    assert ((found.scores >= 0.5) & (found.scores <= 1.0)).all()
    assert (np.diff(found.scores) <= 0).all()
    shared = box_overlap(found.boxes, found.boxes) - np.eye(len(found.boxes), dtype=np.float32)
    assert not len(shared) or shared.max() <= SETTINGS.overlap + 1e-4


@pytest.mark.parametrize(
    "features",
    [
        {"colour": 1},
        {"threshold": "high"},
        {"most": True},
        {"most": 3.5},
        {"threshold": float("nan")},
        {"threshold": 0.0},
        {"threshold": 1.0},
    ],
)
def test_a_wrong_parameter_is_named(features: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=f"finder.*{next(iter(features))}"):
        detector_settings(features, "finder")


def test_small_faces_have_to_be_surer() -> None:
    settings = DetectorSettings(WIDTH, HEIGHT, threshold=0.5, small_px=50.0, small_share=0.6)
    maps = empty()
    put(maps, 8, 4, 4, math.log(9))  # 0.9, and 0.54 as it is small
    put(maps, 8, 24, 30, math.log(7 / 3))  # 0.7, and 0.42
    put(maps, 16, 6, 12, math.log(7 / 3))  # 78 px
    found = decode(maps, settings)
    assert found.scores.tolist() == pytest.approx([0.7, 0.54], abs=1e-4)
    assert (found.boxes[:, 2] - found.boxes[:, 0]).round().tolist() == [64.0, 32.0]
    assert len(found.points) == 2


@pytest.mark.parametrize("part", ["score", "box", "points"])
@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_no_number_is_an_error(part: str, odd: float) -> None:
    maps = empty()
    put(maps, 16, 4, 5, 3.0)
    maps[f"{part}_16"][0, 4, 5] = odd
    detector = FaceDetector(Fixed(maps), SETTINGS)
    if (part, odd) == ("box", np.inf):  # the size of a box is bounded, its place is not
        maps["box_16"][0, 4, 5, :2] = odd
    with pytest.raises(ModelError, match="no numbers"):
        detector.detect(np.zeros((256, 320, 3), np.uint8))

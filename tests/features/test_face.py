from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_emo.config import Faces
from edge_emo.errors import ModelError
from edge_emo.features.face import (
    FaceCrop,
    FaceSettings,
    covering_checks,
    quality_of,
    read_crop,
    read_face,
    read_picture,
    settings_from,
    sharpness,
    standardise,
    worst_of,
)
from edge_emo.features.face_align import FER_TEMPLATE
from edge_emo.features.face_detector import DetectedFace, Point
from edge_emo.imaging import cv2
from tests.fakes.drawn_faces import DrawnFaceFinder, backdrop, draw_face, landmarks

Image = npt.NDArray[np.uint8]
SETTINGS = FaceSettings()
X, Y = 320.0, 240.0


def face_at(
    x: float = X, y: float = Y, side: float = 120.0, roll_deg: float = 0.0, turn: float = 0.0
) -> DetectedFace:
    points = landmarks(x, y, side, roll_deg, turn)
    return DetectedFace(x - side / 2, y - side / 2, side, side, 0.9, points)


def frame_with(
    x: float = X, y: float = Y, side: float = 120.0, roll_deg: float = 0.0, turn: float = 0.0
) -> Image:
    return draw_face(backdrop(), x, y, side, roll_deg=roll_deg, turn=turn)


def read(side: float = 120.0, x: float = X, y: float = Y, **look: float) -> FaceCrop:
    return read_face(frame_with(x, y, side, **look), face_at(x, y, side, **look), SETTINGS)


def is_sensible(crop: FaceCrop) -> bool:
    if crop.image is None:
        return bool(crop.reason) and 0.0 <= crop.quality <= 1.0
    in_order = crop.image.shape == (1, 1, 48, 48) and crop.image.dtype == np.float32
    return crop.reason is None and in_order and bool(np.isfinite(crop.image).all())


@pytest.mark.parametrize("side", [30.0, 72.0, 120.0, 400.0])
@pytest.mark.parametrize("roll_deg", [0.0, 40.0, -75.0])
def test_a_face_is_prepared_upright_whatever_its_size(side: float, roll_deg: float) -> None:
    crop = read(side, roll_deg=roll_deg)
    assert crop.reason is None
    assert crop.image is not None
    assert crop.image.shape == (1, 1, 48, 48)
    assert abs(float(crop.image.mean())) < 1e-3
    for place in FER_TEMPLATE:
        row, column = round(place.y * 48), round(place.x * 48)
        assert crop.image[0, 0, row - 2 : row + 3, column - 2 : column + 3].min() < -1.0
    assert crop.image[0, 0, 16, 24] > 0.5, "between the eyes is skin"


def test_quality_grows_with_size_up_to_a_bound() -> None:
    qualities = [read(side).quality for side in (30.0, 45.0, 60.0, 80.0, 200.0)]
    assert qualities[0] < qualities[1] < qualities[2] < qualities[3]
    assert qualities[3] == pytest.approx(qualities[4], rel=0.2)
    assert qualities[4] > 0.7


def test_a_small_face_is_named_with_its_size() -> None:
    crop = read(18.0)
    assert (crop.reason, crop.image, crop.quality) == ("face 18 px", None, 0.0)


@pytest.mark.parametrize(("x", "y"), [(0, 240), (639, 240), (320, 0), (320, 479)])
def test_a_face_half_outside_is_cut_off(x: float, y: float) -> None:
    assert read(200.0, x, y).reason == "face cut off"


def test_a_face_that_touches_the_edge_loses_quality() -> None:
    inside, touching = read(200.0, 120.0), read(200.0, 70.0)
    assert touching.reason is None
    assert touching.quality < inside.quality


def test_a_turned_head_loses_quality_and_then_says_how_far() -> None:
    crops = [read(turn=turn) for turn in (0.0, 0.08, 0.13, 0.17, 0.35)]
    qualities = [crop.quality for crop in crops]
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[2] < 0.8 * qualities[0]
    assert crops[0].reason is None
    assert crops[-1].image is None
    assert crops[-1].reason is not None
    angle = int(crops[-1].reason.removeprefix("turned ").removesuffix("°"))
    assert angle >= SETTINGS.max_turn_deg


@pytest.mark.parametrize(("nose", "reason"), [(-0.3, "raised"), (0.22, "lowered")])
def test_a_raised_or_lowered_head_is_told(nose: float, reason: str) -> None:
    face = face_at()
    a, b, c, d, e = face.points
    nodding = replace(face, points=(a, b, Point(c.x, c.y + nose * face.side), d, e))
    crop = read_face(frame_with(), nodding, SETTINGS)
    assert crop.reason is not None
    assert crop.reason.startswith(reason)


def test_an_upside_down_face_is_not_estimated() -> None:
    assert read(roll_deg=180.0).reason == "tilted 180°"


def test_an_unsure_detection_lowers_the_quality() -> None:
    sure = read()
    unsure = read_face(frame_with(), replace(face_at(), score=0.4), SETTINGS)
    assert unsure.quality == pytest.approx(sure.quality * 0.4 / SETTINGS.sure_score)


@pytest.mark.parametrize(
    ("level", "reason"), [(0, "too dark"), (128, "flat picture"), (255, "too bright")]
)
def test_a_picture_without_content_says_why(level: int, reason: str) -> None:
    crop = read_crop(np.full((60, 50, 3), level, np.uint8), SETTINGS)
    assert (crop.reason, crop.image) == (reason, None)
    frame = np.full((480, 640, 3), level, np.uint8)
    assert read_face(frame, face_at(), SETTINGS).reason == reason


def test_below_the_bound_the_worst_check_gives_the_reason() -> None:
    strict = replace(SETTINGS, min_quality=0.9)
    small = read_face(frame_with(side=40.0), face_at(side=40.0), strict)
    assert small.reason == "face 40 px"
    assert 0.0 < small.quality < 0.9
    slope = np.linspace(60, 190, 100).astype(np.uint8)
    smooth = np.broadcast_to(slope[:, np.newaxis, np.newaxis], (100, 100, 3)).copy()
    assert read_crop(smooth, strict).reason == "blurred"


def test_quality_falls_with_blur_and_size() -> None:
    face = frame_with(side=300.0)[90:390, 170:470]
    blurred = [np.asarray(cv2().GaussianBlur(face, (0, 0), blur)) for blur in (0.5, 10.0, 25.0)]
    qualities = [read_crop(picture, SETTINGS).quality for picture in blurred]
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[0] > 0.8
    assert qualities[2] < 0.6
    small = np.asarray(cv2().resize(face, (40, 40), interpolation=cv2().INTER_AREA))
    assert read_crop(small, SETTINGS).quality < 0.7 * qualities[0]


def test_a_covered_mouth_lowers_the_quality_and_a_covered_face_leaves_none() -> None:
    bare = quality_of(covering_checks({"eyes": -9.0, "mouth": -9.0}, SETTINGS))
    mouth = quality_of(covering_checks({"eyes": -9.0, "mouth": 9.0}, SETTINGS))
    eyes = quality_of(covering_checks({"mouth": -9.0, "eyes": 9.0}, SETTINGS))
    both = covering_checks({"eyes": 9.0, "mouth": 9.0}, SETTINGS)
    assert bare == pytest.approx(1.0, abs=1e-3)
    assert mouth == pytest.approx(SETTINGS.covered_mouth, abs=1e-3)
    assert eyes == pytest.approx(SETTINGS.covered_eyes, abs=1e-3)
    assert quality_of(both) < 1e-3
    assert worst_of(both) == "eyes and mouth covered"
    assert worst_of(covering_checks({"mouth": 2.0}, SETTINGS)) == "mouth covered"


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_any_log_odds_give_a_share(eyes: float, mouth: float) -> None:
    checks = covering_checks({"eyes": eyes, "mouth": mouth}, SETTINGS)
    assert 0.0 <= quality_of(checks) <= 1.0


def test_a_small_picture_is_a_crop_and_not_searched() -> None:
    finder = DrawnFaceFinder()
    picture = draw_face(backdrop(90, 90), 30, 30, 40)
    crop = read_picture(picture, finder, SETTINGS)
    assert finder.calls == 0
    assert crop.image is not None
    assert np.array_equal(crop.image, read_crop(picture, SETTINGS).image)  # type: ignore[arg-type]


def test_in_a_large_picture_the_largest_face_is_read() -> None:
    picture = draw_face(draw_face(backdrop(), 500, 300, 60, 1), 200, 200, 150, roll_deg=20.0)
    crop = read_picture(picture, DrawnFaceFinder(), SETTINGS)
    expected = read_face(picture, face_at(200, 200, 150, roll_deg=20.0), SETTINGS)
    assert crop.image is not None
    assert expected.image is not None
    assert np.abs(crop.image - expected.image).mean() < 0.1


def test_a_face_that_reaches_over_a_picture_is_read_all_the_same() -> None:
    picture = np.ascontiguousarray(frame_with(side=300.0)[120:370, 210:430])
    crop = read_picture(picture, DrawnFaceFinder(), SETTINGS)
    assert crop.reason is None
    assert crop.quality < read_crop(picture, SETTINGS).quality


def test_a_large_picture_without_a_face_is_taken_whole() -> None:
    picture = backdrop()
    whole = read_crop(picture, SETTINGS)
    for finder in (DrawnFaceFinder(), None):
        crop = read_picture(picture, finder, SETTINGS)
        assert crop.image is not None
        assert np.array_equal(crop.image, whole.image)  # type: ignore[arg-type]


def test_of_an_unsure_face_the_picture_is_taken_whole() -> None:
    picture = frame_with(side=200.0)
    found = read_picture(picture, DrawnFaceFinder(), SETTINGS, least_score=1.0)
    whole = read_picture(picture, DrawnFaceFinder(), SETTINGS, least_score=1.1)
    assert found.image is not None
    assert whole.image is not None
    assert np.array_equal(whole.image, read_crop(picture, SETTINGS).image)  # type: ignore[arg-type]
    assert not np.array_equal(whole.image, found.image)


def test_a_margin_shows_more_around_the_face() -> None:
    near = read_face(frame_with(), face_at(), SETTINGS).image
    far = read_face(frame_with(), face_at(), replace(SETTINGS, margin=0.5)).image
    assert near is not None
    assert far is not None
    shrunk = cv2().resize(near[0, 0], (24, 24), interpolation=cv2().INTER_AREA)
    inner = far[0, 0, 12:36, 12:36]
    assert np.corrcoef(shrunk.ravel(), inner.ravel())[0, 1] > 0.9


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    x=st.floats(-100, 200), y=st.floats(-100, 200), side=st.floats(0, 500),
    roll_deg=st.floats(-180, 180), turn=st.floats(-1, 1), score=st.floats(0, 1),
    seed=st.integers(0, 9), contrast=st.sampled_from([0, 1, 255]),
)  # fmt: skip
def test_any_face_in_any_frame_gives_a_sensible_crop(
    shape: tuple[int, int], x: float, y: float, side: float, roll_deg: float, turn: float,
    score: float, seed: int, contrast: int,
) -> None:  # fmt: skip
    frame = np.random.default_rng(seed).integers(0, contrast + 1, (*shape, 3)).astype(np.uint8)
    face = replace(face_at(x, y, side, roll_deg, turn), score=score)
    assert is_sensible(read_face(frame, face, SETTINGS))
    assert is_sensible(read_crop(frame, SETTINGS))


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1e9])
def test_absurd_landmarks_give_a_sensible_crop(spread: float) -> None:
    a, b, c, d, e = (Point(X + spread * n, Y - spread * n * n) for n in range(5))
    face = replace(face_at(), points=(a, b, c, d, e))
    assert is_sensible(read_face(frame_with(), face, SETTINGS))


class Finds:
    """A detector that finds the same faces in every picture, and keeps how large it was."""

    def __init__(self, *faces: DetectedFace) -> None:
        self.faces = list(faces)
        self.pixels: list[int] = []

    def detect(self, frame: Image) -> list[DetectedFace]:
        self.pixels.append(frame.shape[0] * frame.shape[1])
        return self.faces


ODD = st.one_of(
    st.floats(-200.0, 3000.0),
    st.sampled_from([0.0, -1.0, 1e9, 1e30, -1e30, 1e200, math.nan, math.inf, -math.inf]),
)
PLACES = st.tuples(*[st.builds(Point, ODD, ODD)] * 5)
SHAPES = st.sampled_from([(1, 2000), (2000, 1), (97, 2000), (2000, 97), (120, 100), (0, 9), (9, 0)])


@settings(max_examples=200, deadline=None)
@given(SHAPES, st.builds(DetectedFace, ODD, ODD, ODD, ODD, ODD, PLACES))
def test_any_box_in_a_picture_of_any_shape_gives_a_sensible_crop(
    shape: tuple[int, int], face: DetectedFace
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    with np.errstate(all="raise", under="ignore"):
        assert is_sensible(read_face(picture, face, SETTINGS))
        assert is_sensible(read_picture(picture, Finds(face), SETTINGS))


@pytest.mark.parametrize("odd", [math.nan, math.inf, 1e30])
@pytest.mark.parametrize("part", ["x", "height", "score", "points"])
def test_a_face_at_no_place_is_refused(part: str, odd: float) -> None:
    whole = face_at()
    value = (Point(odd, 0.0), *whole.points[1:]) if part == "points" else odd
    crop = read_face(frame_with(), replace(whole, **{part: value}), SETTINGS)
    assert (crop.image, crop.quality, crop.reason) == (None, 0.0, "face at no place")


def test_a_face_without_height_or_outside_gives_way_to_one_that_is_there() -> None:
    picture = frame_with(side=150.0)
    there = face_at(side=150.0).moved(160.0, 160.0)  # the border of a picture 640 px wide
    flat = replace(there, width=1e5, height=0.0)
    outside, nowhere = there.moved(5000.0, 0.0), replace(there, width=math.inf)
    bigger = replace(outside, width=900.0, height=900.0)
    found = read_picture(picture, Finds(bigger, flat, nowhere, there), SETTINGS)
    alone = read_picture(picture, Finds(there), SETTINGS)
    assert alone.image is not None
    assert found.image is not None
    assert np.array_equal(found.image, alone.image)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((1, 2000), "picture 2000 × 1 px is no face"),
        ((2000, 97), "picture 97 × 2000 px is no face"),
        ((0, 9), "empty picture"),
    ],
)
def test_a_picture_that_cannot_be_a_crop_says_why(shape: tuple[int, int], reason: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    crop = read_picture(picture, Finds(), SETTINGS)
    assert (crop.image, crop.reason) == (None, reason)


def test_the_border_around_a_long_picture_stays_small() -> None:
    finder = Finds()
    read_picture(np.full((97, 20_000, 3), 90, np.uint8), finder, SETTINGS)
    assert finder.pixels[0] < 4 * 97 * 20_000


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9))))
def test_standardised_pictures_have_mean_0_and_deviation_1(images: npt.NDArray[np.uint8]) -> None:
    done = standardise(images)
    assert done.dtype == np.float32
    for image, result in zip(images, done, strict=True):
        assert abs(float(result.mean())) < 1e-3
        if image.std() >= 1.0:
            assert abs(float(result.std()) - 1.0) < 1e-3
        assert np.allclose(standardise(image), result, atol=1e-5)


def test_a_flat_picture_is_standardised_to_zeros() -> None:
    assert not standardise(np.full((2, 5, 5), 77, np.uint8)).any()


def test_standardising_cancels_brightness_and_contrast() -> None:
    image = np.random.default_rng(1).integers(0, 100, (48, 48)).astype(np.float32)
    assert np.allclose(standardise(image), standardise(2.0 * image + 40.0), atol=1e-4)
    assert sharpness(standardise(image)) == pytest.approx(sharpness(standardise(image * 2)), 1e-3)


def test_settings_come_from_the_package() -> None:
    read = settings_from({"size_px": 64, "interval_s": 0.2, "max_turn_deg": 50}, "x")
    assert (read.size_px, read.interval_s, read.max_turn_deg) == (64, 0.2, 50)
    assert read == FaceSettings(size_px=64, interval_s=0.2, max_turn_deg=50)


@pytest.mark.parametrize(
    "features",
    [
        {"rate_hz": 8000},
        {"size_px": "48"},
        {"margin": True},
        {"good_face_px": 0},
        {"max_turn_deg": 10},
        {"max_nod_deg": 30},
        {"size_px": 48.0},
        {"interval_s": float("nan")},
        {"good_face_px": float("inf")},
        {"margin": 10**400},
    ],
)
def test_settings_that_cannot_be_are_refused(features: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=r"pkg: \[features\] " + next(iter(features))):
        settings_from(features, "pkg")


def test_the_quality_of_nothing_wrong_is_one() -> None:
    assert quality_of([]) == 1.0
    assert math.isclose(quality_of(covering_checks({}, SETTINGS)), 1.0)


def test_the_page_of_faces_names_every_parameter_and_its_default() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "faces.md"
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: value.strip('"') for name, value in rows}
    defaults = {field.name: field.default for field in (*fields(FaceSettings), *fields(Faces))}
    assert documented.keys() == defaults.keys()
    for name, value in defaults.items():
        assert type(value)(documented[name]) == value, name

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_emo.errors import ModelError
from edge_emo.features.face import (
    FaceCrop,
    FaceReader,
    FaceSettings,
    cut,
    settings_from,
    sharpness,
    standardise,
)
from edge_emo.features.face_finder import Box
from edge_emo.imaging import cv2

Image = npt.NDArray[np.uint8]

# The face in the portrait, as shares of its width (x) and height (y, side).
FACE_X, FACE_Y, FACE_SIDE = 0.30, 0.18, 0.38
WIDTH, HEIGHT = 640, 480


@pytest.fixture(scope="module")
def portrait() -> Image:
    try:
        from matplotlib import cbook
    except ImportError:
        pytest.skip("needs the portrait that matplotlib carries: pip install matplotlib")
    path = Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    return np.asarray(cv2().cvtColor(cv2().imread(str(path)), cv2().COLOR_BGR2RGB))


def backdrop(seed: int = 3) -> Image:
    """Soft blotches: something to search, nothing to find."""
    blotches = np.random.default_rng(seed).integers(60, 190, (9, 12, 3)).astype(np.uint8)
    return np.asarray(cv2().resize(blotches, (WIDTH, HEIGHT), interpolation=cv2().INTER_CUBIC))


def paste(frame: Image, portrait: Image, x: int, y: int, height: int) -> Image:
    """Put the portrait into the frame, cut where it reaches over the edge."""
    width = round(portrait.shape[1] * height / portrait.shape[0])
    small = cv2().resize(portrait, (width, height), interpolation=cv2().INTER_AREA)
    left, top = max(0, x), max(0, y)
    right, bottom = min(frame.shape[1], x + width), min(frame.shape[0], y + height)
    if right > left and bottom > top:
        frame[top:bottom, left:right] = small[top - y : bottom - y, left - x : right - x]
    return frame


def face_of(portrait: Image, x: int, y: int, height: int) -> tuple[float, float, float]:
    """Return centre x, centre y and side of the face of a pasted portrait, in px."""
    width, side = portrait.shape[1] * height / portrait.shape[0], FACE_SIDE * height
    return x + FACE_X * width + side / 2, y + FACE_Y * height + side / 2, side


def is_at(box: Box | None, face: tuple[float, float, float]) -> bool:
    if box is None:
        return False
    x, y, side = face
    off = max(abs(box.x + box.side / 2 - x), abs(box.y + box.side / 2 - y))
    return off < 0.25 * side and 0.7 < box.side / side < 1.4


def watch(frame: Image, calls: int = 12, **options: float) -> FaceCrop:
    """Show one frame until every part of it was searched."""
    reader = FaceReader(FaceSettings(**options))  # type: ignore[arg-type]
    for _ in range(calls):
        crop = reader.read(frame)
        if crop.box is not None:
            return crop
    return crop


@pytest.mark.parametrize("shape", [(480, 640, 3), (120, 160, 3), (20, 20, 3), (8, 300, 3)])
def test_an_empty_picture_holds_no_face(shape: tuple[int, ...]) -> None:
    crop = watch(np.full(shape, 128, np.uint8))
    assert (crop.reason, crop.image, crop.box, crop.quality) == ("no face", None, None, 0.0)


def test_blotches_hold_no_face() -> None:
    assert watch(backdrop()).reason == "no face"


@settings(max_examples=12, deadline=None)
@given(
    height=st.integers(230, 470),
    x=st.floats(0.0, 1.0),
    y=st.floats(0.0, 1.0),
    seed=st.integers(0, 3),
)
def test_one_face_is_found_where_it_is(
    portrait: Image, height: int, x: float, y: float, seed: int
) -> None:
    width = round(portrait.shape[1] * height / portrait.shape[0])
    left, top = round(x * (WIDTH - width)), round(y * (HEIGHT - height))
    crop = watch(paste(backdrop(seed), portrait, left, top, height))
    assert is_at(crop.box, face_of(portrait, left, top, height)), crop.box
    assert crop.reason is None
    assert crop.image is not None
    assert crop.image.shape == (1, 1, 48, 48)
    assert crop.image.dtype == np.float32
    assert abs(float(crop.image.mean())) < 1e-3
    assert 0.0 < crop.quality <= 1.0


def test_a_far_face_is_found_after_a_few_frames(portrait: Image) -> None:
    crop = watch(paste(backdrop(), portrait, 200, 60, 170))
    assert is_at(crop.box, face_of(portrait, 200, 60, 170))


def test_the_larger_of_two_faces_is_read(portrait: Image) -> None:
    frame = paste(paste(backdrop(), portrait, 10, 60, 260), portrait, 260, 40, 430)
    assert is_at(watch(frame).box, face_of(portrait, 260, 40, 430))


def test_of_equal_faces_the_central_one_is_read(portrait: Image) -> None:
    frame = backdrop()
    for x in (-20, 208, 425):
        paste(frame, portrait, x, 100, 280)
    assert is_at(watch(frame).box, face_of(portrait, 208, 100, 280))


def test_a_tiny_face_is_not_estimated(portrait: Image) -> None:
    assert watch(paste(backdrop(), portrait, 300, 200, 45)).reason == "no face"


def test_a_face_below_the_least_size_is_named_with_its_size(portrait: Image) -> None:
    crop = watch(paste(backdrop(), portrait, 150, 60, 300), min_face_px=200)
    assert crop.box is not None
    assert crop.reason == f"face {crop.box.side} px"
    assert crop.image is None
    assert is_at(crop.box, face_of(portrait, 150, 60, 300))


def test_a_face_that_leaves_the_picture_ends_as_no_face_or_cut_off(portrait: Image) -> None:
    reader = FaceReader(FaceSettings())
    frames = (paste(backdrop(), portrait, x, 5, 470) for x in range(200, -300, -20))
    reasons = [reader.read(frame).reason for frame in frames]
    assert reasons[0] is None
    assert set(reasons[-8:]) <= {"no face", "face cut off"}


def test_a_margin_over_the_edge_is_cut_off(portrait: Image) -> None:
    frame = paste(backdrop(), portrait, -100, -70, 470)
    crop = watch(frame, margin=0.6)
    assert crop.box is not None
    assert crop.reason == "face cut off"


def test_an_upside_down_face_is_no_face(portrait: Image) -> None:
    frame = np.ascontiguousarray(paste(backdrop(), portrait, 120, 5, 470)[::-1])
    assert watch(frame).reason == "no face"


def test_a_moving_face_is_followed(portrait: Image) -> None:
    reader = FaceReader(FaceSettings())
    for _ in range(12):
        reader.read(paste(backdrop(), portrait, 40, 10, 300))
    for step in range(25):
        x, height = 40 + 8 * step, 300 + 4 * step
        box = reader.read(paste(backdrop(), portrait, x, 10, height)).box
        assert is_at(box, face_of(portrait, x, 10, height)), step


def test_a_larger_face_that_comes_in_is_followed_within_a_second(portrait: Image) -> None:
    reader = FaceReader(FaceSettings())
    before = paste(backdrop(), portrait, 20, 100, 240)
    boxes = [reader.read(before).box for _ in range(14)]
    assert is_at(boxes[-1], face_of(portrait, 20, 100, 240))
    after = paste(before.copy(), portrait, 240, 5, 470)
    boxes = [reader.read(after).box for _ in range(10)]
    assert is_at(boxes[-1], face_of(portrait, 240, 5, 470))


def test_the_same_frames_give_the_same_crops(portrait: Image) -> None:
    frames = [paste(backdrop(), portrait, 10 * i, 20, 250 + 9 * i) for i in range(12)]
    first, second = FaceReader(FaceSettings()), FaceReader(FaceSettings())
    second.read(frames[5])
    second.reset()
    for frame in frames:
        one, other = first.read(frame), second.read(frame)
        assert (one.box, one.quality, one.reason) == (other.box, other.quality, other.reason)
        assert (one.image is None) == (other.image is None)
        if one.image is not None and other.image is not None:
            assert np.array_equal(one.image, other.image)


def test_frames_may_change_their_size(portrait: Image) -> None:
    reader = FaceReader(FaceSettings())
    large = paste(backdrop(), portrait, 120, 5, 470)
    small = np.asarray(cv2().resize(large, (320, 240), interpolation=cv2().INTER_AREA))
    assert [reader.read(f).reason for f in (large, small, large)] == [None, None, None]


def test_a_dark_face_is_never_estimated(portrait: Image) -> None:
    frame = paste(backdrop(), portrait, 120, 5, 470) // 40
    assert watch(frame).reason in {"no face", "too dark"}


@pytest.mark.parametrize(
    ("level", "reason"), [(0, "too dark"), (128, "flat picture"), (255, "too bright")]
)
def test_a_crop_without_content_says_why(level: int, reason: str) -> None:
    crop = FaceReader(FaceSettings()).read_crop(np.full((60, 50, 3), level, np.uint8))
    assert (crop.reason, crop.image) == (reason, None)


def test_a_crop_is_taken_whole(portrait: Image) -> None:
    """Upside down it would not be found, so nothing may be searched in a crop."""
    crop = FaceReader(FaceSettings()).read_crop(np.ascontiguousarray(portrait[::-1]))
    assert crop.reason is None
    grey = cv2().cvtColor(portrait, cv2().COLOR_RGB2GRAY)
    whole = cv2().resize(grey, (48, 48), interpolation=cv2().INTER_AREA)
    assert crop.image is not None
    assert np.allclose(crop.image[0, 0, ::-1], standardise(whole), atol=0.05)


def test_quality_falls_with_blur_and_size(portrait: Image) -> None:
    reader = FaceReader(FaceSettings())
    face = portrait[110:340, 150:380]
    qualities = [
        reader.read_crop(np.asarray(cv2().GaussianBlur(face, (0, 0), blur))).quality
        for blur in (0.5, 8.0, 20.0)
    ]
    assert qualities[0] > 0.8
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[2] < 0.6
    small = np.asarray(cv2().resize(face, (40, 40), interpolation=cv2().INTER_AREA))
    assert reader.read_crop(small).quality < 0.7 * qualities[0]


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


@given(
    x=st.integers(-30, 50), y=st.integers(-30, 50), side=st.integers(1, 60),
    margin=st.sampled_from([0.0, 0.25]),
)  # fmt: skip
def test_a_cut_is_square_and_knows_how_much_lies_inside(
    x: int, y: int, side: int, margin: float
) -> None:
    grey = np.arange(40 * 30, dtype=np.uint32).astype(np.uint8).reshape(30, 40)
    patch, inside = cut(grey, Box(x, y, side), margin)
    full = side + 2 * round(side * margin)
    left, top = x - round(side * margin), y - round(side * margin)
    wide = max(0, min(40, left + full) - max(0, left))
    high = max(0, min(30, top + full) - max(0, top))
    assert inside == pytest.approx(wide * high / full**2)
    if inside > 0:
        assert patch.shape == (full, full)
        if left >= 0 and top >= 0:
            assert patch[0, 0] == grey[top, left]


def test_settings_come_from_the_package() -> None:
    read = settings_from({"size_px": 64, "interval_s": 0.2}, "x")
    assert (read.size_px, read.interval_s, read.margin) == (64, 0.2, 0.0)


@pytest.mark.parametrize("features", [{"rate_hz": 8000}, {"size_px": "48"}, {"margin": True}])
def test_settings_for_something_else_are_refused(features: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=r"pkg: \[features\] " + next(iter(features))):
        settings_from(features, "pkg")

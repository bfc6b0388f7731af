"""The shipped detector on every file and backend, before the sample portrait of matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_emo.clock import ManualClock
from edge_emo.drivers.virtual_scene import Scene
from edge_emo.estimators.create import create_estimator
from edge_emo.estimators.face import FaceEstimator
from edge_emo.estimators.face_finder import PackagedDetector
from edge_emo.features.face_detector import LANDMARKS, DetectedFace
from edge_emo.imaging import cv2
from edge_emo.manifest import ModelPackage, find_detector
from edge_emo.runtime.choose import load_model
from edge_emo.types import Chunk, Face, Prediction, StreamInfo
from tests.fakes.drawn_faces import Image, backdrop
from tests.models.files import need, runnable
from tests.models.portrait import EYES, PLACES, need_portrait

DETECTOR = find_detector(None, "face")
FILES = runnable(DETECTOR) if DETECTOR else []


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    found = find_detector(None, "face")
    if found is None:
        pytest.skip("needs a detector: python tools/train/detector.py --help")
    return found


@pytest.fixture(scope="module", params=FILES, ids="-".join)
def detector(package: ModelPackage, request: pytest.FixtureRequest) -> Iterator[PackagedDetector]:
    backend, precision = request.param
    need(backend)
    loaded = PackagedDetector(package, load_model(package, backend=backend, precision=precision))
    yield loaded
    loaded.close()


def paste(frame: Image, picture: Image, x: int, y: int, height: int) -> Image:
    """Put the portrait into the frame, cut where it reaches over the edge."""
    width = round(picture.shape[1] * height / picture.shape[0])
    small = cv2().resize(picture, (width, height), interpolation=cv2().INTER_AREA)
    left, top = max(0, x), max(0, y)
    right, bottom = min(frame.shape[1], x + width), min(frame.shape[0], y + height)
    if right > left and bottom > top:
        frame[top:bottom, left:right] = small[top - y : bottom - y, left - x : right - x]
    return frame


def sure(detector: PackagedDetector, frame: Image) -> list[DetectedFace]:
    return [face for face in detector.detect(frame) if face.score >= detector.begin_score]


def worst_landmark(face: DetectedFace, picture: Image, x: int, y: int, height: int) -> float:
    """Return the greatest error of a landmark, in distances of the eyes."""
    width = picture.shape[1] * height / picture.shape[0]
    places = [(x + PLACES[name][0] * width, y + PLACES[name][1] * height) for name in LANDMARKS]
    apart = np.hypot(*(np.array(face.points) - places).T)
    return float(apart.max() / (EYES * width))


def test_every_file_is_whole_and_one_for_a_small_board_is_small(package: ModelPackage) -> None:
    for file in package.files:
        package.verify(file)
    assert min(f.bytes for f in package.files if f.format == "tflite") <= 300_000


def test_no_file_tells_where_it_was_made(package: ModelPackage) -> None:
    here = str(Path(__file__).resolve().parents[2]).encode()
    for path in package.folder.iterdir():
        content = path.read_bytes()
        assert here not in content, path.name
        assert b"site-packages" not in content, path.name


@pytest.mark.parametrize("height", [200, 300, 470])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_the_face_and_each_landmark_by_its_name_are_found(
    detector: PackagedDetector, picture: Image, height: int, place: float
) -> None:
    width = round(picture.shape[1] * height / picture.shape[0])
    x, y = round(place * (640 - width)), round((1 - place) * (480 - height))
    (face,) = sure(detector, paste(backdrop(), picture, x, y, height))
    assert worst_landmark(face, picture, x, y, height) < 0.3
    assert 1.2 < face.side / (EYES * width) < 2.6


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((480, 640, 3), np.uint8),
        np.full((480, 640, 3), 128, np.uint8),
        np.full((120, 160, 3), 255, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.full((3, 999, 3), 90, np.uint8),
        backdrop(),
    ],
    ids=["black", "grey", "white", "1x1", "line", "blotches"],
)
def test_nothing_is_no_face(detector: PackagedDetector, frame: Image) -> None:
    assert sure(detector, frame) == []


@pytest.mark.parametrize(("width", "height", "tall"), [(640, 480, 220), (1280, 720, 400)])
def test_three_people_are_three_faces(
    detector: PackagedDetector, picture: Image, width: int, height: int, tall: int
) -> None:
    frame = backdrop(width, height)
    for third in range(3):
        paste(frame, picture, third * width // 3, (height - tall) // 2, tall)
    assert len(sure(detector, frame)) == 3


def film(package: ModelPackage, frames: list[Image]) -> list[tuple[Prediction, tuple[Face, ...]]]:
    """Return what the default face package says of frames, ten a second."""
    estimator = create_estimator("face", ManualClock(), face_detector=package.id)
    assert isinstance(estimator, FaceEstimator)
    estimator.start(StreamInfo("camera", 10.0, (), "rgb8", "a film"))
    steps = []
    for number, frame in enumerate(frames):
        chunk = Chunk("camera", number, number * 100_000_000, 10.0, frame)
        steps += [(estimator.predict(f), estimator.faces) for f in estimator.features(chunk)]
    estimator.close()
    return steps


def test_the_demonstration_is_followed_and_estimated(package: ModelPackage) -> None:
    scene = Scene(7, (640, 480), need_portrait(), numbered=False)
    steps = film(package, [scene.frame(n, n / 10) for n in range(60)])
    answered = [prediction for prediction, _ in steps if prediction.posterior]
    assert len(answered) >= 57
    assert {face.id for _, faces in steps for face in faces if face.counts} == {1}
    assert np.mean([prediction.quality for prediction in answered]) > 0.4


def test_the_drawn_head_of_the_virtual_camera_is_a_face(package: ModelPackage) -> None:
    scene = Scene(0, (640, 480), None, numbered=False)
    steps = film(package, [scene.frame(n, n / 10) for n in range(120)])
    assert sum(bool(faces) for _, faces in steps) >= 110
    assert sum(prediction.posterior is not None for prediction, _ in steps) >= 100


def test_who_leaves_and_comes_back_is_lost_and_found(package: ModelPackage, picture: Image) -> None:
    leaves = [paste(backdrop(), picture, 200 + 45 * k, 60, 360) for k in range(12)]
    steps = film(package, [*leaves, *[backdrop()] * 12, *leaves[:3]])
    reasons = [prediction.abstained for prediction, _ in steps]
    assert reasons[0] is None
    assert reasons[-4] == "no face"
    assert reasons[-3:] == [None] * 3


@pytest.mark.parametrize(("height", "x", "y"), [(40, 300, 200), (1400, -400, -300), (470, -190, 5)])
def test_tiny_huge_and_cut_off_faces_are_estimated_or_say_why(
    package: ModelPackage, picture: Image, height: int, x: int, y: int
) -> None:
    ((prediction, _),) = film(package, [paste(backdrop(), picture, x, y, height)])
    assert (prediction.posterior is None) == bool(prediction.abstained)


def test_an_upside_down_face_is_never_taken_for_an_upright_one(
    package: ModelPackage, picture: Image
) -> None:
    frame = np.ascontiguousarray(paste(backdrop(), picture, 120, 5, 470)[::-1])
    ((prediction, faces),) = film(package, [frame])
    assert (prediction.posterior is None) == bool(prediction.abstained)
    for face in faces:
        eyes = np.mean([face.landmarks[name][1] for name in ("right eye", "left eye")])
        mouth = np.mean([face.landmarks[f"{side} mouth corner"][1] for side in ("right", "left")])
        assert prediction.posterior is None or eyes > mouth

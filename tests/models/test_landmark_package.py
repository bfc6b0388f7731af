"""The shipped landmark package on every file and backend, on the sample portrait of matplotlib."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edge_emo.errors import ConfigError
from edge_emo.estimators.create import refuse_detector
from edge_emo.estimators.face_finder import PackagedLandmarks
from edge_emo.features.face_detector import LANDMARKS, DetectedFace, Point
from edge_emo.manifest import ModelPackage, find_landmarks, find_package
from edge_emo.runtime.choose import load_model
from tests.fakes.drawn_faces import Image
from tests.models.files import need, runnable
from tests.models.portrait import EYES, PLACES

SHIPPED = find_landmarks(find_package("face-detector-small"))
FILES = runnable(SHIPPED) if SHIPPED else []


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    assert SHIPPED is not None
    return SHIPPED


@pytest.fixture(scope="module", params=FILES, ids="-".join)
def landmarks(package: ModelPackage, request: pytest.FixtureRequest) -> Iterator[PackagedLandmarks]:
    backend, precision = request.param
    need(backend)
    loaded = PackagedLandmarks(package, load_model(package, backend=backend, precision=precision))
    yield loaded
    loaded.close()


def known(picture: Image) -> np.ndarray:
    height, width = picture.shape[:2]
    return np.array([PLACES[name] for name in LANDMARKS]) * (width, height)


def as_found(points: np.ndarray) -> DetectedFace:
    a, b, c, d, e = (Point(float(x), float(y)) for x, y in points)
    return DetectedFace(0.0, 0.0, 200.0, 260.0, 0.9, (a, b, c, d, e))


@pytest.mark.parametrize(("dx", "dy"), [(0.12, 0.0), (-0.12, 0.05), (0.0, -0.12), (0.05, 0.12)])
def test_landmarks_that_are_off_come_nearer_by_name(
    landmarks: PackagedLandmarks, picture: Image, dx: float, dy: float
) -> None:
    places = known(picture)
    apart = EYES * picture.shape[1]
    off = as_found(places + np.array([dx, dy]) * apart * 2)
    (new,) = landmarks.refined(picture, [off])
    before = np.hypot(*(np.array(off.points) - places).T) / apart
    after = np.hypot(*(np.array(new.points) - places).T) / apart
    assert after.mean() < 0.7 * before.mean()
    assert after.max() < 0.25


def test_every_file_is_whole_and_the_int8_one_is_small(package: ModelPackage) -> None:
    for file in package.files:
        package.verify(file)
    assert max(f.bytes for f in package.files if f.precision == "int8") <= 150_000


def test_it_is_no_estimator(package: ModelPackage) -> None:
    with pytest.raises(ConfigError, match="landmarks"):
        refuse_detector(package)

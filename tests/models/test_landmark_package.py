"""The shipped landmark package on every file and backend, on the sample portrait of matplotlib."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest

from edge_emo import vendor
from edge_emo.demo import portrait
from edge_emo.errors import ConfigError, UnavailableError
from edge_emo.estimators.create import refuse_detector
from edge_emo.estimators.face_finder import PackagedLandmarks
from edge_emo.features.face_detector import LANDMARKS, DetectedFace, Point
from edge_emo.imaging import cv2
from edge_emo.manifest import ModelPackage, find_landmarks, find_package
from edge_emo.runtime.choose import load_model
from tests.models.files import MODULES, runnable
from tests.models.test_detector_package import PLACES, Image

SHIPPED = find_landmarks(find_package("face-detector-small"))
FILES = runnable(SHIPPED) if SHIPPED else []

APART = 0.168
"""Distance between the eyes as a share of the portrait's width."""


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    assert SHIPPED is not None
    return SHIPPED


@pytest.fixture(scope="module", params=FILES, ids="-".join)
def landmarks(package: ModelPackage, request: pytest.FixtureRequest) -> Iterator[PackagedLandmarks]:
    backend, precision = request.param
    module = MODULES[backend]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}: {vendor.VENDORS[module].install}")
    loaded = PackagedLandmarks(package, load_model(package, backend=backend, precision=precision))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def picture() -> Image:
    try:
        path = portrait()
    except UnavailableError as error:
        pytest.skip(f"{error}: {error.hint}")
    return np.asarray(cv2().cvtColor(cv2().imread(str(path)), cv2().COLOR_BGR2RGB))


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
    apart = APART * picture.shape[1]
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

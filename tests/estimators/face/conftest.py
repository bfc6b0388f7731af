from __future__ import annotations

import pytest

from edge_emo.clock import ManualClock
from edge_emo.estimators.face import FaceEstimator
from edge_emo.manifest import ModelPackage, find_package
from tests.fakes.drawn_faces import DrawnFaceFinder
from tests.fakes.face_films import SteadyModel, camera


@pytest.fixture
def package() -> ModelPackage:
    return find_package("face-expression-small")


@pytest.fixture
def model() -> SteadyModel:
    return SteadyModel(ManualClock())


@pytest.fixture
def finder() -> DrawnFaceFinder:
    return DrawnFaceFinder()


@pytest.fixture
def estimator(package: ModelPackage, model: SteadyModel, finder: DrawnFaceFinder) -> FaceEstimator:
    made = FaceEstimator(package, model, model.clock, finder)
    made.start(camera())
    return made

"""A voice model that reads functionals of the window beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock
from edge_emo.errors import ModelError
from edge_emo.estimators.voice import VoiceEstimator
from edge_emo.features.voice_functionals import SIZE, functionals
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.base import LoadedModel
from edge_emo.types import CATEGORIES
from tests.estimators.test_voice import FEATURES, babble, chunk, info
from tests.fakes.manifests import absent_file, estimator_manifest, package_in, tensor


class Listener(LoadedModel):
    """Keeps what it is given."""

    backend = "test"

    def __init__(self) -> None:
        self.heard: list[Mapping[str, npt.NDArray[Any]]] = []

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
        self.heard.append(inputs)
        return {"logits": np.zeros((1, 7), np.float32)}

    def close(self) -> None:
        pass


def of_functionals(
    folder: Path, bands: int = 64, size: int = SIZE, **features: Any
) -> ModelPackage:
    """Return a package whose model reads functionals beside the window."""
    wanted = {**FEATURES, "bands": bands, "n_fft": 1024, **features}
    text = estimator_manifest(
        "both",
        "voice",
        files=[absent_file()],
        inputs=[
            tensor("logmel", (1, 1, 298, bands), "NCHW"),
            tensor("functionals", (1, size), "NC"),
        ],
        outputs=[tensor("logits", (1, 7), "NC", labels=CATEGORIES)],
        features=wanted,
    )
    return package_in(folder / "both", text)


def test_a_model_that_asks_for_functionals_gets_those_of_its_window(tmp_path: Path) -> None:
    model = Listener()
    estimator = VoiceEstimator(of_functionals(tmp_path), model, ManualClock())
    estimator.start(info())
    for features in estimator.features(chunk(babble(1.2))):
        estimator.predict(features)
    (heard,) = model.heard
    assert heard["functionals"].shape == (1, SIZE)
    assert np.array_equal(heard["functionals"][0], functionals(heard["logmel"][0, 0]))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"bands": 42}, "functionals are of 64 bands, 100 frames a second"),
        ({"hop": 200}, "functionals are of 64 bands, 100 frames a second"),
        ({"size": 874}, "features. give"),
    ],
)
def test_functionals_of_other_frames_are_refused(
    changed: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=words):
        VoiceEstimator(of_functionals(tmp_path, **changed), Listener(), ManualClock())

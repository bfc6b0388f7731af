from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock
from edge_emo.errors import ConfigError, ModelError, ModelMismatchError
from edge_emo.estimators.calibration import softmax
from edge_emo.estimators.face import FaceEstimator
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.types import CATEGORIES, Chunk, StreamInfo

LOGITS = np.array([[0.0, 1.0, -1.0, 3.0, 0.5, 0.0, 2.0]], np.float32)
INFERENCE_NS = 1_500_000


class SteadyModel(LoadedModel):
    """A model that takes 1.5 ms on the session clock and always answers the same."""

    backend = "steady"

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.seen: list[npt.NDArray[Any]] = []

    def run(self, inputs: Tensors) -> Tensors:
        self.seen.append(np.array(inputs["image"]))
        self._clock.advance(INFERENCE_NS / 1e9)
        return {"logits": LOGITS}

    def close(self) -> None:
        pass


@pytest.fixture
def package() -> ModelPackage:
    return find_package("face-fer-small")


@pytest.fixture
def model() -> SteadyModel:
    return SteadyModel(ManualClock())


@pytest.fixture
def estimator(package: ModelPackage, model: SteadyModel) -> FaceEstimator:
    made = FaceEstimator(package, model, model._clock)
    made.start(camera())
    return made


def camera(rate_hz: float = 30.0) -> StreamInfo:
    return StreamInfo("camera", rate_hz, (), "rgb8", "a camera", live=False)


def frame(seq: int, rate_hz: float = 30.0, level: int = 128) -> Chunk:
    picture = np.full((48, 64, 3), level, np.uint8)
    return Chunk("camera", seq, round(seq * 1e9 / rate_hz), rate_hz, picture)


def picture_of_noise() -> Chunk:
    data = np.random.default_rng(5).integers(0, 255, (60, 60, 3)).astype(np.uint8)
    return Chunk("camera", 0, 7_000_000, 0.0, data)


def taken(estimator: FaceEstimator, rate_hz: float, seconds: float) -> list[int]:
    """Return the numbers of the frames that were not passed over."""
    estimator.start(camera(rate_hz))
    frames = (frame(seq, rate_hz) for seq in range(round(rate_hz * seconds)))
    return [chunk.seq for chunk in frames if estimator.features(chunk)]


@pytest.mark.parametrize(
    ("rate_hz", "per_second"), [(5, 5), (10, 10), (15, 10), (30, 10), (60, 10)]
)
def test_frames_are_taken_at_most_ten_times_a_second(
    estimator: FaceEstimator, rate_hz: float, per_second: int
) -> None:
    frames = taken(estimator, rate_hz, 6.0)
    assert frames[0] == 0
    assert abs(len(frames) - 6 * per_second) <= 1


def test_at_30_frames_a_second_every_third_is_taken(estimator: FaceEstimator) -> None:
    assert taken(estimator, 30.0, 2.0) == list(range(0, 60, 3))


def test_after_a_pause_the_next_frame_is_taken_and_no_two_at_once(
    estimator: FaceEstimator,
) -> None:
    seqs = [0, 1, 2, 300, 301, 302, 303]
    assert [s for s in seqs if estimator.features(frame(s))] == [0, 300, 303]


def test_a_new_session_begins_with_its_first_frame(estimator: FaceEstimator) -> None:
    assert estimator.features(frame(900))
    estimator.start(camera())
    assert estimator.features(frame(0))


def test_without_a_face_it_abstains_and_runs_no_model(
    estimator: FaceEstimator, model: SteadyModel
) -> None:
    (features,) = estimator.features(frame(6))
    prediction = estimator.predict(features)
    assert (prediction.abstained, prediction.posterior) == ("no face", None)
    assert (prediction.t_ns, prediction.duration_ns, prediction.quality) == (200_000_000, 0, 0.0)
    assert model.seen == []


def test_a_clip_is_read_whole_and_estimated(
    estimator: FaceEstimator, model: SteadyModel, package: ModelPackage
) -> None:
    prediction = estimator.clip(picture_of_noise())
    assert model.seen[0].shape == (1, 1, 48, 48)
    assert prediction.posterior is not None
    assert prediction.posterior.names == CATEGORIES
    expected = softmax(LOGITS[0], package.temperature)
    assert prediction.posterior.probabilities == pytest.approx(expected.tolist())
    assert (prediction.posterior.label, prediction.modality) == ("happiness", "face")
    assert (prediction.model_id, prediction.t_ns) == ("face-fer-small", 7_000_000)
    assert prediction.inference_ns == INFERENCE_NS
    assert prediction.abstained is None


def test_dimensions_are_the_mean_of_the_table(
    estimator: FaceEstimator, package: ModelPackage
) -> None:
    prediction = estimator.clip(picture_of_noise())
    p = softmax(LOGITS[0], package.temperature)
    for name in ("valence", "arousal", "dominance"):
        table = getattr(package.dimensions, name)
        value = sum(p[i] * table[label] for i, label in enumerate(CATEGORIES))
        assert getattr(prediction, name) == pytest.approx(value)
    assert prediction.valence is not None
    assert prediction.valence > 0.3


def test_an_empty_clip_is_no_neutral_face(estimator: FaceEstimator) -> None:
    assert estimator.clip(frame(0)).abstained == "flat picture"


def test_other_streams_are_refused(estimator: FaceEstimator) -> None:
    with pytest.raises(ConfigError, match="microphone"):
        estimator.start(StreamInfo("microphone", 16000.0, ("mono",), "full-scale", "a mic"))


def test_a_package_whose_input_does_not_fit_is_refused(
    package: ModelPackage, model: SteadyModel
) -> None:
    other = dataclasses.replace(package, features={"size_px": 64})
    with pytest.raises(ModelMismatchError, match="48"):
        FaceEstimator(other, model, ManualClock())
    strange = dataclasses.replace(package, features={"mel_bands": 40})
    with pytest.raises(ModelError, match="mel_bands"):
        FaceEstimator(strange, model, ManualClock())

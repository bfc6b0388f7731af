from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_emo.clock import ManualClock
from edge_emo.errors import ConfigError, ModelError, ModelMismatchError
from edge_emo.estimators.calibration import softmax
from edge_emo.estimators.face import NO_FINDER, FaceEstimator
from edge_emo.manifest import DimensionTable, ModelPackage, TensorSpec
from edge_emo.types import CATEGORIES, Chunk, StreamInfo
from tests.fakes.drawn_faces import DrawnFaceFinder
from tests.fakes.face_films import (
    INFERENCE_NS,
    LOGITS,
    SteadyModel,
    camera,
    people,
    reasons,
    shot,
    watch,
)
from tests.fakes.manifests import labelled


@pytest.fixture
def rich(package: ModelPackage) -> ModelPackage:
    """The same with outputs for valence, arousal and coverings."""
    own = labelled("valence_arousal", ("valence", "arousal"))
    covered = labelled("covered", ("eyes", "mouth"))
    table = DimensionTable("mixed", dominance=package.dimensions.dominance)
    return dataclasses.replace(
        package, outputs=(covered, *package.outputs, own), dimensions=table, features={}
    )


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
    assert estimator.faces == ()


def test_without_a_finder_it_says_so(package: ModelPackage, model: SteadyModel) -> None:
    estimator = FaceEstimator(package, model, model.clock)
    assert reasons(estimator, [people((320, 240, 200))]) == [NO_FINDER]
    assert estimator.clip(shot(0, people((320, 240, 200)))).posterior is not None


def test_a_face_is_estimated_and_shown(estimator: FaceEstimator, model: SteadyModel) -> None:
    (((prediction,), (face,)),) = watch(estimator, [people((200, 150, 120))])
    assert prediction.posterior is not None
    assert prediction.posterior.label == "happiness"
    assert prediction.inference_ns == INFERENCE_NS
    assert (face.id, face.t_ns, face.seen, face.counts) == (1, 0, True, True)
    assert face.prediction is prediction
    assert face.box.x + face.box.width / 2 == pytest.approx(200, abs=2)
    assert face.box.height == pytest.approx(120, abs=4)
    assert face.landmarks["right eye"] == pytest.approx((200 - 0.19 * 120, 150 - 12), abs=2)
    assert face.landmarks["left mouth corner"] == pytest.approx((218, 150 + 0.28 * 120), abs=2)
    assert face.frame_px == (640, 480)
    assert face.direction == pytest.approx((2 * 200 / 640 - 1, 2 * 150 / 480 - 1), abs=0.01)
    assert face.pose == pytest.approx((0, 0, 0), abs=8)
    assert model.seen[0].shape == (1, 1, 48, 48)


def test_a_covered_mouth_lowers_the_quality(rich: ModelPackage, model: SteadyModel) -> None:
    estimator = FaceEstimator(rich, model, model.clock, DrawnFaceFinder())
    picture = shot(0, people((320, 240, 120)))
    bare = estimator.clip(picture)
    model.covered = (-9.0, 9.0)
    masked = estimator.clip(picture)
    assert bare.abstained is masked.abstained is None
    assert masked.quality == pytest.approx(0.35 * bare.quality, rel=0.01)
    model.covered = (9.0, 9.0)
    assert estimator.clip(picture).abstained == "eyes and mouth covered"
    model.covered = (float("nan"), 0.0)
    with pytest.raises(ModelError, match="eyes, mouth"):
        estimator.clip(picture)


def test_a_network_may_give_valence_and_arousal_itself(
    rich: ModelPackage, model: SteadyModel
) -> None:
    prediction = FaceEstimator(rich, model, model.clock).clip(picture_of_noise())
    assert (prediction.valence, prediction.arousal) == (0.25, -0.5)
    p, table = softmax(LOGITS[0], rich.temperature), rich.dimensions.dominance
    assert table is not None
    expected = sum(p[i] * table[label] for i, label in enumerate(CATEGORIES))
    assert prediction.dominance == pytest.approx(expected)


def test_an_output_for_coverings_must_name_them(rich: ModelPackage, model: SteadyModel) -> None:
    nameless = TensorSpec("covered", (1, 2), "NC", "float32")
    other = dataclasses.replace(rich, outputs=(*rich.outputs[1:], nameless))
    with pytest.raises(ModelMismatchError, match="does not say what is covered"):
        FaceEstimator(other, model, model.clock)


def test_a_small_clip_is_read_whole_and_estimated(
    estimator: FaceEstimator, model: SteadyModel, finder: DrawnFaceFinder, package: ModelPackage
) -> None:
    prediction = estimator.clip(picture_of_noise())
    assert finder.calls == 0
    assert prediction.posterior is not None
    assert prediction.posterior.names == CATEGORIES
    expected = softmax(LOGITS[0], package.temperature)
    assert prediction.posterior.probabilities == pytest.approx(expected.tolist())
    assert (prediction.posterior.label, prediction.modality) == ("happiness", "face")
    assert (prediction.model_id, prediction.t_ns) == ("face-expression-small", 7_000_000)
    assert prediction.inference_ns == INFERENCE_NS
    assert prediction.abstained is None


def test_in_a_loose_portrait_the_face_is_searched(
    estimator: FaceEstimator, model: SteadyModel, finder: DrawnFaceFinder
) -> None:
    estimator.clip(shot(0, people((100, 300, 150))))
    (((_,), _),) = watch(estimator, [people((100, 300, 150))])
    assert finder.calls == 2
    assert np.abs(model.seen[0] - model.seen[1]).mean() < 0.1
    assert len(estimator.faces) == 1


def test_valence_and_arousal_are_the_models_and_dominance_is_the_mean_of_the_table(
    estimator: FaceEstimator, package: ModelPackage
) -> None:
    prediction = estimator.clip(picture_of_noise())
    p = softmax(LOGITS[0], package.temperature)
    table = package.dimensions.dominance
    assert table is not None
    value = sum(p[i] * table[label] for i, label in enumerate(CATEGORIES))
    assert prediction.dominance == pytest.approx(value)
    assert (prediction.valence, prediction.arousal) == (0.25, -0.5)


def test_an_empty_clip_is_no_neutral_face(estimator: FaceEstimator) -> None:
    assert estimator.clip(frame(0)).abstained == "flat picture"


def test_a_frame_without_a_pixel_between_others_abstains(
    estimator: FaceEstimator, model: SteadyModel
) -> None:
    whole = shot(0, people((200, 150, 120)))
    void = dataclasses.replace(whole, t_ns=200_000_000, data=np.zeros((0, 640, 3), np.uint8))
    estimator.start(camera(30.0))
    assert estimator.predict(estimator.features(whole)[0]).posterior is not None
    (features,) = estimator.features(void)
    assert estimator.predict(features).abstained == "empty picture"
    assert estimator.clip(void).abstained == "empty picture"
    assert len(model.seen) == 1


def test_closing_releases_both_models(
    estimator: FaceEstimator, model: SteadyModel, finder: DrawnFaceFinder
) -> None:
    estimator.close()
    estimator.close()
    assert model.closed
    assert finder.closed


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

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.clock import ManualClock
from edge_emo.config import Faces
from edge_emo.errors import ConfigError, ModelError, ModelMismatchError
from edge_emo.estimators.calibration import softmax
from edge_emo.estimators.face import NO_FINDER, FaceEstimator
from edge_emo.manifest import DimensionTable, ModelPackage, TensorSpec, find_package
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.types import CATEGORIES, Chunk, Face, Prediction, StreamInfo
from tests.fakes.drawn_faces import DrawnFaceFinder, Image, backdrop, draw_face

LOGITS = np.array([[0.0, 1.0, -1.0, 3.0, 0.5, 0.0, 2.0]], np.float32)
BARE = (-9.0, -9.0)
INFERENCE_NS = 1_500_000
BEAT_NS = 100_000_000

Place = tuple[float, float, float]
"""Centre and side of a face, px."""


class SteadyModel(LoadedModel):
    """A model that takes 1.5 ms on the session clock and always answers the same.

    Attributes:
        seen: The crops it was shown.
        covered: Log-odds of covered eyes and mouth.
    """

    backend = "steady"

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.seen: list[npt.NDArray[Any]] = []
        self.covered = BARE
        self.closed = False

    def run(self, inputs: Tensors) -> Tensors:
        self.seen.append(np.array(inputs["image"]))
        self.clock.advance(INFERENCE_NS / 1e9)
        return {
            "logits": LOGITS,
            "valence_arousal": np.array([[0.25, -0.5]], np.float32),
            "covered": np.array([self.covered], np.float32),
        }

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def package() -> ModelPackage:
    return find_package("face-fer-small")


@pytest.fixture
def rich(package: ModelPackage) -> ModelPackage:
    """The same with outputs for valence, arousal and coverings."""
    own = TensorSpec("valence_arousal", (1, 2), "NC", "float32", labels=("valence", "arousal"))
    covered = TensorSpec("covered", (1, 2), "NC", "float32", labels=("eyes", "mouth"))
    table = DimensionTable("mixed", dominance=package.dimensions.dominance)
    return dataclasses.replace(
        package, outputs=(covered, *package.outputs, own), dimensions=table, features={}
    )


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


def camera(rate_hz: float = 30.0) -> StreamInfo:
    return StreamInfo("camera", rate_hz, (), "rgb8", "a camera", live=False)


def frame(seq: int, rate_hz: float = 30.0, level: int = 128) -> Chunk:
    picture = np.full((48, 64, 3), level, np.uint8)
    return Chunk("camera", seq, round(seq * 1e9 / rate_hz), rate_hz, picture)


def shot(beat: int, picture: Image) -> Chunk:
    """Return a frame that comes with the beat of estimates."""
    return Chunk("camera", beat, beat * BEAT_NS, 10.0, picture)


def people(*places: Place, **look: float) -> Image:
    picture = backdrop()
    for person, (x, y, side) in enumerate(places):
        if side > 0:
            draw_face(picture, x, y, side, person, **look)
    return picture


def watch(
    estimator: FaceEstimator, pictures: Iterable[Image]
) -> list[tuple[list[Prediction], tuple[Face, ...]]]:
    """Return the predictions of each frame, and the faces after it."""
    steps = []
    for beat, picture in enumerate(pictures):
        ready = estimator.features(shot(beat, picture))
        steps.append(([estimator.predict(one) for one in ready], estimator.faces))
    return steps


def reasons(estimator: FaceEstimator, pictures: Iterable[Image]) -> list[str | None]:
    """Return why each frame's first prediction abstains; "nothing" when there is none."""
    steps = watch(estimator, pictures)
    return [made[0].abstained if made else "nothing" for made, _ in steps]


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


def test_one_person_enters_turns_is_hidden_leaves_and_comes_back(
    estimator: FaceEstimator,
) -> None:
    path = [(-40 + 40 * k, 240, 110) for k in range(9)]
    middle = path[-1]
    enters = [people(place) for place in path]
    turns = [people(middle, turn=turn) for turn in (0.05, 0.35, 0.4, 0.05)]
    hidden = [backdrop()] * 5
    back = [people(middle)] * 2
    leaves = [people((280 + 60 * k, 240, 110)) for k in range(1, 8)]
    gone = [backdrop()] * 12
    returns = [people((500, 200, 110))]
    estimator.start(camera())
    found = reasons(estimator, [*enters, *turns, *hidden, *back, *leaves, *gone, *returns])
    words = iter(found)
    entering = [next(words) for _ in enters]
    assert entering[0] in {"no face", "face cut off"}
    assert entering[3:] == [None] * 6
    turning = [next(words) for _ in turns]
    assert turning[0] is None
    assert all(str(word).startswith("turned ") for word in turning[1:3])
    assert turning[3] is None
    assert [next(words) for _ in hidden] == [
        "nothing", "nothing", "face not seen for 0.3 s", "face not seen for 0.4 s",
        "face not seen for 0.5 s",
    ]  # fmt: skip
    assert [next(words) for _ in back] == [None, None]
    leaving = [next(words) for _ in leaves]
    assert leaving[0] is None
    assert set(leaving[-2:]) <= {"face cut off", "nothing", "face not seen for 0.3 s"}
    after = [next(words) for _ in gone]
    assert after[-1] == "no face"
    assert next(words) is None
    assert [face.id for face in estimator.faces] == [2]


def test_ids_survive_short_occlusion(estimator: FaceEstimator) -> None:
    there = people((320, 240, 110))
    steps = watch(estimator, [there, there, backdrop(), backdrop(), there])
    assert [[face.id for face in faces] for _, faces in steps] == [[1]] * 5
    assert [faces[0].seen for _, faces in steps] == [True, True, False, False, True]


@pytest.mark.parametrize("low", [0.0, 40.0])
def test_two_people_who_cross_keep_their_ids(estimator: FaceEstimator, low: float) -> None:
    beats = range(25)
    pictures = [people((60 + 20 * k, 220, 100), (580 - 20 * k, 220 + low, 100)) for k in beats]
    steps = watch(estimator, pictures)
    first = {face.id: face.landmarks["nose"][0] for face in steps[0][1]}
    last = {face.id: face.landmarks["nose"][0] for face in steps[-1][1] if face.seen}
    assert first.keys() == last.keys()
    left, right = sorted(first, key=lambda i: first[i])
    assert last[right] < last[left]


def test_the_person_who_counts_is_fused_and_marked(estimator: FaceEstimator) -> None:
    steps = watch(estimator, [people((120, 240, 70), (330, 240, 130), (560, 240, 60))])
    made, faces = steps[0]
    assert len(made) == 1
    assert [face.counts for face in faces].count(True) == 1
    person = next(face for face in faces if face.counts)
    assert person.landmarks["nose"][0] == pytest.approx(330, abs=3)
    assert person.prediction is made[0]
    assert all(face.prediction is None for face in faces if not face.counts)


def everybody(package: ModelPackage, model: SteadyModel, **options: Any) -> FaceEstimator:
    made = FaceEstimator(
        package, model, model.clock, DrawnFaceFinder(5), Faces(estimate="all", **options)
    )
    made.start(camera())
    return made


CROWD: tuple[Place, ...] = ((120, 240, 70), (330, 240, 130), (560, 240, 60), (220, 80, 90))


def test_everybody_can_be_estimated_and_only_one_is_fused(
    package: ModelPackage, model: SteadyModel
) -> None:
    estimator = everybody(package, model)
    ready = estimator.features(shot(0, people(*CROWD)))
    assert [one.counts for one in ready] == [True, False, False, False]
    predictions = {one.face: estimator.predict(one) for one in ready}
    assert {face.id: face.prediction for face in estimator.faces} == predictions
    assert len(model.seen) == 4
    sides = {face.id: face.box.height for face in estimator.faces}
    others = [sides[one.face] for one in ready[1:] if one.face]
    assert others == sorted(others, reverse=True)


def test_with_many_people_the_largest_are_estimated(
    package: ModelPackage, model: SteadyModel
) -> None:
    estimator = everybody(package, model, most=2)
    ready = estimator.features(shot(0, people(*CROWD)))
    assert len(ready) == 2
    for one in ready:
        estimator.predict(one)
    large = {face.id for face in estimator.faces if face.box.height > 85}
    assert {face.id for face in estimator.faces if face.prediction} == large


def test_the_policy_decides_who_counts(package: ModelPackage, model: SteadyModel) -> None:
    def chosen(policy: str) -> float:
        options = Faces(policy=policy)
        estimator = FaceEstimator(package, model, model.clock, DrawnFaceFinder(), options)
        steps = watch(estimator, [people((320, 240, 110), (90, 90, 130))])
        return next(face.landmarks["nose"][0] for face in steps[0][1] if face.counts)

    assert chosen("largest_central") == pytest.approx(320, abs=3)
    assert chosen("largest") == pytest.approx(90, abs=3)
    with pytest.raises(ConfigError, match=r"face\.policy = 'tallest'"):
        chosen("tallest")


def test_detection_may_be_rarer_than_estimates(package: ModelPackage, model: SteadyModel) -> None:
    finder = DrawnFaceFinder()
    options = Faces(detect_interval_s=0.3)
    estimator = FaceEstimator(package, model, model.clock, finder, options)
    pictures = [people((150 + 10 * k, 240, 120)) for k in range(10)]
    steps = watch(estimator, pictures)
    assert finder.calls == 4
    assert all(made[0].abstained is None for made, _ in steps)
    (face,) = steps[-1][1]
    assert face.landmarks["nose"][0] == pytest.approx(240, abs=15)


def test_detections_keep_their_beat_although_frames_tremble(
    package: ModelPackage, model: SteadyModel
) -> None:
    finder = DrawnFaceFinder()
    estimator = FaceEstimator(package, model, model.clock, finder, Faces(detect_interval_s=0.3))
    picture = people((320, 240, 120))
    for beat in range(30):
        t_ns = beat * BEAT_NS + (-1) ** beat * 4_000_000
        estimator.features(Chunk("camera", beat, t_ns, 30.0, picture))
    assert finder.calls == 10


def test_a_face_must_be_kept_until_the_next_detection(
    package: ModelPackage, model: SteadyModel
) -> None:
    options = Faces(detect_interval_s=2.0)
    with pytest.raises(ConfigError, match=r"keep_s = 1\.0 is less"):
        FaceEstimator(package, model, model.clock, DrawnFaceFinder(), options)


def test_a_face_that_is_followed_may_be_less_sure(estimator: FaceEstimator) -> None:
    """Three of five landmarks show: too few for somebody new, enough for somebody known."""
    whole = people((320, 240, 120))
    lower = whole.copy()
    lower[215:242] = 128
    assert reasons(estimator, [lower]) == ["no face"]
    estimator.start(camera())
    assert reasons(estimator, [whole, lower, lower])[0] is None
    assert [face.seen for face in estimator.faces] == [True]


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
    assert (prediction.model_id, prediction.t_ns) == ("face-fer-small", 7_000_000)
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


@pytest.mark.parametrize(
    "look",
    [
        lambda: people((320, 240, 8)),
        lambda: people((320, 240, 1500)),
        lambda: people((10, 10, 150)),
        lambda: people((320, 240, 150), roll_deg=180.0),
        lambda: people(*[(60 + 130 * k, 240, 100) for k in range(5)]),
        lambda: people((320, 240, 150)) // 30,
        lambda: np.zeros((1, 1, 3), np.uint8),
        lambda: np.zeros((1, 999, 3), np.uint8),
        lambda: np.full((481, 639, 3), 255, np.uint8),
        lambda: np.ascontiguousarray(people((320, 240, 150))[:, ::2]),
    ],
    ids=["tiny", "huge", "corner", "upside-down", "many", "dark", "1x1", "line", "white", "thin"],
)
def test_whatever_it_sees_it_estimates_or_says_why(
    estimator: FaceEstimator, look: Callable[[], Image]
) -> None:
    for made, faces in watch(estimator, [look()] * 2):
        assert len(made) == 1
        assert is_sensible(made[0])
        assert all(np.isfinite((*face.box, *face.pose, face.score)).all() for face in faces)
    assert is_sensible(estimator.clip(shot(0, look())))


def is_sensible(prediction: Prediction) -> bool:
    if prediction.posterior is None:
        return bool(prediction.abstained) and 0.0 <= prediction.quality <= 1.0
    return 0.0 < prediction.quality <= 1.0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(-80, 720), st.floats(-80, 560), st.floats(0, 700)), max_size=3
        ),
        min_size=1,
        max_size=5,
    ),
    st.floats(-180, 180),
)
def test_any_film_gives_sensible_predictions_and_the_same_twice(
    film: list[list[Place]], roll_deg: float
) -> None:
    package = find_package("face-fer-small")

    def play() -> list[tuple[list[Prediction], tuple[Face, ...]]]:
        estimator = everybody(package, SteadyModel(ManualClock()))
        return watch(estimator, (people(*places, roll_deg=roll_deg) for places in film))

    steps = play()
    assert steps == play()
    for made, faces in steps:
        assert all(map(is_sensible, made))
        assert sum(face.counts for face in faces) == bool(faces)


def test_a_new_stream_begins_with_new_ids(estimator: FaceEstimator) -> None:
    watch(estimator, [people((320, 240, 110)), backdrop()])
    estimator.start(camera())
    assert estimator.faces == ()
    ((_, faces),) = watch(estimator, [people((100, 100, 110))])
    assert [(face.id, face.prediction is not None) for face in faces] == [(1, True)]


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

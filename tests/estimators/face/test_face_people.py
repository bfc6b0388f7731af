"""Who is followed, who counts and who is estimated, in films of drawn faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.clock import ManualClock
from edge_emo.config import Faces
from edge_emo.errors import ConfigError
from edge_emo.estimators.face import FaceEstimator
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.types import Chunk, Face, Prediction
from tests.fakes.drawn_faces import DrawnFaceFinder, Image, backdrop
from tests.fakes.face_films import (
    BEAT_NS,
    CROWD,
    Place,
    SteadyModel,
    camera,
    is_sensible,
    people,
    reasons,
    shot,
    watch,
)


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
    package = find_package("face-expression-small")

    def play() -> list[tuple[list[Prediction], tuple[Face, ...]]]:
        estimator = everybody(package, SteadyModel(ManualClock()))
        return watch(estimator, (people(*places, roll_deg=roll_deg) for places in film))

    steps = play()
    assert steps == play()
    for made, faces in steps:
        assert all(map(is_sensible, made))
        assert sum(face.counts for face in faces) == bool(faces)


def test_a_camera_that_comes_back_uses_no_id_again(estimator: FaceEstimator) -> None:
    watch(estimator, [people((320, 240, 110)), backdrop()])
    estimator.start(camera())
    assert estimator.faces == ()
    ((_, faces),) = watch(estimator, [people((100, 100, 110))])
    assert [(face.id, face.prediction is not None) for face in faces] == [(2, True)]

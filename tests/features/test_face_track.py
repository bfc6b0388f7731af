from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.errors import ConfigError
from edge_emo.features.face_detector import DetectedFace, Point
from edge_emo.features.face_track import (
    POLICIES,
    FaceTracker,
    TrackedFace,
    TrackSettings,
)

WIDTH, HEIGHT = 640, 480
FRAME = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
MS = 1_000_000
BEAT_MS = 100


def face(x: float, y: float, side: float = 80.0) -> DetectedFace:
    """Return a face with this centre."""
    left, top = x - side / 2, y - side / 2
    points = tuple(
        Point(left + a * side, top + b * side)
        for a, b in ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    )
    a, b, c, d, e = points
    return DetectedFace(left, top, side, side, 0.9, (a, b, c, d, e))


class Scripted:
    """A detector in front of which faces move as written, one list per detection."""

    def __init__(self, script: Sequence[Sequence[DetectedFace]]) -> None:
        self._script = iter(script)
        self.calls = 0

    def detect(self, frame: npt.NDArray[np.uint8]) -> list[DetectedFace]:
        self.calls += 1
        return list(next(self._script, []))


def play(
    script: Sequence[Sequence[DetectedFace]], **settings: float | str
) -> list[tuple[Sequence[TrackedFace], TrackedFace | None]]:
    tracker = FaceTracker(Scripted(script), TrackSettings(**settings))  # type: ignore[arg-type]
    times = (k * BEAT_MS * MS for k in range(len(script)))
    return [(tracker.update(FRAME, t_ns), tracker.person) for t_ns in times]


def test_nobody_gives_nothing() -> None:
    assert play([[], []]) == [((), None), ((), None)]


@pytest.mark.parametrize("step_px", [0, 5, 20, 50])
def test_one_moving_face_keeps_its_id(step_px: int) -> None:
    steps = play([[face(100 + step_px * k, 200)] for k in range(10)])
    assert [[t.id for t in tracks] for tracks, _ in steps] == [[1]] * 10
    assert steps[-1][0][0].face.centre.x == pytest.approx(100 + 9 * step_px, abs=2)


def test_ids_survive_the_order_of_detection() -> None:
    a, b = face(150, 200), face(450, 200)
    steps = play([[a, b], [b, a], [a, b]])
    places = [{t.id: t.face.centre.x for t in tracks} for tracks, _ in steps]
    assert all(place == pytest.approx({1: 150, 2: 450}) for place in places)


def test_faces_that_pass_each_other_keep_their_ids() -> None:
    script = [[face(100 + 40 * k, 200, 80), face(540 - 40 * k, 260, 80)] for k in range(12)]
    last = {t.id: t.face.centre.x for t in play(script)[-1][0]}
    assert last == pytest.approx({1: 540, 2: 100}, abs=3)


def test_a_moving_face_comes_back_from_behind_a_pillar() -> None:
    path = [face(100 + 20 * k, 200) for k in range(14)]
    script: list[list[DetectedFace]] = [[f] for f in path]
    script[5:9] = [[]] * 4
    steps = play(script)
    assert {t.id for tracks, _ in steps for t in tracks} == {1}
    hidden = steps[6][0][0]
    assert not hidden.seen
    assert hidden.last_ns == 4 * BEAT_MS * MS
    assert hidden.face.centre.x > path[4].centre.x + 15
    assert steps[9][0][0].seen


def test_who_stays_away_too_long_is_somebody_new() -> None:
    steps = play([[face(300, 200)], *[[]] * 12, [face(300, 200)]], keep_s=1.0)
    assert [len(tracks) for tracks, _ in steps] == [1] * 11 + [0, 0, 1]
    assert steps[-1][0][0].id == 2


@pytest.mark.parametrize(("gap_s", "ids"), [(1.0, [1]), (2.0, [2]), (3600.0, [2])])
def test_who_comes_after_a_time_without_frames_is_somebody_new(
    gap_s: float, ids: list[int]
) -> None:
    tracker = FaceTracker(Scripted([[face(300, 200)]] * 2), TrackSettings(keep_s=1.0))
    tracker.update(FRAME, 0)
    tracks = tracker.update(FRAME, round(gap_s * 1e9))
    assert [track.id for track in tracks] == ids
    assert tracks[0].first_ns == (0 if ids == [1] else round(gap_s * 1e9))


@pytest.mark.parametrize("rate_hz", [0.9, 0.5, 0.1])
def test_a_slow_camera_keeps_a_face(rate_hz: float) -> None:
    tracker = FaceTracker(Scripted([[face(300, 200)]] * 10), TrackSettings(detect_interval_s=0.0))
    times = (round((k / rate_hz + 0.1 * (k % 2)) * 1e9) for k in range(10))
    ids = [tracker.update(FRAME, t_ns)[0].id for t_ns in times]
    assert len(set(ids[1:])) == 1  # how slow it is shows in the second frame


def test_a_face_of_another_size_is_another_person() -> None:
    steps = play([[face(300, 200, 40)], [face(300, 200, 160)]])
    assert {t.id for t in steps[1][0] if t.seen} == {2}


def test_between_detections_a_face_moves_on() -> None:
    detector = Scripted([[face(100, 200)], [face(130, 200)], [face(160, 200)], [face(190, 200)]])
    tracker = FaceTracker(detector, TrackSettings(detect_interval_s=0.1))
    places = [tracker.update(FRAME, t * 20 * MS)[0].face.centre.x for t in range(16)]
    assert detector.calls == 4
    assert places[15] == pytest.approx(190, abs=1)
    assert places[10] == pytest.approx(160, abs=1)
    assert 160 < places[12] < places[14] < 190


def test_trembling_is_steadied() -> None:
    steps = play([[face(300 + 1.5 * (-1) ** k, 200)] for k in range(20)])
    places = [tracks[0].face.centre.x for tracks, _ in steps[5:]]
    assert max(places) - min(places) < 2


def test_a_head_that_turns_in_its_place_is_not_steadied() -> None:
    ahead = face(300, 200)
    a, b, c, d, e = ahead.points
    turned = replace(ahead, points=(a, b, Point(c.x + 20, c.y), d, e))
    ((_, _), (tracks, _)) = play([[ahead], [turned]])
    assert tracks[0].face == turned


def test_an_unsure_face_is_followed_but_does_not_begin() -> None:
    sure, unsure = face(300, 200), replace(face(300, 200), score=0.3)
    steps = play([[unsure], [sure], [unsure]], begin_score=0.5)
    assert [[t.seen for t in tracks] for tracks, _ in steps] == [[], [True], [True]]


def test_the_largest_most_central_person_counts() -> None:
    big, small, corner = face(320, 240, 100), face(200, 240, 60), face(60, 60, 110)
    assert play([[small, corner, big]])[0][1].face == big  # type: ignore[union-attr]


def test_a_slightly_better_person_does_not_take_over() -> None:
    first, rival = face(260, 240, 100), face(460, 240, 115)
    steps = play([[first], *[[first, rival]] * 20])
    assert {person.id for _, person in steps if person} == {1}


def test_a_clearly_better_person_takes_over_after_a_while() -> None:
    first, rival = face(180, 240, 60), face(400, 240, 120)
    steps = play([[first], *[[first, rival]] * 10], switch_after_s=0.5)
    chosen = [person.id if person else None for _, person in steps]
    assert chosen == [1] * 6 + [2] * 5


def test_a_rival_who_leaves_in_between_starts_again() -> None:
    first, rival = face(180, 240, 60), face(400, 240, 120)
    script = [[first], *[[first, rival]] * 4, [first], *[[first, rival]] * 4]
    steps = play(script, switch_after_s=0.5, keep_s=0.05)
    assert {person.id for _, person in steps if person} == {1}


def test_who_is_hidden_for_a_moment_keeps_counting() -> None:
    first, other = face(320, 240, 120), face(120, 240, 60)
    script = [[first, other], [other], [other], [first, other]]
    assert [person.id if person else None for _, person in play(script)] == [1] * 4


def test_who_is_gone_is_replaced_by_the_next() -> None:
    first, other = face(320, 240, 120), face(120, 240, 60)
    steps = play([[first, other], *[[other]] * 9], switch_after_s=0.5)
    assert steps[-1][1] is not None
    assert steps[-1][1].id == 2


def test_policies_differ() -> None:
    shape = (HEIGHT, WIDTH)
    central = TrackedFace(1, face(320, 240, 80), True, 0, 9 * MS, Point(0, 0))
    corner = TrackedFace(2, face(30, 30, 100), True, 5 * MS, 9 * MS, Point(0, 0))
    best = {
        name: max((central, corner), key=lambda t, v=value: v(t, shape)).id  # type: ignore[misc]
        for name, value in POLICIES.items()
    }
    assert best == {"largest_central": 1, "largest": 2, "longest": 1}


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(ConfigError, match="policy = 'tallest' is unknown"):
        FaceTracker(Scripted([]), TrackSettings(policy="tallest"))


def test_reset_forgets_every_face_and_gives_none_of_their_ids_again() -> None:
    tracker = FaceTracker(Scripted([[face(100, 100)], [face(100, 100)]]))
    assert [t.id for t in tracker.update(FRAME, 0)] == [1]
    tracker.reset()
    assert (tracker.faces, tracker.person) == ((), None)
    assert [t.id for t in tracker.update(FRAME, 0)] == [2]


@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(-50, 700), st.floats(-50, 500), st.floats(1, 400)), max_size=4
        ),
        max_size=8,
    )
)
def test_anything_gives_distinct_ids_and_the_same_twice(
    script: list[list[tuple[float, float, float]]],
) -> None:
    faces = [[face(*place) for place in places] for places in script]
    steps = play(faces)
    assert steps == play(faces)
    for tracks, person in steps:
        assert len({t.id for t in tracks}) == len(tracks)
        assert person is None or person in tracks
        assert bool(tracks) == (person is not None)

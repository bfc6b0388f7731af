"""Muting counts by when something happened, abstains with its reason, and leaves no trace."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from edge_emo.clock import ManualClock
from edge_emo.drivers.capture import Capture, Delivery
from edge_emo.errors import ConfigError, RecordingError
from edge_emo.pipeline.lane import Lane
from edge_emo.pipeline.mute import Mutes, blank
from edge_emo.pipeline.trace import Trace
from edge_emo.types import Chunk, Face, FaceBox, HeadPose, Prediction, Utterance, Word
from tests.pipeline.world import SECOND, EchoEstimator, ListedDriver, chunks


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def mutes(clock: ManualClock) -> Mutes:
    return Mutes(clock)


def between(mutes: Mutes, begin_s: float, end_s: float) -> str | None:
    return mutes.reason("voice", round(begin_s * SECOND), round(end_s * SECOND))


def test_what_was_said_before_is_read_and_what_was_said_meanwhile_is_not(
    mutes: Mutes, clock: ManualClock
) -> None:
    clock.advance(1.0)
    mutes.mute("voice", "the robot speaks")
    clock.advance(2.0)
    mutes.unmute("voice")
    clock.advance(5.0)
    assert between(mutes, 0.5, 0.9) is None
    assert between(mutes, 0.9, 1.1) == "the robot speaks"
    assert between(mutes, 2.0, 2.1) == "the robot speaks"
    assert between(mutes, 2.9, 3.1) == "the robot speaks"
    assert between(mutes, 3.1, 3.2) is None


def test_other_modalities_go_on(mutes: Mutes) -> None:
    mutes.mute("voice", "the robot speaks")
    assert mutes.reason("face", 0, SECOND) is None


def test_muting_again_begins_another_reason_and_unmuting_twice_changes_nothing(
    mutes: Mutes, clock: ManualClock
) -> None:
    mutes.mute("voice", "one")
    clock.advance(1.0)
    mutes.mute("voice", "two")
    assert mutes.mute("voice", "two") is None
    assert between(mutes, 0.2, 0.3) == "one"
    assert between(mutes, 1.2, 1.3) == "two"
    clock.advance(1.0)
    mutes.unmute("voice")
    clock.advance(1.0)
    mutes.unmute("voice")
    assert between(mutes, 2.5, 2.6) is None


def test_a_modality_that_there_is_not_and_a_mute_without_a_reason_are_refused(
    mutes: Mutes,
) -> None:
    with pytest.raises(ConfigError, match="smell"):
        mutes.mute("smell", "why not")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="smell"):
        mutes.unmute("smell")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="reason"):
        mutes.mute("voice", " ")


def test_many_threads_may_mute_at_once(mutes: Mutes) -> None:
    def speak() -> None:
        for _ in range(200):
            mutes.mute("voice", "speaks")
            mutes.reason("voice", 0, SECOND)
            mutes.unmute("voice")

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mutes.reason("voice", 1, SECOND) is None


def test_a_signal_handler_may_mute_inside_a_call() -> None:
    class Signalled(ManualClock):
        """A signal arrives while somebody looks at the clock."""

        handler: Callable[[], object] | None = None

        def now_ns(self) -> int:
            handler, self.handler = self.handler, None
            if handler is not None:
                handler()
            return super().now_ns()

    clock = Signalled()
    mutes = Mutes(clock)
    clock.handler = lambda: mutes.mute("face", "the button was pressed")
    mutes.mute("voice", "the robot speaks")
    assert mutes.reason("face", 0, 1) == "the button was pressed"


def voice_lane(listed: list[Chunk], clock: ManualClock, mutes: Mutes) -> Lane:
    capture = Capture(ListedDriver("microphone", list(listed)), clock, lambda _: True, lambda: None)
    return Lane(capture, EchoEstimator("microphone", "voice"), Trace(), mutes)


def served(lane: Lane, listed: list[Chunk]) -> list[Prediction]:
    info = lane.capture.driver.open(ManualClock())
    found = []
    for piece in listed:
        delivery = Delivery(piece, info, 0, 0, piece.end_ns)
        found += list(lane.predict(lane.stamp(delivery, piece.end_ns)))
    return found


def test_a_muted_stream_abstains_with_the_reason_now_and_then(
    mutes: Mutes, clock: ManualClock
) -> None:
    listed = chunks("microphone", 100, 10, 4.0)
    lane = voice_lane(listed, clock, mutes)
    clock.advance(1.05)
    mutes.mute("voice", "the robot speaks")
    clock.advance(1.5)
    mutes.unmute("voice")
    found = served(lane, listed)
    muted = [p for p in found if p.abstained == "the robot speaks"]
    assert [p.t_ns / SECOND for p in muted] == [1.0, 1.5, 2.0, 2.5]
    others = [p.t_ns / SECOND for p in found if p.abstained is None]
    assert len(others) == 24
    assert not [t for t in others if 0.95 < t < 2.55]


def test_a_recorder_has_the_place_of_a_muted_chunk_and_nothing_of_it(
    mutes: Mutes, clock: ManualClock
) -> None:
    listed = chunks("microphone", 100, 10, 0.4)
    lane = voice_lane(listed, clock, mutes)
    clock.advance(0.25)
    mutes.mute("voice", "the robot speaks")
    kept = [lane.keepable(piece) for piece in listed]
    assert kept[0] is listed[0]
    assert [(k.seq, k.t_ns, k.n_samples) for k in kept] == [
        (c.seq, c.t_ns, c.n_samples) for c in listed
    ]
    assert [bool(k.samples.any()) for k in kept] == [False, True, False, False]


def test_of_words_their_times_remain() -> None:
    words = (Word("watch", 10, 20), Word("out", 20, 40))
    said = blank(Chunk("text", 3, 10, 0.0, "watch out", Utterance("ann", words)))
    assert (said.data, said.t_ns, said.end_ns) == ("", 10, 40)
    assert "ann" not in repr(said)
    assert "watch" not in repr(said)


@pytest.mark.parametrize("stops", [1, 100])
def test_recorded_mutes_hold_again(clock: ManualClock, stops: int) -> None:
    live = Mutes(clock)
    events = []
    for _ in range(stops):
        events.append(live.mute("voice", "speaks"))
        clock.advance(1.0)
        events.append(live.unmute("voice"))
        clock.advance(1.0)
    again = Mutes(ManualClock(), [event for event in events if event])
    assert len(events) == 2 * stops
    assert between(again, 0.4, 0.6) == "speaks"
    assert between(again, 1.4, 1.6) is None
    assert between(again, 2 * stops - 1.6, 2 * stops - 1.4) == "speaks"


def test_a_mute_in_a_replay_holds_beside_those_of_the_recording(clock: ManualClock) -> None:
    live = Mutes(clock)
    clock.advance(5.0)
    events = [live.mute("voice", "speaks")]
    clock.advance(1.0)
    events.append(live.unmute("voice"))
    again = Mutes(ManualClock(), [event for event in events if event])
    again.mute("voice", "not to be shown")
    assert between(again, 1.0, 1.1) == "not to be shown"
    assert between(again, 7.0, 7.1) == "not to be shown"
    again.unmute("voice")
    assert between(again, 5.4, 5.6) == "speaks"
    assert between(again, 7.0, 7.1) is None


class Following(EchoEstimator):
    """Follows one face as of the last frame that it was given."""

    @property
    def faces(self) -> tuple[Face, ...]:
        box, pose = FaceBox(10, 10, 40, 40), HeadPose(0, 0, 0)
        return (Face(1, 0, (64, 64), box, {}, pose, score=0.9, seen=True, counts=True),)


def test_nobody_is_followed_while_the_face_is_muted(mutes: Mutes, clock: ManualClock) -> None:
    listed = chunks("camera", 10, 1, 0.6)
    capture = Capture(ListedDriver("camera", list(listed)), clock, lambda _: True, lambda: None)
    lane = Lane(capture, Following("camera", "face"), Trace(), mutes)
    served(lane, listed[:2])
    assert len(lane.faces) == 1
    clock.advance(0.25)
    mutes.mute("face", "nobody agreed")
    served(lane, listed[2:4])
    assert lane.faces == ()
    clock.advance(0.15)
    mutes.unmute("face")
    served(lane, listed[5:])
    assert len(lane.faces) == 1


def test_a_damaged_mute_of_a_recording_is_an_error(clock: ManualClock) -> None:
    with pytest.raises(RecordingError, match="damaged"):
        Mutes(clock, [{"event": "muted", "modality": "voice", "t_ns": "then"}])

"""A live session on a machine that is slower than its streams, in simulated time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest

from edge_emo.clock import Clock, ManualClock
from edge_emo.drivers.capture import Capture, Delivery
from edge_emo.estimators.base import Features
from edge_emo.fusion.base import LIFETIME_S
from edge_emo.fusion.pooling import PooledFusion
from edge_emo.pipeline.engine import Engine, Served
from edge_emo.pipeline.hub import Hub
from edge_emo.pipeline.lane import Lane
from edge_emo.pipeline.plan import policy_of
from edge_emo.pipeline.trace import Trace
from edge_emo.sinks.base import Sink, SinkRunner
from edge_emo.sync.align import LatestJoin
from edge_emo.sync.delivery import Bell, Mailbox
from edge_emo.types import MODALITY_OF, Chunk, EmotionState, Kind, Prediction, StreamInfo
from tests.pipeline.world import SECOND, EchoEstimator, ListedDriver, chunks


class World:
    """Simulated time in which devices deliver, estimating takes its cost, and nothing else does.

    Args:
        listed: What each device delivers, when its last sample has happened.
        cost_s: What estimating one chunk takes.
    """

    def __init__(self, listed: Mapping[Kind, list[Chunk]], cost_s: Mapping[Kind, float]) -> None:
        self.clock = ManualClock()
        bell = Bell()
        self._infos = {
            kind: ListedDriver(kind, list(all_of)).open(self.clock)
            for kind, all_of in listed.items()
        }
        self._boxes: dict[str, Mailbox[Served]] = {
            kind: Mailbox(*policy_of(kind, reproducible=False), bell) for kind in listed
        }
        self._due = sorted(
            ((chunk.end_ns, kind, chunk) for kind, all_of in listed.items() for chunk in all_of),
            key=lambda one: one[:2],
        )
        self.estimators = {kind: SlowEstimator(self, kind, cost_s[kind]) for kind in listed}
        lanes: dict[str, Lane] = {kind: self._lane(kind) for kind in listed}
        self.hub = Hub(lossless=True)
        self.recorder = Recorder()
        join, runners = IdleJoin(self, bell), [self.recorder]
        self.engine = Engine(
            lanes, join, PooledFusion(), self.hub, runners, self.clock, 10.0, Trace()
        )

    @property
    def boxes(self) -> Mapping[str, Mailbox[Served]]:
        return self._boxes

    def spend(self, seconds: float) -> None:
        """Let time pass; what the devices deliver meanwhile waits in the mailboxes."""
        self.clock.advance(seconds)
        while self._due and self._due[0][0] <= self.clock.now_ns():
            end_ns, kind, chunk = self._due.pop(0)
            self._boxes[kind].put(Delivery(chunk, self._infos[kind], 0, 0, end_ns))
        if not self._due:
            for box in self._boxes.values():
                box.end()

    def run(self) -> list[EmotionState]:
        reader = self.hub.read()
        self.engine.start()
        return list(reader)

    def _lane(self, kind: Kind) -> Lane:
        capture = Capture(ListedDriver(kind, []), self.clock, lambda _: True, lambda: None)
        return Lane(capture, self.estimators[kind], Trace())


class Recorder(SinkRunner):
    """Keeps the microphone's chunks."""

    def __init__(self) -> None:
        super().__init__(Everything())
        self.heard: list[Chunk] = []

    def chunk(self, chunk: Chunk, info: StreamInfo) -> None:
        if chunk.stream == "microphone":
            self.heard.append(chunk)

    def put(self, item: object) -> None: ...


class Everything(Sink):
    wants_all = True

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None: ...

    def state(self, state: EmotionState) -> None: ...

    def close(self) -> None: ...


class IdleJoin(LatestJoin[Served]):
    """Has simulated time pass where the engine would wait."""

    def __init__(self, world: World, bell: Bell) -> None:
        super().__init__(world.boxes, bell)
        self._world = world

    def wait(self, timeout_s: float | None) -> None:
        if not any(len(box) for box in self._boxes.values()):
            self._world.spend(0.01)


class SlowEstimator(EchoEstimator):
    """Takes its time, and notes when it was given what."""

    def __init__(self, world: World, kind: Kind, cost_s: float) -> None:
        super().__init__(kind, MODALITY_OF[kind])
        self._world = world
        self._cost_s = cost_s
        self.times: list[tuple[float, float]] = []

    def predict(self, features: Features) -> Prediction:
        end_ns = features.t_ns + features.duration_ns
        self.times.append((self._world.clock.now_ns() / SECOND, end_ns / SECOND))
        self._world.spend(self._cost_s)
        return super().predict(features)

    def ages(self, since_s: float = 0.0) -> list[float]:
        """Return how old each chunk was when it was taken up, until the devices ended."""
        last_s = max(end for _, end in self.times)
        return [now - end for now, end in self.times if since_s <= now < last_s]

    def pauses(self) -> list[float]:
        """Return the times between two chunks that were taken up."""
        moments = [now for now, _ in self.times]
        return [after - before for before, after in pairwise(moments)]


def world(seconds: float, cost_s: Mapping[Kind, float]) -> World:
    listed: dict[Kind, list[Chunk]] = {
        "camera": chunks("camera", 25, 1, seconds),
        "microphone": chunks("microphone", 1000, 50, seconds),
    }
    return World({kind: listed[kind] for kind in cost_s}, cost_s)


def test_a_machine_that_keeps_up_estimates_everything_at_once() -> None:
    quick = world(10.0, {"camera": 0.01, "microphone": 0.005})
    states = quick.run()
    for estimator, count in zip(quick.estimators.values(), (250, 200), strict=True):
        assert len(estimator.times) == count
        assert max(estimator.ages()) < 0.05
    assert states[-1].health["microphone"].drops == 0


def test_what_waited_while_the_models_were_loaded_does_not_hold_the_camera_up() -> None:
    late = world(40.0, {"camera": 0.05, "microphone": 0.04})
    late.spend(20.0)
    states = late.run()
    frames = late.estimators["camera"]
    assert frames.times[0][0] < 21.0
    assert max(frames.ages()) < 0.05
    assert max(late.estimators["microphone"].ages(since_s=21.0)) < 1.0
    assert any("left out" in (state.by_modality["voice"].abstained or "") for state in states[:9])


def test_what_is_left_out_is_counted_and_recorded() -> None:
    late = world(20.0, {"camera": 0.05, "microphone": 0.01})
    late.spend(10.0)
    last = late.run()[-1]
    assert len(late.recorder.heard) == 400
    estimated = len(late.estimators["microphone"].times)
    assert last.health["microphone"].drops == 50 * (400 - estimated) > 0


def test_a_slow_camera_gives_way_to_the_sound() -> None:
    slow = world(30.0, {"camera": 0.4, "microphone": 0.005})
    states = slow.run()
    assert len(slow.estimators["microphone"].times) == 600
    assert max(slow.estimators["camera"].ages()) < 0.05
    assert states[-1].health["microphone"].drops == 0


@pytest.mark.parametrize("cost_s", [0.06, 0.15, 0.5])
def test_a_stream_that_takes_more_than_its_time_never_falls_behind_without_bound(
    cost_s: float,
) -> None:
    slow = world(60.0, {"camera": 0.01, "microphone": cost_s})
    states = slow.run()
    voice, frames = slow.estimators["microphone"], slow.estimators["camera"]
    assert max(voice.ages()) < LIFETIME_S["voice"] + 0.1
    assert max(frames.ages()) < 0.05
    assert max(frames.pauses()) < 10 * cost_s + 0.1
    assert states[-1].health["microphone"].drops > 0

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

import pytest

from edge_emo.clock import Clock, ManualClock, ReplayClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.capture import Capture, Status
from edge_emo.errors import ConfigError, DeviceLostError, RecordingError
from edge_emo.estimators.base import Estimator, Features
from edge_emo.fusion.pooling import PooledFusion
from edge_emo.pipeline.engine import Engine, Served
from edge_emo.pipeline.hub import Hub
from edge_emo.pipeline.lane import Lane
from edge_emo.pipeline.trace import Measurements, Trace
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.sync.align import LatestJoin, ReproducibleJoin
from edge_emo.sync.delivery import Bell, Mailbox, Policy
from edge_emo.types import Chunk, EmotionState, Modality, Prediction, StreamInfo
from tests.pipeline.world import SECOND, EchoEstimator, ListedDriver, chunks


class Bench:
    """Wires drivers to an engine, as a session does."""

    def __init__(
        self,
        drivers: Mapping[str, Driver],
        estimators: Mapping[str, Estimator | None],
        clock: Clock,
        trace: Trace | None = None,
        fusion: PooledFusion | None = None,
    ) -> None:
        reproducible = isinstance(clock, ReplayClock)
        self.bell = Bell()
        self.boxes: dict[str, Mailbox[Served]] = {}
        self.lanes: dict[str, Lane] = {}
        self.captures: list[Capture] = []
        for name, driver in drivers.items():
            box: Mailbox[Served] = Mailbox(Policy.LOSSLESS, 8, self.bell)
            capture = Capture(driver, clock, box.put, box.end, back_off_s=(0.0,))
            self.boxes[name] = box
            self.captures.append(capture)
            self.lanes[name] = Lane(capture, estimators[name], trace or Trace())
        join = (ReproducibleJoin if reproducible else LatestJoin)(self.boxes, self.bell)
        self.hub = Hub(lossless=True)
        self.engine = Engine(
            self.lanes, join, fusion or PooledFusion(), self.hub, [], clock, 10.0, trace or Trace()
        )

    def states(self) -> list[EmotionState]:
        for capture in self.captures:
            capture.start()
            capture.wait_open(5)
        reader = self.hub.read()
        self.engine.start()
        states = list(reader)
        for capture in self.captures:
            assert capture.stop()
        return states


def beside_a_microphone(
    eeg: Driver, estimator: Estimator | None = None, *, size: int = 10, seconds: float = 2.0
) -> Bench:
    """Return a bench of EEG and sound, the latter in chunks of ``size`` samples at 100 Hz."""
    sound = ListedDriver("microphone", list(chunks("microphone", 100, size, seconds)))
    estimators = {
        "eeg": estimator or EchoEstimator("eeg", "eeg"),
        "microphone": EchoEstimator("microphone", "voice"),
    }
    return Bench({"eeg": eeg, "microphone": sound}, estimators, ReplayClock())


def two_streams() -> Bench:
    return beside_a_microphone(ListedDriver("eeg", list(chunks("eeg", 250, 10, 2.0))), size=7)


def test_the_same_streams_give_the_same_states_every_time() -> None:
    first = two_streams().states()
    assert len(first) > 15
    for _ in range(5):
        assert two_streams().states() == first


def test_states_describe_both_sides_and_carry_their_evidence() -> None:
    states = two_streams().states()
    last = states[-1]
    assert last.expressed is not None
    assert last.felt is not None
    assert set(last.by_modality) == {"eeg", "voice"}
    assert last.divergence == pytest.approx(0.0)
    assert [state.seq for state in states] == list(range(len(states)))
    times = [state.t_ns for state in states]
    assert times == sorted(times)


def test_states_come_at_their_rate_by_originating_time() -> None:
    states = two_streams().states()
    assert states[-1].t_ns == pytest.approx(2.0 * SECOND, abs=0.1 * SECOND)
    assert len(states) == pytest.approx(20, abs=2)


def test_any_single_stream_works() -> None:
    driver = ListedDriver("eeg", list(chunks("eeg", 250, 25, 1.0)))
    states = Bench({"eeg": driver}, {"eeg": EchoEstimator("eeg", "eeg")}, ReplayClock()).states()
    assert states[-1].expressed is None
    assert states[-1].felt is not None
    assert states[-1].divergence is None
    assert states[-1].label == states[-1].felt.label


class DoubtingFusion(PooledFusion):
    """Takes the voice to be broken."""

    def doubts(self) -> Mapping[Modality, str]:
        return {"voice": "gives the same answer while the other modalities change"}


def test_a_modality_in_doubt_is_reported_in_the_health_of_its_stream() -> None:
    driver = ListedDriver("microphone", list(chunks("microphone", 100, 10, 0.5)))
    estimators: dict[str, Estimator | None] = {"microphone": EchoEstimator("microphone", "voice")}
    bench = Bench({"microphone": driver}, estimators, ReplayClock(), fusion=DoubtingFusion())
    health = bench.states()[-2].health["microphone"]
    assert not health.valid
    assert "voice gives the same answer" in health.reason


def test_a_modality_without_a_model_says_so() -> None:
    driver = ListedDriver("eeg", list(chunks("eeg", 250, 25, 0.5)))
    last = Bench({"eeg": driver}, {"eeg": None}, ReplayClock()).states()[-1]
    assert last.by_modality["eeg"].abstained == "no model package estimates eeg"
    assert last.label is None
    assert "no model package" in last.reason


def test_an_abstention_is_published_as_one() -> None:
    listed = chunks("eeg", 10, 1, 1.0)
    listed[-1].samples[:] = -1
    driver = ListedDriver("eeg", list(listed))
    last = Bench({"eeg": driver}, {"eeg": EchoEstimator("eeg", "eeg")}, ReplayClock()).states()[-1]
    assert last.felt is None
    assert last.by_modality["eeg"].abstained == "negative"


def test_an_ended_stream_is_told_and_the_other_goes_on() -> None:
    short = ListedDriver("eeg", list(chunks("eeg", 250, 25, 0.5)))
    last = beside_a_microphone(short, seconds=3.0).states()[-1]
    assert not last.health["eeg"].alive
    assert last.health["eeg"].reason == "the source has ended"
    assert last.t_ns > 2.5 * SECOND
    assert last.expressed is not None


def test_a_stream_that_fails_for_good_is_told_and_the_other_goes_on() -> None:
    broken = [*chunks("eeg", 250, 25, 0.5), RecordingError("line 7 is damaged")]
    last = beside_a_microphone(ListedDriver("eeg", broken)).states()[-1]
    assert "line 7 is damaged" in last.health["eeg"].reason
    assert last.expressed is not None


class FailingEstimator(EchoEstimator):
    def predict(self, features: Features) -> Prediction:
        raise ConfigError("the model broke")


def test_an_error_in_the_engine_is_raised_in_the_reader() -> None:
    driver = ListedDriver("eeg", list(chunks("eeg", 250, 25, 0.5)))
    bench = Bench({"eeg": driver}, {"eeg": FailingEstimator("eeg", "eeg")}, ReplayClock())
    with pytest.raises(ConfigError, match="the model broke"):
        bench.states()
    for box in bench.boxes.values():
        box.end()


def test_a_reconnected_stream_starts_its_estimator_again() -> None:
    class Twice(ListedDriver):
        opened = 0

        def open(self, clock: Clock):  # type: ignore[no-untyped-def]
            self.opened += 1
            if self.opened == 2:
                self.events = list(chunks("eeg", 250, 25, 0.5, start_s=1.0))
            return super().open(clock)

    events = [*chunks("eeg", 250, 25, 0.5), DeviceLostError("unplugged")]
    driver = Twice("eeg", events, live=True)
    estimator = EchoEstimator("eeg", "eeg")
    states = Bench({"eeg": driver}, {"eeg": estimator}, ReplayClock()).states()
    assert estimator.starts == 2
    assert states[-1].health["eeg"].reconnects == 1
    assert states[-1].t_ns >= 1.4 * SECOND


class ChoosyEstimator(EchoEstimator):
    """Takes the stream as it was opened first, and no other."""

    def start(self, info: StreamInfo) -> None:
        super().start(info)
        if self.starts > 1:
            raise ConfigError("99 Hz is outside 100 … 1000 Hz")


def test_a_stream_that_no_longer_fits_its_model_abstains_and_the_others_go_on() -> None:
    listed = [*chunks("eeg", 250, 25, 0.5), DeviceLostError("unplugged")]

    class Twice(ListedDriver):
        def close(self) -> None:
            super().close()
            self.events = list(chunks("eeg", 250, 25, 0.5, start_s=1.0))

    bench = beside_a_microphone(Twice("eeg", listed, live=True), ChoosyEstimator("eeg", "eeg"))
    last = bench.states()[-1]
    assert last.by_modality["eeg"].abstained == "99 Hz is outside 100 … 1000 Hz"
    assert last.felt is None
    assert last.expressed is not None


def test_live_states_are_made_without_evidence_too() -> None:
    release = threading.Event()

    class Waiting(ListedDriver):
        def read(self, timeout_s: float):  # type: ignore[no-untyped-def]
            release.wait(10)
            return

    clock = ManualClock()
    bench = Bench({"eeg": Waiting("eeg", [], live=True)}, {"eeg": None}, clock)
    for capture in bench.captures:
        capture.start()
    reader = bench.hub.read()
    bench.engine.start()
    clock.advance(1.0)
    bench.bell.ring()
    state = next(reader)
    assert state.label is None
    assert state.reason == "no evidence yet"
    assert state.health["eeg"].reason == "nothing has arrived yet"
    release.set()
    bench.hub.end()
    bench.engine.stop()


def test_measurements_name_every_stage() -> None:
    trace = Measurements()
    driver = ListedDriver("eeg", list(chunks("eeg", 250, 25, 1.0)))
    Bench({"eeg": driver}, {"eeg": EchoEstimator("eeg", "eeg")}, ReplayClock(), trace).states()
    assert {"eeg features", "eeg inference", "fusion", "synchronisation", "latency"} <= set(
        trace.wall_ns
    )
    assert len(trace.wall_ns["eeg inference"]) == 10


def test_an_engine_that_is_stopped_serves_nothing_that_waits() -> None:
    class Counting(EchoEstimator):
        served = 0

        def features(self, chunk: Chunk) -> list[Features]:
            self.served += 1
            return super().features(chunk)

    driver = ListedDriver("microphone", list(chunks("microphone", 100, 1, 0.1)))
    estimator = Counting("microphone", "voice")
    bench = Bench({"microphone": driver}, {"microphone": estimator}, ManualClock())
    bench.captures[0].start()
    full = bench.boxes["microphone"]
    while len(full) < full.capacity:
        bench.bell.wait(1.0)
    bench.hub.subscribe(lambda _: bench.engine.stop())
    bench.engine.start()
    bench.engine._thread.join(10)
    full.end()
    assert estimator.served == 1


class HangingModel(LoadedModel):
    """A model whose first run takes until it is released; tells when it is closed meanwhile."""

    backend = "virtual"

    def __init__(self) -> None:
        self.running = threading.Event()
        self.release = threading.Event()
        self.closed = False
        self.harmed = False

    def run(self, inputs: Tensors) -> Tensors:
        self.running.set()
        self.release.wait(30)
        self.harmed = self.closed
        return inputs

    def close(self) -> None:
        self.closed = True


class ModelEstimator(EchoEstimator):
    """Echoes what its model gives."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__("eeg", "eeg")
        self._model = model

    def predict(self, features: Features) -> Prediction:
        self._model.run(features.tensors)
        return super().predict(features)

    def close(self) -> None:
        self._model.close()


@pytest.fixture
def model() -> Iterator[HangingModel]:
    model = HangingModel()
    yield model
    model.release.set()


def running(model: HangingModel) -> Bench:
    """Return a bench whose engine runs the model, which is not released yet."""
    driver = ListedDriver("eeg", list(chunks("eeg", 250, 25, 0.5)))
    bench = Bench({"eeg": driver}, {"eeg": ModelEstimator(model)}, ReplayClock())
    bench.captures[0].start()
    bench.engine.start()
    assert model.running.wait(10)
    return bench


def test_a_model_that_still_runs_is_closed_when_it_returns(
    model: HangingModel, caplog: pytest.LogCaptureFixture
) -> None:
    engine = running(model).engine
    engine.stop(timeout_s=0.0)
    engine.close()
    assert not model.closed
    assert "did not end within 0 s" in str(engine.failure)
    assert "did not end within 0 s" in caplog.text
    model.release.set()
    engine._thread.join(10)
    assert model.closed
    assert not model.harmed


def test_a_model_that_runs_no_more_is_closed_at_once(model: HangingModel) -> None:
    engine = running(model).engine
    model.release.set()
    engine.stop()
    assert not model.closed
    engine.close()
    assert model.closed
    assert not model.harmed
    assert engine.failure is None


def test_an_engine_that_was_never_started_closes_its_models(model: HangingModel) -> None:
    driver = ListedDriver("eeg", [])
    engine = Bench({"eeg": driver}, {"eeg": ModelEstimator(model)}, ReplayClock()).engine
    engine.stop()
    engine.close()
    assert model.closed


def test_a_callback_that_closes_leaves_the_models_to_the_engine(model: HangingModel) -> None:
    bench, closed = running(model), []

    def close(state: EmotionState) -> None:
        bench.engine.stop()
        bench.engine.close()
        closed.append(model.closed)

    bench.hub.subscribe(close)
    model.release.set()
    bench.engine._thread.join(10)
    assert closed == [False]
    assert model.closed


@pytest.mark.parametrize("method", [Engine.start, Engine.close])
@pytest.mark.parametrize("line", range(4))
def test_a_signal_handler_may_close_inside_a_call(
    method: Callable[[Engine], None], line: int, model: HangingModel
) -> None:
    driver = ListedDriver("eeg", [])
    engine = Bench({"eeg": driver}, {"eeg": ModelEstimator(model)}, ReplayClock()).engine
    lines = itertools.count()

    def interrupt(frame: FrameType, event: str, _: object) -> object:
        if frame.f_code is method.__code__ and event == "line" and next(lines) == line:
            engine.stop()
            engine.close()
        return interrupt

    def whole() -> None:
        sys.settrace(interrupt)  # as a signal that arrives before that line
        engine.start()
        engine.stop()
        engine.close()

    caller = threading.Thread(target=whole, daemon=True)
    caller.start()
    caller.join(10)
    assert not caller.is_alive()
    assert engine.failure is None
    engine._thread.join(10)
    assert model.closed


class WaitedClock(ManualClock):
    """Time that passes while somebody waits for it, and never else."""

    def wait_until_ns(self, t_ns: int, stop: threading.Event) -> bool:
        self.advance_to(t_ns)
        return super().wait_until_ns(t_ns, stop)


def test_a_replay_with_a_speed_gives_the_same_states_when_they_are_due() -> None:
    wall = WaitedClock(5 * SECOND)
    eeg = ListedDriver("eeg", list(chunks("eeg", 250, 25, 1.0)))
    late = ListedDriver("microphone", list(chunks("microphone", 100, 10, 0.5, start_s=0.5)))
    estimators = {"eeg": EchoEstimator("eeg", "eeg"), "microphone": None}
    paced = Bench({"eeg": eeg, "microphone": late}, estimators, ReplayClock(2.0, wall))
    passed_ns: list[int] = []
    paced.hub.subscribe(lambda _: passed_ns.append(2 * (wall.now_ns() - 5 * SECOND)))
    states = paced.states()
    assert [state.t_ns for state in states] == passed_ns
    assert states == Bench({"eeg": eeg, "microphone": late}, estimators, ReplayClock()).states()
    assert passed_ns[-1] == SECOND


def test_a_device_that_comes_back_as_it_is_asked_for_is_not_gone_for_no_reason() -> None:
    capture = Capture(ListedDriver("eeg", []), ManualClock(), lambda _: True, lambda: None)
    capture.status, capture.error = Status.LOST, None
    assert Lane(capture, None, Trace()).gone(finished=False) is None

"""The public pipeline on virtual devices and shipped models."""

from __future__ import annotations

import _thread
import asyncio
import math
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from edge_emo import Config, EmotionState, Pipeline
from edge_emo.clock import Clock, ManualClock, ReplayClock
from edge_emo.config import FusionSettings, Models, States, Streams
from edge_emo.drivers.text.push import PushedText
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceNotFoundError,
    ModelError,
    ModelIntegrityError,
    RecordingError,
)
from edge_emo.manifest import default_dirs, find_package
from edge_emo.pipeline.session import Session
from edge_emo.pipeline.trace import Trace
from edge_emo.recording import Recording
from edge_emo.sinks.base import Sink
from edge_emo.types import Prediction, StreamInfo, Utterance, Word

EEG = "virtual:?seed=5"


def until(pipeline: Pipeline, reached: Callable[[EmotionState], bool]) -> EmotionState:
    """Return the first state for which ``reached`` holds, within 30 s of session time."""
    for state in pipeline:
        if reached(state):
            return state
        assert state.t_ns < 30e9, f"not reached: {state}"
    raise AssertionError("the session ended")


def npz(
    path: Path, data: np.ndarray, rate_hz: float = 250.0, channels: str = "Fp1 Fp2 O1 O2"
) -> str:
    np.savez(path, data=data.astype(np.float32), rate_hz=rate_hz, channels=channels.split())
    return f"npz:{path}"


def noise(seconds: float, rate_hz: float = 250.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 10, (round(seconds * rate_hz), 4))


def offline(**streams: str) -> Pipeline:
    config = Config(streams=Streams(**streams), states=States(join="reproducible"))
    return Pipeline(config=config)


def test_states_come_from_virtual_devices_and_real_models() -> None:
    with Pipeline(microphone="virtual:?seed=1", eeg=EEG) as pipeline:
        state = until(pipeline, lambda s: s.felt is not None)
        assert set(pipeline.packages) == {"voice", "eeg"}
    assert state.felt is not None
    assert set(state.felt.posterior) == {"rest", "load"}
    assert state.health["eeg"].ok
    assert state.felt.valence is None


def test_a_callback_gets_states_until_it_unsubscribes() -> None:
    seen: list[int] = []
    enough = threading.Event()

    def take(state: EmotionState) -> None:
        seen.append(state.seq)
        if len(seen) == 3:
            enough.set()

    later: list[int] = []
    went_on = threading.Event()

    def take_later(state: EmotionState) -> None:
        later.append(state.seq)
        went_on.set()

    with Pipeline(eeg=EEG) as pipeline:
        unsubscribe = pipeline.subscribe(take)
        assert enough.wait(10)
        unsubscribe()
        pipeline.subscribe(take_later)
        assert went_on.wait(10)
    assert seen[:3] == [0, 1, 2]
    assert seen[-1] < later[0]


def test_states_can_be_awaited() -> None:
    async def read() -> list[int]:
        seen = []
        with Pipeline(eeg=EEG) as pipeline:
            async for state in pipeline:
                seen.append(state.seq)
                if len(seen) == 3:
                    break
        return seen

    first, second, third = asyncio.run(read())
    assert first < second < third


def test_the_newest_state_can_be_polled() -> None:
    with Pipeline(eeg=EEG) as pipeline:
        assert pipeline.latest is None
        made = threading.Event()
        pipeline.subscribe(lambda _: made.set())
        assert made.wait(10)
        assert pipeline.latest is not None


def test_who_polls_or_subscribes_hears_that_the_engine_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(state: EmotionState) -> None:
        raise ValueError("a bug in the callback")

    with Pipeline(eeg=EEG) as pipeline:
        pipeline.subscribe(fail)
        pipeline._live().engine._thread.join(30)
        with pytest.raises(ValueError, match="a bug in the callback"):
            _ = pipeline.latest
    assert "a bug in the callback" in caplog.text


def test_an_engine_that_does_not_end_is_told() -> None:
    entered, release = threading.Event(), threading.Event()

    def hang(state: EmotionState) -> None:
        entered.set()
        release.wait(30)

    with Pipeline(eeg=EEG) as pipeline:
        pipeline.subscribe(hang)
        assert entered.wait(30)
        session = pipeline._live()
        session.close(timeout_s=0.0)
        assert "the engine did not end within 0 s" in str(pipeline.failures)
        release.set()
        session.engine._thread.join(30)


def test_a_replay_that_fails_in_any_way_is_raised_in_the_reader() -> None:
    def predictions() -> Iterator[Prediction]:
        raise ValueError("a bug")
        yield

    config = Config(states=States(join="reproducible"))
    session = Session(config, {}, [], ReplayClock(), Trace(), predictions())
    session.open()
    states = session.hub.read()
    session.engine.start()
    with pytest.raises(ValueError, match="a bug"):
        list(states)
    session.close()


def test_a_pipeline_that_could_not_be_opened_is_closed() -> None:
    pipeline = Pipeline(camera="opencv:/dev/video99")
    with pytest.raises(DeviceNotFoundError):
        pipeline.open()
    with pytest.raises(ClosedError, match="closed"):
        pipeline.open()
    pipeline.close()


class Kept(Sink):
    closed = False

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        pass

    def state(self, state: EmotionState) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Interrupted(PushedText):
    """A device that hangs when it is closed, until the person at the keyboard gives up."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def close(self) -> None:
        super().close()
        _thread.interrupt_main()
        self.release.wait(30)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also where a shell's background job ignores it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("interruptible")
def test_sinks_are_completed_when_closing_is_interrupted() -> None:
    driver, sink = Interrupted(), Kept()
    pipeline = Pipeline(text=driver, sinks=[sink]).open()
    with pytest.raises(KeyboardInterrupt):
        pipeline.close()
    driver.release.set()
    assert sink.closed


def test_pushed_words_reach_the_states() -> None:
    with Pipeline(text="push:") as pipeline:
        pipeline.push_text("what a wonderful morning, I love it")
        state = until(pipeline, lambda s: s.expressed is not None)
    assert state.by_modality["text"].model_id == "text-expression-small"
    assert state.label == "happiness"


def test_pushed_words_keep_who_said_them_and_when(tmp_path: Path) -> None:
    session = tmp_path / "session"
    sink = f"record:{session}?raw=true"
    with Pipeline(text="push:", sinks=[sink]) as pipeline:
        now_ns = pipeline.clock.now_ns()
        words = (Word("watch", now_ns, now_ns + 400), Word("out", now_ns + 500, now_ns + 900))
        pipeline.push_text("Get away from me!", now_ns - 100, speaker="ann")
        pipeline.push_text("watch out", speaker="ben", words=words)
        state = until(pipeline, lambda s: "text" in s.by_modality and heard(s) == now_ns)
    prediction = state.by_modality["text"]
    assert (prediction.t_ns, prediction.duration_ns) == (now_ns, 900)
    assert set(prediction.tags) == {"scores", "emotions"}
    first, second = Recording(session).chunks("text")
    assert first.utterance == Utterance("ann")
    assert second.utterance == Utterance("ben", words)
    with Pipeline.replay(session) as replayed:
        again = [s.by_modality["text"] for s in replayed if "text" in s.by_modality]
    assert again[-1].tags == prediction.tags
    assert again[-1].posterior == prediction.posterior


def test_what_was_muted_is_not_recorded_and_is_muted_in_the_replay(tmp_path: Path) -> None:
    session = tmp_path / "session"
    with Pipeline(text="push:", sinks=[f"record:{session}?raw=true"]) as pipeline:
        pipeline.mute("text", "nobody agreed")
        secret_ns = pipeline.clock.now_ns()
        pipeline.push_text("I am so afraid of him", secret_ns, speaker="ann")
        until(pipeline, lambda s: "text" in s.by_modality and heard(s) == secret_ns)
        pipeline.unmute("text")
        open_ns = pipeline.clock.now_ns() + 1_000_000_000  # the replay makes states before
        pipeline.push_text("what a wonderful morning", open_ns)
        until(pipeline, lambda s: heard(s) == open_ns)
    recording = Recording(session)
    assert [chunk.data for chunk in recording.chunks("text")] == ["", "what a wonderful morning"]
    assert [e["event"] for e in recording.events() if "modality" in e] == ["muted", "unmuted"]
    with Pipeline.replay(session) as replayed:
        said = {heard(s): s.by_modality["text"] for s in replayed if "text" in s.by_modality}
    assert said[secret_ns].abstained == "nobody agreed"
    assert said[open_ns].abstained is None


def test_a_damaged_mute_is_no_reason_to_read_on(tmp_path: Path) -> None:
    session = tmp_path / "session"
    with Pipeline(eeg=EEG, sinks=[f"record:{session}?raw=true"]) as pipeline:
        pipeline.mute("eeg", "a pause")
        until(pipeline, lambda s: "eeg" in s.by_modality)
    events = session / "events.jsonl"
    events.write_text(events.read_text("utf-8").replace('"modality": "eeg"', '"modality": "ee"'))
    replayed = Pipeline.replay(session)
    with pytest.raises(RecordingError, match="damaged"):
        replayed.open()
    with pytest.raises(ClosedError):
        replayed.open()


def heard(state: EmotionState) -> int:
    return state.by_modality["text"].t_ns


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("123 !!!", "no words"),
        ("Dzisiaj naprawdę nie mam na to ochoty", "not a language this model knows"),
    ],
)
def test_words_that_cannot_be_estimated_say_why(text: str, reason: str) -> None:
    with Pipeline(text="push:") as pipeline:
        pipeline.push_text(text)
        state = until(pipeline, lambda s: "text" in s.by_modality)
    assert state.expressed is None
    assert state.by_modality["text"].abstained is not None
    assert state.by_modality["text"].abstained.startswith(reason)


def test_pushing_without_a_push_stream_says_how() -> None:
    with Pipeline(eeg=EEG) as pipeline, pytest.raises(ConfigError) as caught:
        pipeline.push_text("hello")
    assert "push:" in caught.value.hint


def test_a_driver_can_be_given_instead_of_an_address() -> None:
    with Pipeline(text=PushedText()) as pipeline:
        assert pipeline.streams["text"].kind == "text"


def test_a_driver_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="text driver was given as the eeg"):
        Pipeline(eeg=PushedText())


def test_no_stream_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no stream was named") as caught:
        Pipeline()
    assert "edge-emo devices" in caught.value.hint


def test_a_missing_device_is_an_error_and_closes_the_others() -> None:
    before = set(threading.enumerate())
    with pytest.raises(DeviceNotFoundError, match="absent"):
        Pipeline(camera="opencv:absent.mp4", eeg=EEG).open()
    assert set(threading.enumerate()) <= before


def test_a_missing_device_can_be_waited_for(tmp_path: Path) -> None:
    config = Config(states=States(wait_for_devices=True))
    with Pipeline(camera=f"opencv:{tmp_path / 'absent.mp4'}", eeg=EEG, config=config) as pipeline:
        state = until(pipeline, lambda s: s.health["eeg"].ok)
    assert "absent.mp4" in state.health["camera"].reason
    assert not state.health["camera"].alive


def test_a_device_that_is_unplugged_comes_back() -> None:
    eeg = f"{EEG}&vanish_after_s=1&back_after_s=0.1"
    with Pipeline(microphone="virtual:", eeg=eeg) as pipeline:
        gone = until(pipeline, lambda s: s.t_ns > 1e9 and not s.health["eeg"].alive)
        back = until(pipeline, lambda s: s.health["eeg"].reconnects > 0 and s.health["eeg"].alive)
    assert gone.health["eeg"].reason
    assert gone.health["microphone"].alive
    assert back.t_ns > gone.t_ns


def test_a_pipeline_that_is_not_open_says_so() -> None:
    pipeline = Pipeline(eeg=EEG)
    with pytest.raises(ClosedError, match="not open"):
        iter(pipeline)
    pipeline.open()
    pipeline.close()
    pipeline.close()
    with pytest.raises(ClosedError, match="closed"):
        _ = pipeline.latest
    with pytest.raises(ClosedError, match="closed"):
        pipeline.open()


def test_leaving_a_session_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    for _ in range(2):
        with Pipeline(microphone="virtual:", eeg=EEG) as pipeline:
            next(iter(pipeline))
    assert set(threading.enumerate()) <= before


def test_nan_in_one_channel_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    data = noise(10)
    data[:, 1] = np.nan
    with offline(eeg=npz(tmp_path / "nan.npz", data)) as pipeline:
        states = list(pipeline)
    assert not states[-1].health["eeg"].valid
    assert "Fp2" in states[-1].health["eeg"].reason or any(
        "Fp2" in state.health["eeg"].reason for state in states
    )
    assert any(state.felt for state in states)


def test_flat_electrodes_make_the_eeg_abstain(tmp_path: Path) -> None:
    with offline(eeg=npz(tmp_path / "flat.npz", np.zeros((2500, 4)))) as pipeline:
        last = list(pipeline)[-1]
    assert last.felt is None
    assert last.by_modality["eeg"].abstained
    assert last.reason


def test_a_rate_that_the_model_cannot_use_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="20"):
        offline(eeg=npz(tmp_path / "slow.npz", noise(10, 20), rate_hz=20.0)).open()


def test_channels_that_nobody_knows_are_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="q1"):
        offline(eeg=npz(tmp_path / "odd.npz", noise(10), channels="q1 q2 q3 q4")).open()


@pytest.fixture
def own_models(tmp_path: Path) -> Path:
    package = find_package("eeg")
    folder = tmp_path / "models"
    shutil.copytree(default_dirs()[0] / package.id, folder / package.id)
    return folder


def with_models(folder: Path) -> Config:
    return Config(models=Models(folders=(str(folder),)))


@pytest.mark.parametrize(
    "harm",
    [lambda data: data[:-7], lambda data: data[:100] + b"\x00\x01" + data[102:]],
    ids=["truncated", "altered"],
)
def test_a_damaged_model_file_is_refused_before_it_is_parsed(
    own_models: Path, harm: Callable[[bytes], bytes]
) -> None:
    for path in own_models.rglob("model.*"):
        if path.suffix != ".toml":
            path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ModelIntegrityError):
        Pipeline(eeg=EEG, config=with_models(own_models)).open()


def test_a_swapped_model_file_is_refused(own_models: Path) -> None:
    package = next(own_models.iterdir())
    other = default_dirs()[0] / find_package("voice").id
    for path in package.glob("model.*"):
        if path.suffix != ".toml":
            shutil.copy(next(other.glob(f"*{path.suffix}")), path)
    with pytest.raises(ModelError):
        Pipeline(eeg=EEG, config=with_models(own_models)).open()


def test_research_weights_are_refused_for_commercial_use() -> None:
    config = Config(models=Models(license_policy="commercial"))
    with pytest.raises(ModelError, match="not licensed for commercial use"):
        Pipeline(microphone="virtual:", config=config).open()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Config(states=States(rate_hz=0.0)), "rate_hz"),
        (Config(states=States(rate_hz=math.nan)), "rate_hz"),
        (Config(states=States(rate_hz=math.inf)), "rate_hz"),
        (Config(states=States(rate_hz=1e-300)), "rate_hz"),
        (Config(states=States(open_timeout_s=math.inf)), "open_timeout_s"),
        (Config(fusion=FusionSettings(posterior_s=-1.0)), "posterior_s"),
        (Config(fusion=FusionSettings(lead=60)), "lead = 60 is not in"),
        (Config(fusion=FusionSettings(margin=1.5)), "margin = 1.5 is not in"),
        (Config(fusion=FusionSettings(reliability={"face": math.inf})), "reliability"),
        (Config(fusion=FusionSettings(lifetime_s={"nose": 1.0})), "nose"),
        (Config(fusion=FusionSettings(lifetime_s={"face": 0.0})), "lifetime_s"),
    ],
)
def test_an_impossible_configuration_is_refused(config: Config, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pipeline(eeg=EEG, config=config).open()


def test_time_can_be_injected() -> None:
    clock = ManualClock()
    with Pipeline(text="push:", clock=clock) as pipeline:
        states = iter(pipeline)
        clock.advance(5.0)
        pipeline.push_text("now")
        assert next(states).t_ns == 5_000_000_000


class FullDisk(Sink):
    """A destination that takes nothing."""

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        pass

    def state(self, state: EmotionState) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        pass


def test_a_sink_that_fails_is_told_and_the_session_goes_on(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    other = tmp_path / "session"
    with Pipeline(eeg=EEG, sinks=[FullDisk(), f"record:{other}"]) as pipeline:
        until(pipeline, lambda s: s.seq > 8)
        failures = pipeline.failures
    assert [str(error) for error in failures] == [
        "FullDisk cannot write: [Errno 28] No space left on device"
    ]
    assert "FullDisk takes nothing more" in caplog.text
    assert any(event["stream"] == "FullDisk" for event in Recording(other).events())


class FailsToFinish(FullDisk):
    """Takes everything, and cannot complete its file."""

    def state(self, state: EmotionState) -> None:
        pass

    def close(self) -> None:
        raise OSError(5, "Input/output error")


def test_a_sink_that_fails_while_closing_is_told_after_the_session() -> None:
    with Pipeline(eeg=EEG, sinks=[FailsToFinish()]) as pipeline:
        next(iter(pipeline))
        assert pipeline.failures == []
    assert "Input/output error" in str(pipeline.failures[0])

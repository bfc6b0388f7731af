"""The public pipeline on virtual devices and shipped models."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_emo import Config, EmotionState, Pipeline
from edge_emo.clock import ManualClock, ReplayClock
from edge_emo.config import FusionSettings, States
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceNotFoundError,
)
from edge_emo.pipeline.session import Session
from edge_emo.pipeline.trace import Trace
from edge_emo.types import Prediction
from tests.pipeline.sessions import EEG, noise, npz, offline, until


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

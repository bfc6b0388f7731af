"""Baselines of a person who rests, taken from running streams."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edge_emo import Pipeline
from edge_emo.clock import ManualClock, ReplayClock
from edge_emo.config import Config, States
from edge_emo.demo import demo_streams
from edge_emo.drivers.capture import Capture, Delivery
from edge_emo.drivers.eeg.npz import NpzEeg
from edge_emo.drivers.virtual_signals import body_signals
from edge_emo.errors import ClosedError, ConfigError, StaleError
from edge_emo.estimators.base import Features
from edge_emo.estimators.baseline import Baseline, expiry
from edge_emo.features.eeg import FEATURES
from edge_emo.pipeline.lane import Lane
from edge_emo.pipeline.rest import Rest
from edge_emo.pipeline.trace import Trace
from edge_emo.types import Posterior, StreamInfo
from tests.pipeline.world import EchoEstimator, ListedDriver, chunks

DEMO = Path(__file__).resolve().parents[2] / "edge_emo" / "assets" / "demo_eeg.npz"


def pipeline(seconds_loop: bool = True) -> Pipeline:
    config = Config(states=States(join="reproducible"))
    return Pipeline(eeg=NpzEeg(str(DEMO), loop=seconds_loop), config=config, clock=ReplayClock())


def test_a_baseline_is_taken_used_and_erased(tmp_path: Path) -> None:
    with pipeline() as running:
        baseline = running.calibrate("eeg", seconds=12.0)["eeg"]
        baseline.save(tmp_path / "rest.json", consent=True)
        running.use_baseline(tmp_path / "rest.json")
        running.erase_baseline(path=tmp_path / "rest.json")
    assert baseline.model_id == "eeg-load-small"
    assert len(baseline.values) == len(FEATURES)
    assert baseline.windows >= 3
    assert not (tmp_path / "rest.json").exists()


def test_a_baseline_whose_time_is_over_is_not_taken_up() -> None:
    ended = Baseline(
        "eeg",
        "eeg-load-small",
        (0.0,) * len(FEATURES),
        (1.0,) * len(FEATURES),
        1,
        "2020-01-01T00:00:00+00:00",
    )
    with pipeline() as running, pytest.raises(StaleError, match="baseline of eeg ended at 2020"):
        running.use_baseline(ended)


def test_streams_that_end_before_leave_no_baseline() -> None:
    with pipeline(seconds_loop=False) as running, pytest.raises(ClosedError, match="500 s"):
        running.calibrate("eeg", seconds=500.0)


def test_a_stream_that_ends_before_the_others_leaves_no_baseline() -> None:
    streams = {"eeg": NpzEeg(str(DEMO)), "text": "push:"}
    pipeline = Pipeline(**streams, clock=ReplayClock())  # type: ignore[arg-type]
    with pipeline as running, pytest.raises(ClosedError, match="500 s"):
        running.calibrate("eeg", seconds=500.0)


def lane() -> Lane:
    driver = ListedDriver("eeg", [])
    capture = Capture(driver, ManualClock(), lambda _: True, lambda: None)
    return Lane(capture, Fussy("eeg", "eeg"), Trace())


class Keeping(EchoEstimator):
    """Keeps the baseline that it is given."""

    kept: Baseline | None = None

    def rest(self, windows: Sequence[Features], valid_s: float = 1.0) -> Baseline:
        return Baseline("eeg", self.model_id, (0.0,), (1.0,), len(windows), expiry(valid_s))

    def adopt(self, baseline: Baseline | None) -> None:
        self.kept = baseline


class Fussy(Keeping):
    """Takes the stream as it was opened first, and no other."""

    def start(self, info: StreamInfo) -> None:
        super().start(info)
        if info.rate_hz != 100.0:
            raise ConfigError(f"{info.rate_hz:g} Hz is not 100 Hz")


def serve(lane: Lane, generation: int = 0, rate_hz: float = 100.0) -> None:
    info = StreamInfo("eeg", rate_hz, ("Cz",), "uv", "listed")
    for chunk in chunks("eeg", rate_hz, 10, 0.3):
        delivery = Delivery(chunk, info, generation, 0, chunk.end_ns)
        assert list(lane.predict(lane.stamp(delivery, chunk.end_ns)))


def test_one_who_asks_for_a_baseline_is_told_when_another_one_does() -> None:
    one = lane()
    serve(one)
    first, second = one.take_rest(60.0, 60.0), one.take_rest(60.0, 60.0)
    serve(one)
    third = one.take_rest(60.0, 60.0)
    serve(one)
    for rest in (first, second):
        assert rest.done
        with pytest.raises(ClosedError, match="another baseline of eeg"):
            rest.result()
    assert not third.done


def test_a_baseline_that_is_erased_while_it_is_taken_is_never_used() -> None:
    capture = Capture(ListedDriver("eeg", []), ManualClock(), lambda _: True, lambda: None)
    keeping = Keeping("eeg", "eeg")
    one = Lane(capture, keeping, Trace())
    serve(one)
    begun = one.take_rest(0.5, 60.0)
    serve(one)
    asked = one.take_rest(0.5, 60.0)
    one.adopt(None)
    serve(one)
    serve(one)
    assert keeping.kept is None
    for rest in (begun, asked):
        with pytest.raises(ClosedError, match="baseline of eeg was erased"):
            rest.result()


def test_a_baseline_that_was_given_up_is_not_used_by_its_last_window() -> None:
    keeping = Keeping("eeg", "eeg")
    rest = Rest(keeping, 0.5, 60.0)
    rest.fail(ClosedError("erased"))
    rest.add([Features(0, 10**9, 1.0, {})])
    assert keeping.kept is None


@pytest.mark.parametrize("duration_s", [0.0, 0.5, 2.0])
def test_what_was_lost_or_muted_is_no_part_of_a_rest(duration_s: float) -> None:
    rest = Rest(Keeping("eeg", "eeg"), 10.0, 60.0)

    def add(begin_s: int, end_s: int) -> None:
        duration_ns = round(duration_s * 1e9)
        for t_s in range(begin_s, end_s):
            rest.add([Features(t_s * 10**9, duration_ns, 1.0, {})])

    add(0, 4)
    add(600, 602)
    assert not rest.done
    add(602, 610)
    assert rest.done


def test_a_stream_that_no_longer_fits_its_model_leaves_no_baseline() -> None:
    one = lane()
    serve(one)
    begun = one.take_rest(60.0, 60.0)
    serve(one)
    serve(one, generation=1, rate_hz=50.0)
    asked = one.take_rest(60.0, 60.0)
    serve(one, generation=1, rate_hz=50.0)
    for rest in (begun, asked):
        with pytest.raises(ConfigError, match="50 Hz is not 100 Hz"):
            rest.result()


def test_a_stream_without_a_baseline_is_refused() -> None:
    with Pipeline(text="push:") as running:
        with pytest.raises(ConfigError, match="no stream here"):
            running.calibrate(seconds=1.0)
        with pytest.raises(ConfigError, match="no stream gives eeg"):
            running.calibrate("eeg", seconds=1.0)
        with pytest.raises(ConfigError, match="knows no baseline"):
            running.calibrate("text", seconds=1.0)


WAV = DEMO.with_name("demo_voice.wav")


def heard(running: Pipeline, count: int = 4) -> list[Posterior]:
    """The first posteriors of the voice from now on."""
    found: list[Posterior] = []
    for state in running:
        voice = state.by_modality.get("voice")
        if voice is not None and voice.posterior is not None and voice.posterior not in found:
            found.append(voice.posterior)
        if len(found) == count:
            break
    return found


def test_the_rest_of_a_voice_moves_what_is_said_of_it_later() -> None:
    config = Config(states=States(join="reproducible"))
    with Pipeline(microphone=f"wav:{WAV}?loop=true", config=config) as running:
        baseline = running.calibrate(seconds=6.0)["voice"]
        after = heard(running)
        running.erase_baseline()
        erased = heard(running)
    with Pipeline(microphone=f"wav:{WAV}?loop=true", config=config) as running:
        plain = heard(running, 60)
    assert baseline.model_id == "voice-expression-small"
    assert baseline.windows >= 3
    assert not set(after) & set(plain)
    assert set(erased) & set(plain)


def test_the_rest_of_a_face_is_taken_when_it_is_named() -> None:
    with Pipeline(camera=demo_streams().camera) as running:
        with pytest.raises(ConfigError, match="measured to help") as refused:
            running.calibrate(seconds=1.0)
        baseline = running.calibrate("face", seconds=1.0)["face"]
    assert "calibrate('face')" in refused.value.hint
    assert baseline.modality == "face"
    assert baseline.windows >= 3


def test_a_voice_that_keeps_silent_does_not_spoil_the_rest_of_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(states=States(join="reproducible"))
    silent = tmp_path / "silent.wav"
    with wave.open(str(silent), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16_000 * 30))
    streams = {"eeg": NpzEeg(str(DEMO), loop=True), "microphone": f"wav:{silent}"}
    with Pipeline(**streams, config=config) as running:  # type: ignore[arg-type]
        assert set(running.calibrate(seconds=12.0)) == {"eeg"}
    assert "no usable voice window" in caplog.text
    named = Pipeline(microphone=f"wav:{silent}", config=config)
    with named as running, pytest.raises(ConfigError, match="no usable voice window"):
        running.calibrate("voice", seconds=3.0)


def test_a_wrist_band_gives_the_felt_side(tmp_path: Path) -> None:
    data = body_signals(3, 64 * 50, 64.0, 72.0, 4.0)
    names = np.array(["bvp", "eda", "temp"])
    np.savez(tmp_path / "wrist.npz", data=data, rate_hz=64.0, channels=names)
    config = Config(states=States(join="reproducible"))
    with Pipeline(physio=f"npz:{tmp_path / 'wrist.npz'}", config=config) as running:
        states = [state for state in running if state.felt is not None]
    assert states
    prediction = states[-1].by_modality["physio"]
    assert states[-1].felt.label in ("baseline", "stress")  # type: ignore[union-attr]
    assert states[-1].expressed is None
    assert set(prediction.channels) == {"bvp", "eda", "temp"}
    assert min(prediction.channels.values()) > 0.9

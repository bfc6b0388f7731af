"""The voice estimator: where its windows lie, what they hold, and when it abstains."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock
from edge_emo.errors import ClosedError, ConfigError, ModelError
from edge_emo.estimators.base import Features
from edge_emo.estimators.voice import VoiceEstimator
from edge_emo.features.audio import MelSpec, RateConverter, log_mel, window_tensor
from edge_emo.manifest import ModelPackage, TensorSpec
from edge_emo.runtime.base import LoadedModel
from edge_emo.types import CATEGORIES, Chunk, StreamInfo
from tests.fakes.manifests import absent_file, estimator_manifest, package_in, tensor

Floats = npt.NDArray[np.float32]

SPEC = MelSpec(bands=42)
FEATURES = {
    **dataclasses.asdict(SPEC),
    "frames": 298,
    "window_s": 3.0,
    "hop_s": 0.5,
    "first_s": 1.0,
    "range_nats": 13.8,
}
AROUSAL = {
    "anger": 1.0,
    "disgust": 0.5,
    "fear": 0.0,
    "happiness": 0.0,
    "neutral": 0.0,
    "sadness": -0.5,
    "surprise": -1.0,
}


def manifest(*outputs: Mapping[str, Any], **features: Any) -> str:
    """Return that of :class:`BandLevels`, with these outputs and features beside its own."""
    return estimator_manifest(
        "bands",
        "voice",
        files=[absent_file()],
        inputs=[tensor("logmel", (1, 1, 298, 42), "NCHW")],
        outputs=[tensor("logits", (1, 7), "NC", labels=CATEGORIES), *outputs],
        features={**FEATURES, **features},
        calibration={"temperature": 2.0},
        dimensions={"source": "mapping", "arousal": AROUSAL},
    )


class BandLevels(LoadedModel):
    """Runs in 3 ms; its logits are the mean levels of seven groups of six bands."""

    backend = "test"

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.closed = False

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
        self._clock.advance(0.003)
        tensor = inputs["logmel"]
        assert tensor.shape == (1, 1, 298, 42)
        assert tensor.dtype == np.float32
        return {"logits": tensor.reshape(298, 7, 6).mean(axis=(0, 2))[None]}

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    return package_in(tmp_path / "bands", manifest())


@pytest.fixture
def estimator(package: ModelPackage) -> VoiceEstimator:
    clock = ManualClock()
    return VoiceEstimator(package, BandLevels(clock), clock)


@cache
def babble(seconds: float, rate_hz: int = 16000, level: float = 0.3) -> Floats:
    """Pulses at 120 Hz through a resonance that moves, on for 200 ms of every 300 ms."""
    times_s = np.arange(round(rate_hz * seconds)) / rate_hz
    centre_hz = 700 + 400 * np.sin(2 * np.pi * 0.4 * times_s)
    voice = sum(
        np.cos(2 * np.pi * 120 * k * times_s) / (1 + ((120 * k - centre_hz) / 200) ** 2)
        for k in range(1, 20)
    )
    on = (times_s % 0.3 < 0.2) * np.sin(np.pi * (times_s % 0.3) / 0.2) ** 2
    hiss = 3e-4 * np.random.default_rng(0).standard_normal(len(times_s))
    return np.asarray(level * voice / 6 * on + hiss, np.float32)


def info(rate_hz: float = 16000.0, channels: int = 1) -> StreamInfo:
    names = tuple(f"c{n}" for n in range(channels))
    return StreamInfo("microphone", rate_hz, names, "full-scale", "test")


def chunk(
    sound: Floats, seq: int = 0, t_ns: int | None = None, rate_hz: int = 16000, channels: int = 1
) -> Chunk:
    stamp = round(seq * 1e9 / rate_hz) if t_ns is None else t_ns
    return Chunk("microphone", seq, stamp, rate_hz, np.repeat(sound[:, None], channels, axis=1))


def stream(
    estimator: VoiceEstimator, sound: Floats, lengths: list[int], rate_hz: int = 16000
) -> list[Features]:
    """Give a sound in chunks of the given lengths, over and over."""
    estimator.start(info(rate_hz))
    found, seq, turn = [], 0, 0
    while seq < len(sound):
        piece = sound[seq : seq + lengths[turn % len(lengths)]]
        found += estimator.features(chunk(piece, seq, rate_hz=rate_hz))
        seq, turn = seq + len(piece), turn + 1
    return found


def test_windows_come_every_half_second_after_the_first(estimator: VoiceEstimator) -> None:
    found = stream(estimator, babble(4.6), [320])
    ends_s = [(f.t_ns + f.duration_ns) / 1e9 for f in found]
    assert ends_s == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]
    assert [f.t_ns / 1e9 for f in found] == [0, 0, 0, 0, 0, 0.5, 1.0, 1.5]


def test_a_window_is_given_with_its_last_sample(estimator: VoiceEstimator) -> None:
    sound = babble(1.0)
    estimator.start(info())
    assert estimator.features(chunk(sound[:-1])) == []
    assert len(estimator.features(chunk(sound[-1:], 15999))) == 1


@pytest.mark.parametrize("lengths", [[1600], [17, 4000, 0, 333], [100000]])
@pytest.mark.parametrize("rate_hz", [16000, 44100, 8000])
def test_windows_do_not_depend_on_the_chunks(
    estimator: VoiceEstimator, lengths: list[int], rate_hz: int
) -> None:
    sound = babble(4.1, rate_hz)
    expected = stream(estimator, sound, [rate_hz // 50], rate_hz)
    found = stream(estimator, sound, lengths, rate_hz)
    assert len(found) == len(expected) == 7
    for one, two in zip(found, expected, strict=True):
        assert abs(one.t_ns - two.t_ns) <= 2
        assert one.quality == pytest.approx(two.quality, abs=1e-6)
        np.testing.assert_allclose(one.tensors["logmel"], two.tensors["logmel"], atol=1e-4)


def test_a_window_holds_the_frames_of_its_samples(estimator: VoiceEstimator) -> None:
    sound = babble(4.0)
    found = stream(estimator, sound, [700])
    np.testing.assert_array_equal(
        found[-1].tensors["logmel"], window_tensor(log_mel(sound[16000:], SPEC), 298, 13.8)
    )
    np.testing.assert_array_equal(
        found[0].tensors["logmel"], window_tensor(log_mel(sound[:16000], SPEC), 298, 13.8)
    )


def test_another_rate_gives_nearly_the_same_window(estimator: VoiceEstimator) -> None:
    plain = stream(estimator, babble(3.1), [320])[-1].tensors["logmel"]
    fine = stream(estimator, babble(3.1, 48000), [960], 48000)[-1].tensors["logmel"]
    low = slice(0, 20)  # the hiss above differs
    assert np.corrcoef(plain[..., low].ravel(), fine[..., low].ravel())[0, 1] > 0.95


def test_first_windows_have_less_quality(estimator: VoiceEstimator) -> None:
    qualities = [f.quality for f in stream(estimator, babble(3.5), [320])]
    assert qualities[0] < qualities[2] < qualities[4] == pytest.approx(qualities[5], abs=0.05)
    assert 0 < qualities[0] <= 0.6


def test_a_narrow_stream_has_less_quality(estimator: VoiceEstimator) -> None:
    wide = stream(estimator, babble(3.1), [320])[-1].quality
    narrow = stream(estimator, babble(3.1, 8000), [160], 8000)[-1].quality
    assert narrow == pytest.approx(0.84 * wide, rel=0.05)


def test_time_follows_the_stamps_of_the_driver(estimator: VoiceEstimator) -> None:
    estimator.start(info())
    sound = babble(1.0)
    estimator.features(chunk(sound[:8000], 0, t_ns=5_000_000_000))
    (found,) = estimator.features(chunk(sound[8000:], 8000, t_ns=5_500_300_000))
    assert found.t_ns == 5_000_300_000
    assert found.duration_ns == 1_000_000_000


def test_a_gap_starts_the_window_afresh(estimator: VoiceEstimator) -> None:
    estimator.start(info())
    sound = babble(4.0)
    assert len(estimator.features(chunk(sound[:24000]))) == 2
    assert estimator.features(chunk(sound[25000:40000], 25000)) == []
    (found,) = estimator.features(chunk(sound[40000:42000], 40000))
    assert found.t_ns == round(25000 * 1e9 / 16000)
    np.testing.assert_array_equal(
        found.tensors["logmel"], window_tensor(log_mel(sound[25000:41000], SPEC), 298, 13.8)
    )


def test_start_forgets_what_was_before(estimator: VoiceEstimator) -> None:
    stream(estimator, babble(0.9), [320])
    assert stream(estimator, babble(0.9), [320]) == []


def test_channels_are_mixed(estimator: VoiceEstimator) -> None:
    sound = babble(1.0)
    (mono,) = stream(estimator, sound, [16000])
    estimator.start(info(channels=2))
    both = np.stack([sound * 2, np.zeros_like(sound)], axis=1)
    (mixed,) = estimator.features(Chunk("microphone", 0, 0, 16000.0, both))
    np.testing.assert_array_equal(mixed.tensors["logmel"], mono.tensors["logmel"])


def test_an_empty_chunk_changes_nothing(estimator: VoiceEstimator) -> None:
    sound = babble(1.0)
    estimator.start(info())
    estimator.features(chunk(sound[:9000]))
    assert estimator.features(chunk(sound[:0], 9000)) == []
    assert len(estimator.features(chunk(sound[9000:], 9000))) == 1


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros(32000, np.float32), "silence"),
        (np.full(32000, 0.3, np.float32), "silence"),
        (np.clip(50 * babble(2.0), -1, 1), "clipped"),
        (np.random.default_rng(0).normal(0, 0.05, 32000).astype(np.float32), "no speech"),
        (np.where(np.arange(32000) % 8000 == 9, np.nan, babble(2.0)), "samples are not numbers"),
    ],
)
def test_what_cannot_be_estimated_says_why(
    estimator: VoiceEstimator, sound: Floats, reason: str
) -> None:
    found = stream(estimator, sound.astype(np.float32), [320])
    assert len(found) == 3
    for features in found:
        assert features.reason == reason
        assert not features.tensors
        prediction = estimator.predict(features)
        assert prediction.abstained == reason
        assert prediction.posterior is None
        assert (prediction.t_ns, prediction.duration_ns) == (features.t_ns, features.duration_ns)


def test_estimates_return_once_bad_samples_have_left_the_window(
    estimator: VoiceEstimator,
) -> None:
    sound = babble(6.0)
    sound[20000] = np.nan
    reasons = [f.reason for f in stream(estimator, sound, [320])]
    bad = "samples are not numbers"
    assert reasons == [None, *[bad] * 6, *[None] * 4]


def test_a_prediction_is_calibrated_and_timed(estimator: VoiceEstimator) -> None:
    features = stream(estimator, babble(3.0), [320])[-1]
    prediction = estimator.predict(features)
    logits = features.tensors["logmel"].reshape(298, 7, 6).mean(axis=(0, 2)) / 2.0
    expected = np.exp(logits) / np.exp(logits).sum()
    assert prediction.posterior is not None
    assert tuple(prediction.posterior) == CATEGORIES
    np.testing.assert_allclose(prediction.posterior.probabilities, expected, rtol=1e-5)
    weights = np.array([1, 0.5, 0, 0, 0, -0.5, -1])
    assert prediction.arousal == pytest.approx(float(expected @ weights), rel=1e-5)
    assert prediction.valence is None
    assert prediction.dominance is None
    assert prediction.inference_ns == 3_000_000
    assert prediction.model_id == "bands"
    assert prediction.quality == features.quality


def test_a_clip_is_the_mean_of_its_full_windows(estimator: VoiceEstimator) -> None:
    sound = babble(4.3)
    live = [f for f in stream(estimator, sound, [320]) if f.duration_ns == 3_000_000_000]
    posteriors = [estimator.predict(f).posterior for f in live]
    rows = np.array([p.probabilities for p in posteriors if p is not None])
    assert len(rows) == 3
    prediction = estimator.clip(chunk(sound, seq=0, t_ns=77))
    assert prediction.posterior is not None
    np.testing.assert_allclose(prediction.posterior.probabilities, rows.mean(axis=0), rtol=1e-5)
    assert (prediction.t_ns, prediction.duration_ns) == (77, 4_300_000_000)
    assert prediction.inference_ns == 3 * 3_000_000


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
def test_a_clip_of_exactly_one_window_is_estimated(estimator: VoiceEstimator, rate_hz: int) -> None:
    prediction = estimator.clip(chunk(babble(3.0, rate_hz), rate_hz=rate_hz))
    assert prediction.abstained is None
    assert prediction.inference_ns == 3_000_000


@pytest.mark.parametrize("rate_hz", [16000, 48000])
def test_a_short_clip_is_one_padded_window(estimator: VoiceEstimator, rate_hz: int) -> None:
    sound = babble(2.2, rate_hz)
    prediction = estimator.clip(chunk(sound, rate_hz=rate_hz))
    converted = RateConverter(rate_hz).push(np.append(sound, np.zeros(200, np.float32)))[:35200]
    tensor = window_tensor(log_mel(converted, SPEC), 298, 13.8)
    logits = tensor.reshape(298, 7, 6).mean(axis=(0, 2)) / 2.0
    assert prediction.posterior is not None
    np.testing.assert_allclose(
        prediction.posterior.probabilities, np.exp(logits) / np.exp(logits).sum(), rtol=1e-3
    )
    assert prediction.inference_ns == 3_000_000


def test_a_clip_leaves_out_windows_that_abstain(estimator: VoiceEstimator) -> None:
    sound = np.concatenate([babble(3.0), np.zeros(4 * 16000, np.float32)])
    prediction = estimator.clip(chunk(sound))
    assert prediction.abstained is None
    assert prediction.inference_ns < 9 * 3_000_000


@pytest.mark.parametrize(
    ("samples", "reason"),
    [(0, "shorter than one frame"), (399, "shorter than one frame"), (64000, "silence")],
)
def test_a_clip_without_voice_abstains(
    estimator: VoiceEstimator, samples: int, reason: str
) -> None:
    assert estimator.clip(chunk(np.zeros(samples, np.float32))).abstained == reason


def test_a_clip_does_not_disturb_the_stream(estimator: VoiceEstimator) -> None:
    sound = babble(1.0)
    estimator.start(info())
    estimator.features(chunk(sound[:9000]))
    estimator.clip(chunk(babble(2.0)))
    assert len(estimator.features(chunk(sound[9000:], 9000))) == 1


def test_a_clip_is_never_held_as_windows(estimator: VoiceEstimator) -> None:
    long = chunk(np.tile(babble(30.0), 10))
    tracemalloc.start()
    try:
        assert estimator.clip(long).posterior is not None
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 298 * 42 * 4 * 100  # a hundred of its 595 windows


def test_features_before_start_are_refused(estimator: VoiceEstimator) -> None:
    with pytest.raises(ClosedError, match="not started"):
        estimator.features(chunk(babble(0.1)))


@pytest.mark.parametrize(
    "wrong",
    [
        StreamInfo("camera", 30.0, (), "rgb8", "test"),
        StreamInfo("microphone", 16000.0, (), "full-scale", "test"),
        StreamInfo("microphone", 100.0, ("mono",), "full-scale", "test"),
    ],
)
def test_a_stream_that_cannot_feed_it_is_refused(
    estimator: VoiceEstimator, wrong: StreamInfo
) -> None:
    with pytest.raises(ConfigError):
        estimator.start(wrong)


@pytest.mark.parametrize("line", ["hop = 160", "frames = 298", "bands = 42"])
def test_a_package_without_its_features_is_refused(tmp_path: Path, line: str) -> None:
    whole = manifest()
    for text in (whole.replace(line, ""), whole.replace(line, line[:-1] + "9")):
        package = package_in(tmp_path / "bands", text)
        if text == whole.replace("hop = 160", "hop = 169"):
            continue
        with pytest.raises(ModelError):
            VoiceEstimator(package, BandLevels(ManualClock()), ManualClock())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hop_s", 0.0),
        ("hop_s", -0.5),
        ("hop_s", 1e-9),
        ("hop_s", float("nan")),
        ("hop_s", "0.5"),
        ("window_s", 30.0),
        ("first_s", 4.0),
        ("first_s", 0.001),
        ("hop", 500),
        ("window", 600),
        ("n_fft", 1 << 40),
        ("high_hz", 9000.0),
        ("floor", 0.0),
        ("range_nats", float("inf")),
        ("other_sound", "never"),
    ],
)
def test_features_that_cannot_be_are_refused(tmp_path: Path, name: str, value: object) -> None:
    package = package_in(tmp_path / "bands", manifest(**{name: value}))
    with pytest.raises(ModelError, match=r"\[features\]"):
        VoiceEstimator(package, BandLevels(ManualClock()), ManualClock())


def test_close_releases_the_model(package: ModelPackage) -> None:
    model = BandLevels(ManualClock())
    estimator = VoiceEstimator(package, model, ManualClock())
    estimator.close()
    estimator.close()
    assert model.closed


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
@pytest.mark.parametrize("odd", [np.nan, np.inf, 3e38, 1e25])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_an_odd_sample_anywhere_is_in_no_estimate(
    estimator: VoiceEstimator, rate_hz: int, odd: float
) -> None:
    for place in (0, 25, 70, rate_hz, 3 * rate_hz - 1, 3 * rate_hz + 70):
        sound = babble(3.6, rate_hz).copy()
        sound[place] = odd
        estimator.start(info(rate_hz))
        made = estimator.features(chunk(sound, rate_hz=rate_hz))
        tensors = [tensor for one in made for tensor in one.tensors.values()]
        assert all(np.isfinite(tensor).all() for tensor in tensors)
        assert any(one.reason == "samples are not numbers" for one in made)


def test_a_sample_that_no_sound_has_is_refused(estimator: VoiceEstimator) -> None:
    sound = babble(3.0).copy()
    sound[20000] = 1e3
    assert estimator.clip(chunk(sound)).abstained == "samples are not numbers"


def test_a_gate_that_gives_no_number_is_an_error(package: ModelPackage) -> None:
    speech = TensorSpec("sound", (1, 2), "NC", "float32", labels=("speech", "other sound"))
    gated = dataclasses.replace(package, outputs=(*package.outputs, speech))

    class Broken(BandLevels):
        def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
            return {**super().run(inputs), "sound": np.full((1, 2), np.nan, np.float32)}

    clock = ManualClock()
    estimator = VoiceEstimator(gated, Broken(clock), clock)
    estimator.start(info())
    with pytest.raises(ModelError, match="speech, other sound"):
        estimator.clip(chunk(babble(3.0)))

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock
from edge_emo.errors import ClosedError, ConfigError, ModelMismatchError
from edge_emo.estimators.base import Features
from edge_emo.estimators.eeg import EegEstimator
from edge_emo.features.eeg import FEATURES
from edge_emo.features.eeg_filter import StreamFilter
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import Chunk, StreamInfo

CYTON = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
MUSE = ("TP9", "AF7", "AF8", "TP10")
EPOC = (
    *("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6"),
    *("F4", "F8", "AF4"),
)
CAP_19 = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T3", "C3", "Cz", "C4"),
    *("T4", "T5", "P3", "Pz", "P4", "T6", "O1", "O2"),
)
CAP_32 = (
    *("Fp1", "Fp2", "AF3", "AF4", "F7", "F3", "Fz", "F4", "F8", "FC5", "FC1"),
    *("FC2", "FC6", "T7", "C3", "Cz", "C4", "T8", "CP5", "CP1", "CP2", "CP6"),
    *("P7", "P3", "Pz", "P4", "P8", "PO3", "PO4", "O1", "Oz", "O2"),
)


def info(rate_hz: float = 250.0, channels: Sequence[str] = CYTON, unit: str = "uv") -> StreamInfo:
    return StreamInfo("eeg", rate_hz, tuple(channels), unit, "a headset", live=False)


def signal(seconds: float, rate_hz: float = 250.0, channels: int = 8) -> npt.NDArray[np.float32]:
    """Alpha in noise, 10 µV each, on an electrode offset."""
    n = round(seconds * rate_hz)
    t = np.arange(n) / rate_hz
    noise = np.random.default_rng(7).normal(size=(n, channels)) * 10.0
    return (noise + 10 * np.sin(2 * math.pi * 10 * t)[:, None] + 30_000).astype(np.float32)


def chunks(
    data: npt.NDArray[np.float32], size: int, rate_hz: float = 250.0, t0_ns: int = 0
) -> Iterator[Chunk]:
    for seq in range(0, len(data), size):
        yield Chunk("eeg", seq, t0_ns + round(seq * 1e9 / rate_hz), rate_hz, data[seq : seq + size])


def run(
    estimator: EegEstimator, data: npt.NDArray[np.float32], size: int = 10, rate_hz: float = 250.0
) -> list[Features]:
    estimator.start(info(rate_hz))
    return [one for chunk in chunks(data, size, rate_hz) for one in estimator.features(chunk)]


def row(features: Features) -> npt.NDArray[Any]:
    return features.tensors["features"]


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return find_package("eeg-load-small")


@pytest.fixture
def estimator(package: ModelPackage) -> Iterator[EegEstimator]:
    made = EegEstimator(package, load_model(package), ManualClock())
    yield made
    made.close()


def test_a_window_ends_every_second_and_grows_from_4_to_10_s(estimator: EegEstimator) -> None:
    windows = run(estimator, signal(12.5))
    assert [window.duration_ns // 10**9 for window in windows] == [4, 5, 6, 7, 8, 9, 10, 10, 10]
    ends = [window.t_ns + window.duration_ns for window in windows]
    apart_ns = [b - a for a, b in itertools.pairwise(ends)]
    assert apart_ns[0] == pytest.approx(10**9, abs=500_000)  # the notches end, and their delay
    assert apart_ns[1:] == [10**9] * 7


def test_a_window_is_dated_back_by_the_delay_of_the_filters(estimator: EegEstimator) -> None:
    estimator.start(info())
    made = [
        one
        for chunk in chunks(signal(4.0), 10, t0_ns=7_000_000_000)
        for one in estimator.features(chunk)
    ]
    delay_ns = 7_000_000_000 - made[0].t_ns
    assert 500_000 < delay_ns < 3_000_000


@pytest.mark.parametrize("size", [10, 2500])
@pytest.mark.parametrize(("hums", "mains_hz"), [((), ()), ((50.0,), (50.0,)), ((60.0,), (60.0,))])
def test_the_delay_is_that_of_the_notches_that_are_needed(
    estimator: EegEstimator, hums: Sequence[float], mains_hz: Sequence[float], size: int
) -> None:
    data = signal(10.0)
    t = np.arange(len(data)) / 250.0
    for hum_hz in hums:
        data += (50 * np.sin(2 * math.pi * hum_hz * t))[:, None].astype(np.float32)
    made = run(estimator, data, size)
    filters = [StreamFilter(250.0, 8), *[StreamFilter(250.0, 8, mains_hz=mains_hz)] * 6]
    assert [-one.t_ns for one in made] == pytest.approx([one.delay_ns for one in filters], abs=2)


@pytest.mark.parametrize("size", [1, 7, 250, 1625])
def test_any_chunking_gives_the_same_features(estimator: EegEstimator, size: int) -> None:
    data = signal(6.5)
    expected, actual = run(estimator, data, 10), run(estimator, data, size)
    assert [a.t_ns for a in actual] == [e.t_ns for e in expected]
    for one, other in zip(expected, actual, strict=True):
        np.testing.assert_allclose(row(other), row(one), atol=1e-5)


def test_the_same_chunks_give_the_same_bits(estimator: EegEstimator) -> None:
    first, second = run(estimator, signal(5.0)), run(estimator, signal(5.0))
    assert [row(one).tobytes() for one in first] == [row(one).tobytes() for one in second]


@pytest.mark.parametrize("rate_hz", [128.0, 250.0, 500.0])
def test_rates_give_an_estimate(estimator: EegEstimator, rate_hz: float) -> None:
    estimator.start(info(rate_hz))
    prediction = estimator.clip(Chunk("eeg", 0, 0, rate_hz, signal(6.0, rate_hz)))
    assert prediction.posterior is not None
    assert set(prediction.posterior) == {"rest", "load"}
    assert sum(prediction.posterior.probabilities) == pytest.approx(1.0)
    assert prediction.arousal == pytest.approx((prediction.posterior["load"] - 0.5), abs=1e-6)
    assert prediction.valence is None
    assert prediction.quality == pytest.approx(1.0)


@pytest.mark.parametrize("rate_hz", [64.0, 2000.0, 0.0])
def test_other_rates_are_refused(estimator: EegEstimator, rate_hz: float) -> None:
    with pytest.raises(ConfigError, match="100 … 1000 Hz"):
        estimator.start(info(rate_hz))


def test_other_units_are_refused(estimator: EegEstimator) -> None:
    with pytest.raises(ConfigError, match="µV"):
        estimator.start(info(unit="full-scale"))


def test_names_without_a_place_are_refused(estimator: EegEstimator) -> None:
    with pytest.raises(ConfigError, match="ch1, ch2"):
        estimator.start(info(channels=("ch1", "ch2")))


@pytest.mark.parametrize("names", [MUSE, CYTON, EPOC, CAP_19, CAP_32], ids=len)
def test_any_headset_feeds_the_same_model(estimator: EegEstimator, names: tuple[str, ...]) -> None:
    estimator.start(info(channels=names))
    data = signal(10.0, channels=len(names))
    features = estimator.windows_of(Chunk("eeg", 0, 0, 250.0, data))[0]
    prediction = estimator.predict(features)
    assert prediction.abstained is None
    assert tuple(prediction.channels) == names
    assert row(features).shape == (1, 4 * len(FEATURES))
    known = row(features)[0, len(FEATURES) : 2 * len(FEATURES)]
    assert known.all() == (len(names) >= 19)
    assert known.any()


def test_eight_bad_channels_of_32_are_masked(estimator: EegEstimator) -> None:
    data = signal(10.0, channels=32)
    data[:, :8] = np.nan
    estimator.start(info(channels=CAP_32))
    features = estimator.windows_of(Chunk("eeg", 0, 0, 250.0, data))[0]
    assert features.quality == pytest.approx(24 / 32, abs=0.01)
    assert [name for name, score in features.channels.items() if score == 0.0] == list(CAP_32[:8])
    assert np.isfinite(row(features)).all()
    assert row(features)[0, len(FEATURES) + FEATURES.index("prefrontal/slope")] == 0.0
    assert estimator.predict(features).abstained is None


def test_a_headband_and_a_stream_with_an_ecg_are_served(estimator: EegEstimator) -> None:
    estimator.start(info(channels=(*MUSE, "ECG")))
    prediction = estimator.clip(Chunk("eeg", 0, 0, 250.0, signal(5.0, channels=5)))
    assert prediction.abstained is None
    assert prediction.quality == pytest.approx(1.0)


def test_a_spoilt_ecg_column_does_not_matter(estimator: EegEstimator) -> None:
    data = signal(4.0, channels=5)
    spoilt = data.copy()
    spoilt[:, 4] = np.nan
    estimator.start(info(channels=(*MUSE, "ECG")))
    assert estimator.clip(Chunk("eeg", 0, 0, 250.0, data)) == estimator.clip(
        Chunk("eeg", 0, 0, 250.0, spoilt)
    )


def test_a_loss_starts_afresh(estimator: EegEstimator) -> None:
    data = signal(9.0)
    estimator.start(info())
    before = [one for chunk in chunks(data[:900], 50) for one in estimator.features(chunk)]
    late = [
        Chunk("eeg", chunk.seq + 1000, chunk.t_ns + 4_000_000_000, 250.0, chunk.samples)
        for chunk in chunks(data[1000:2000], 50)
    ]
    after = [one for chunk in late for one in estimator.features(chunk)]
    assert before == []
    assert len(after) == 1
    np.testing.assert_allclose(row(after[0]), row(run(estimator, data[1000:2000], 50)[0]))


def test_dead_electrodes_end_in_a_reason(estimator: EegEstimator) -> None:
    data = signal(4.0)
    data[:, 1:] = 12.0
    prediction = estimator.predict(run(estimator, data)[0])
    assert prediction.abstained == "electrodes off: 7 of 8 channels flat"
    assert prediction.posterior is None
    assert prediction.quality == pytest.approx(1 / 8, abs=0.01)


def test_nan_channels_lower_quality_and_leave_the_rest(estimator: EegEstimator) -> None:
    data = signal(4.0)
    broken = data.copy()
    broken[:, :2] = np.nan
    whole, part = run(estimator, data)[0], run(estimator, broken)[0]
    assert np.isfinite(row(part)).all()
    assert part.quality == pytest.approx(6 / 8, abs=0.01)
    frontal = FEATURES.index("prefrontal/slope")
    central = FEATURES.index("central/slope")
    assert row(part)[0, len(FEATURES) + frontal] == 0.0
    assert row(part)[0, central] == row(whole)[0, central]
    assert estimator.predict(part).abstained is None


def test_a_channel_beyond_float32_is_without_data(estimator: EegEstimator) -> None:
    data = signal(4.0)
    data[::2, 2], data[1::2, 2] = 3e38, -3e38
    made = run(estimator, data)[0]
    assert np.isfinite(row(made)).all()
    assert made.quality == pytest.approx(7 / 8, abs=0.01)
    assert estimator.predict(made).abstained is None


def test_a_stream_of_nan_ends_in_a_reason(estimator: EegEstimator) -> None:
    prediction = estimator.predict(run(estimator, np.full((1000, 8), np.nan, np.float32))[0])
    assert prediction.abstained == "electrodes off: 8 of 8 channels without data"
    assert prediction.quality == 0.0


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_hum_does_not_change_the_estimate(estimator: EegEstimator, mains_hz: float) -> None:
    data = signal(8.0)
    t = np.arange(len(data)) / 250.0
    humming = data + (200 * np.sin(2 * math.pi * mains_hz * t))[:, None].astype(np.float32)
    expected, actual = run(estimator, data)[-1], run(estimator, humming)[-1]
    one, other = estimator.predict(expected).posterior, estimator.predict(actual).posterior
    assert one is not None
    assert other is not None
    assert other["load"] == pytest.approx(one["load"], abs=0.02)


def test_a_clip_is_the_mean_of_its_windows(estimator: EegEstimator) -> None:
    data = signal(12.0)
    each = [estimator.predict(one).posterior for one in run(estimator, data)[-3:]]
    clip = estimator.clip(Chunk("eeg", 0, 0, 250.0, data))
    assert clip.posterior is not None
    assert len(each) == 3
    loads = [one["load"] for one in each if one is not None]
    assert clip.posterior["load"] == pytest.approx(np.mean(loads), abs=1e-6)
    assert clip.duration_ns == 12_000_000_000


def test_a_clip_does_not_remember_the_one_before(estimator: EegEstimator) -> None:
    data = signal(5.0)
    estimator.start(info())
    first = estimator.clip(Chunk("eeg", 0, 0, 250.0, data))
    estimator.clip(Chunk("eeg", 0, 0, 250.0, data[::-1].copy() * np.float32(0.5)))
    assert estimator.clip(Chunk("eeg", 0, 0, 250.0, data)) == first


def test_a_short_clip_is_one_window_and_a_shorter_one_abstains(estimator: EegEstimator) -> None:
    estimator.start(info())
    short = estimator.clip(Chunk("eeg", 0, 0, 250.0, signal(3.0)))
    shorter = estimator.clip(Chunk("eeg", 0, 0, 250.0, signal(1.0)))
    assert short.posterior is not None
    assert shorter.abstained == "the clip lasts 1 s; EEG needs 2 s"


def test_it_must_be_started(estimator: EegEstimator) -> None:
    with pytest.raises(ClosedError, match="no stream"):
        estimator.features(Chunk("eeg", 0, 0, 250.0, signal(1.0)))


def test_a_stream_that_changes_its_columns_is_refused(estimator: EegEstimator) -> None:
    estimator.start(info())
    with pytest.raises(ConfigError, match="4 columns for 8 channels"):
        estimator.features(Chunk("eeg", 0, 0, 250.0, signal(1.0, channels=4)))


def test_a_package_of_other_features_is_refused(package: ModelPackage) -> None:
    other = dataclasses.replace(
        package, inputs=(dataclasses.replace(package.inputs[0], shape=(1, 12)),)
    )
    with pytest.raises(ModelMismatchError, match=r"\(1, 12\)"):
        EegEstimator(other, load_model(package), ManualClock())


def test_a_package_without_settings_is_refused(package: ModelPackage) -> None:
    other = dataclasses.replace(package, features={"window_s": 4.0})
    with pytest.raises(ModelMismatchError, match="hop_s"):
        EegEstimator(other, load_model(package), ManualClock())

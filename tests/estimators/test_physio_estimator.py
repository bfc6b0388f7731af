from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock
from edge_emo.drivers.virtual_signals import body_signals
from edge_emo.errors import ClosedError, ConfigError, ModelMismatchError
from edge_emo.estimators.base import Features
from edge_emo.estimators.physio import PhysioEstimator
from edge_emo.features.physio import FEATURES
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import Chunk, StreamInfo

RATE_HZ = 64.0
NAMES = ("bvp", "eda", "temp")


def info(channels: tuple[str, ...] = NAMES, rate_hz: float = RATE_HZ) -> StreamInfo:
    return StreamInfo("physio", rate_hz, channels, "physical", "a wrist band", live=False)


def signal(seconds: float, bpm: float = 70.0, responses: float = 3.0) -> npt.NDArray[np.float32]:
    return body_signals(5, round(seconds * RATE_HZ), RATE_HZ, bpm, responses)


def whole(data: npt.NDArray[np.float32], rate_hz: float = RATE_HZ) -> Chunk:
    return Chunk("physio", 0, 0, rate_hz, data)


def run(estimator: PhysioEstimator, data: npt.NDArray[np.float32], size: int) -> list[Features]:
    estimator.start(info())
    return [
        one
        for seq in range(0, len(data), size)
        for one in estimator.features(
            Chunk("physio", seq, round(seq * 1e9 / RATE_HZ), RATE_HZ, data[seq : seq + size])
        )
    ]


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return find_package("physio")


@pytest.fixture
def estimator(package: ModelPackage) -> Iterator[PhysioEstimator]:
    made = PhysioEstimator(package, load_model(package), ManualClock())
    yield made
    made.close()


def test_windows_grow_from_30_s_to_120_s(estimator: PhysioEstimator) -> None:
    windows = run(estimator, signal(150.0), 16)
    assert [one.duration_ns // 10**9 for one in windows] == [*range(30, 121, 10), 120, 120, 120]
    assert [one.t_ns // 10**9 for one in windows] == [0] * 10 + [10, 20, 30]


@pytest.mark.parametrize("size", [7, 640, 4000])
def test_any_chunking_gives_the_same_features(estimator: PhysioEstimator, size: int) -> None:
    expected, actual = run(estimator, signal(62.5), 16), run(estimator, signal(62.5), size)
    assert len(expected) == len(actual) == 4
    for one, other in zip(expected, actual, strict=True):
        np.testing.assert_array_equal(other.tensors["features"], one.tensors["features"])


def test_an_estimate_has_the_labels_and_their_arousal(estimator: PhysioEstimator) -> None:
    estimator.start(info())
    prediction = estimator.clip(whole(signal(60.0)))
    assert prediction.posterior is not None
    assert tuple(prediction.posterior) == ("baseline", "stress")
    assert prediction.arousal == pytest.approx(prediction.posterior["stress"] - 0.5, abs=1e-6)
    assert prediction.valence is None
    assert prediction.quality > 0.9


def test_an_aroused_body_looks_more_stressed(estimator: PhysioEstimator) -> None:
    estimator.start(info())
    estimator.adopt(estimator.rest(estimator.windows_of(whole(signal(180.0, 62.0, 1.0)))))
    calm = estimator.clip(whole(signal(120.0, 62.0, 1.0))).posterior
    tense = estimator.clip(whole(signal(120.0, 95.0, 14.0))).posterior
    assert calm is not None
    assert tense is not None
    assert tense["stress"] > calm["stress"]


@pytest.mark.parametrize(("kept", "known"), [(("bvp",), "heart-rate"), (("EDA",), "response-rate")])
def test_one_signal_is_enough(
    estimator: PhysioEstimator, kept: tuple[str, ...], known: str
) -> None:
    column = NAMES.index(kept[0].lower())
    estimator.start(info(kept))
    data = signal(60.0)[:, [column]]
    row = estimator.windows_of(whole(data))[0].tensors["features"][0]
    mask = row[len(FEATURES) : 2 * len(FEATURES)]
    assert mask[FEATURES.index(known)] == 1.0
    assert 0 < mask.sum() < len(FEATURES)
    assert estimator.clip(whole(data)).abstained is None


def test_skin_alone_may_be_slow(estimator: PhysioEstimator) -> None:
    estimator.start(info(("eda",), 4.0))
    slow = signal(60.0)[::16, [1]]
    assert estimator.clip(whole(slow, 4.0)).abstained is None


def test_a_channel_that_is_not_a_number_is_masked(estimator: PhysioEstimator) -> None:
    data = signal(60.0)
    data[:, 0] = np.nan
    estimator.start(info())
    prediction = estimator.clip(whole(data))
    assert prediction.abstained is None
    assert prediction.quality == pytest.approx(0.5)


@pytest.mark.parametrize("odd", [3e38, -3e38, 1e5, -100.0])
def test_a_sample_that_no_skin_gives_counts_as_lost(estimator: PhysioEstimator, odd: float) -> None:
    data, lost = signal(60.0)[:, [1]], signal(60.0)[:, [1]]
    data[1000], lost[1000] = odd, np.nan
    estimator.start(info(("eda",)))
    kept, held = (estimator.windows_of(whole(one))[0].tensors["features"] for one in (data, lost))
    np.testing.assert_array_equal(kept, held)


def test_unplugged_sensors_end_in_a_reason(estimator: PhysioEstimator) -> None:
    data = signal(60.0)
    data[:, 0] = 7.0
    data[:, 1] = 0.004 + 1e-4 * data[:, 1]
    estimator.start(info())
    prediction = estimator.clip(whole(data))
    assert prediction.posterior is None
    assert prediction.abstained == (
        "no body signal: bvp is flat, eda is at 0.0042 µS: electrodes off"
    )


def test_a_clip_below_ten_seconds_abstains(estimator: PhysioEstimator) -> None:
    estimator.start(info())
    assert estimator.clip(whole(signal(8.0))).abstained == "8 s of signal; body signals need 10 s"


def test_a_loss_starts_afresh(estimator: PhysioEstimator) -> None:
    estimator.start(info())
    data = signal(40.0)
    half = len(data) // 2
    first = estimator.features(Chunk("physio", 0, 0, RATE_HZ, data[:half]))
    second = estimator.features(Chunk("physio", half + 5, 30 * 10**9, RATE_HZ, data[half:]))
    assert first == second == []


def test_streams_without_pulse_and_skin_are_refused(estimator: PhysioEstimator) -> None:
    with pytest.raises(ConfigError, match="temp, x"):
        estimator.start(info(("temp", "x")))


def test_it_must_be_started(estimator: PhysioEstimator) -> None:
    with pytest.raises(ClosedError, match="no stream"):
        estimator.features(whole(signal(1.0)))


def test_a_package_without_settings_is_refused(package: ModelPackage) -> None:
    other = dataclasses.replace(package, features={"window_s": 60.0})
    with pytest.raises(ModelMismatchError, match="first_s, hop_s"):
        PhysioEstimator(other, load_model(package), ManualClock())


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), "60", [60.0], True])
def test_a_setting_that_is_no_number_is_refused(package: ModelPackage, value: object) -> None:
    other = dataclasses.replace(package, features={**package.features, "hop_s": value})
    with pytest.raises(ModelMismatchError, match="hop_s is no number above 0"):
        PhysioEstimator(other, load_model(package), ManualClock())

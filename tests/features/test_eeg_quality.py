from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.features.eeg import spectrum
from edge_emo.features.eeg_filter import StreamFilter
from edge_emo.features.eeg_quality import ChannelQuality, judge

RATE_HZ = 250.0
Samples = npt.NDArray[np.float32]


def clean(rate_hz: float = RATE_HZ) -> Samples:
    values = np.random.default_rng(2).normal(size=(round(4 * rate_hz), 8)) * 8.0 + 2000.0
    return values.astype(np.float32)


def verdict(raw: Samples, rate_hz: float = RATE_HZ) -> ChannelQuality:
    filtered = StreamFilter(rate_hz, raw.shape[1]).process(raw)
    return judge(raw, spectrum(filtered, rate_hz), rate_hz)


def flat(column: Samples) -> Samples:
    return np.full_like(column, 120.0)


def nearly_flat(column: Samples) -> Samples:
    return (column - column.mean()) * np.float32(0.01)


def without_data(column: Samples) -> Samples:
    return np.where(np.arange(len(column)) % 10 == 0, np.nan, column).astype(np.float32)


def saturated(column: Samples) -> Samples:
    return np.minimum(column, np.float32(2004.0))


def drifting(column: Samples) -> Samples:
    t = np.arange(len(column)) / RATE_HZ
    return (column + 500 * np.sin(2 * math.pi * 1.5 * t)).astype(np.float32)


def clenched(column: Samples) -> Samples:
    return (2000 + (column - 2000) * 30).astype(np.float32)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (flat, "flat"),
        (nearly_flat, "flat"),
        (without_data, "without data"),
        (saturated, "saturated"),
        (drifting, "full of drift or blinks"),
        (clenched, "full of muscle activity"),
    ],
)
def test_a_spoilt_channel_is_unfit_and_the_others_stay_fit(
    spoil: Callable[[Samples], Samples], problem: str
) -> None:
    raw = clean()
    raw[:, 5] = spoil(raw[:, 5])
    quality = verdict(raw)
    assert quality.fit.tolist() == [i != 5 for i in range(8)]
    assert quality.problems[5] == problem
    assert quality.score == pytest.approx(7 / 8, abs=0.05)


def test_a_clean_window_scores_one() -> None:
    quality = verdict(clean())
    assert quality.score == pytest.approx(1.0)
    assert quality.reason() == ""


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
@pytest.mark.parametrize("rate_hz", [128.0, 250.0, 500.0])
def test_hum_lowers_the_score_with_its_size(mains_hz: float, rate_hz: float) -> None:
    t = np.arange(round(4 * rate_hz)) / rate_hz
    scores = []
    for amplitude_uv in (0.0, 200.0, 5000.0, 40_000.0):
        raw = clean(rate_hz)
        raw[:, 2] += (amplitude_uv * np.sin(2 * math.pi * mains_hz * t)).astype(np.float32)
        scores.append(verdict(raw, rate_hz).scores[2])
    assert scores[0] == scores[1] == pytest.approx(1.0)
    assert scores[1] > scores[2] > scores[3]
    assert scores[3] == 0.0


def test_the_reason_counts_channels() -> None:
    raw = clean()
    raw[:, 1:] = 5.0
    assert verdict(raw).reason() == "electrodes off: 7 of 8 channels flat"


def test_the_reason_names_each_fault() -> None:
    raw = clean()
    raw[:, :5] = 5.0
    raw[:, 5:7] = np.nan
    reason = verdict(raw).reason()
    assert reason == "electrodes off: 5 of 8 channels flat, 2 of 8 channels without data"


def test_movement_is_not_called_an_electrode_fault() -> None:
    raw = np.column_stack([clenched(column) for column in clean().T])
    assert verdict(raw).reason().startswith("signal too poor: 8 of 8 channels")

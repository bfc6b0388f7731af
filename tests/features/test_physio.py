from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.features.physio import (
    AMPLITUDE_BANDS_HZ,
    FEATURES,
    PULSE_FEATURES,
    body_features,
    find_beats,
    respiration,
)
from edge_emo.features.physio_skin import (
    SKIN_FEATURES,
    read_skin,
    skin_features,
    temperature_trend,
)

RATE_HZ = 64.0


def beat_times(
    bpm: float, seconds: float, sway_s: float = 0.0, breaths: float = 12.0
) -> list[float]:
    """Beats whose interval waxes and wanes with breathing."""
    times, now = [], 0.5
    while now < seconds - 0.5:
        times.append(now)
        now += 60.0 / bpm + sway_s * np.sin(2 * np.pi * breaths / 60.0 * now)
    return times


def pulse(times: list[float], seconds: float, rate_hz: float = RATE_HZ) -> npt.NDArray[np.float64]:
    """A systolic peak at each time, and a smaller notch after it."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = np.zeros(len(t))
    for at in times:
        wave += np.exp(-(((t - at) / 0.09) ** 2)) + 0.3 * np.exp(-(((t - at - 0.28) / 0.08) ** 2))
    return 40.0 * wave + 300.0


def skin(seconds: float, responses: list[float], rate_hz: float = 4.0) -> npt.NDArray[np.float64]:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    level = np.full(len(t), 2.0)
    for at in responses:
        since = np.maximum(t - at, 0.0)
        level += 0.4 * (np.exp(-since / 4.0) - np.exp(-since / 0.8))
    return level


@pytest.mark.parametrize("bpm", [48.0, 72.0, 110.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("rate_hz", [32.0, 64.0, 256.0])
def test_rate_of_a_made_pulse(bpm: float, sign: float, rate_hz: float) -> None:
    beats = find_beats(sign * pulse(beat_times(bpm, 60.0), 60.0, rate_hz), rate_hz)
    assert beats.rate_bpm == pytest.approx(bpm, abs=0.5)
    assert beats.is_steady


def test_beats_lie_a_steady_delay_from_where_they_were_put() -> None:
    times = beat_times(66.0, 60.0, sway_s=0.05)
    beats = find_beats(-pulse(times, 60.0), RATE_HZ)
    np.testing.assert_allclose(np.diff(beats.times_s), np.diff(times), atol=0.012)


def test_variability_of_a_made_pulse() -> None:
    times = beat_times(66.0, 120.0, sway_s=0.06)
    truth = np.sqrt(np.mean(np.diff(np.diff(times)) ** 2))
    beats = find_beats(pulse(times, 120.0), RATE_HZ)
    assert beats.rmssd_s == pytest.approx(truth, rel=0.1)


def test_a_missed_and_an_extra_beat_are_artefacts() -> None:
    times = beat_times(60.0, 60.0)
    broken = find_beats(
        pulse([*times[:20], *times[21:40], times[40] - 0.5, *times[40:]], 60.0), 64.0
    )
    assert broken.rate_bpm == pytest.approx(60.0, abs=0.7)
    assert not broken.kept.all()


@pytest.mark.parametrize("breaths", [9.0, 15.0, 21.0])
def test_breathing_is_found_in_the_intervals(breaths: float) -> None:
    times = beat_times(75.0, 90.0, sway_s=0.06, breaths=breaths)
    rate, arrhythmia_s = respiration(find_beats(pulse(times, 90.0), RATE_HZ))
    assert rate == pytest.approx(breaths, abs=1.0)
    assert 0.02 < arrhythmia_s < 0.08


def test_breathing_of_a_short_window_is_unknown() -> None:
    rate, arrhythmia_s = respiration(find_beats(pulse(beat_times(75.0, 20.0), 20.0), RATE_HZ))
    assert np.isnan(rate)
    assert np.isnan(arrhythmia_s)


def test_noise_has_no_steady_pulse() -> None:
    noise = np.random.default_rng(4).normal(size=64 * 60)
    assert not find_beats(noise, RATE_HZ).is_steady


def test_responses_are_counted() -> None:
    found = read_skin(skin(60.0, [10.0, 30.0, 45.0]), 4.0)
    assert found.responses_per_min == pytest.approx(3.0)
    assert found.amplitude_us == pytest.approx(3 * 0.21, rel=0.25)
    assert found.tonic_us == pytest.approx(2.0, abs=0.05)


def test_a_calm_skin_has_a_level_and_a_trend_alone() -> None:
    found = read_skin(np.linspace(2.0, 3.0, 240), 4.0)
    assert found.tonic_us == pytest.approx(2.5, abs=0.3)
    assert read_skin(np.linspace(3.0, 2.0, 240), 4.0).slope_us_per_min == pytest.approx(
        -1.0, abs=0.1
    )


def test_the_rate_of_the_skin_does_not_matter() -> None:
    slow, fast = skin(60.0, [20.0, 40.0]), skin(60.0, [20.0, 40.0], 64.0)
    one, _ = body_features(None, slow, 4.0)
    other, _ = body_features(None, fast, 64.0)
    close = [i for i, name in enumerate(FEATURES) if name != "log-fast-power"]
    np.testing.assert_allclose(other[close], one[close], atol=0.1)


def test_large_responses_are_told_from_small_ones() -> None:
    calm, lively = (skin_features(skin(60.0, times), 4.0) for times in ([], [10.0, 30.0, 45.0]))
    assert calm["large-response-rate"] == 0.0
    assert calm["log-largest-response"] == -3.0
    assert lively["large-response-rate"] == pytest.approx(3.0)
    assert lively["relative-response-rate"] == pytest.approx(3.0)
    assert 10.0 ** lively["log-largest-response"] == pytest.approx(0.21, rel=0.25)
    assert lively["log-fastest-rise"] > calm["log-fastest-rise"] + 1.0


def test_the_height_of_the_pulse_wanes_at_the_rate_of_breathing() -> None:
    times = beat_times(96.0, 90.0)
    t = np.arange(round(90.0 * RATE_HZ)) / RATE_HZ
    powers = {}
    for name, (low, high) in AMPLITUDE_BANDS_HZ.items():
        sway = 1.0 + 0.1 * np.sin(2 * np.pi * (low + high) / 2.0 * t)
        values, _ = body_features(find_beats(pulse(times, 90.0) * sway, RATE_HZ), None, RATE_HZ)
        row = {other: values[FEATURES.index(other)] for other in AMPLITUDE_BANDS_HZ}
        powers[name] = max(row, key=lambda other: row[other])
    assert powers == {name: name for name in AMPLITUDE_BANDS_HZ}


def test_temperature_trend_is_per_minute() -> None:
    degrees = 32.0 - 0.25 * np.arange(480) / 240.0
    assert temperature_trend(degrees, 4.0) == pytest.approx(-0.25)


def test_what_is_missing_is_unknown() -> None:
    beats = find_beats(pulse(beat_times(70.0, 60.0, sway_s=0.05), 60.0), RATE_HZ)
    _, of_pulse = body_features(beats, None, RATE_HZ)
    values, of_skin = body_features(None, skin(60.0, [20.0]), 4.0)
    assert of_pulse.tolist() == [1.0] * len(PULSE_FEATURES) + [0.0] * len(SKIN_FEATURES)
    assert of_skin.tolist() == [0.0] * len(PULSE_FEATURES) + [1.0] * len(SKIN_FEATURES)
    assert not values[: len(PULSE_FEATURES)].any()

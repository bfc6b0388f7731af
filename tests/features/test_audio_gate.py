"""The speech gate: silence, clipping, steady noise and speech are told apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.features.audio import SignalReport, SpeechGate, log_mel

Floats = npt.NDArray[np.float32]


def judge(signal: Floats, gate: SpeechGate | None = None) -> SignalReport:
    gate = gate or SpeechGate()
    frames = log_mel(signal)
    gate.listen(frames)
    return gate.judge(signal, frames)


def noise(seconds: float = 3.0, level: float = 0.01, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(16000 * seconds))).astype(np.float32)


def syllables(level: float = 0.3, seconds: float = 3.0) -> Floats:
    """Pulses at 120 Hz through two resonances, on for 200 ms of every 300 ms."""
    times_s = np.arange(round(16000 * seconds)) / 16000
    voice = sum(
        np.cos(2 * np.pi * 120 * k * times_s) / (1 + ((120 * k - 600) / 200) ** 2)
        for k in range(1, 40)
    )
    on = (times_s % 0.3 < 0.2) * np.sin(np.pi * (times_s % 0.3) / 0.2) ** 2
    return np.asarray(level * voice / np.abs(voice).max() * on, np.float32)


def test_speech_over_a_quiet_room_is_usable() -> None:
    report = judge(syllables() + noise(level=0.001))
    assert report.reason is None
    assert report.speech > 0.3
    assert report.snr_db > 20
    assert report.quality > 0.9


def test_more_noise_lowers_the_estimated_ratio_and_the_quality() -> None:
    reports = [judge(syllables() + noise(level=level)) for level in (0.0005, 0.005, 0.05)]
    assert reports[0].snr_db > reports[1].snr_db + 10 > reports[2].snr_db + 20
    assert reports[1].quality > reports[2].quality


@pytest.mark.parametrize("level", [0.0, 1e-5])
def test_silence(level: float) -> None:
    report = judge(noise(level=level))
    assert report.reason == "silence"
    assert report.quality == 0.0


def test_an_offset_is_not_sound() -> None:
    report = judge(np.full(48000, 0.4, np.float32))
    assert report.reason == "silence"
    assert report.dc == pytest.approx(0.4)


@pytest.mark.parametrize("level", [0.001, 0.01, 0.1])
def test_steady_noise_is_no_speech(level: float) -> None:
    assert judge(noise(level=level)).reason == "no speech"


@pytest.mark.parametrize("hz", [50.0, 1000.0])
def test_hum_and_whistle_are_no_speech(hz: float) -> None:
    hum = 0.2 * np.sin(2 * np.pi * hz * np.arange(48000) / 16000)
    assert judge(hum.astype(np.float32)).reason == "no speech"


def test_clicks_are_no_speech() -> None:
    clicks = noise(level=0.001)
    clicks[::8000] = 0.9
    assert judge(clicks).reason == "no speech"


def test_clipped_speech_says_so() -> None:
    report = judge(np.clip(20 * syllables(), -1, 1))
    assert report.reason == "clipped"
    assert report.clipped > 0.05


def test_a_little_clipping_lowers_the_quality_only() -> None:
    clean, clipped = judge(syllables()), judge(np.clip(3.6 * syllables(), -1, 1))
    assert 0 < clipped.clipped < 0.05
    assert clipped.reason is None
    assert clipped.quality < clean.quality


def test_an_offset_lowers_the_quality() -> None:
    assert judge(syllables() + np.float32(0.15)).quality < judge(syllables()).quality


def test_nan_is_named() -> None:
    signal = syllables()
    signal[5] = np.nan
    report = judge(signal)
    assert report.reason == "samples are not numbers"
    assert report.quality == 0.0


def test_nan_does_not_spoil_the_background() -> None:
    gate = SpeechGate()
    signal = syllables() + noise(level=0.001)
    bad = signal.copy()
    bad[100:400] = np.nan
    judge(bad, gate)
    assert judge(signal, gate).reason is None


def test_the_background_remembers_the_room() -> None:
    """Speech without a pause is told from noise when the room was heard before."""
    gate = SpeechGate()
    judge(noise(level=0.001), gate)
    times_s = np.arange(16000) / 16000
    vowel = sum(np.cos(2 * np.pi * 120 * k * times_s) / k for k in range(2, 20))
    steady = (0.05 * np.asarray(vowel)).astype(np.float32)
    assert judge(steady, gate).reason is None
    assert judge(steady).reason == "no speech"
    gate.reset()
    assert judge(steady, gate).reason == "no speech"


def test_the_background_rises_to_a_new_steady_noise() -> None:
    gate = SpeechGate()
    judge(noise(1.0, level=0.0005), gate)
    for seed in range(6):
        report = judge(noise(5.0, level=0.02, seed=seed), gate)
    assert report.reason == "no speech"
    assert report.snr_db == 0.0

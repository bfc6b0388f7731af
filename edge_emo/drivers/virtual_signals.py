"""Signals of virtual microphone, headset and wrist band: stretches that join their beginning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
_Wave = npt.NDArray[np.floating[Any]]

_SYLLABLE_S = 0.25
_VOWELS_HZ = ((700, 1200, 2500), (300, 2300, 3000), (300, 800, 2300), (500, 1800, 2500))
_BLINK_S = 0.3
_BLINK_UV = 90.0
_NOISE_UV = 8.0
_ALPHA_UV = 10.0
_BREATHS_PER_MIN = 13.0
_SWAY = 0.12


def babble(seed: int, n_samples: int, rate_hz: float) -> Samples:
    """Return speech-like sound without words, at most 0.5 of full scale.

    Four syllables a second: voiced ones are a pulse train of a wandering pitch through three
    resonances, unvoiced ones high-passed noise, and one in five is a pause.

    Args:
        seed: Decides all of it.
        n_samples: Length.
        rate_hz: Samples per second.

    Returns:
        Shape (n_samples,).
    """
    random = np.random.default_rng([seed, 1])
    sound = np.zeros(n_samples, np.float32)
    length = round(_SYLLABLE_S * rate_hz)
    for first in range(0, n_samples - length + 1, length):
        kind = random.uniform()
        if kind < 0.6:
            sound[first : first + length] = _voiced(random, length, rate_hz)
        elif kind < 0.8:
            sound[first : first + length] = _unvoiced(random, length)
    return sound


def brain_waves(seed: int, n_samples: int, rate_hz: float, channels: tuple[str, ...]) -> Samples:
    """Return EEG-like signals in µV: pink noise, alpha at the back, blinks in front.

    Args:
        seed: Decides all of it.
        n_samples: Length.
        rate_hz: Samples per second.
        channels: 10-20 names; O, P and Fp decide what a channel carries.

    Returns:
        Shape (n_samples, n_channels).
    """
    random = np.random.default_rng([seed, 2])
    alpha = _shaped(random, n_samples, rate_hz, lambda f: np.exp(-(((f - 10.0) / 0.7) ** 2)))
    blinks = _blinks(random, n_samples, rate_hz)
    data = np.empty((n_samples, len(channels)), np.float32)
    for column, name in enumerate(channels):
        pink = _shaped(random, n_samples, rate_hz, lambda f: 1.0 / np.sqrt(np.maximum(f, 0.5)))
        data[:, column] = (
            _NOISE_UV * pink
            + _ALPHA_UV * _share(name, {"O": 1.0, "P": 0.7, "C": 0.3}) * alpha
            + _BLINK_UV * _share(name, {"Fp": 1.0, "AF": 0.6, "F": 0.3}) * blinks
        )
    return data


def body_signals(
    seed: int, n_samples: int, rate_hz: float, heart_rate_bpm: float, responses_per_min: float
) -> Samples:
    """Return pulse, skin conductance in µS and temperature in °C.

    Beats lie at whole numbers of a phase that breathing makes run faster and slower; responses
    rise within a second and fall within five.

    Args:
        seed: Decides all of it.
        n_samples: Length.
        rate_hz: Samples per second.
        heart_rate_bpm: Mean heart rate; rounded so that the stretch holds whole beats.
        responses_per_min: Skin responses; likewise.

    Returns:
        Shape (n_samples, 3): bvp, eda, temp.
    """
    random = np.random.default_rng([seed, 3])
    turn = np.arange(n_samples) / n_samples
    seconds = n_samples / rate_hz
    beats = max(1, round(heart_rate_bpm / 60.0 * seconds))
    breaths = max(1, round(_BREATHS_PER_MIN / 60.0 * seconds))
    phase = beats * turn + _SWAY * np.sin(2 * np.pi * (breaths * turn + random.uniform()))
    pulse = np.exp(-(((phase % 1.0 - 0.35) / 0.12) ** 2)) + 0.35 * np.exp(
        -(((phase % 1.0 - 0.7) / 0.12) ** 2)
    )
    rises = np.zeros(n_samples)
    for start in random.uniform(size=round(responses_per_min / 60.0 * seconds)):
        since_s = ((turn - start) % 1.0) * seconds
        rises += random.uniform(0.1, 0.4) * (np.exp(-since_s / 5.0) - np.exp(-since_s / 0.7))
    noise = random.standard_normal((n_samples, 3)) * (0.01, 2e-4, 2e-3)
    signals = np.stack(
        [50.0 * (pulse - pulse.mean()), 2.0 + rises, 32.0 + 0.1 * np.sin(2 * np.pi * turn)], axis=1
    )
    return np.asarray(signals + noise, dtype=np.float32)


def _share(name: str, shares: dict[str, float]) -> float:
    return next((share for prefix, share in shares.items() if name.startswith(prefix)), 0.0)


def _voiced(random: np.random.Generator, length: int, rate_hz: float) -> _Wave:
    t_s = np.arange(length) / rate_hz
    pitch_hz = random.uniform(110, 220) * (1 + random.uniform(-0.15, 0.15) * t_s / _SYLLABLE_S)
    turns = np.cumsum(pitch_hz) / rate_hz
    pulses = np.diff(np.floor(turns), prepend=0.0)
    spectrum = np.fft.rfft(pulses)
    frequencies_hz = np.fft.rfftfreq(length, 1 / rate_hz)
    resonances_hz = _VOWELS_HZ[random.integers(len(_VOWELS_HZ))]
    envelope = sum(
        np.exp(-np.abs(frequencies_hz - centre_hz) / 90.0) / (1 + order)
        for order, centre_hz in enumerate(resonances_hz)
    )
    return _faded(np.fft.irfft(spectrum * envelope, length), random.uniform(0.25, 0.5))


def _unvoiced(random: np.random.Generator, length: int) -> _Wave:
    noise = random.standard_normal(length)
    return _faded(np.diff(noise, prepend=noise[0]), random.uniform(0.05, 0.15))


def _faded(sound: _Wave, peak: float) -> _Wave:
    faded = sound * np.hanning(len(sound))
    largest = np.abs(faded).max()
    result: _Wave = faded * (peak / largest) if largest > 0 else faded
    return result


def _shaped(
    random: np.random.Generator,
    n_samples: int,
    rate_hz: float,
    amplitude: Callable[[_Wave], _Wave],
) -> _Wave:
    """Return periodic noise of variance 1 whose spectrum follows ``amplitude``."""
    frequencies_hz = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    phases = np.exp(2j * np.pi * random.uniform(size=len(frequencies_hz)))
    spectrum = amplitude(frequencies_hz) * phases
    spectrum[0] = 0.0
    wave = np.fft.irfft(spectrum, n_samples)
    result: _Wave = wave / wave.std()
    return result


def _blinks(random: np.random.Generator, n_samples: int, rate_hz: float) -> _Wave:
    blinks = np.zeros(n_samples)
    length = min(n_samples, max(3, round(_BLINK_S * rate_hz)))
    first = 0
    while True:
        first += round(random.uniform(2.0, 6.0) * rate_hz)
        if first + length > n_samples:
            return blinks
        blinks[first : first + length] = np.hanning(length)

"""Synthesise the demonstration's voice and body signals with NumPy; no recording is involved.

    python tools/synth_demo.py edge_emo/assets

Writes ``demo_voice.wav`` (16 kHz, mono, 16 bit): a source-filter voice that babbles in five
manners, calm to excited; and ``demo_eeg.npz`` (8 channels, 250 Hz, 60 s, µV): pink background,
alpha rhythm that comes and goes, blinks. The same bytes come out on every run.
"""

from __future__ import annotations

import argparse
import io
import wave
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

VOICE_HZ = 16000
EEG_HZ = 250.0
EEG_SECONDS = 60
EEG_STEP_UV = 0.25
CHANNELS = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")


# --- voice ------------------------------------------------------------------------------------

VOWELS_HZ = {
    "a": (750, 1200, 2500),
    "e": (480, 1900, 2550),
    "i": (290, 2250, 3000),
    "o": (450, 850, 2450),
    "u": (320, 800, 2300),
}
"""First three formants, rounded from textbook averages of adult speakers."""


@dataclass(frozen=True)
class Manner:
    """How a phrase is spoken.

    Attributes:
        vowels: One syllable per letter.
        pitch_hz: Middle of the melody.
        swing: How far the melody moves, share of ``pitch_hz``.
        fall: Change of pitch from the first syllable to the last, share of ``pitch_hz``.
        level: Peak, full scale 1.
        syllable_s: Length of a syllable.
        tension: 0 (soft: steep spectrum) … 1 (pressed: bright spectrum).
    """

    vowels: str
    pitch_hz: float
    swing: float
    fall: float
    level: float
    syllable_s: float
    tension: float


PHRASES = (
    Manner("aeoia", 115, 0.04, -0.10, 0.12, 0.24, 0.35),
    Manner("iaeiaoe", 190, 0.30, 0.10, 0.35, 0.17, 0.60),
    Manner("oaou", 100, 0.03, -0.20, 0.06, 0.38, 0.10),
    Manner("aeaiaoa", 165, 0.12, -0.15, 0.70, 0.16, 1.00),
    Manner("iei", 230, 0.25, 0.45, 0.40, 0.26, 0.60),
)
PAUSE_S = 0.35


def voice(seed: int = 7) -> npt.NDArray[np.int16]:
    """Return the babble, shape (n,) int16 at 16 kHz."""
    rng = np.random.default_rng(seed)
    pause = np.zeros(round(PAUSE_S * VOICE_HZ))
    parts = [pause]
    for manner in PHRASES:
        parts += [_phrase(manner, rng), pause]
    sound = np.concatenate(parts)
    sound += 4e-4 * rng.standard_normal(len(sound))
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)


def _phrase(manner: Manner, rng: np.random.Generator) -> Array:
    """Join syllables, each a hiss and a vowel, and scale the whole to its level."""
    syllables = []
    for place, vowel in enumerate(manner.vowels):
        part = place / max(1, len(manner.vowels) - 1)
        pitch = manner.pitch_hz * (1 + manner.fall * (part - 0.5))
        syllables.append(_hiss(manner, rng))
        syllables.append(_vowel(vowel, pitch, manner, rng))
    phrase = np.concatenate(syllables)
    return manner.level * phrase / np.abs(phrase).max()


def _vowel(letter: str, pitch_hz: float, manner: Manner, rng: np.random.Generator) -> Array:
    """Sum harmonics of a gliding pitch, weighted by source slope and formants."""
    count = round(manner.syllable_s * VOICE_HZ * rng.uniform(0.9, 1.1))
    time_s = np.arange(count) / VOICE_HZ
    glide = np.sin(np.pi * time_s / time_s[-1] + rng.uniform(-0.4, 0.4))
    jitter = np.repeat(rng.standard_normal(count // 80 + 1), 80)[:count]
    pitch = pitch_hz * (1 + manner.swing * glide + 0.006 * jitter)
    phase = 2 * np.pi * np.cumsum(pitch) / VOICE_HZ
    sound = np.zeros(count)
    for number in range(1, int(5000 / pitch_hz)):
        sound += _gain(number, pitch_hz, letter, manner) * np.sin(number * phase)
    return sound * _swell(count)


def _gain(number: int, pitch_hz: float, letter: str, manner: Manner) -> float:
    """Return the size of a harmonic: the source falls off, the formants lift it."""
    hz = number * pitch_hz
    source = number ** -(2.0 - 1.1 * manner.tension)
    formants = [
        gain / (1 + ((hz - centre) / width) ** 2)
        for centre, width, gain in zip(
            VOWELS_HZ[letter], (80, 110, 160), (1.0, 0.7, 0.5), strict=True
        )
    ]
    return float(source * (0.02 + sum(formants)))


def _hiss(manner: Manner, rng: np.random.Generator) -> Array:
    """Return a short unvoiced sound: noise without its low frequencies."""
    count = round(0.3 * manner.syllable_s * VOICE_HZ)
    noise = np.diff(rng.standard_normal(count + 2), n=2)
    return 0.08 * (0.4 + manner.tension) * noise * _swell(count) / noise.std()


def _swell(count: int) -> Array:
    """Rise in the first fifth, fall in the last third."""
    place = np.linspace(0, 1, count)
    return np.asarray(np.minimum(1, place / 0.2) * np.minimum(1, (1 - place) / 0.33))


def write_voice(path: Path) -> None:
    """Write the babble as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(VOICE_HZ)
        file.writeframes(voice().astype("<i2").tobytes())


# --- EEG --------------------------------------------------------------------------------------

ALPHA = (0.15, 0.15, 0.4, 0.4, 0.8, 0.8, 1.0, 1.0)
BLINK = (1.0, 0.95, 0.18, 0.18, 0.06, 0.06, 0.03, 0.03)
"""How strongly each channel sees the rhythm of the back of the head, and the eyelids."""


def eeg(seed: int = 11) -> npt.NDArray[np.float32]:
    """Return the signals, shape (n, 8) float32 in µV, in steps of 0.25 µV."""
    rng = np.random.default_rng(seed)
    count = round(EEG_SECONDS * EEG_HZ)
    common = _pink(count, 1, rng)
    data = 6.0 * _pink(count, len(CHANNELS), rng) + 5.0 * common
    data += _alpha(count, rng)[:, None] * np.array(ALPHA)
    data += _blinks(count, rng)[:, None] * np.array(BLINK)
    steps = np.round(data / EEG_STEP_UV)
    return np.asarray(steps * EEG_STEP_UV, np.float32)


def _pink(count: int, channels: int, rng: np.random.Generator) -> Array:
    """Return noise whose power falls as 1/f above 1 Hz, deviation 1."""
    hz = np.fft.rfftfreq(count, 1 / EEG_HZ)
    size = (len(hz), channels)
    spectrum = rng.standard_normal(size) + 1j * rng.standard_normal(size)
    spectrum /= np.sqrt(np.maximum(hz, 1.0))[:, None]
    spectrum[hz < 0.5] = 0
    noise = np.fft.irfft(spectrum, count, axis=0)
    return np.asarray(noise / noise.std(axis=0))


def _alpha(count: int, rng: np.random.Generator) -> Array:
    """Return a 10 Hz rhythm of up to 14 µV: 10 s strong, 10 s weak, in spindles."""
    time_s = np.arange(count) / EEG_HZ
    drift = np.cumsum(rng.standard_normal(count)) * 0.02
    rest = 0.5 + 0.5 * np.tanh(4 * np.sin(2 * np.pi * time_s / 20))
    spindle = 0.6 + 0.4 * np.sin(2 * np.pi * time_s / 1.7)
    return np.asarray(14.0 * (0.15 + 0.85 * rest) * spindle * np.sin(20 * np.pi * time_s + drift))


def _blinks(count: int, rng: np.random.Generator) -> Array:
    """Return bumps of about 90 µV and 0.3 s, some seconds apart."""
    signal, shape = np.zeros(count), 90 * np.hanning(round(0.3 * EEG_HZ))
    start = 400
    while start + len(shape) < count:
        signal[start : start + len(shape)] += rng.uniform(0.8, 1.2) * shape
        start += int(rng.integers(500, 1400))
    return signal


def write_eeg(path: Path) -> None:
    """Write the signals as a compressed ``.npz`` whose bytes do not hold the time of writing."""
    arrays = {"data": eeg(), "rate_hz": np.float64(EEG_HZ), "channels": np.array(CHANNELS)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue(), compresslevel=9)


def main() -> None:
    """Write both files into the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    write_voice(folder / "demo_voice.wav")
    write_eeg(folder / "demo_eeg.npz")


if __name__ == "__main__":
    main()

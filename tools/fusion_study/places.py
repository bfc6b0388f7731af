"""Places that spoil every clip alike: rooms and lines for voices, light and lenses for faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from fusion_study.baselines import Spoil

Wave = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]
_RATE_HZ = 16_000


def _plain(data: Any, random: np.random.Generator) -> Any:
    return data


def _fan(sound: Wave, random: np.random.Generator) -> Wave:
    """Add noise whose power falls with frequency, 10 dB below the clip."""
    spectrum = np.fft.rfft(random.standard_normal(len(sound)))
    hz = np.fft.rfftfreq(len(sound), 1 / _RATE_HZ)
    noise = np.fft.irfft(spectrum / np.maximum(hz, 50.0), len(sound))
    gain = sound.std() / noise.std() * 10 ** (-10 / 20)
    return np.asarray(sound + gain * noise, np.float32)


def _hall(sound: Wave, random: np.random.Generator) -> Wave:
    """Add the echo of a room of 0.8 s, as strong as the direct sound; the same room always."""
    t = np.arange(int(0.8 * _RATE_HZ)) / _RATE_HZ
    tail = np.random.default_rng(11).standard_normal(len(t)) * np.exp(-6.91 * t / 0.8)
    tail[:32] = 0.0
    tail /= np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = len(sound) + len(tail)
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)
    return np.asarray(wet[: len(sound)], np.float32)


def _telephone(sound: Wave, random: np.random.Generator) -> Wave:
    """Keep 300 … 3400 Hz."""
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / _RATE_HZ)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(sound)), np.float32)


def _side_light(image: Image, random: np.random.Generator) -> Image:
    return _clipped(image * np.linspace(0.2, 1.2, image.shape[1])[:, None])


def _dim(image: Image, random: np.random.Generator) -> Image:
    return _clipped(image * 0.15 + random.normal(0.0, 3.0, image.shape))


def _soft(image: Image, random: np.random.Generator) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8)


def _tilted(image: Image, random: np.random.Generator) -> Image:
    middle = (image.shape[1] - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), 15.0, 1.0)
    size = image.shape[1::-1]
    return np.asarray(cv2.warpAffine(image, turn, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _clipped(values: npt.NDArray[np.floating[Any]]) -> Image:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


VOICE: Mapping[str, Spoil] = {
    "as recorded": _plain,
    "a fan, 10 dB below the voice": _fan,
    "a hall, 0.8 s": _hall,
    "a telephone line": _telephone,
}
FACE: Mapping[str, Spoil] = {
    "as they are": _plain,
    "light from the right": _side_light,
    "little light": _dim,
    "a soft lens": _soft,
    "a camera tilted by 15°": _tilted,
}

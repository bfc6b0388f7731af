"""Windows of log-mel frames: those to train on, varied, and those that the estimator cuts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_emo.features.audio import MelSpec, normalised, padded

Floats = npt.NDArray[np.float32]

SPEC = MelSpec()
LENGTH = 298  # frames in 3 s
STEP = 50  # frames in 0.5 s
RANGE_NATS = 13.8  # 60 dB


class Augment:
    """Draws training windows: speed, voice, room, noise, and where the clip lies in it."""

    def __init__(self, noise: list[Floats], rng: np.random.Generator) -> None:
        self._noise = [np.exp(n.astype(np.float32)) for n in noise]
        self._rng = rng
        edges = SPEC.edges_hz()
        self._centres_hz = edges[1:-1]
        self._widths = (edges[2:] - edges[:-2]).astype(np.float32)

    def __call__(self, frames: Floats) -> Floats:
        """Return one normalised window of shape (LENGTH, bands)."""
        rng = self._rng
        x = frames.astype(np.float32)
        if rng.random() < 0.6:
            x = _stretch(x, rng.uniform(0.85, 1.18))
        if rng.random() < 0.6:
            x = _shift_bands(x, rng.uniform(-1.5, 1.5))
        x = self._place(x)
        if rng.random() < 0.5:
            x = self._colour(x)
        if rng.random() < 0.5:
            x = self._add_noise(x)
        if rng.random() < 0.08:
            x[:, self._centres_hz > rng.uniform(3300, 4200)] = np.log(SPEC.floor)
        return self._mask(normalised(x, RANGE_NATS))

    def _place(self, x: Floats) -> Floats:
        """Crop to the window, or to a shorter piece at its end as in the first seconds live."""
        rng = self._rng
        length = LENGTH if rng.random() < 0.8 else int(rng.integers(98, LENGTH))
        if len(x) > length:
            start = int(rng.integers(0, len(x) - length + 1))
            x = x[start : start + length]
        end = LENGTH if rng.random() < 0.5 else int(rng.integers(len(x), LENGTH + 1))
        return padded(x, LENGTH, end)

    def _colour(self, x: Floats) -> Floats:
        """Tilt and bend the spectrum smoothly, as microphones and rooms do."""
        place = np.linspace(-1.0, 1.0, x.shape[1])
        curve = self._rng.normal(0, 0.7) * place
        curve += self._rng.normal(0, 0.5) * np.cos(
            np.pi * self._rng.uniform(0.5, 2) * place + self._rng.uniform(0, 2 * np.pi)
        )
        return x + curve.astype(np.float32)

    def _add_noise(self, x: Floats) -> Floats:
        """Add background at 0 … 30 dB under the voice; powers add, phases are taken at random."""
        noise = self._noise[int(self._rng.integers(len(self._noise)))]
        start = int(self._rng.integers(len(noise)))
        power, other = np.exp(x), noise[(start + np.arange(LENGTH)) % len(noise)]
        under = 10 ** (-self._rng.uniform(0, 30) / 10)
        gain = np.float32(under * self._level(power) / self._level(other))
        return np.log(power + gain * other)

    def _level(self, power: Floats) -> float:
        return float(np.mean(power @ self._widths))

    def _mask(self, x: Floats) -> Floats:
        """Blank stretches of time and of frequency (SpecAugment, Park et al. 2019)."""
        rng = self._rng
        for _ in range(2):
            start, width = int(rng.integers(LENGTH)), int(rng.integers(0, 30))
            x[start : start + width] = 0
            band, height = int(rng.integers(SPEC.bands)), int(rng.integers(0, 7))
            x[:, band : band + height] = 0
        return x


def clip_windows(frames: Floats) -> Floats:
    """Return the windows that the estimator cuts from a clip, shape (n, 1, LENGTH, bands)."""
    x = frames.astype(np.float32)
    starts = range(0, max(0, len(x) - LENGTH) + 1, STEP)
    pieces = [padded(p, LENGTH, LENGTH) for p in (x[s : s + LENGTH] for s in starts)]
    return np.stack([normalised(p, RANGE_NATS) for p in pieces])[:, None]


def _stretch(x: Floats, factor: float) -> Floats:
    """Change the tempo and leave the pitch."""
    place = np.linspace(0, len(x) - 1, max(2, round(len(x) * factor))).astype(np.float32)
    low = np.minimum(place.astype(int), len(x) - 2)
    part = (place - low)[:, None]
    return x[low] * (1 - part) + x[low + 1] * part


def _shift_bands(x: Floats, shift: float) -> Floats:
    """Move the spectrum by a part of a band: pitch and formants together."""
    place = np.clip(np.arange(x.shape[1]) - shift, 0, x.shape[1] - 1).astype(np.float32)
    low = np.minimum(place.astype(int), x.shape[1] - 2)
    part = place - low
    return x[:, low] * (1 - part) + x[:, low + 1] * part

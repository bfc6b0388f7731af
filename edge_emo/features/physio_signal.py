"""Arithmetic of body signals: averages, trends, bands and runs of one window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def band_pass(signal: Array, rate_hz: float, low_hz: float, high_hz: float) -> Array:
    """Pass a band with the magnitude of a Butterworth filter of order 2 each way, without delay.

    Args:
        signal: Shape (n_samples,); it is mirrored at both ends.
        rate_hz: Samples per second.
        low_hz: Half power.
        high_hz: Half power.
    """
    pad = min(len(signal) - 1, round(2.0 * rate_hz))
    longer = np.pad(signal - signal.mean(), pad, mode="reflect", reflect_type="odd")
    frequency_hz = np.fft.rfftfreq(len(longer), 1.0 / rate_hz)
    low = 1.0 / (1.0 + (low_hz / np.maximum(frequency_hz, 1e-9)) ** 4)
    gain = np.sqrt(low / (1.0 + (frequency_hz / high_hz) ** 4))
    passed = np.fft.irfft(np.fft.rfft(longer) * gain, len(longer))
    return np.asarray(passed[pad : len(passed) - pad])


def log10_of(value: float, least: float) -> float:
    """Return log10 of at least ``least``; what is not finite stays so."""
    return float(np.log10(max(value, least))) if np.isfinite(value) else value


def average(values: Array, width: float) -> Array:
    """Return the moving average over an odd number of samples; ends average what there is."""
    count, half = len(values), max(0, round((width - 1.0) / 2.0))
    total = np.concatenate([[0.0], np.cumsum(values)])
    edge = np.arange(min(half, count))
    first, last = np.zeros(count), np.full(count, total[count])
    last[: max(0, count - half)] = total[half + 1 :]
    first[half:] = total[: max(0, count - half)]
    sizes = np.full(count, 2.0 * half + 1.0)
    sizes[: len(edge)] -= half - edge
    sizes[count - len(edge) :] -= half + 1.0 - len(edge) + edge
    return np.asarray((last - first) / sizes)


def runs(inside: npt.NDArray[np.bool_]) -> tuple[Places, Places]:
    """Return first and one past the last place of each stretch of True, shape (n,) each."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    return edges[::2], edges[1::2]


def at_rate(signal: Array, rate_hz: float, wanted_hz: float) -> Array:
    """Average blocks down to about the wanted rate; a slower signal is interpolated."""
    count = max(2, round(len(signal) * wanted_hz / rate_hz))
    if rate_hz <= wanted_hz:
        return np.interp(np.linspace(0, len(signal) - 1, count), np.arange(len(signal)), signal)
    edges = np.linspace(0, len(signal), count + 1).astype(int)
    total = np.concatenate([[0.0], np.cumsum(signal)])
    return np.asarray(np.diff(total[edges]) / np.diff(edges))


def slope_per_s(values: Array, rate_hz: float) -> float:
    """Return the least-squares trend per second."""
    return fitted_slope(np.arange(len(values)) / rate_hz, values)


def fitted_slope(x: Array, values: Array) -> float:
    """Return the least-squares slope over ``x``, both of shape (n,)."""
    centred = x - x.mean()
    return float(centred @ (values - values.mean()) / max(centred @ centred, 1e-12))


def detrended(values: Array) -> Array:
    """Take out the least-squares line."""
    x = np.arange(len(values), dtype=np.float64)
    return np.asarray(values - values.mean() - fitted_slope(x, values) * (x - x.mean()))


def bent_out(values: Array) -> Array:
    """Take out the least-squares parabola."""
    x = np.linspace(-1.0, 1.0, len(values))
    basis = np.linalg.qr(np.stack([np.ones_like(x), x, x**2], axis=1))[0]
    return np.asarray(values - basis @ (basis.T @ values))

"""Skin conductance of one window: level, responses, sympathetic power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_emo.features.physio_signal import (
    Array,
    Places,
    at_rate,
    average,
    bent_out,
    log10_of,
    runs,
    slope_per_s,
)

SKIN_FEATURES = (
    "log-tonic-level",
    "tonic-slope",
    "response-rate",
    "log-response-amplitude",
    "log-rise",
    "log-fall",
    "log-relative-rise",
    "log-deviation",
    "log-relative-deviation",
    "log-sympathetic-power",
    "log-relative-sympathetic-power",
    "log-fast-power",
    "log-rising-share",
    "log-range",
    "trend",
    "log-fastest-rise",
    "large-response-rate",
    "relative-response-rate",
    "log-largest-response",
    "log-slow-power",
    "log-low-sympathetic-power",
    "log-high-sympathetic-power",
)
"""Of the skin: log10 of µS, share of the level per minute, responses per minute, then log10 of µS,
µS/s, of the same relative to the level, of µS² at 0.045 … 0.25 Hz (Posada-Quintero et al., Annals
of Biomedical Engineering 44, 2016) and at 0.25 … 1 Hz, of shares, and the change over the window
relative to the level; log10 of the 98th percentile of the rise in µS/s, responses above 0.05 µS and
above 2 % of the level per minute, log10 of the largest in µS, and of µS² at 0.02 … 0.045 … 0.1 …
0.25 Hz."""

_SKIN_HZ = 4.0
_BANDS_HZ = {
    "log-sympathetic-power": (0.045, 0.25),
    "log-fast-power": (0.25, 1.0),
    "log-slow-power": (0.02, 0.045),
    "log-low-sympathetic-power": (0.045, 0.1),
    "log-high-sympathetic-power": (0.1, 0.25),
}
_LEAST_LEVEL_US = 0.05
_RISING_US_PER_S = 0.002
_END_S = 10.0
_SMALLEST_RESPONSE_US = 0.01
_LARGE_RESPONSE_US = 0.05
_LARGE_SHARE = 0.02
_SLOWEST_RISE_S = 6.0


@dataclass(frozen=True, slots=True)
class Skin:
    """Level and responses of the skin conductance of one window.

    Attributes:
        tonic_us: Level without responses in µS.
        slope_us_per_min: Its trend.
        responses_per_min: Rises of at least 0.01 µS.
        amplitude_us: Sum of their heights per minute.
    """

    tonic_us: float
    slope_us_per_min: float
    responses_per_min: float
    amplitude_us: float


def read_skin(conductance_us: npt.NDArray[np.floating], rate_hz: float) -> Skin:
    """Split skin conductance into level and responses, from trough to peak (Boucsein 2012).

    Args:
        conductance_us: Shape (n_samples,) in µS, all finite.
        rate_hz: Samples per second, at least 1.
    """
    return _skin(_smoothed(conductance_us, rate_hz))


def temperature_trend(degrees: npt.NDArray[np.floating], rate_hz: float) -> float:
    """Return the least-squares trend of skin temperature in °C per minute.

    Args:
        degrees: Shape (n_samples,) in °C, all finite.
        rate_hz: Samples per second.
    """
    return slope_per_s(np.asarray(degrees, dtype=np.float64), rate_hz) * 60.0


def skin_features(conductance_us: npt.NDArray[np.floating], rate_hz: float) -> dict[str, float]:
    """Return what the model reads of the skin, by the names of :data:`SKIN_FEATURES`.

    Args:
        conductance_us: Shape (n_samples,) in µS, all finite.
        rate_hz: Samples per second, at least 1.
    """
    smooth = _smoothed(conductance_us, rate_hz)
    skin = _skin(smooth)
    level = max(float(np.median(smooth)), _LEAST_LEVEL_US)
    low, high = np.percentile(smooth, (5, 95))
    tenth = min(len(smooth), round(_END_S * _SKIN_HZ))
    return {
        "log-tonic-level": log10_of(skin.tonic_us, 0.01),
        "tonic-slope": skin.slope_us_per_min / max(skin.tonic_us, _LEAST_LEVEL_US),
        "response-rate": skin.responses_per_min,
        "log-response-amplitude": log10_of(skin.amplitude_us, 0.01),
        "log-range": log10_of(float(high / max(low, 0.01)), 1.0),
        "trend": float(smooth[-tenth:].mean() - smooth[:tenth].mean()) / level,
        **_steepness(smooth, level),
        **_sizes(smooth, level),
        **_powers(bent_out(smooth), level),
    }


def _smoothed(conductance_us: npt.NDArray[np.floating], rate_hz: float) -> Array:
    slow = at_rate(np.asarray(conductance_us, dtype=np.float64), rate_hz, _SKIN_HZ)
    return average(slow, _SKIN_HZ)


def _skin(smooth: Array) -> Skin:
    minutes = len(smooth) / _SKIN_HZ / 60.0
    troughs, peaks = _rises(smooth, _SKIN_HZ)
    tonic = _tonic(smooth, troughs)
    return Skin(
        float(tonic.mean()),
        slope_per_s(tonic, _SKIN_HZ) * 60.0,
        len(troughs) / minutes,
        float((smooth[peaks] - smooth[troughs]).sum()) / minutes,
    )


def _steepness(smooth: Array, level: float) -> dict[str, float]:
    steps = np.diff(smooth) * _SKIN_HZ
    rise, fall = np.maximum(steps, 0.0).mean(), np.maximum(-steps, 0.0).mean()
    return {
        "log-rise": log10_of(rise, 1e-4),
        "log-fall": log10_of(fall, 1e-4),
        "log-relative-rise": log10_of(rise / level, 1e-3),
        "log-rising-share": log10_of(float(np.mean(steps > _RISING_US_PER_S)), 0.01),
        "log-fastest-rise": log10_of(float(np.percentile(steps, 98)), 1e-4),
    }


def _sizes(smooth: Array, level: float) -> dict[str, float]:
    """Return how many responses are large, per minute, and how large the largest is."""
    troughs, peaks = _rises(smooth, _SKIN_HZ)
    sizes_us, minutes = smooth[peaks] - smooth[troughs], len(smooth) / _SKIN_HZ / 60.0
    return {
        "large-response-rate": np.count_nonzero(sizes_us > _LARGE_RESPONSE_US) / minutes,
        "relative-response-rate": np.count_nonzero(sizes_us > _LARGE_SHARE * level) / minutes,
        "log-largest-response": log10_of(float(sizes_us.max(initial=0.0)), 1e-3),
    }


def _powers(bent: Array, level: float) -> dict[str, float]:
    """Return the deviation without its parabola, and log10 of its powers by band."""
    power = np.abs(np.fft.rfft(bent * np.hanning(len(bent)))) ** 2 / len(bent) ** 2
    frequency_hz = np.fft.rfftfreq(len(bent), 1.0 / _SKIN_HZ)
    known = {
        name: log10_of(float(power[(frequency_hz >= low) & (frequency_hz < high)].sum()), 1e-8)
        for name, (low, high) in _BANDS_HZ.items()
    }
    deviation, floor = float(bent.std()), log10_of(level, _LEAST_LEVEL_US)
    return known | {
        "log-deviation": log10_of(deviation, 1e-3),
        "log-relative-deviation": log10_of(deviation / level, 1e-3),
        "log-relative-sympathetic-power": known["log-sympathetic-power"] - 2.0 * floor,
    }


def _rises(smooth: Array, rate_hz: float) -> tuple[Places, Places]:
    """Return trough and peak of each response, shape (n,) each."""
    first, last = runs(np.diff(smooth) > 0.0)
    first = np.maximum(first, last - round(_SLOWEST_RISE_S * rate_hz))
    large = smooth[last] - smooth[first] >= _SMALLEST_RESPONSE_US
    return first[large], last[large]


def _tonic(smooth: Array, troughs: Places) -> Array:
    """Return the level: straight from trough to trough, the signal itself without responses."""
    if not len(troughs):
        return smooth
    points = np.concatenate([[0], troughs, [len(smooth) - 1]])
    line = np.interp(np.arange(len(smooth)), points, smooth[points])
    return np.asarray(np.minimum(smooth, line))

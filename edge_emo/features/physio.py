"""Pulse, skin and temperature of one window: beats, variability, respiration, skin responses.

Everything is worked out inside a window that is complete, so that its filters have no delay. A
value that the window does not define (no beats, no electrode) is unknown: 0 with a mask of 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_emo.features.physio_signal import (
    Array,
    Places,
    average,
    band_pass,
    detrended,
    fitted_slope,
    log10_of,
    runs,
)
from edge_emo.features.physio_skin import SKIN_FEATURES, skin_features

AMPLITUDE_BANDS_HZ: Mapping[str, tuple[float, float]] = {
    "log-amplitude-vasomotion": (0.04, 0.1),
    "log-amplitude-pressure": (0.1, 0.15),
    "log-amplitude-slow-breath": (0.15, 0.25),
    "log-amplitude-breath": (0.25, 0.4),
    "log-amplitude-fast-breath": (0.4, 0.7),
}
"""Rates at which the height of the pulse wave waxes and wanes: vessels, blood pressure (Mayer
waves), breathing at up to 42 breaths per minute."""

PULSE_FEATURES = (
    "heart-rate",
    "log-rmssd",
    "log-sdnn",
    "log-interval-range",
    "heart-rate-slope",
    "log-pulse-amplitude",
    "pulse-amplitude-variation",
    "respiration-rate",
    "log-respiratory-arrhythmia",
    "steadiness",
    *AMPLITUDE_BANDS_HZ,
)
"""Of the pulse: beats per minute, three times log10 of seconds, beats per minute per minute, log10
of the sensor's unit, share, breaths per minute, log10 of seconds, share of plausible intervals, and
log10 of the power of the heights relative to their median."""

FEATURES = (*PULSE_FEATURES, *SKIN_FEATURES)
"""Names of the features, in order."""

PERSONAL = ("log-pulse-amplitude",)
"""Features that mean nothing of a person and sensor whose rest is unknown."""

CHANNELS: Mapping[str, tuple[str, ...]] = {
    "bvp": ("bvp", "ppg", "pulse"),
    "eda": ("eda", "gsr", "sc"),
    "temp": ("temp", "temperature", "skt"),
}
"""What each signal is called, in any case: in the sensor's unit, in µS, in °C."""

SHORTEST_S = 10.0
"""A shorter window holds too few beats for a rate."""

_PULSE_HZ = (0.8, 4.0)
_BEAT_S, _PEAK_S = 0.667, 0.111
_INTERVAL_S = (60.0 / 200.0, 60.0 / 35.0)
_NEIGHBOURHOOD, _TOLERANCE = 5, 0.25
_FEWEST_BEATS = 5
_CLEARLY = 0.15
_TWICE = 1.6
_FEWEST_SHARE = 0.5
_STEADY_SHARE = 0.8
_RESPIRATION_HZ = (0.1, 0.6)
_RESPIRATION_LEAST_S = 25.0
_PEAK_OVER_MEAN = 3.0


@dataclass(frozen=True, slots=True)
class Beats:
    """The beats of one window.

    Attributes:
        times_s: Times of the systolic peaks from the start of the window, shape (n,).
        heights: Rise of each from the foot before it, in the sensor's unit, shape (n,).
        kept: Shape (n − 1,): intervals between neighbours that are no artefact.
        duration_s: Length of the window.
    """

    times_s: Array
    heights: Array
    kept: npt.NDArray[np.bool_]
    duration_s: float

    @property
    def intervals_s(self) -> Array:
        """Intervals that are no artefact."""
        return np.asarray(np.diff(self.times_s)[self.kept])

    @property
    def share(self) -> float:
        """Part of the window that the kept intervals cover, 0 … 1."""
        return float(min(1.0, self.intervals_s.sum() / self.duration_s))

    @property
    def usable(self) -> bool:
        """True when there are enough of them for a rate."""
        return len(self.intervals_s) >= _FEWEST_BEATS and self.share >= _FEWEST_SHARE

    @property
    def is_steady(self) -> bool:
        """True when they cover so much of the window that the rate can be shown to a person."""
        return self.usable and self.share >= _STEADY_SHARE

    @property
    def rate_bpm(self) -> float:
        """Mean heart rate in beats per minute; NaN when not usable."""
        return 60.0 / float(self.intervals_s.mean()) if self.usable else float("nan")

    @property
    def rmssd_s(self) -> float:
        """Root mean square of successive differences of kept intervals; NaN with too few."""
        both = self.kept[1:] & self.kept[:-1]
        steps = np.diff(np.diff(self.times_s))[both]
        return float(np.sqrt(np.mean(steps**2))) if len(steps) >= _FEWEST_BEATS else float("nan")


def find_beats(pulse: npt.NDArray[np.floating], rate_hz: float) -> Beats:
    """Find the beats of a window by two moving averages (Elgendi et al., PLoS ONE 8(10), 2013).

    Sensors differ in sign (light absorbed or light returned), so both are tried; light returned,
    where systole is down, is left only when the other has clearly more plausible intervals, or
    when it counts every notch as a beat. Intervals outside 35 … 200 beats per minute, or more
    than a quarter away from the median of their neighbours, are artefacts (after Karlsson et al.,
    BioMedical Engineering OnLine 11, 2012).

    Args:
        pulse: Blood volume pulse, shape (n_samples,), all finite.
        rate_hz: Samples per second, at least 25.
    """
    wave = band_pass(np.asarray(pulse, dtype=np.float64), rate_hz, *_PULSE_HZ)
    down, up = _places(-wave, rate_hz), _places(wave, rate_hz)
    kept_down, kept_up = (_plausible(np.diff(places) / rate_hz) for places in (down, up))
    covered_down, covered_up = _covered(down, kept_down), _covered(up, kept_up)
    notches = len(down) > _TWICE * len(up) and covered_up > 0.5 * len(wave)
    if notches or covered_up > covered_down + _CLEARLY * len(wave):
        return Beats(up / rate_hz, _heights(wave, up, rate_hz), kept_up, len(wave) / rate_hz)
    return Beats(down / rate_hz, _heights(-wave, down, rate_hz), kept_down, len(wave) / rate_hz)


def _places(wave: Array, rate_hz: float) -> Array:
    """Return the places of the peaks in samples, refined by a parabola, shape (n,)."""
    energy = np.maximum(wave, 0.0) ** 2
    threshold = average(energy, _BEAT_S * rate_hz) + 0.02 * energy.mean()
    first, last = runs(average(energy, _PEAK_S * rate_hz) > threshold)
    long_enough = last - first >= _PEAK_S * rate_hz
    first, last = first[long_enough], last[long_enough]
    tops = np.flatnonzero((wave[1:-1] > wave[:-2]) & (wave[1:-1] >= wave[2:])) + 1
    block = np.searchsorted(first, tops, side="right") - 1
    inside = (block >= 0) & (tops < last[np.maximum(block, 0)]) if len(first) else block >= 0
    tops, block = tops[inside], block[inside]
    order = np.lexsort((wave[tops], block))
    highest = np.append(np.diff(block[order]) != 0, True)[: len(order)]
    return _refined(wave, tops[order][highest])


def _covered(places: Array, kept: npt.NDArray[np.bool_]) -> float:
    return float(np.diff(places)[kept].sum())


def respiration(beats: Beats) -> tuple[float, float]:
    """Estimate breathing from how intervals wax and wane (respiratory sinus arrhythmia).

    Returns:
        Breaths per minute, and the standard deviation of the intervals at breathing rates in
        seconds. NaN where the window is shorter than 25 s or has too few beats; the rate also
        where no single rate stands out.
    """
    unknown = float("nan")
    if beats.duration_s < _RESPIRATION_LEAST_S or not beats.usable:
        return unknown, unknown
    times = (beats.times_s[1:] + beats.times_s[:-1])[beats.kept] / 2.0
    grid = np.arange(times[0], times[-1], 0.25)
    if len(grid) < 4 * _RESPIRATION_LEAST_S * 0.8:
        return unknown, unknown
    series = detrended(np.interp(grid, times, beats.intervals_s))
    density = np.abs(np.fft.rfft(series * np.hanning(len(series)), 1024)) ** 2
    frequency_hz = np.fft.rfftfreq(1024, 0.25)
    used = (frequency_hz >= _RESPIRATION_HZ[0]) & (frequency_hz <= _RESPIRATION_HZ[1])
    strength = density[used]
    rate = 60.0 * float(frequency_hz[used][strength.argmax()])
    stands_out = strength.max() > _PEAK_OVER_MEAN * strength.mean()
    share = strength.sum() / max(density[1:].sum(), 1e-30)
    return (rate if stands_out else unknown), float(np.std(series) * np.sqrt(share))


def body_features(
    beats: Beats | None, conductance_us: npt.NDArray[np.floating] | None, rate_hz: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return what the model reads of one window.

    Args:
        beats: Of the pulse, or None without one.
        conductance_us: Skin conductance in µS, shape (n_samples,), all finite; or None.
        rate_hz: Samples per second of it.

    Returns:
        Values in the order of :data:`FEATURES` and a mask, 1 where the value is known, both of
        shape (features,) float32. Unknown values are 0.
    """
    known = _of_beats(beats) if beats is not None and beats.usable else {}
    if conductance_us is not None:
        known |= skin_features(conductance_us, rate_hz)
    row = np.array([known.get(name, np.nan) for name in FEATURES])
    mask = np.isfinite(row)
    return np.where(mask, row, 0.0).astype(np.float32), mask.astype(np.float32)


def _of_beats(beats: Beats) -> dict[str, float]:
    intervals = beats.intervals_s
    rate, arrhythmia = respiration(beats)
    times = (beats.times_s[1:] + beats.times_s[:-1])[beats.kept] / 2.0
    heights = beats.heights[np.append(beats.kept, False)]
    middle = float(np.median(heights))
    spread = float(np.median(np.abs(heights - middle)))
    low, high = np.percentile(intervals, (10, 90))
    return {
        "heart-rate": beats.rate_bpm,
        "log-rmssd": log10_of(beats.rmssd_s, 1e-3),
        "log-sdnn": log10_of(float(intervals.std()), 1e-3),
        "log-interval-range": log10_of(float(high - low), 1e-2),
        "heart-rate-slope": fitted_slope(times, 60.0 / intervals) * 60.0,
        "log-pulse-amplitude": log10_of(middle, 1e-6),
        "pulse-amplitude-variation": spread / max(middle, 1e-6),
        "respiration-rate": rate,
        "log-respiratory-arrhythmia": log10_of(arrhythmia, 1e-3),
        "steadiness": beats.share,
        **_amplitude_powers(times, heights / max(middle, 1e-6)),
    }


def _amplitude_powers(times_s: Array, heights: Array) -> dict[str, float]:
    """Return log10 of the power in each of :data:`AMPLITUDE_BANDS_HZ`; nothing below 20 s."""
    grid = np.arange(times_s[0], times_s[-1], 0.25)
    if len(grid) < 4 * _RESPIRATION_LEAST_S * 0.8:
        return {}
    series = detrended(np.interp(grid, times_s, heights))
    power = np.abs(np.fft.rfft(series * np.hanning(len(series)), 1024)) ** 2 / len(series) ** 2
    frequency_hz = np.fft.rfftfreq(1024, 0.25)
    return {
        name: log10_of(float(power[(frequency_hz >= low) & (frequency_hz < high)].sum()), 1e-9)
        for name, (low, high) in AMPLITUDE_BANDS_HZ.items()
    }


def _refined(wave: Array, tops: Places) -> Array:
    """Move each peak to the top of the parabola through it and its neighbours."""
    left, middle, right = wave[tops - 1], wave[tops], wave[tops + 1]
    bend = np.minimum(left - 2.0 * middle + right, -1e-12)
    return np.asarray(tops + np.clip(0.5 * (left - right) / bend, -0.5, 0.5))


def _heights(wave: Array, places: Array, rate_hz: float) -> Array:
    """Return the rise of each peak above the lowest sample of the 0.4 s before it."""
    back = round(0.4 * rate_hz)
    tops = np.rint(places).astype(np.int64)
    before = np.lib.stride_tricks.sliding_window_view(np.pad(wave, (back, 0), mode="edge"), back)
    return np.asarray(wave[tops] - before[tops].min(axis=1))


def _plausible(intervals_s: Array) -> npt.NDArray[np.bool_]:
    possible = (intervals_s >= _INTERVAL_S[0]) & (intervals_s <= _INTERVAL_S[1])
    if len(intervals_s) < _NEIGHBOURHOOD:
        return np.asarray(possible)
    half = _NEIGHBOURHOOD // 2
    padded = np.pad(intervals_s, half, mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, _NEIGHBOURHOOD)
    middle = np.median(views, axis=1)
    return np.asarray(possible & (np.abs(intervals_s - middle) <= _TOLERANCE * middle))

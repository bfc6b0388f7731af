"""Band powers of EEG by scalp region, for any montage of 10-20 names.

A window becomes one spectrum per channel (Welch), one row of log band powers per channel, and
one mean row per region over the channels that are fit: once as recorded, and once against the
common average of the fit channels. A region without a fit channel is zero and its mask is 0, so
that a headband with 4 electrodes and a cap with 64 feed the same model. Each channel's powers are
taken relative to their own mean over bands, so that the gain of a headset cancels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edge_emo.errors import ConfigError

Array = npt.NDArray[np.float64]

BANDS_HZ: Mapping[str, tuple[float, float]] = {
    "slow-delta": (1.0, 2.0),
    "delta": (2.0, 4.0),
    "low-theta": (4.0, 6.0),
    "high-theta": (6.0, 8.0),
    "alpha-8": (8.0, 9.0),
    "alpha-9": (9.0, 10.0),
    "alpha-10": (10.0, 11.0),
    "high-alpha": (11.0, 13.0),
    "low-beta": (13.0, 16.0),
    "beta": (16.0, 20.0),
    "high-beta": (20.0, 25.0),
    "higher-beta": (25.0, 30.0),
    "low-gamma": (30.0, 35.0),
    "gamma": (35.0, 40.0),
}
"""Bands of the model. The last one ends below the notches and below the corner of the low-pass
that many amplifiers and published recordings have."""

REGIONS = (
    "prefrontal",
    "frontal-left",
    "frontal-mid",
    "frontal-right",
    "central",
    "temporal-left",
    "temporal-right",
    "parietal",
    "occipital",
)
RECORDED = (*BANDS_HZ, "slope", "alpha-peak", "level")
AVERAGED = (*(f"average-{band}" for band in BANDS_HZ), "average-level")
COLUMNS = (*RECORDED, *AVERAGED)
"""What is known of each region: as recorded, a log density per band, the slope of the spectrum, the
centre of the alpha band and the mean of the log densities; and against the common average, a log
density per band and their mean."""

GLOBALS = ("frontal-alpha-asymmetry", "frontal-theta-beta", "posterior-alpha-beta")
FEATURES = (*(f"{region}/{column}" for region in REGIONS for column in COLUMNS), *GLOBALS)
"""Names of the features, in order."""

PERSONAL = tuple(name for name in FEATURES if name.endswith("level"))
"""Features that mean nothing of a person and headset whose rest is unknown: gains differ."""

THETA, ALPHA, BETA = slice(2, 4), slice(4, 8), slice(8, 12)
"""Places of the bands between 4, 8, 13 and 30 Hz among the columns."""

RATE_RANGE_HZ = (100.0, 1000.0)
AVERAGE_CHANNELS = 3
"""Fewest fit channels that have a common average: with two it only mirrors them."""

SEGMENT_S = 2.0
_HIGHEST_HZ = 48.0
_SLOPE_HZ = (2.0, 40.0)
_ALPHA_PEAK_HZ = (7.0, 14.0)
_FLOOR_UV2_PER_HZ = 1e-6
_NAME = re.compile(r"^(?:EEG[\s_:-]*)?([A-Z]{1,3}?)(Z|\d{1,2})(?:H?)(?:[\s._:-].*)?$")
_LETTERS: Mapping[str, str] = {
    "FP": "prefrontal",
    "AF": "prefrontal",
    "F": "frontal",
    "FC": "central",
    "C": "central",
    "CP": "central",
    "FT": "temporal",
    "T": "temporal",
    "TP": "temporal",
    "P": "parietal",
    "PO": "occipital",
    "O": "occipital",
}


@dataclass(frozen=True, slots=True)
class Montage:
    """The channels of a stream that stand at a known place on the scalp.

    Attributes:
        names: Their names as the driver gave them.
        columns: Their columns in the stream's data.
        regions: The region of each, a name of :data:`REGIONS`.
    """

    names: tuple[str, ...]
    columns: tuple[int, ...]
    regions: tuple[str, ...]

    @property
    def membership(self) -> Array:
        """Shape (regions, channels): 1 where the channel stands in the region."""
        return np.array([[float(own == region) for own in self.regions] for region in REGIONS])


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Spectrum of each channel, as the Fourier transforms of its segments.

    Attributes:
        frequencies_hz: Shape (bins,), 0 … 48 Hz.
        segments: Shape (channels, segments, bins), complex; scaled so that the mean square over
            the segments is the density.
        density: One-sided power spectral density in µV²/Hz, shape (channels, bins).
    """

    frequencies_hz: Array
    segments: npt.NDArray[np.complex128]
    density: Array = field(init=False)

    def __post_init__(self) -> None:
        """Average the segments once."""
        density = np.mean(self.segments.real**2 + self.segments.imag**2, axis=1)
        object.__setattr__(self, "density", density)

    def against_average(self, fit: npt.NDArray[np.bool_]) -> Spectrum:
        """Return the spectrum with the mean of the fit channels as the reference.

        Args:
            fit: Shape (channels,), at least one True.
        """
        return Spectrum(self.frequencies_hz, self.segments - self.segments[fit].mean(axis=0))

    def power(self, low_hz: float, high_hz: float) -> Array:
        """Return the power from ``low_hz`` up to ``high_hz`` in µV², shape (channels,)."""
        width_hz = self.frequencies_hz[1] - self.frequencies_hz[0]
        return np.asarray(self.density[:, self._inside(low_hz, high_hz)].sum(axis=1) * width_hz)

    def log_bands(self) -> Array:
        """Return log10 of the mean density of each of :data:`BANDS_HZ`, (channels, bands).

        Half of the logarithm of a band's power is its differential entropy up to a constant.
        """
        means = [self.density[:, self._inside(*band)].mean(axis=1) for band in BANDS_HZ.values()]
        return np.asarray(np.log10(np.maximum(np.stack(means, axis=1), _FLOOR_UV2_PER_HZ)))

    def slope(self) -> Array:
        """Return the exponent of the density over frequency, shape (channels,).

        Least squares in logarithms from 2 to 40 Hz without 7 to 14 Hz, where the alpha peak is.
        """
        f = self.frequencies_hz
        used = self._inside(*_SLOPE_HZ) & ~self._inside(*_ALPHA_PEAK_HZ)
        x = np.log10(f[used])
        x -= x.mean()
        y = np.log10(np.maximum(self.density[:, used], _FLOOR_UV2_PER_HZ))
        return np.asarray(y @ x / (x @ x))

    def alpha_peak_hz(self) -> Array:
        """Return the centre of gravity of 7 to 14 Hz above its own floor, shape (channels,).

        (Klimesch, Brain Research Reviews 29, 1999: the individual alpha frequency.)
        """
        used = self._inside(*_ALPHA_PEAK_HZ)
        density = self.density[:, used]
        above = density - density.min(axis=1, keepdims=True) + _FLOOR_UV2_PER_HZ
        return np.asarray(above @ self.frequencies_hz[used] / above.sum(axis=1))

    def _inside(self, low_hz: float, high_hz: float) -> npt.NDArray[np.bool_]:
        return np.asarray((self.frequencies_hz >= low_hz) & (self.frequencies_hz < high_hz))


def region_of(name: str) -> str | None:
    """Return the region of a 10-20 (or 10-10) electrode name, or None when it is none.

    ``EEG Fp1-REF``, ``fp1`` and ``Fp1.`` are the same electrode. T3 T4 and T7 T8, T5 T6 and
    P7 P8 are two names for one place. Ear and mastoid references, ECG, EOG and EMG have no
    region.
    """
    match = _NAME.match(name.strip().upper())
    if match is None or match[1] not in _LETTERS:
        return None
    letters, number = match[1], match[2]
    if letters == "FC" and number == "Z":
        return "frontal-mid"
    if letters == "P" and number in ("7", "8", "9", "10"):
        return f"temporal-{_side(number)}"
    area = _LETTERS[letters]
    return f"{area}-{_side(number)}" if area in ("frontal", "temporal") else area


def montage_of(channels: Sequence[str]) -> Montage:
    """Return the usable channels of a stream.

    Raises:
        ConfigError: None of the names is a place of the 10-20 system.
    """
    known = [(name, i, region_of(name)) for i, name in enumerate(channels)]
    used = [(name, i, region) for name, i, region in known if region is not None]
    if not used:
        raise ConfigError(
            f"no channel name is a 10-20 electrode: {', '.join(channels) or '(none)'}",
            hint="name the electrodes in the order of the board's channels, for example "
            "?channels=Fp1,Fp2,C3,C4,P7,P8,O1,O2",
        )
    names, columns, regions = zip(*used, strict=True)
    return Montage(names, columns, regions)


def spectrum(window_uv: npt.NDArray[np.float32], rate_hz: float) -> Spectrum:
    """Estimate the spectrum of each channel by Welch's method.

    Segments of 2 s with a Hann taper and half overlap, each with its mean taken out; the bins
    are 0.5 Hz apart at any rate. (P. Welch, IEEE Trans. Audio Electroacoust. 15, 1967.)

    Args:
        window_uv: Shape (n_samples, channels) in µV, all finite; at least 2 s.
        rate_hz: Samples per second.

    Raises:
        ValueError: The window is shorter than one segment.
    """
    length = round(SEGMENT_S * rate_hz)
    if len(window_uv) < length:
        raise ValueError(f"{len(window_uv)} samples are less than one segment of {length}")
    rows = np.ascontiguousarray(window_uv.T, dtype=np.float64)
    views = np.lib.stride_tricks.sliding_window_view(rows, length, axis=1)[:, :: length // 2]
    segments = views - views.mean(axis=-1, keepdims=True)
    frequencies_hz: Array = np.arange(length // 2 + 1, dtype=np.float64) * (rate_hz / length)
    kept = int(np.searchsorted(frequencies_hz, _HIGHEST_HZ, side="right"))
    transforms = np.fft.rfft(segments * _taper(length, rate_hz), axis=-1)[..., :kept]
    return Spectrum(frequencies_hz[:kept], transforms)


@lru_cache(maxsize=32)
def _taper(length: int, rate_hz: float) -> Array:
    """Return a Hann taper that scales the mean square of a transform to a one-sided density."""
    taper = np.hanning(length + 1)[:-1]
    return np.asarray(taper * np.sqrt(2.0 / (rate_hz * np.sum(taper**2))))


def region_features(
    spectra: Spectrum, montage: Montage, fit: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return what the model reads of one window.

    Args:
        spectra: Of the montage's channels, in its order.
        montage: The channels' places.
        fit: Shape (channels,): False leaves a channel out.

    Returns:
        Values in the order of :data:`FEATURES` and a mask, 1 where the value is known, both of
        shape (features,) float32. Unknown values are 0.
    """
    logs = spectra.log_bands()
    peak = spectra.alpha_peak_hz()
    recorded = np.column_stack([_relative(logs), spectra.slope(), peak, logs.mean(axis=1)])
    averaged = np.zeros((len(fit), len(AVERAGED)))
    has_average = np.count_nonzero(fit) >= AVERAGE_CHANNELS
    if has_average:
        logs = spectra.against_average(fit).log_bands()
        averaged = np.column_stack([_relative(logs), logs.mean(axis=1)])
    means, present = _pooled(np.column_stack([recorded, averaged]), montage.membership * fit)
    known = np.repeat(present[:, None], len(COLUMNS), axis=1)
    known[:, len(RECORDED) :] &= has_average
    ratios, ratios_known = _ratios(means, present)
    values = np.concatenate([np.where(known, means, 0.0).ravel(), ratios])
    mask = np.concatenate([known.ravel(), ratios_known])
    return values.astype(np.float32), mask.astype(np.float32)


def _relative(logs: Array) -> Array:
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def _pooled(table: Array, weights: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Average rows of channels into rows of regions; tell which regions have any channel."""
    counts = weights.sum(axis=1)
    return weights @ table / np.maximum(counts, 1.0)[:, None], counts > 0


def _ratios(means: Array, present: npt.NDArray[np.bool_]) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return :data:`GLOBALS` as log10 ratios, and which of them are known."""
    theta, alpha, beta = (means[:, part].mean(axis=1) for part in (THETA, ALPHA, BETA))
    left, right = REGIONS.index("frontal-left"), REGIONS.index("frontal-right")
    front = [i for i in _rows("prefrontal", "frontal") if present[i]]
    back = [i for i in _rows("parietal", "occipital") if present[i]]
    known = np.array([present[left] and present[right], bool(front), bool(back)])
    values = [alpha[right] - alpha[left], _mean(theta - beta, front), _mean(alpha - beta, back)]
    return np.where(known, values, 0.0), known


def _rows(*prefixes: str) -> list[int]:
    return [i for i, region in enumerate(REGIONS) if region.startswith(prefixes)]


def _mean(values: Array, rows: list[int]) -> float:
    return float(values[rows].mean()) if rows else 0.0


def _side(number: str) -> str:
    if number == "Z":
        return "mid"
    return "left" if int(number) % 2 else "right"

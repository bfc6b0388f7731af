"""How far each EEG channel of a window can be trusted, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edge_emo.features.eeg import Spectrum
from edge_emo.features.eeg_filter import MAINS_HZ

Array = npt.NDArray[np.float64]

FIT = 0.25
"""A channel whose score is lower is left out of the features."""

_LOST_SHARE = 0.05
_STUCK_SHARE = 0.5
_RAIL_SHARE = 0.1
_FLAT_UV = 0.3
_SOFT: Mapping[str, tuple[float, float]] = {
    "full of drift or blinks": (20.0, 200.0),
    "full of muscle activity": (10.0, 50.0),
    "full of mains hum": (1000.0, 20000.0),
}
"""Root mean square in µV at which each fault begins to count, and at which the score is 0. A hum
counts late, because the notches take it out; a large one tells of a bad contact."""


@dataclass(frozen=True, slots=True)
class ChannelQuality:
    """The verdict on one window.

    Attributes:
        scores: Shape (channels,), 0 (useless) … 1 (clean).
        problems: One per channel: the worst fault in words, empty when there is none.
    """

    scores: Array
    problems: tuple[str, ...]

    @property
    def fit(self) -> npt.NDArray[np.bool_]:
        """Shape (channels,): channels good enough for the features."""
        return np.asarray(self.scores >= FIT)

    @property
    def score(self) -> float:
        """Mean score over all channels, 0 … 1."""
        return float(self.scores.mean())

    def reason(self) -> str:
        """Say what most of the unfit channels suffer from, or an empty string."""
        unfit = [problem for problem, fit in zip(self.problems, self.fit, strict=True) if not fit]
        if not unfit:
            return ""
        total = len(self.problems)
        counts = Counter(unfit).most_common()
        faults = ", ".join(f"{count} of {total} channels {name}" for name, count in counts)
        off = any(name in ("flat", "without data", "saturated") for name, _ in counts)
        return f"{'electrodes off' if off else 'signal too poor'}: {faults}"


def judge(raw_uv: npt.NDArray[np.float32], spectra: Spectrum, rate_hz: float) -> ChannelQuality:
    """Judge each channel of a window.

    Args:
        raw_uv: Unfiltered samples, shape (n_samples, channels) in µV; may hold NaN.
        spectra: Spectrum of the same window after filtering.
        rate_hz: Samples per second.

    Returns:
        A score and a fault per channel.
    """
    hard = _hard_faults(raw_uv)
    soft = {
        "full of drift or blinks": np.sqrt(spectra.power(1.0, 4.0)),
        "full of muscle activity": np.sqrt(spectra.power(30.0, 45.0)),
        "full of mains hum": _mains_uv(raw_uv, rate_hz),
    }
    scores = np.ones(raw_uv.shape[1])
    problems = [""] * raw_uv.shape[1]
    for name, values in soft.items():
        _mark(scores, problems, name, _ramp(values, *_SOFT[name]))
    for name, faulty in hard:
        _mark(scores, problems, name, np.where(faulty, 0.0, 1.0))
    return ChannelQuality(scores, tuple(problems))


def _mark(scores: Array, problems: list[str], name: str, marks: Array) -> None:
    for channel in np.flatnonzero((marks < scores) | (marks == 0.0)):
        problems[channel] = name
    np.minimum(scores, marks, out=scores)


def _ramp(values: Array, clean: float, useless: float) -> Array:
    """Fall from 1 to 0 with the logarithm of the value."""
    position = np.log(np.maximum(values, 1e-9) / clean) / np.log(useless / clean)
    return np.asarray(np.clip(1.0 - position, 0.0, 1.0))


def _hard_faults(raw_uv: npt.NDArray[np.float32]) -> Sequence[tuple[str, npt.NDArray[np.bool_]]]:
    """Return the faults that make a channel useless, the most basic one last."""
    rows = np.ascontiguousarray(raw_uv.T)  # sums along memory are several times faster
    finite = np.isfinite(rows)
    values = np.where(finite, rows, 0.0).astype(np.float64)
    highest, lowest = values.max(axis=1, keepdims=True), values.min(axis=1, keepdims=True)
    extreme = np.maximum(_share(values == highest), _share(values == lowest))
    stuck = _share(values[:, 1:] == values[:, :-1]) > _STUCK_SHARE
    flat = stuck | (np.std(values, axis=1) < _FLAT_UV)
    lost = _share(~finite) > _LOST_SHARE
    return (("saturated", extreme > _RAIL_SHARE), ("flat", flat), ("without data", lost))


def _share(rows: npt.NDArray[np.bool_]) -> Array:
    return np.asarray(np.count_nonzero(rows, axis=1) / rows.shape[1])


def _mains_uv(raw_uv: npt.NDArray[np.float32], rate_hz: float) -> Array:
    """Return the root mean square in µV of the stronger mains frequency, shape (channels,)."""
    waves = _mains_waves(len(raw_uv), rate_hz)
    if not len(waves):
        return np.zeros(raw_uv.shape[1])
    values = np.nan_to_num(raw_uv.astype(np.float64))
    sines, cosines = (waves @ (values - values[0])).reshape(2, -1, values.shape[1])
    return np.asarray(np.hypot(sines, cosines).max(axis=0))


@lru_cache(maxsize=32)
def _mains_waves(n_samples: int, rate_hz: float) -> Array:
    """Return tapered sines, then cosines, of the mains frequencies without their means."""
    used = [mains for mains in MAINS_HZ if mains < 0.49 * rate_hz]
    taper = np.hanning(n_samples)
    phases = 2 * np.pi * np.outer(used, np.arange(n_samples) / rate_hz)
    waves = np.concatenate([np.sin(phases), np.cos(phases)]) * taper * np.sqrt(2.0) / taper.sum()
    return np.asarray(waves - waves.mean(axis=1, keepdims=True))

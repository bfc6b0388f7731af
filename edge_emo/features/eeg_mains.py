"""Which mains frequency hums in EEG, found from the data as it comes, and only that one taken out.

Every second the last two seconds become one tapered spectrum per channel. A mains frequency is
there when its density stands far above that of its neighbours on any channel, over the last
segments together; it is gone when it hardly does. Between the two nothing changes.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from edge_emo.features.eeg_filter import MAINS_HZ, Levelled, StreamFilter

Array = npt.NDArray[np.float64]

FOUND_RATIO, GONE_RATIO = 10.0, 3.0
"""Density at a mains frequency over that of its neighbours: it is found above the first, and gone
below the second. Noise alone stays near 1."""

FIRST_SEGMENTS = 3
"""Segments before the first decision: 4 s. Until then every mains frequency is taken out."""

_SEGMENTS = 8
_SEGMENT_S, _HOP_S = 2.0, 1.0
_PEAK_HZ = 0.5
_NEIGHBOURS_HZ = (2.0, 6.0)
_HIGHEST_SHARE = 0.49
_FLOOR_UV2_PER_HZ = 1e-6


class MainsFinder:
    """Tells which of 50 and 60 Hz hums: one, both or neither.

    Args:
        rate_hz: Samples per second.
        channels: Number of columns.
    """

    def __init__(self, rate_hz: float, channels: int) -> None:
        self._hop = round(_HOP_S * rate_hz)
        self._length = round(_SEGMENT_S * rate_hz)
        self._channels = channels
        self._taper = np.hanning(self._length + 1)[:-1, None]
        self._scale = 2.0 / (rate_hz * float(np.sum(self._taper**2)))
        frequencies_hz = np.arange(self._length // 2 + 1, dtype=np.float64) * rate_hz / self._length
        self._bins = {
            mains: _bins(frequencies_hz, mains, rate_hz)
            for mains in MAINS_HZ
            if mains < _HIGHEST_SHARE * rate_hz
        }
        self.reset()

    @property
    def found(self) -> tuple[float, ...] | None:
        """The frequencies that hum, in Hz, rising; None in the first 4 s."""
        return self._found

    @property
    def room(self) -> int:
        """Samples until the next segment ends."""
        return self._hop - self._pending

    def reset(self) -> None:
        """Forget everything: the next sample is the first."""
        self._found: tuple[float, ...] | None = None
        self._pending = 0
        self._levelled = Levelled(self._channels)
        self._tail = np.zeros((0, self._channels))
        self._densities: deque[Array] = deque(maxlen=_SEGMENTS)

    def push(self, samples: npt.NDArray[np.float32]) -> None:
        """Take the next samples, at most :attr:`room` of them.

        Args:
            samples: Unfiltered, shape (n_samples, channels) in µV; may hold NaN.
        """
        if len(samples) == 0:
            return
        held = self._levelled.push(samples)
        self._tail = np.concatenate([self._tail, held])[-self._length :]
        self._pending += len(held)
        if self._pending >= self._hop:
            self._pending = 0
            self._end_segment()

    def _end_segment(self) -> None:
        if len(self._tail) < self._length:
            return
        centred = (self._tail - self._tail.mean(axis=0)) * self._taper
        self._densities.append(np.abs(np.fft.rfft(centred, axis=0)) ** 2 * self._scale)
        if len(self._densities) >= FIRST_SEGMENTS:
            density = np.mean(self._densities, axis=0)
            self._found = tuple(mains for mains in self._bins if self._hums(mains, density))

    def _hums(self, mains: float, density: Array) -> bool:
        peak, neighbours = self._bins[mains]
        floor = np.maximum(np.median(density[neighbours], axis=0), _FLOOR_UV2_PER_HZ)
        ratio = float(np.max(density[peak].mean(axis=0) / floor))
        return ratio > (GONE_RATIO if mains in (self._found or ()) else FOUND_RATIO)


class MainsFilter:
    """High-pass, and a notch at each mains frequency that hums.

    In the first 4 s every notch is on. After that those that are needed are, and a second decides
    anew; any way of cutting the samples into chunks gives the same output up to rounding.

    Args:
        rate_hz: Samples per second.
        channels: Number of columns.
        highpass_hz: Corner of the high-pass.
    """

    def __init__(self, rate_hz: float, channels: int, *, highpass_hz: float) -> None:
        self._filter = StreamFilter(rate_hz, channels, highpass_hz=highpass_hz)
        self._finder = MainsFinder(rate_hz, channels)
        self._delay_s = self._filter.delay_ns / 1e9

    @property
    def mains_hz(self) -> tuple[float, ...]:
        """The frequencies that are taken out at present."""
        return self._filter.mains_hz

    def reset(self) -> None:
        """Forget everything: the next sample is the first."""
        self._filter.reset()
        self._finder.reset()
        self._delay_s = self._filter.delay_ns / 1e9

    def process(
        self, samples: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Filter the next samples.

        Args:
            samples: Shape (n_samples, channels) in µV; may hold NaN.

        Returns:
            Filtered samples, same shape, float32; and the group delay at 10 Hz of the filters
            that each went through, in seconds, shape (n_samples,) float32.
        """
        filtered = np.empty(samples.shape, dtype=np.float32)
        delay_s = np.empty(len(samples), dtype=np.float32)
        start = 0
        while start < len(samples):
            part = slice(start, start + self._finder.room)
            filtered[part] = self._filter.process(samples[part])
            delay_s[part] = self._delay_s
            self._finder.push(samples[part])
            start = part.stop
            self._follow()
        return filtered, delay_s

    def _follow(self) -> None:
        found = self._finder.found
        if found is not None and found != self.mains_hz:
            self._filter.use_mains(found)
            self._delay_s = self._filter.delay_ns / 1e9


def _bins(
    frequencies_hz: Array, mains_hz: float, rate_hz: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return the bins of a mains frequency and of its neighbours below the highest usable."""
    away_hz = np.abs(frequencies_hz - mains_hz)
    low_hz, high_hz = _NEIGHBOURS_HZ
    usable = frequencies_hz < _HIGHEST_SHARE * rate_hz
    return away_hz <= _PEAK_HZ, (away_hz >= low_hz) & (away_hz <= high_hz) & usable

"""Causal high-pass and mains filters for body signals that arrive in chunks.

The filters are second-order sections (R. Bristow-Johnson, Audio EQ Cookbook) in series. Their
recursion runs in blocks: for a linear system with state s, a block of n inputs x gives
y = O s + H x and s' = Aⁿ s + K x, with matrices worked out once. A block costs two small matrix
products for all channels together instead of n steps in Python.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
_Space = tuple[Array, Array, Array, float]
"""A, b, c and d of one input and one output: s' = A s + b x, y = c s + d x."""

MAINS_HZ = (50.0, 60.0)
_BLOCK = 64
_NOTCH_Q = 20.0
_REFERENCE_HZ = 10.0


@dataclass(frozen=True, slots=True)
class Biquad:
    """One second-order section: b0 b1 b2 over 1 a1 a2, in powers of z⁻¹."""

    b: tuple[float, float, float]
    a: tuple[float, float]

    def response(self, frequency_hz: float, rate_hz: float) -> complex:
        """Return the complex gain at ``frequency_hz``."""
        z1 = np.exp(-2j * math.pi * frequency_hz / rate_hz)
        numerator = self.b[0] + self.b[1] * z1 + self.b[2] * z1**2
        return complex(numerator / (1.0 + self.a[0] * z1 + self.a[1] * z1**2))


def highpass(corner_hz: float, rate_hz: float) -> Biquad:
    """Return a Butterworth high-pass of second order with −3 dB at ``corner_hz``."""
    omega = 2.0 * math.pi * corner_hz / rate_hz
    cosine, alpha = math.cos(omega), math.sin(omega) / math.sqrt(2.0)
    gain = (1.0 + cosine) / 2.0
    return _normal((gain, -2.0 * gain, gain), (1.0 + alpha, -2.0 * cosine, 1.0 - alpha))


def notch(centre_hz: float, rate_hz: float, quality: float = _NOTCH_Q) -> Biquad:
    """Return a notch whose −3 dB points are ``centre_hz / quality`` apart."""
    cosine = math.cos(2.0 * math.pi * centre_hz / rate_hz)
    alpha = math.tan(math.pi * centre_hz / (quality * rate_hz))
    return _normal((1.0, -2.0 * cosine, 1.0), (1.0 + alpha, -2.0 * cosine, 1.0 - alpha))


class StreamFilter:
    """High-pass and mains notches over chunks, with the state carried from chunk to chunk.

    Any way of cutting the samples into chunks gives the same output up to rounding. Each channel
    is taken against its resting level, and samples that are not finite are held, as by
    :class:`Levelled`.

    Args:
        rate_hz: Samples per second.
        channels: Number of columns.
        highpass_hz: Corner of the high-pass.
        mains_hz: Frequencies to take out; those too near to half the rate are left out, because
            nothing there reaches the bands in use.
    """

    def __init__(
        self,
        rate_hz: float,
        channels: int,
        *,
        highpass_hz: float = 0.5,
        mains_hz: Iterable[float] = MAINS_HZ,
    ) -> None:
        self.rate_hz = rate_hz
        self.channels = channels
        used = tuple(mains for mains in mains_hz if mains < 0.49 * rate_hz)
        self._highpass = highpass(highpass_hz, rate_hz)
        self._notches = {mains: notch(mains, rate_hz) for mains in used}
        self._systems: dict[tuple[float, ...], _BlockSystem] = {}
        self.reset()

    @property
    def mains_hz(self) -> tuple[float, ...]:
        """The mains frequencies that are taken out at present."""
        return self._mains_hz

    @property
    def delay_ns(self) -> int:
        """Group delay at 10 Hz, in nanoseconds; the other bands in use differ by milliseconds."""
        return round(self.group_delay_s(_REFERENCE_HZ) * 1e9)

    def group_delay_s(self, frequency_hz: float) -> float:
        """Return minus the slope of the phase over angular frequency, in seconds."""
        step_hz = 1e-3
        low, high = (self._gain(frequency_hz + sign * step_hz) for sign in (-1, 1))
        return float(-np.angle(high / low) / (4.0 * math.pi * step_hz))

    def use_mains(self, mains_hz: Iterable[float]) -> None:
        """Take out these of the mains frequencies from the next sample on, and no other.

        The notches left out run on unheard, so that a change makes no step but that of the hum.
        """
        wanted = frozenset(mains_hz)
        self._use(tuple(mains for mains in self._notches if mains in wanted))

    def reset(self) -> None:
        """Forget everything: the next sample is the first, and every notch is on."""
        self._use(tuple(self._notches))
        self._state = np.zeros((self._system.order, self.channels))
        self._levelled = Levelled(self.channels)

    def process(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Filter the next samples.

        Args:
            samples: Shape (n_samples, channels), any float dtype.

        Returns:
            Filtered samples, same shape, float32, in the unit of the input.
        """
        held = self._levelled.push(samples)
        filtered = np.empty_like(held)
        for start in range(0, len(held), _BLOCK):
            block = held[start : start + _BLOCK]
            filtered[start : start + _BLOCK], self._state = self._system.step(block, self._state)
        return filtered.astype(np.float32)

    def _use(self, mains_hz: tuple[float, ...]) -> None:
        self._mains_hz = mains_hz
        if mains_hz not in self._systems:
            sections = [
                _space(one) if mains in mains_hz else _unheard(_space(one))
                for mains, one in self._notches.items()
            ]
            self._systems[mains_hz] = _BlockSystem([_space(self._highpass), *sections])
        self._system = self._systems[mains_hz]

    def _gain(self, frequency_hz: float) -> complex:
        sections = [self._highpass, *(self._notches[mains] for mains in self._mains_hz)]
        return math.prod(
            (section.response(frequency_hz, self.rate_hz) for section in sections),
            start=complex(1.0),
        )


class Levelled:
    """Samples against the resting level of their channel, with those that are not finite held.

    The first finite sample of a channel is its level, so that the offset of an electrode (tens of
    millivolts on some boards) makes no step, also of one that is connected late. A sample that is
    not finite is replaced by the last finite one: one NaN would stay in a recursion for good.

    Args:
        channels: Number of columns.
    """

    def __init__(self, channels: int) -> None:
        self._level = np.full(channels, np.nan)
        self._last = np.full(channels, np.nan)

    def push(self, samples: npt.NDArray[np.floating]) -> Array:
        """Return the next samples less the level of each channel; 0 where there is none yet.

        Args:
            samples: Shape (n_samples, channels), any n, 0 included.
        """
        held = hold_last(np.asarray(samples, dtype=np.float64), self._last)
        if len(held) == 0:
            return held
        self._last = held[-1].copy()
        if np.isfinite(self._level).all():
            return np.asarray(held - self._level)
        first = np.isfinite(held).argmax(axis=0)
        begun = held[first, np.arange(held.shape[1])]
        self._level = np.where(np.isfinite(self._level), self._level, begun)
        return np.asarray(np.nan_to_num(held - self._level), np.float64)


def hold_last(samples: Array, before: Array) -> Array:
    """Replace each sample that is not finite by the last finite one of its column.

    Args:
        samples: Shape (n_samples, channels).
        before: Shape (channels,): stands in where a column begins with none.

    Returns:
        Shape (n_samples, channels); the input itself when all of it is finite.
    """
    finite = np.isfinite(samples)
    if finite.all():
        return samples
    rows = np.where(finite, np.arange(1, len(samples) + 1)[:, None], 0)
    source = np.maximum.accumulate(rows, axis=0)
    return np.take_along_axis(np.vstack([before, samples]), source, axis=0)


class _BlockSystem:
    """Sections in series as one state-space system that advances a block at a time."""

    def __init__(self, sections: list[_Space]) -> None:
        a, b, c, d = _in_series(sections)
        self.order = len(b)
        powers = [np.eye(self.order)]
        for _ in range(_BLOCK):
            powers.append(powers[-1] @ a)
        self._powers = powers
        self._observe = np.stack([c @ power for power in powers[:_BLOCK]])
        impulse = np.array([d, *(c @ power @ b for power in powers[: _BLOCK - 1])])
        lag = np.subtract.outer(np.arange(_BLOCK), np.arange(_BLOCK))
        self._convolve = np.where(lag >= 0, impulse[np.maximum(lag, 0)], 0.0)
        self._drive = np.stack([power @ b for power in powers[:_BLOCK]], axis=1)

    def step(self, block: Array, state: Array) -> tuple[Array, Array]:
        """Return the output of a block of at most ``_BLOCK`` samples, and the state after it."""
        n = len(block)
        output = self._observe[:n] @ state + self._convolve[:n, :n] @ block
        return output, self._powers[n] @ state + self._drive[:, :n] @ block[::-1]


def _in_series(sections: list[_Space]) -> _Space:
    a, b, c, d = sections[0]
    for a2, b2, c2, d2 in sections[1:]:
        a = np.block([[a, np.zeros((len(a), 2))], [np.outer(b2, c), a2]])
        b, c, d = np.concatenate([b, b2 * d]), np.concatenate([d2 * c, c2]), d * d2
    return a, b, c, d


def _space(section: Biquad) -> _Space:
    b0, b1, b2 = section.b
    a1, a2 = section.a
    a = np.array([[-a1, 1.0], [-a2, 0.0]])
    return a, np.array([b1 - a1 * b0, b2 - a2 * b0]), np.array([1.0, 0.0]), b0


def _unheard(space: _Space) -> _Space:
    """Return a section with the same state that lets its input through."""
    a, b, c, _ = space
    return a, b, 0.0 * c, 1.0


def _normal(b: tuple[float, float, float], a: tuple[float, float, float]) -> Biquad:
    return Biquad((b[0] / a[0], b[1] / a[0], b[2] / a[0]), (a[1] / a[0], a[2] / a[0]))

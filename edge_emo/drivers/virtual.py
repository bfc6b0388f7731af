"""Devices that need no hardware: seeded, repeatable, and able to fail on request.

Sample ``n`` is a function of seed and ``n`` alone, whenever it is read, so the same seed gives
the same bytes. Signals are made once by ``open``, as a stretch that joins its own beginning,
and repeat after :data:`PERIOD_S`.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_emo.clock import Clock
from edge_emo.drivers.base import DeviceEntry, Driver
from edge_emo.drivers.microphone.pcm import channel_names
from edge_emo.drivers.pacing import wait_until_due
from edge_emo.drivers.virtual_scene import SMALLEST_PX, Scene
from edge_emo.drivers.virtual_signals import Samples, babble, body_signals, brain_waves
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.types import Chunk, StreamInfo

PERIOD_S = 32
"""After this many seconds virtual sound, EEG and body signals repeat."""


@dataclass(frozen=True, slots=True)
class _Faults:
    vanish_after_s: float | None
    back_after_s: float | None
    stall_after_s: float | None
    duration_s: float | None


class _Virtual(Driver):
    """Timing and faults of every virtual device; a subclass makes the samples.

    Args:
        seed: Decides everything that looks random.
        rate_hz: Samples or frames per second.
        faults: When it ends, stalls or vanishes.
    """

    def __init__(self, seed: int, rate_hz: float, faults: _Faults) -> None:
        if not rate_hz > 0:
            raise ConfigError(f"virtual: rate_hz = {rate_hz} is not above 0")
        self._seed = seed
        self._rate_hz = rate_hz
        self._faults = faults
        self._name = f"virtual {self.kind}, seed {seed}"
        self._vanish_ns: int | None = None
        self._vanished = False
        self._lost = False
        self._stop = threading.Event()
        self._stop.set()

    def open(self, clock: Clock) -> StreamInfo:
        """Make the signal and start the device.

        Raises:
            DeviceNotFoundError: It vanished and is not back, or its picture does not exist.
            ConfigError: Its picture cannot be read.
        """
        self.close()
        self._refuse_vanished(clock)
        self._prepare()
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._next = 0
        self._lost = False
        if self._vanish_ns is None and self._faults.vanish_after_s is not None:
            self._vanish_ns = self._start_ns + round(self._faults.vanish_after_s * 1e9)
        self._stop = threading.Event()
        return self._info()

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next chunk when it is due; None after ``duration_s``.

        Raises:
            DeviceTimeoutError: Nothing is due in time, or the device stalls.
            DeviceLostError: It vanished.
            ClosedError: It is not open.
        """
        if self._stop.is_set():
            raise ClosedError(f"{self._name} is not open")
        self._next = self._first()
        if self._is_past(self._faults.duration_s):
            return None
        due_ns = self._due_ns()
        self._check_vanished(due_ns, timeout_s)
        self._check_stalled(timeout_s)
        wait_until_due(self._clock, due_ns, timeout_s, self._stop, self._name)
        chunk = self._make()
        self._next += chunk.n_samples
        return chunk

    def close(self) -> None:
        """Stop; a read that waits ends with ClosedError."""
        self._stop.set()

    @classmethod
    def devices(cls) -> list[DeviceEntry]:
        """List the device that is always there."""
        return [DeviceEntry(cls.kind, "virtual:?seed=0", f"virtual {cls.kind}, synthetic")]

    def _first(self) -> int:
        return self._next

    @abstractmethod
    def _prepare(self) -> None:
        """Make what is made once."""

    @abstractmethod
    def _info(self) -> StreamInfo:
        """Describe the stream."""

    @abstractmethod
    def _due_ns(self) -> int:
        """When the chunk that begins with sample ``_next`` can be handed out."""

    @abstractmethod
    def _make(self) -> Chunk:
        """Make the chunk that begins with sample ``_next``."""

    def _time_ns(self, seq: int) -> int:
        return self._start_ns + round(seq * 1e9 / self._rate_hz)

    def _is_past(self, limit_s: float | None) -> bool:
        return limit_s is not None and self._next >= round(limit_s * self._rate_hz)

    def _refuse_vanished(self, clock: Clock) -> None:
        back_s = self._faults.back_after_s
        gone = self._vanished and self._vanish_ns is not None
        if gone and (back_s is None or clock.now_ns() < self._gone_until_ns(back_s)):
            raise DeviceNotFoundError(f"{self._name} vanished and is not back")

    def _gone_until_ns(self, back_s: float) -> int:
        return (self._vanish_ns or 0) + round(back_s * 1e9)

    def _check_vanished(self, due_ns: int, timeout_s: float) -> None:
        vanish_ns = self._vanish_ns
        if not self._vanished and vanish_ns is not None and due_ns >= vanish_ns:
            wait_until_due(self._clock, vanish_ns, timeout_s, self._stop, self._name)
            self._vanished = self._lost = True
        if self._lost:
            raise DeviceLostError(f"{self._name} vanished, as vanish_after_s asks")

    def _check_stalled(self, timeout_s: float) -> None:
        if self._is_past(self._faults.stall_after_s):
            deadline_ns = self._clock.now_ns() + round(timeout_s * 1e9)
            wait_until_due(self._clock, deadline_ns, timeout_s, self._stop, self._name)
            raise DeviceTimeoutError(f"{self._name} stalls, as stall_after_s asks")


class VirtualCamera(_Virtual):
    """A camera without hardware: a moving scene, or a portrait that moves as a person would.

    Like a camera it delivers the newest frame; a slow reader misses those between. One whole
    frame costs little, so that it may stand in for a camera in benchmarks.

    Args:
        target: Empty.
        seed: Decides the scene and every path in it.
        rate_hz: Frames per second.
        width_px: Width of the frame.
        height_px: Height of the frame.
        image: A picture that moves, scales and turns slightly before a plain background.
        duration_s: Length of the stream; unlimited without it.
        numbered: Draw each frame's number into it, for :func:`virtual_scene.read_number`.
        vanish_after_s: When the device vanishes, in seconds after the first ``open``; once.
        back_after_s: When it is back, in seconds after it vanished; never without it.
        stall_after_s: When it stops delivering, in seconds after each ``open``.
    """

    kind = "camera"

    def __init__(
        self,
        target: str = "",
        *,
        seed: int = 0,
        rate_hz: float = 30.0,
        width_px: int = 640,
        height_px: int = 480,
        image: Path | None = None,
        duration_s: float | None = None,
        numbered: bool = False,
        vanish_after_s: float | None = None,
        back_after_s: float | None = None,
        stall_after_s: float | None = None,
    ) -> None:
        _refuse_target(target)
        if min(width_px, height_px) < SMALLEST_PX:
            raise ConfigError(f"virtual: a frame is at least {SMALLEST_PX} pixels wide and high")
        super().__init__(
            seed, rate_hz, _Faults(vanish_after_s, back_after_s, stall_after_s, duration_s)
        )
        self._size_px = (width_px, height_px)
        self._image = image
        self._numbered = numbered

    def _prepare(self) -> None:
        self._scene = Scene(self._seed, self._size_px, self._image, self._numbered)

    def _info(self) -> StreamInfo:
        device = f"{self._name}, {self._size_px[0]}×{self._size_px[1]}"
        return StreamInfo("camera", self._rate_hz, (), "rgb8", device)

    def _first(self) -> int:
        elapsed_ns = self._clock.now_ns() - self._start_ns
        return max(self._next, int(elapsed_ns * self._rate_hz / 1e9))

    def _due_ns(self) -> int:
        return self._time_ns(self._next)

    def _make(self) -> Chunk:
        image = self._scene.frame(self._next, self._next / self._rate_hz)
        return Chunk("camera", self._next, self._time_ns(self._next), self._rate_hz, image)


class _VirtualSamples(_Virtual):
    """A device that delivers blocks of samples, in order and without loss.

    Args:
        seed: Decides the signal.
        rate_hz: Samples per second.
        channels: Their names.
        block_s: Length of a block.
        faults: When it ends, stalls or vanishes.
        flat: Name of a channel that is constantly 0, or None.
        invalid: Name of a channel that is not a number, or None.
    """

    def __init__(
        self,
        seed: int,
        rate_hz: float,
        channels: tuple[str, ...],
        block_s: float,
        faults: _Faults,
        flat: str | None,
        invalid: str | None,
    ) -> None:
        super().__init__(seed, rate_hz, faults)
        if not channels or not block_s > 0:
            raise ConfigError("virtual: needs at least one channel and block_s above 0")
        for name in (flat, invalid):
            if name is not None and name not in channels:
                raise ConfigError(
                    f"virtual: there is no channel {name!r}", hint=f"choose: {', '.join(channels)}"
                )
        self._channels = channels
        self._block = max(1, round(block_s * rate_hz))
        self._spoilt = [(flat, 0.0), (invalid, float("nan"))]

    @abstractmethod
    def _signal(self, n_samples: int) -> Samples:
        """Return a stretch of shape (n_samples, n_channels) that joins its own beginning."""

    def _prepare(self) -> None:
        self._stretch = self._signal(round(PERIOD_S * self._rate_hz))
        for name, value in self._spoilt:
            if name is not None:
                self._stretch[:, self._channels.index(name)] = value

    def _due_ns(self) -> int:
        return self._time_ns(self._next + self._length())

    def _make(self) -> Chunk:
        numbers = np.arange(self._next, self._next + self._length())
        data = self._stretch[numbers % len(self._stretch)]
        return Chunk(self.kind, self._next, self._time_ns(self._next), self._rate_hz, data)

    def _length(self) -> int:
        if self._faults.duration_s is None:
            return self._block
        return min(self._block, round(self._faults.duration_s * self._rate_hz) - self._next)


class VirtualMicrophone(_VirtualSamples):
    """A microphone without hardware: babble of voiced and unvoiced syllables, without words.

    Args:
        target: Empty.
        seed: Decides the babble.
        rate_hz: Samples per second.
        channels: How many; all carry the same sound, each a little softer than the one before.
        block_s: Length of a chunk.
        duration_s: Length of the stream; unlimited without it.
        vanish_after_s: When the device vanishes, in seconds after the first ``open``; once.
        back_after_s: When it is back, in seconds after it vanished; never without it.
        stall_after_s: When it stops delivering, in seconds after each ``open``.
        flat_channel: Name of a channel that is silent.
        nan_channel: Name of a channel that is not a number.
    """

    kind = "microphone"

    def __init__(
        self,
        target: str = "",
        *,
        seed: int = 0,
        rate_hz: float = 16000.0,
        channels: int = 1,
        block_s: float = 0.03,
        duration_s: float | None = None,
        vanish_after_s: float | None = None,
        back_after_s: float | None = None,
        stall_after_s: float | None = None,
        flat_channel: str | None = None,
        nan_channel: str | None = None,
    ) -> None:
        _refuse_target(target)
        faults = _Faults(vanish_after_s, back_after_s, stall_after_s, duration_s)
        names = channel_names(channels) if channels > 0 else ()
        super().__init__(seed, rate_hz, names, block_s, faults, flat_channel, nan_channel)

    def _info(self) -> StreamInfo:
        return StreamInfo(
            "microphone", self._rate_hz, self._channels, "full-scale", f"{self._name}: babble"
        )

    def _signal(self, n_samples: int) -> Samples:
        sound = babble(self._seed, n_samples, self._rate_hz)
        gains = 0.9 ** np.arange(len(self._channels), dtype=np.float32)
        stretch: Samples = sound[:, None] * gains
        return stretch


class VirtualEeg(_VirtualSamples):
    """An EEG headset without hardware: pink noise, alpha rhythm at the back, blinks in front.

    Args:
        target: Empty.
        seed: Decides the signal and the jitter.
        rate_hz: Samples per second by name.
        channels: 10-20 names, separated by commas or plus signs.
        block_s: Length of a chunk.
        duration_s: Length of the stream; unlimited without it.
        numbered: Put each sample's number into the first channel (exact up to 2^24).
        drift_ppm: The device clock's drift: above 0 it delivers faster than ``rate_hz`` says.
        jitter_ms: Chunks arrive, and are stamped, late by this much (standard deviation of the
            normal distribution whose absolute value is taken), but never out of order.
        vanish_after_s: When the device vanishes, in seconds after the first ``open``; once.
        back_after_s: When it is back, in seconds after it vanished; never without it.
        stall_after_s: When it stops delivering, in seconds after each ``open``.
        flat_channel: Name of a channel that is constantly 0.
        nan_channel: Name of a channel that is not a number.
    """

    kind = "eeg"

    def __init__(
        self,
        target: str = "",
        *,
        seed: int = 0,
        rate_hz: float = 250.0,
        channels: str = "Fp1,Fp2,C3,C4,P7,P8,O1,O2",
        block_s: float = 0.04,
        duration_s: float | None = None,
        numbered: bool = False,
        drift_ppm: float = 0.0,
        jitter_ms: float = 0.0,
        vanish_after_s: float | None = None,
        back_after_s: float | None = None,
        stall_after_s: float | None = None,
        flat_channel: str | None = None,
        nan_channel: str | None = None,
    ) -> None:
        _refuse_target(target)
        faults = _Faults(vanish_after_s, back_after_s, stall_after_s, duration_s)
        names = tuple(name.strip() for name in channels.replace("+", ",").split(",") if name)
        super().__init__(seed, rate_hz, names, block_s, faults, flat_channel, nan_channel)
        self._numbered = numbered
        self._speed = 1.0 + drift_ppm * 1e-6
        self._jitter_ms = jitter_ms

    def _prepare(self) -> None:
        super()._prepare()
        self._stamp_ns = -(2**63)

    def _info(self) -> StreamInfo:
        return StreamInfo("eeg", self._rate_hz, self._channels, "uv", self._name)

    def _signal(self, n_samples: int) -> Samples:
        return brain_waves(self._seed, n_samples, self._rate_hz, self._channels)

    def _time_ns(self, seq: int) -> int:
        return self._start_ns + round(seq * 1e9 / (self._rate_hz * self._speed))

    def _due_ns(self) -> int:
        return super()._due_ns() + self._late_ns()

    def _make(self) -> Chunk:
        chunk = super()._make()
        self._stamp_ns = max(self._stamp_ns, chunk.t_ns + self._late_ns())
        if self._numbered:
            chunk.samples[:, 0] = np.arange(chunk.seq, chunk.seq + chunk.n_samples)
        return replace(chunk, t_ns=self._stamp_ns)

    def _late_ns(self) -> int:
        if not self._jitter_ms:
            return 0
        deviation = np.random.default_rng([self._seed, self._next]).standard_normal()
        return round(abs(deviation) * self._jitter_ms * 1e6)


class VirtualPhysio(_VirtualSamples):
    """A wrist band without hardware: pulse, skin conductance and temperature at one rate.

    Args:
        target: Empty.
        seed: Decides the signal.
        rate_hz: Samples per second of all three.
        heart_rate_bpm: Mean heart rate.
        responses_per_min: Skin responses; 0 for a calm skin.
        block_s: Length of a chunk.
        duration_s: Length of the stream; unlimited without it.
        vanish_after_s: When the device vanishes, in seconds after the first ``open``; once.
        back_after_s: When it is back, in seconds after it vanished; never without it.
        stall_after_s: When it stops delivering, in seconds after each ``open``.
        flat_channel: Name of a channel that is constantly 0: bvp, eda or temp.
        nan_channel: Name of a channel that is not a number.
    """

    kind = "physio"

    def __init__(
        self,
        target: str = "",
        *,
        seed: int = 0,
        rate_hz: float = 64.0,
        heart_rate_bpm: float = 70.0,
        responses_per_min: float = 3.0,
        block_s: float = 0.25,
        duration_s: float | None = None,
        vanish_after_s: float | None = None,
        back_after_s: float | None = None,
        stall_after_s: float | None = None,
        flat_channel: str | None = None,
        nan_channel: str | None = None,
    ) -> None:
        _refuse_target(target)
        faults = _Faults(vanish_after_s, back_after_s, stall_after_s, duration_s)
        names = ("bvp", "eda", "temp")
        super().__init__(seed, rate_hz, names, block_s, faults, flat_channel, nan_channel)
        self._body = (heart_rate_bpm, responses_per_min)

    def _info(self) -> StreamInfo:
        return StreamInfo("physio", self._rate_hz, self._channels, "physical", self._name)

    def _signal(self, n_samples: int) -> Samples:
        return body_signals(self._seed, n_samples, self._rate_hz, *self._body)


def _refuse_target(target: str) -> None:
    if target:
        raise ConfigError(
            f"virtual: points at nothing, not at {target!r}", hint="options: virtual:?seed=7"
        )

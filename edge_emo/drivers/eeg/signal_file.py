"""What all files of recorded signals share: they are read whole and played at their own pace."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from edge_emo.clock import Clock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.pacing import wait_until_due
from edge_emo.errors import ClosedError, ConfigError, DeviceError, DeviceNotFoundError
from edge_emo.types import Chunk, Kind, StreamInfo

_HOLE_SAMPLES = 1.5
_LONGEST_S = 366 * 24 * 3600.0
_FASTEST = 1e-3  # of a device's clock: no crystal runs so much ahead of its nominal rate


@dataclass(frozen=True, slots=True)
class Signal:
    """A recorded signal.

    Attributes:
        data: Shape (n_samples, n_channels), n_samples at least 1; EEG in µV.
        rate_hz: Samples per second.
        channels: One name per column.
        places: Place in time of each sample, counted in samples from 0, shape (n_samples,); a
            jump is a loss.
        device: The file in words.
    """

    data: npt.NDArray[np.float32]
    rate_hz: float
    channels: tuple[str, ...]
    places: npt.NDArray[np.int64]
    device: str


class SignalFileEeg(Driver):
    """Plays a signal file, paced by the session clock; file time 0 is the start of ``open``.

    Args:
        target: Path of the file.
        loop: Begin again at the end; sample numbers and stamps run on.
        block_s: Length of a chunk; it is shorter before a gap and at the end.
    """

    kind: ClassVar[Kind] = "eeg"
    unit: ClassVar[str] = "uv"

    def __init__(self, target: str, *, loop: bool = False, block_s: float = 0.04) -> None:
        if not block_s > 0:
            raise ConfigError(f"block_s = {block_s} is not above 0")
        self._path = Path(target).expanduser()
        self._loop = loop
        self._block_s = block_s
        self._dropped = 0
        self._stop = threading.Event()
        self._stop.set()

    def open(self, clock: Clock) -> StreamInfo:
        """Read the whole file and check it.

        Raises:
            DeviceNotFoundError: No such file.
            DeviceError: It is damaged, or of another format.
        """
        self._start_ns = clock.now_ns()
        self._clock = clock
        self.find(self._path)
        self._signal = signal = self.load(self._path)
        self._block = max(1, round(self._block_s * signal.rate_hz))
        self._ends = np.append(np.flatnonzero(np.diff(signal.places) != 1) + 1, len(signal.data))
        self._next = self._seq = self._first_seq = self._dropped = 0
        self._stop = threading.Event()
        return StreamInfo(
            self.kind, signal.rate_hz, signal.channels, self.unit, signal.device, live=False
        )

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next block once the clock has passed its end; None after the last one.

        Raises:
            DeviceTimeoutError: Its end lies further away than ``timeout_s``.
            ClosedError: The driver is closed.
        """
        if self._stop.is_set():
            raise ClosedError(f"{self._path.name} is not open")
        if self._next == len(self._signal.data):
            if not self._loop:
                return None
            self._next, self._first_seq = 0, self._seq
        chunk = self._chunk()
        wait_until_due(self._clock, chunk.end_ns, timeout_s, self._stop, self._path.name)
        self._dropped += chunk.seq - self._seq
        self._next += chunk.n_samples
        self._seq = chunk.seq + chunk.n_samples
        return chunk

    def close(self) -> None:
        """Stop; a read that waits ends with ClosedError."""
        self._stop.set()

    @property
    def dropped(self) -> int:
        """Samples missing in the recording, as far as it has been played."""
        return self._dropped

    def find(self, path: Path) -> None:
        """Refuse a path where nothing is.

        Raises:
            DeviceNotFoundError: No such file.
        """
        if not path.is_file():
            raise DeviceNotFoundError(
                f"there is no signal file {str(path)!r}", hint="give the path of a file"
            )

    @abstractmethod
    def load(self, path: Path) -> Signal:
        """Read the file.

        Raises:
            DeviceError: It is damaged, or of another format.
        """

    def _chunk(self) -> Chunk:
        gap = int(self._ends[np.searchsorted(self._ends, self._next, side="right")])
        data = self._signal.data[self._next : min(self._next + self._block, gap)].copy()
        seq = self._first_seq + int(self._signal.places[self._next])
        t_ns = self._start_ns + round(seq * 1e9 / self._signal.rate_hz)
        return Chunk(self.kind, seq, t_ns, self._signal.rate_hz, data)


UNITS_UV: Mapping[str, float] = {
    "uv": 1.0,
    "µv": 1.0,
    "μv": 1.0,
    "microvolt": 1.0,
    "microvolts": 1.0,
    "mv": 1e3,
    "millivolts": 1e3,
    "nv": 1e-3,
    "v": 1e6,
    "volts": 1e6,
}
"""How many µV one of a unit is; names in lower case, with either letter for micro."""


def check_times(path: Path, times_s: npt.NDArray[np.float64], hint: str) -> None:
    """Refuse time stamps that no recording has.

    Args:
        path: The file, for the message.
        times_s: Shape (n,), n at least 1.
        hint: What file to give instead.

    Raises:
        DeviceError: One is not finite, or two are more than a year apart.
    """
    if not np.isfinite(times_s).all() or np.ptp(times_s) > _LONGEST_S:
        raise DeviceError(
            f"{path.name}: its time stamps are damaged: from {times_s.min():g} s to "
            f"{times_s.max():g} s",
            hint=hint,
        )


def places_of(times_s: npt.NDArray[np.float64], rate_hz: float) -> npt.NDArray[np.int64]:
    """Return the place of each sample from its time stamp; a hole in time becomes a jump.

    Stamps that jitter by less than half a sample, or that come in bursts, make no hole: only a
    step of more than one and a half samples beyond the nominal time does. A device whose clock
    runs up to a thousandth fast brings its samples ever earlier, which hides no hole after hours.

    Args:
        times_s: Shape (n,), in the order of recording.
        rate_hz: Samples per second.
    """
    ahead = times_s * rate_hz - np.arange(len(times_s)) * (1.0 - _FASTEST)
    newest = np.maximum.accumulate(ahead - ahead[0])
    steps = np.diff(newest, prepend=0.0)
    holes = np.where(steps > _HOLE_SAMPLES, np.rint(steps), 0.0)
    return np.arange(len(times_s)) + np.cumsum(holes).astype(np.int64)

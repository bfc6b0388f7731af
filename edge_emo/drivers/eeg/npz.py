"""Signal files: ``npz:FILE.npz``, in the format that the manifest of clips names."""

from __future__ import annotations

import threading
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.clock import Clock
from edge_emo.drivers.base import Driver
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.types import Chunk, StreamInfo

_KEYS = ("data", "rate_hz", "channels")
_FORMAT = "it holds data float32 (n_samples, n_channels) in µV, rate_hz, and channels (names)"
_EARLY_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Signal:
    data: npt.NDArray[np.float32]
    rate_hz: float
    channels: tuple[str, ...]


class NpzEeg(Driver):
    """Plays a signal file, paced by the session clock; file time 0 is the start of ``open``.

    Args:
        target: Path of the file. It holds ``data`` float32 (n_samples, n_channels) in µV,
            ``rate_hz`` (a number) and ``channels`` (one name per column).
        loop: Begin again at the end; sample numbers and stamps run on.
        block_s: Length of a chunk; the last one may be shorter.
    """

    kind = "eeg"

    def __init__(self, target: str, *, loop: bool = False, block_s: float = 0.04) -> None:
        if not block_s > 0:
            raise ConfigError(f"block_s = {block_s} is not above 0")
        self._path = Path(target).expanduser()
        self._loop = loop
        self._block_s = block_s
        self._stop = threading.Event()
        self._stop.set()

    def open(self, clock: Clock) -> StreamInfo:
        """Read the whole file and check it.

        Raises:
            DeviceNotFoundError: No such file.
            DeviceError: It is damaged, or does not hold such a signal.
        """
        self._start_ns = clock.now_ns()
        self._clock = clock
        self._signal = _read_signal(self._path)
        self._block = max(1, round(self._block_s * self._signal.rate_hz))
        self._seq = 0
        self._stop = threading.Event()
        return StreamInfo(
            kind="eeg",
            rate_hz=self._signal.rate_hz,
            channels=self._signal.channels,
            unit="uv",
            device=f"signal file {self._path.name}",
            live=False,
        )

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next block once the clock has passed its end; None after the last one.

        Raises:
            DeviceTimeoutError: Its end lies further away than ``timeout_s``.
            ClosedError: The driver is closed.
        """
        if self._stop.is_set():
            raise ClosedError(f"{self._path.name} is not open")
        data = self._next_block()
        if not len(data):
            return None
        self._wait(self._stamp_ns(self._seq + len(data)), timeout_s)
        chunk = Chunk("eeg", self._seq, self._stamp_ns(self._seq), self._signal.rate_hz, data)
        self._seq += len(data)
        return chunk

    def close(self) -> None:
        """Stop; a read that waits ends with ClosedError."""
        self._stop.set()

    def _next_block(self) -> npt.NDArray[np.float32]:
        total = len(self._signal.data)
        rows = np.arange(self._seq, self._seq + self._block)
        rows = rows % total if self._loop else rows[rows < total]
        block: npt.NDArray[np.float32] = self._signal.data[rows]
        return block

    def _stamp_ns(self, seq: int) -> int:
        return self._start_ns + round(seq * 1e9 / self._signal.rate_hz)

    def _wait(self, end_ns: int, timeout_s: float) -> None:
        deadline_ns = self._clock.now_ns() + round(timeout_s * 1e9)
        if end_ns > deadline_ns:
            self._wait_until(deadline_ns)
            # A replay clock returns at once and stands still: nobody waits on it.
            if self._clock.now_ns() >= deadline_ns - _EARLY_NS:
                raise DeviceTimeoutError(f"{self._path.name}: no samples within {timeout_s} s")
        self._wait_until(end_ns)

    def _wait_until(self, t_ns: int) -> None:
        if not self._clock.wait_until_ns(t_ns, self._stop):
            raise ClosedError(f"{self._path.name} was closed")


def _read_signal(path: Path) -> _Signal:
    if not path.is_file():
        raise DeviceNotFoundError(
            f"there is no signal file {str(path)!r}", hint="give a path: npz:FILE.npz"
        )
    arrays = _read_arrays(path)
    data = _checked_data(path, arrays["data"])
    return _Signal(
        data,
        _checked_rate(path, arrays["rate_hz"]),
        _checked_channels(path, arrays["channels"], data.shape[1]),
    )


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:  # np.load leaves a damaged file open when it opens the file itself
        with path.open("rb") as file:
            return _named_arrays(path, np.load(file, allow_pickle=False))
    except DeviceError:
        raise
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise _unusable(path, f"it cannot be read: {error}") from error


def _named_arrays(path: Path, archive: Any) -> dict[str, npt.NDArray[Any]]:
    if isinstance(archive, np.ndarray):
        raise _unusable(path, "it holds one array without a name")
    missing = [key for key in _KEYS if key not in archive.files]
    if missing:
        raise _unusable(path, f"it has no {missing[0]!r}, only {archive.files}")
    return {key: archive[key] for key in _KEYS}


def _checked_data(path: Path, data: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    if data.ndim != 2 or 0 in data.shape:
        raise _unusable(path, f"'data' has shape {data.shape}, not (n_samples, n_channels)")
    if data.dtype.kind not in "fiu":
        raise _unusable(path, f"'data' is {data.dtype}, not float32")
    return np.ascontiguousarray(data, dtype=np.float32)


def _checked_rate(path: Path, rate_hz: npt.NDArray[Any]) -> float:
    if rate_hz.size != 1 or rate_hz.dtype.kind not in "fiu":
        raise _unusable(path, "'rate_hz' is not one number")
    value = float(rate_hz.reshape(-1)[0])
    if not 0 < value < float("inf"):
        raise _unusable(path, f"'rate_hz' is {value}, not above 0")
    return value


def _checked_channels(path: Path, names: npt.NDArray[Any], columns: int) -> tuple[str, ...]:
    if names.dtype.kind != "U" or names.shape != (columns,):
        raise _unusable(
            path, f"'channels' is {names.dtype} {names.shape}, not one name for {columns} columns"
        )
    return tuple(str(name) for name in names)


def _unusable(path: Path, reason: str) -> DeviceError:
    return DeviceError(f"signal file {path.name}: {reason}", hint=_FORMAT)

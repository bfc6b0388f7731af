"""Signal files: ``npz:FILE.npz``, in the format that the manifest of clips names."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.drivers.eeg.signal_file import Signal, SignalFileEeg
from edge_emo.errors import DeviceError

_BROKEN = (
    *(ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error),
    *(RuntimeError, MemoryError),  # of an archive that is encrypted or too new, of a false shape
)
"""What reading a damaged archive raises."""

_KEYS = ("data", "rate_hz", "channels")
_FORMAT = "it holds data float32 (n_samples, n_channels) in µV, rate_hz, and channels (names)"


class NpzEeg(SignalFileEeg):
    """Plays ``data`` float32 (n_samples, n_channels) in µV, with ``rate_hz`` and ``channels``.

    ``rate_hz`` is one number, ``channels`` has one name per column. Nothing is unpickled.
    """

    def load(self, path: Path) -> Signal:
        """Read the three arrays and check them.

        Raises:
            DeviceError: The file is damaged, or does not hold such a signal.
        """
        arrays = _read_arrays(path)
        data = _checked_data(path, arrays["data"])
        return Signal(
            data=data,
            rate_hz=_checked_rate(path, arrays["rate_hz"]),
            channels=_checked_channels(path, arrays["channels"], data.shape[1]),
            places=np.arange(len(data)),
            device=f"signal file {path.name}",
        )


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:  # np.load leaves a damaged file open when it opens the file itself
        with path.open("rb") as file:
            return _named_arrays(path, np.load(file, allow_pickle=False))
    except DeviceError:
        raise
    except _BROKEN as error:
        pickled = isinstance(error, ValueError) and "contains pickled" in str(error)
        words = "it is no .npz archive" if pickled else f"it cannot be read: {error}"
        raise _unusable(path, words) from error


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

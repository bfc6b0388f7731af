"""Recordings of the Mind Monitor app: ``mindmonitor:mindMonitor_….csv``.

One line of names, then a line per sample: ``TimeStamp`` (date and time to the millisecond), band
powers, ``RAW_TP9`` … in µV, and lines that only tell of a blink or a jaw clench. The interval
must have been set to "Constant": otherwise the file holds one sample a second or less.
https://mind-monitor.com/Technical_Manual.php
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from edge_emo.drivers.eeg.signal_file import Signal, SignalFileEeg, check_times
from edge_emo.drivers.eeg.table_file import numbers, read_rows
from edge_emo.errors import DeviceError

_STAMP, _RAW = "TimeStamp", "RAW_"
_RATES_HZ = (256.0, 220.0)
_HINT = 'give a CSV file of Mind Monitor, recorded with the interval "Constant"'
_RATE_TOLERANCE = 0.1


class MindMonitorEeg(SignalFileEeg):
    """Plays the raw electrodes of a Muse that Mind Monitor recorded, 256 Hz (220 for 2014)."""

    def load(self, path: Path) -> Signal:
        """Read the table.

        Raises:
            DeviceError: It is another format, damaged, or holds no continuous signal.
        """
        lines = list(read_rows(path, [_STAMP, "RAW_TP9"], _HINT))
        columns = [name for name in lines[0][1] if name and name.startswith(_RAW)] if lines else []
        sampled = [(i, row) for i, row in lines if (row.get("RAW_TP9") or "").strip()]
        if len(sampled) < 2:
            raise DeviceError(f"{path.name} holds no sample", hint=_HINT)
        rows = np.array([numbers(path, i, row, columns) for i, row in sampled])
        times_s = np.array([_seconds(path, i, row.get(_STAMP)) for i, row in sampled])
        check_times(path, times_s, _HINT)
        rate_hz = _rate(path, times_s)
        return Signal(
            data=np.ascontiguousarray(rows, dtype=np.float32),
            rate_hz=rate_hz,
            channels=tuple(name.removeprefix(_RAW) for name in columns),
            places=_places(times_s, rate_hz),
            device=f"Mind Monitor recording {path.name}",
        )


def _seconds(path: Path, line: int, stamp: str | None) -> float:
    """Return a stamp in seconds, reckoned alike wherever this machine and its clock are."""
    try:
        local = datetime.fromisoformat(_padded(stamp or ""))
        return local.replace(tzinfo=timezone.utc).timestamp()
    except ValueError as error:
        raise DeviceError(f"{path.name}, line {line}: {error}", hint=_HINT) from error


def _padded(stamp: str) -> str:
    """Fill the fraction to six digits, as Python 3.10 wants it."""
    whole, dot, fraction = stamp.strip().partition(".")
    return f"{whole}.{fraction:0<6}" if dot else whole


def _rate(path: Path, times_s: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Return the nominal rate that the bulk of the stamps is near: they come in bursts."""
    steps_s = np.diff(times_s)
    held_s = steps_s[(steps_s >= 0) & (steps_s < 0.5)].sum()
    found_hz = float(np.count_nonzero(steps_s < 0.5) / held_s) if held_s > 0 else 0.0
    for rate_hz in _RATES_HZ:
        if abs(found_hz - rate_hz) <= _RATE_TOLERANCE * rate_hz:
            return rate_hz
    raise DeviceError(f"{path.name} has {found_hz:.1f} samples a second", hint=_HINT)


def _places(
    times_s: np.ndarray[tuple[int, ...], np.dtype[np.float64]], rate_hz: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Take half a second without a sample as a hole; shorter pauses are bursts of the radio."""
    steps_s = np.diff(times_s, prepend=times_s[0])
    holes = np.where(steps_s > 0.5, np.rint(steps_s * rate_hz) - 1, 0).astype(np.int64)
    return np.arange(len(times_s)) + np.cumsum(holes)

"""Recordings of muselsl: ``muselsl:EEG_recording_….csv``.

A line of names (``timestamps``, then the electrodes, then perhaps ``Right AUX``), then one line
per sample: unix time in seconds and µV. https://github.com/alexandrebarachant/muse-lsl
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_emo.drivers.eeg.signal_file import Signal, SignalFileEeg, check_times, places_of
from edge_emo.drivers.eeg.table_file import numbers, read_rows
from edge_emo.errors import DeviceError

RATE_HZ = 256.0
_STAMP = "timestamps"
_HINT = "give the CSV file that muselsl record wrote"
_RATE_TOLERANCE = 0.05


class MuseLslEeg(SignalFileEeg):
    """Plays the electrodes of a Muse that muselsl recorded at 256 Hz."""

    def load(self, path: Path) -> Signal:
        """Read the table.

        Raises:
            DeviceError: It is another format, damaged, or not recorded at 256 Hz.
        """
        lines = list(read_rows(path, [_STAMP], _HINT))
        if len(lines) < 2:
            raise DeviceError(f"{path.name} holds no sample", hint=_HINT)
        names = tuple(name for name in lines[0][1] if name and name != _STAMP)
        rows = np.array([numbers(path, i, row, (_STAMP, *names)) for i, row in lines])
        check_times(path, rows[:, 0], _HINT)
        _check_rate(path, rows[:, 0])
        return Signal(
            data=np.ascontiguousarray(rows[:, 1:], dtype=np.float32),
            rate_hz=RATE_HZ,
            channels=names,
            places=places_of(rows[:, 0], RATE_HZ),
            device=f"muselsl recording {path.name}",
        )


def _check_rate(path: Path, times_s: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    steps_s = np.diff(times_s)
    if (steps_s < 0).any():
        raise DeviceError(f"{path.name}: its time stamps do not run forwards", hint=_HINT)
    rate_hz = 1.0 / max(float(np.median(steps_s)), 1e-9)
    if abs(rate_hz - RATE_HZ) > _RATE_TOLERANCE * RATE_HZ:
        raise DeviceError(f"{path.name} has {rate_hz:.1f} Hz, a Muse has {RATE_HZ:g}", hint=_HINT)

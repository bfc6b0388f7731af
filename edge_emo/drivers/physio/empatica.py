"""Recordings of an Empatica E4: ``empatica:FOLDER``, the folder that its archive unpacks to.

Each signal has a file of its own. Its first row is the unix time of the first sample, its second
row the rate in Hz, then one sample a row: ``BVP.csv`` (64 Hz), ``EDA.csv`` in µS and ``TEMP.csv``
in °C (4 Hz). https://support.empatica.com/hc/en-us/articles/201608896
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_emo.drivers.eeg.signal_file import Signal, SignalFileEeg
from edge_emo.errors import DeviceError, DeviceNotFoundError

_FILES = {"bvp": "BVP.csv", "eda": "EDA.csv", "temp": "TEMP.csv"}
_RATES_HZ = (0.5, 1000.0)
_LAYOUT = "a signal's file holds its start in unix seconds, its rate in Hz, then one sample a row"


@dataclass(frozen=True, slots=True)
class _Track:
    """One file: samples (n,), their rate, and the unix time of the first."""

    samples: npt.NDArray[np.float64]
    rate_hz: float
    start_s: float

    @property
    def end_s(self) -> float:
        """Unix time of the last sample."""
        return self.start_s + (len(self.samples) - 1) / self.rate_hz


class EmpaticaPhysio(SignalFileEeg):
    """Plays the pulse, skin conductance and temperature of one recording as one stream.

    All come at the rate of the fastest, usually the pulse's 64 Hz: slower ones are interpolated.
    Where a signal has not begun or has ended it is not a number. A file that is missing leaves
    its channel out.
    """

    kind = "physio"
    unit = "physical"

    def find(self, path: Path) -> None:
        """Refuse what is no folder of a recording.

        Raises:
            DeviceNotFoundError: No such folder, or none of the files in it.
        """
        if not any((path / name).is_file() for name in ("BVP.csv", "EDA.csv")):
            raise DeviceNotFoundError(
                f"there is no Empatica recording in {str(path)!r}",
                hint="give the folder that holds BVP.csv or EDA.csv",
            )

    def load(self, path: Path) -> Signal:
        """Read the files and bring them to one rate.

        Raises:
            DeviceError: A file is damaged, or two are not of one time.
        """
        files = {name: path / file for name, file in _FILES.items() if (path / file).is_file()}
        tracks = {name: _read(file) for name, file in files.items()}
        rate_hz = max(track.rate_hz for track in tracks.values())
        first_s = min(track.start_s for track in tracks.values())
        last_s = max(track.end_s for track in tracks.values())
        _check_times(path, tracks.values())
        grid_s = first_s + np.arange(int((last_s - first_s) * rate_hz + 1e-6) + 1) / rate_hz
        columns = [_on(grid_s, track) for track in tracks.values()]
        return Signal(
            data=np.stack(columns, axis=1).astype(np.float32),
            rate_hz=rate_hz,
            channels=tuple(tracks),
            places=np.arange(len(grid_s)),
            device=f"Empatica recording {path.name}",
        )


def _check_times(path: Path, tracks: Iterable[_Track]) -> None:
    """Refuse signals with nothing but time between them, which may be decades."""
    ordered = sorted(tracks, key=lambda track: track.start_s)
    end_s = ordered[0].end_s
    for track in ordered[1:]:
        if track.start_s > end_s:
            raise DeviceError(
                f"{path.name}: its signals were not recorded at one time: one begins "
                f"{track.start_s - end_s:.0f} s after the others ended",
                hint="unpack the archive of one session into a folder of its own",
            )
        end_s = max(end_s, track.end_s)


def _on(grid_s: npt.NDArray[np.float64], track: _Track) -> npt.NDArray[np.float64]:
    own_s = track.start_s + np.arange(len(track.samples)) / track.rate_hz
    half_s = 0.5 / track.rate_hz
    values = np.interp(grid_s, own_s, track.samples)
    outside = (grid_s < own_s[0] - half_s) | (grid_s > own_s[-1] + half_s)
    return np.where(outside, np.nan, values)


def _read(path: Path) -> _Track:
    try:
        rows = [float(line.split(",")[0]) for line in path.read_text("utf-8").split()]
    except (OSError, ValueError) as error:
        raise DeviceError(f"{path.name} cannot be read: {error}", hint=_LAYOUT) from error
    if len(rows) < 4:
        raise DeviceError(f"{path.name} holds no samples", hint=_LAYOUT)
    start_s, rate_hz, *samples = rows
    if not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
        raise DeviceError(f"{path.name}: {rate_hz:g} Hz is no rate", hint=_LAYOUT)
    if not math.isfinite(start_s):
        raise DeviceError(f"{path.name}: {start_s:g} is no time to start at", hint=_LAYOUT)
    return _Track(np.array(samples), rate_hz, start_s)

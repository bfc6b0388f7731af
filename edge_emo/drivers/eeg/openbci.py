"""Recordings of the OpenBCI GUI: ``openbci:OpenBCI-RAW-….txt``.

Lines that begin with ``%`` name the rate and the number of channels; then, since version 5 of
the GUI, one line of column names; then one comma-separated line per sample, which begins with
the packet number and the channels in µV.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_emo.drivers.eeg.signal_file import Signal, SignalFileEeg
from edge_emo.errors import ConfigError, DeviceError

_RATE = re.compile(r"%\s*Sample Rate\s*=\s*([\d.]+)")
_COUNT = re.compile(r"%\s*Number of channels\s*=\s*(\d+)")
_BOARD = re.compile(r"%\s*Board\s*=\s*(\S+)")
_CYTON = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
_NUMBER_WRAPS = 256
_GUI = "give a text file that the OpenBCI GUI recorded"


class OpenBciEeg(SignalFileEeg):
    """Plays a text file of the OpenBCI GUI.

    Args:
        target: Path of the file.
        channels: Comma-separated 10-20 names, one per EEG channel; the format has none. Empty
            gives eight channels the names of OpenBCI's default montage, others ``EEG1`` ….
        loop: Begin again at the end.
        block_s: Length of a chunk.
    """

    def __init__(
        self, target: str, *, channels: str = "", loop: bool = False, block_s: float = 0.04
    ) -> None:
        super().__init__(target, loop=loop, block_s=block_s)
        self._names = tuple(name.strip() for name in channels.split(",")) if channels else ()

    def load(self, path: Path) -> Signal:
        """Read header and samples.

        Raises:
            DeviceError: No such recording, or a line that cannot be read.
            ConfigError: ``channels`` does not fit the file.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except ValueError as error:
            raise DeviceError(f"{path.name} is no text: {error}", hint=_GUI) from error
        header = "\n".join(line for line in lines[:50] if line.startswith("%"))
        count, rate_hz = _number(path, _COUNT, header), _number(path, _RATE, header)
        rows = _samples(path, lines, int(count) + 1)
        board = _BOARD.search(header)
        return Signal(
            data=rows[:, 1:].astype(np.float32),
            rate_hz=rate_hz,
            channels=self._channel_names(int(count)),
            places=_places(rows[:, 0]),
            device=f"OpenBCI recording {path.name}" + (f" of {board[1]}" if board else ""),
        )

    def _channel_names(self, count: int) -> tuple[str, ...]:
        if self._names and len(self._names) != count:
            raise ConfigError(f"channels names {len(self._names)}, but the file has {count}")
        default = _CYTON if count == len(_CYTON) else tuple(f"EEG{i + 1}" for i in range(count))
        return self._names or default


def _number(path: Path, pattern: re.Pattern[str], header: str) -> float:
    found = pattern.search(header)
    value = float(found[1]) if found else 0.0
    if value <= 0:
        raise DeviceError(f"{path.name} has no header of the OpenBCI GUI", hint=_GUI)
    return value


def _samples(path: Path, lines: list[str], columns: int) -> npt.NDArray[np.float64]:
    numbered = [(i, line) for i, line in enumerate(lines, 1) if line and line[0] not in "%S"]
    if not numbered:
        raise DeviceError(f"{path.name} holds no sample", hint=_GUI)
    return np.array([_sample(path, i, line, columns) for i, line in numbered])


def _sample(path: Path, number: int, line: str, columns: int) -> list[float]:
    try:
        values = [float(cell) for cell in line.split(",", columns)[:columns]]
    except ValueError as error:
        raise DeviceError(f"{path.name}, line {number}: {error}", hint=_GUI) from error
    if len(values) < columns:
        raise DeviceError(
            f"{path.name}, line {number}: {len(values)} of {columns} values",
            hint="if the recording was cut off there, delete that line",
        )
    return values


def _places(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the place of each sample; without holes where the numbers do not tell of any."""
    steps = np.mod(np.diff(numbers.astype(np.int64)), _NUMBER_WRAPS)
    if not _count_samples(numbers, steps):
        return np.arange(len(numbers))
    return np.concatenate([[0], np.cumsum(np.where(steps == 0, _NUMBER_WRAPS, steps))])


def _count_samples(numbers: npt.NDArray[np.float64], steps: npt.NDArray[np.int64]) -> bool:
    """Tell whether each sample has a number of its own that wraps at 256, as of a Cyton.

    A Ganglion numbers packets of two samples, or wraps at 101 or 201; a Daisy has every second
    number.
    """
    wraps_early = numbers.max() < _NUMBER_WRAPS - 1 and bool((np.diff(numbers) < 0).any())
    return not wraps_early and 2 * np.count_nonzero(steps == 1) >= len(steps)

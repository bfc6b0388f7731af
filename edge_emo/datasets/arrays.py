"""Arrays inside archives that other people wrote: NumPy, MATLAB and EDF, the last one read kept."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.datasets.decode import ARCHIVE_DAMAGE
from edge_emo.datasets.tree import Signal
from edge_emo.errors import DatasetError
from edge_emo.vendor import load

_State = tuple[int, ...]


def _state(path: Path) -> _State:
    """Return what differs once a file was written again; nothing of one that is not there."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def reading(what: Path | str) -> Iterator[None]:
    """Turn whatever content of the wrong form raises into an error that names the file.

    Raises:
        DatasetError: Something of it is missing or wrong.
    """
    try:
        yield
    except (*ARCHIVE_DAMAGE, IndexError) as error:
        raise DatasetError(
            f"{what} is damaged: {type(error).__name__}: {error}", hint="copy it again"
        ) from error


class Archive(Mapping[str, npt.NDArray[Any]]):
    """The arrays of a NumPy archive by name; the file is open only while one is read."""

    def __init__(self, path: Path, files: Sequence[str]) -> None:
        self._path = path
        self.files = tuple(files)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return an array.

        Raises:
            DatasetError: It is not there, or its bytes are wrong.
        """
        with reading(self._path), np.load(self._path, allow_pickle=False) as opened:
            return np.asarray(opened[name])

    def __contains__(self, name: object) -> bool:
        return name in self.files

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def open_npz(path: Path) -> Archive:
    """Open an archive of arrays without unpickling.

    Raises:
        DatasetError: It is no such archive.
    """
    try:
        with zipfile.ZipFile(path):  # NumPy leaves a damaged one open
            pass
        with np.load(path, allow_pickle=False) as opened:
            return Archive(path, opened.files)
    except ARCHIVE_DAMAGE as error:
        raise DatasetError(f"{path} is no NumPy archive: {error}") from error


def read_mat(path: Path) -> Mapping[str, Any]:
    """Read a MATLAB file up to version 7.

    Raises:
        DatasetError: It cannot be read.
        UnavailableError: SciPy is not installed.
    """
    return _mat(path, _state(path))


@lru_cache(maxsize=1)
def _mat(path: Path, state: _State) -> Mapping[str, Any]:
    io = load("scipy.io")
    try:
        return dict(io.loadmat(path))
    except (*ARCHIVE_DAMAGE, io.matlab.MatReadError) as error:
        raise DatasetError(f"{path} is no readable MATLAB file: {error}") from error


def mat_array(path: Path, *names: str) -> npt.NDArray[Any]:
    """Return the first of these arrays that a MATLAB file has.

    Raises:
        DatasetError: It has none of them, or cannot be read.
        UnavailableError: SciPy is not installed.
    """
    content = read_mat(path)
    found = next((name for name in names if name in content), None)
    if found is None:
        raise DatasetError(f"{path} has no array {' or '.join(names)}")
    return np.asarray(content[found])


def read_edf(path: Path) -> Signal:
    """Read an EDF file whose channels share one rate; channels of other rates are left out.

    Physical values by the header's digital and physical ends (Kemp et al. 1992); a channel in
    mV or V is given in µV.

    Raises:
        DatasetError: It is no EDF file, or is truncated.
    """
    return _read_edf(path, _state(path))


@lru_cache(maxsize=2)
def _read_edf(path: Path, state: _State) -> Signal:
    try:
        raw = path.read_bytes()
        return _edf(raw)
    except (OSError, ValueError, IndexError, ArithmeticError) as error:
        raise DatasetError(f"{path} is no readable EDF file: {error}") from error


def _edf(raw: bytes) -> Signal:
    count, header = int(raw[252:256]), int(raw[184:192])
    records, seconds = int(raw[236:244]), float(raw[244:252])
    fields, start = {}, 256
    for name, width in _EDF_FIELDS:
        cells = [raw[start + i * width : start + (i + 1) * width] for i in range(count)]
        fields[name] = [cell.decode("latin-1").strip() for cell in cells]
        start += width * count
    per_record = np.array([int(text) for text in fields["samples"]])
    data = np.frombuffer(raw, "<i2", offset=header)
    size = int(per_record.sum())
    records = records if records >= 0 else len(data) // size  # −1: closed without counting
    if len(data) < records * size:
        raise ValueError(f"truncated after {len(data) // size} of {records} records")
    data = data[: records * size].reshape(-1, size)
    plain = [i for i, label in enumerate(fields["label"]) if "Annotations" not in label]
    common = np.bincount(per_record[plain]).argmax()
    kept = [i for i in plain if per_record[i] == common]
    ends = np.concatenate([[0], np.cumsum(per_record)])
    columns = [_physical(data[:, ends[i] : ends[i + 1]].reshape(-1), fields, i) for i in kept]
    names = tuple(fields["label"][i] for i in kept)
    return Signal(np.stack(columns, axis=1), float(common) / seconds, names)


def _physical(
    digital: npt.NDArray[np.int16], fields: Mapping[str, list[str]], channel: int
) -> npt.NDArray[np.float32]:
    low, high, dig_low, dig_high = (
        float(fields[name][channel]) for name in ("low", "high", "digital_low", "digital_high")
    )
    unit = {"mv": 1e3, "v": 1e6}.get(fields["unit"][channel].lower(), 1.0)
    gain = (high - low) / (dig_high - dig_low)
    physical = (digital.astype(np.float64) - dig_low) * gain + low
    return np.asarray(physical * unit, dtype=np.float32)


_EDF_FIELDS = (
    *(("label", 16), ("transducer", 80), ("unit", 8), ("low", 8), ("high", 8)),
    *(("digital_low", 8), ("digital_high", 8), ("filter", 80), ("samples", 8), ("rest", 32)),
)

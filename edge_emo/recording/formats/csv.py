"""Signals as one line of text per sample, exact, and the extent of each chunk beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_emo.recording.files import DurableFile, cut, damage, lines
from edge_emo.recording.formats.times import TimesWriter, read_times
from edge_emo.types import Chunk, StreamInfo

_COLUMNS = ("t_ns", "seq", "samples")
_MISSING = "samples that its index names are missing"


class CsvWriter:
    """Writes ``<kind>.csv`` (t_ns, seq, one column per channel) and ``<kind>.times.csv``.

    Nine significant digits give every float32 back exactly; NaN is ``nan``. Times within a
    chunk count from its stamp at the nominal rate.

    Args:
        folder: The session folder.
        info: The stream.

    Raises:
        RecordingError: A file cannot be created.
    """

    def __init__(self, folder: Path, info: StreamInfo) -> None:
        self._samples = DurableFile(folder / f"{info.kind}.csv")
        self._samples.append((_heading(info) + "\n").encode())
        self._times = TimesWriter(folder / f"{info.kind}.times.csv", _COLUMNS)
        self._period_ns = 1e9 / info.rate_hz
        self.files = (self._samples, self._times.file)

    def write(self, chunk: Chunk) -> None:
        """Append one chunk.

        Raises:
            RecordingError: The disk is full.
        """
        for i, row in enumerate(chunk.samples.tolist()):
            t_ns = chunk.t_ns + round(i * self._period_ns)
            values = ",".join(f"{value:.9g}" for value in row)
            self._samples.append(f"{t_ns},{chunk.seq + i},{values}\n".encode())
        self._times.add(chunk.t_ns, chunk.seq, chunk.n_samples)

    def finish(self) -> None:
        """Do nothing: the files are complete at every moment."""


def read_csv(folder: Path, stream: str, info: StreamInfo) -> Iterator[Chunk]:
    """Yield the chunks as they were written.

    Raises:
        TruncatedError: The samples or their index are cut or missing.
        RecordingError: A line is damaged.
    """
    path, width = folder / f"{info.kind}.csv", len(info.channels)
    rows = lines(path)
    number, heading = next(rows, (0, ""))
    if not number:
        raise cut(path, "its heading is missing")
    if heading != _heading(info).rstrip("\r"):  # as of any line, its end was taken off
        raise damage(path, 1, "the columns do not fit session.json")
    index = folder / f"{info.kind}.times.csv"
    for place, (t_ns, seq, count) in read_times(index, _COLUMNS):
        if count < 0:
            raise damage(index, place, "a negative length")
        if count > path.stat().st_size // _row_bytes(width):
            raise cut(path, _MISSING)
        samples = np.empty((count, width), np.float32)
        for i in range(count):
            number, line = next(rows, (0, ""))
            if not number:
                raise cut(path, _MISSING)
            samples[i] = _row(path, number, line, seq + i, width)
        yield Chunk(stream, seq, t_ns, info.rate_hz, samples)


def _heading(info: StreamInfo) -> str:
    """Channel names with the CSV separators taken out, since they are only for people."""
    names = (name.replace(",", " ").replace("\n", " ") for name in info.channels)
    return ",".join(("t_ns", "seq", *names))


def _row_bytes(width: int) -> int:
    """Return the bytes of the shortest line: two numbers and the values, of a digit each."""
    return 2 * (2 + width)


def _row(path: Path, number: int, line: str, seq: int, width: int) -> npt.NDArray[np.float32]:
    cells = line.split(",")
    if len(cells) != width + 2:
        raise damage(path, number, f"{len(cells)} columns instead of {width + 2}")
    try:
        found, values = int(cells[1]), np.array(cells[2:], dtype=np.float32)
    except ValueError:
        raise damage(path, number, "not numbers") from None
    if found != seq:
        raise damage(path, number, f"sample {found} where {seq} belongs")
    return values

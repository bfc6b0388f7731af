"""Sound as 16-bit PCM in a WAV file, and the time of each chunk beside it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from edge_emo.recording.files import DurableFile, cut, damage, part, read_error
from edge_emo.recording.formats.times import TimesWriter, read_times
from edge_emo.types import Chunk, StreamInfo

_COLUMNS = ("t_ns", "seq", "samples")
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_FULL_SCALE = 32768.0
_MOST_BYTES = 0xFFFF_FFFF - _HEADER.size


class WavWriter:
    """Writes ``<kind>.wav`` and ``<kind>.times.csv``.

    Sound beyond full scale is clipped; PCM has no NaN, which is written as 0. The lengths in
    the header are 0 until the file is closed.

    Args:
        folder: The session folder.
        info: The stream.

    Raises:
        RecordingError: A file cannot be created.
    """

    def __init__(self, folder: Path, info: StreamInfo) -> None:
        self._info = info
        self._sound = DurableFile(folder / f"{info.kind}.wav")
        self._sound.append(_header(info, 0))
        self._times = TimesWriter(folder / f"{info.kind}.times.csv", _COLUMNS)
        self.files = (self._sound, self._times.file)

    def write(self, chunk: Chunk) -> None:
        """Append one chunk.

        Raises:
            RecordingError: The disk is full.
        """
        scaled = np.nan_to_num(chunk.samples * _FULL_SCALE)
        clipped = np.clip(np.rint(scaled), -_FULL_SCALE, _FULL_SCALE - 1)
        self._sound.append(clipped.astype("<i2").tobytes())
        self._times.add(chunk.t_ns, chunk.seq, chunk.n_samples)

    def finish(self) -> None:
        """Write the true lengths into the header.

        Raises:
            RecordingError: The disk is full.
        """
        self._sound.replace(0, _header(self._info, self._sound.size_bytes - _HEADER.size))


def read_wav(folder: Path, stream: str, info: StreamInfo) -> Iterator[Chunk]:
    """Yield the chunks as they were written.

    Raises:
        TruncatedError: The sound or its index is cut or missing.
        RecordingError: A file is damaged.
    """
    path = folder / f"{info.kind}.wav"
    width = max(1, len(info.channels))
    try:
        with path.open("rb") as file:
            _check_header(path, file, info)
            for number, row in read_times(folder / f"{info.kind}.times.csv", _COLUMNS):
                t_ns, seq, count = row
                if count < 0:
                    raise damage(folder / f"{info.kind}.times.csv", number, "a negative length")
                samples = _samples(path, file, count, width)
                yield Chunk(stream, seq, t_ns, info.rate_hz, samples)
    except OSError as error:
        raise read_error(path, error) from error


def _header(info: StreamInfo, data_bytes: int) -> bytes:
    """A canonical header; the RIFF length saturates at 4 GiB, readers go by the index."""
    width, rate = 2 * max(1, len(info.channels)), round(info.rate_hz)
    size = min(data_bytes, _MOST_BYTES)
    chunk = (b"fmt ", 16, 1, width // 2, rate, rate * width, width, 16)
    return _HEADER.pack(b"RIFF", size + _HEADER.size - 8, b"WAVE", *chunk, b"data", size)


def _check_header(path: Path, file: BinaryIO, info: StreamInfo) -> None:
    """Check all but the lengths, which are stale after a crash."""
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise cut(path, "its header is cut")
    found, expected = _HEADER.unpack(header), _HEADER.unpack(_header(info, 0))
    if found[2:-1] != expected[2:-1] or found[0] != b"RIFF":
        raise damage(path, 1, "its header does not fit session.json")


def _samples(path: Path, file: BinaryIO, count: int, width: int) -> npt.NDArray[np.float32]:
    what = "sound that its index names is missing"
    data = part(path, file, file.tell(), 2 * count * width, what)
    pcm = np.frombuffer(data, "<i2").reshape(count, width)
    samples: npt.NDArray[np.float32] = pcm.astype(np.float32) / np.float32(_FULL_SCALE)
    return samples

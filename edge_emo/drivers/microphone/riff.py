"""WAV files read in order, also cut ones and ones from a pipe.

Chunk layout after the Multimedia Programming Interface and Data Specifications 1.0 (IBM and
Microsoft, 1991) and WAVE_FORMAT_EXTENSIBLE. The sizes in a header are promises: a recorder that
was killed leaves 0 or 0xFFFFFFFF, a copy that was cut has less than it says. Whatever samples
are there are read.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from edge_emo.drivers.microphone.pcm import Samples, decode
from edge_emo.errors import ConfigError, DeviceLostError

_UNKNOWN_BYTES = 0xFFFFFFFF
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_ENCODINGS = {
    (_PCM, 8): "u8",
    (_PCM, 16): "s16",
    (_PCM, 24): "s24",
    (_PCM, 32): "s32",
    (_FLOAT, 32): "f32",
    (_FLOAT, 64): "f64",
}
_MAX_HEADER_CHUNKS = 1000


class UnsupportedEncodingError(ConfigError):
    """The WAV file holds a compressed or unusual encoding."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What a ``fmt`` chunk says.

    Attributes:
        rate_hz: Samples per second.
        channels: Samples per frame.
        encoding: One of :data:`edge_emo.drivers.microphone.pcm.ENCODINGS`.
    """

    rate_hz: int
    channels: int
    encoding: str

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * int(self.encoding[1:]) // 8


class WavReader:
    """Reads a WAV stream forwards; never seeks, so a pipe does.

    Args:
        stream: Positioned at the first byte of the file. Closed by :meth:`close`.
        name: Name of the file, for errors.
        size_bytes: Size of the file when it has one.

    Raises:
        ConfigError: It is no WAV file, or its header is damaged.
        UnsupportedEncodingError: Neither PCM nor float.
    """

    def __init__(self, stream: BinaryIO, name: str, size_bytes: int | None = None) -> None:
        self._stream = stream
        self._name = name
        self._read_bytes = 0
        riff_bytes = self._read_riff()
        self.format, promised_bytes = self._read_chunks()
        self.left_bytes = self._trust(promised_bytes, riff_bytes, size_bytes)
        self.note = self._describe(promised_bytes, size_bytes)

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return float(self.format.rate_hz)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.format.channels

    def read(self, n_samples: int) -> Samples:
        """Return up to ``n_samples``; fewer at the end, none after it.

        Raises:
            DeviceLostError: The disk does not give the file any more.
        """
        data = self._take(n_samples)
        return decode(data, self.format.encoding, self.format.channels)

    def skip(self, n_samples: int) -> None:
        """Go forward without decoding."""
        while n_samples > 0 and self._take(min(n_samples, 65536)):
            n_samples -= 65536

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def _take(self, n_samples: int) -> bytes:
        n_bytes = min(n_samples * self.format.frame_bytes, self.left_bytes)
        try:
            data = self._stream.read(n_bytes)
        except OSError as error:
            raise DeviceLostError(f"{self._name} cannot be read: {error.strerror}") from error
        self.left_bytes -= len(data)
        return data

    def _exactly(self, n_bytes: int) -> bytes:
        data = self._stream.read(n_bytes)
        self._read_bytes += len(data)
        if len(data) < n_bytes:
            raise ConfigError(
                f"{self._name} ends inside its WAV header", hint="record or copy the file again"
            )
        return data

    def _read_riff(self) -> int:
        head = self._exactly(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise ConfigError(f"{self._name} is not a WAV file")
        return int(struct.unpack_from("<I", head, 4)[0])

    def _read_chunks(self) -> tuple[WavFormat, int]:
        """Read up to the samples; return the format and what the ``data`` chunk promises."""
        found: WavFormat | None = None
        for _ in range(_MAX_HEADER_CHUNKS):
            kind, n_bytes = struct.unpack("<4sI", self._exactly(8))
            if kind == b"data":
                break
            body = self._skim(n_bytes, keep=40 if kind == b"fmt " else 0)
            found = self._parse_format(body) if kind == b"fmt " else found
        if found is None:
            raise ConfigError(f"{self._name} has no format in its WAV header")
        return found, n_bytes

    def _skim(self, n_bytes: int, keep: int) -> bytes:
        """Consume a chunk, which is padded to an even length, and return its beginning."""
        kept = self._exactly(min(n_bytes, keep))
        left = n_bytes + n_bytes % 2 - len(kept)
        while left > 0:
            left -= len(self._exactly(min(left, 65536)))
        return kept

    def _parse_format(self, body: bytes) -> WavFormat:
        if len(body) < 16:
            raise ConfigError(f"{self._name} has a damaged format in its WAV header")
        tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
        if tag == _EXTENSIBLE and len(body) >= 26:
            tag = struct.unpack_from("<H", body, 24)[0]
        if (tag, bits) not in _ENCODINGS:
            raise UnsupportedEncodingError(
                f"{self._name} holds WAV encoding {tag} with {bits} bits",
                hint="convert it: ffmpeg -i FILE -c:a pcm_s16le OUT.wav",
            )
        if not channels or not rate_hz:
            raise ConfigError(f"{self._name} says {channels} channels at {rate_hz} Hz")
        return WavFormat(rate_hz, channels, _ENCODINGS[tag, bits])

    def _trust(self, promised: int, riff_bytes: int, size_bytes: int | None) -> int:
        """Return how many bytes of samples to read at most."""
        whole = size_bytes is not None and riff_bytes + 8 == size_bytes
        if promised == _UNKNOWN_BYTES or (promised == 0 and not whole):
            return 1 << 62
        return promised

    def _describe(self, promised: int, size_bytes: int | None) -> str:
        """Return a note when the header and the file disagree; empty when all is well."""
        if size_bytes is None:
            return ""
        there = size_bytes - self._read_bytes
        if promised == _UNKNOWN_BYTES or promised == 0 < self.left_bytes:
            return "its recorder did not finish the header"
        if there < promised:
            seconds = self.format.frame_bytes * self.format.rate_hz
            return f"cut: {there / seconds:.2f} s of the {promised / seconds:.2f} s promised"
        return ""


def open_wav(path: str | os.PathLike[str]) -> WavReader:
    """Open a WAV file.

    Raises:
        ConfigError: As :class:`WavReader`.
    """
    stream = open(path, "rb")  # noqa: SIM115, PTH123 - the reader owns and closes it
    try:
        return WavReader(stream, os.fspath(path), os.fstat(stream.fileno()).st_size)
    except ConfigError:
        stream.close()
        raise

"""A sound file that plays like a microphone, at the pace of the session clock."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import ClassVar

from edge_emo.clock import Clock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.microphone.pcm import Samples, channel_names
from edge_emo.drivers.microphone.sound import SoundReader, open_sound
from edge_emo.drivers.pacing import wait_until_due
from edge_emo.errors import ClosedError, ConfigError
from edge_emo.types import Chunk, Kind, StreamInfo


class SoundFileMicrophone(Driver):
    """Reads a sound file, or the sound track of a video: ``wav:speech.wav``, ``wav:clip.mp4``.

    A block is handed out when its last sample would have been recorded, as a microphone does.
    The first sample read has the session time at which ``open`` began.

    Args:
        target: Path of the file: WAV (8, 16, 24, 32 bits, float), FLAC, Ogg, Opus, MP3, AIFF
            with the ``audio`` extra, anything else that the ``ffmpeg`` program reads.
        block_s: Length of a chunk, in seconds.
        loop: Begin again at the end, for ever; samples are numbered on.
        start_s: Where to begin, in seconds of the file.

    Raises:
        ConfigError: An option is out of range.
    """

    kind: ClassVar[Kind] = "microphone"

    def __init__(
        self, target: str, *, block_s: float = 0.03, loop: bool = False, start_s: float = 0.0
    ) -> None:
        if not target:
            raise ConfigError("wav: names no file", hint="write the path: wav:speech.wav")
        if not 0.001 <= block_s <= 10.0 or not 0.0 <= start_s < float("inf"):
            raise ConfigError("wav: block_s is 0.001 … 10 and start_s is not negative")
        self._path = Path(target).expanduser()
        self._block_s = block_s
        self._loop = loop
        self._start_s = start_s
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._reader: SoundReader | None = None
        self._pending: Samples | None = None

    def open(self, clock: Clock) -> StreamInfo:
        """Open the file and read its first block; see :meth:`Driver.open`."""
        start_ns = clock.now_ns()
        self.close()
        with self._lock:
            self._clock, self._start_ns, self._seq = clock, start_ns, 0
            self._stop = threading.Event()
            self._reader = self._rewind()
            self._rate_hz = self._reader.rate_hz
            self._block = max(1, round(self._rate_hz * self._block_s))
            self._pending = self._first_block(self._reader)
            return self._describe(self._reader)

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next block once its time has come; see :meth:`Driver.read`."""
        stop = self._stop
        with self._lock:
            pending = self._fill()
        if not len(pending):
            return None
        end_ns = self._time_of(self._seq + len(pending))
        wait_until_due(self._clock, end_ns, timeout_s, stop, str(self._path))
        chunk = Chunk("microphone", self._seq, self._time_of(self._seq), self._rate_hz, pending)
        self._seq += len(pending)
        self._pending = None
        return chunk

    def close(self) -> None:
        """Close the file; a waiting ``read`` ends with ClosedError."""
        self._stop.set()
        with self._lock:
            reader, self._reader = self._reader, None
            if reader:
                reader.close()

    def _describe(self, reader: SoundReader) -> StreamInfo:
        words = f"{self._path.name}, {reader.rate_hz:g} Hz"
        return StreamInfo(
            kind="microphone",
            rate_hz=reader.rate_hz,
            channels=channel_names(reader.channels),
            unit="full-scale",
            device=f"{words} ({reader.note})" if reader.note else words,
            live=False,
        )

    def _rewind(self) -> SoundReader:
        reader = open_sound(self._path)
        reader.skip(round(self._start_s * reader.rate_hz))
        return reader

    def _first_block(self, reader: SoundReader) -> Samples:
        block = reader.read(self._block)
        if not len(block):
            reader.close()
            self._reader = None
            where = f" after {self._start_s:g} s" if self._start_s else ""
            raise ConfigError(f"{self._path} holds no sound{where}", hint="choose another file")
        return block

    def _fill(self) -> Samples:
        """Return the block to hand out next; read it unless it was read before."""
        if self._reader is None:
            raise ClosedError(f"{self._path} is not open")
        if self._pending is None:
            self._pending = self._next_block(self._reader)
        return self._pending

    def _next_block(self, reader: SoundReader) -> Samples:
        block = reader.read(self._block)
        if len(block) or not self._loop:
            return block
        reader.close()
        self._reader = self._rewind()
        return self._first_block(self._reader)

    def _time_of(self, sample: int) -> int:
        return self._start_ns + round(sample * 1e9 / self._rate_hz)

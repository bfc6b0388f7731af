"""A recorded session as a set of devices, one for each kind of stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from edge_emo.clock import Clock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.pacing import wait_until_due
from edge_emo.errors import ClosedError, ConfigError, DeviceNotFoundError
from edge_emo.recording.header import NAME
from edge_emo.recording.reader import Recording
from edge_emo.types import Chunk, Kind, StreamInfo


class ReplayDriver(Driver):
    """Delivers one stream of a session folder with its own numbers and times.

    A chunk is handed out when the session clock reaches the end of the chunk as recorded, so
    the streams of a session keep their places in time to each other. A damaged recording
    raises RecordingError where the damage is.

    Args:
        target: The session folder.
        repair: End where the recording is damaged rather than raise.
    """

    def __init__(self, target: str, *, repair: bool = False) -> None:
        if not target:
            raise ConfigError("replay: names no folder", hint="write the folder: replay:session/")
        self._folder = Path(target)
        self._repair = repair
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._chunks: Iterator[Chunk] | None = None
        self._pending: Chunk | None = None

    def open(self, clock: Clock) -> StreamInfo:
        """Open the recording.

        Raises:
            DeviceNotFoundError: There is no such folder, or it has no such stream.
            RecordingError: The recording is damaged, or a newer version wrote it.
        """
        self.close()
        recording = self._recording()
        self._clock = clock
        with self._lock:
            self._stop = threading.Event()
            self._chunks = recording.chunks(self.kind)
            self._pending = None
        info = recording.info(self.kind)
        return replace(info, live=False, device=f"{info.device} (recorded in {self._folder.name})")

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next chunk once its time has come; see :meth:`Driver.read`."""
        stop = self._stop
        with self._lock:
            if self._chunks is None:
                raise ClosedError(f"{self._folder} is not open")
            self._pending = self._pending or next(self._chunks, None)
            chunk = self._pending
        if chunk is not None:
            wait_until_due(self._clock, chunk.end_ns, timeout_s, stop, str(self._folder))
            self._pending = None
        return chunk

    def close(self) -> None:
        """Close the recording; a waiting ``read`` ends with ClosedError."""
        self._stop.set()
        with self._lock:
            self._chunks = None

    def _recording(self) -> Recording:
        if not (self._folder / NAME).exists():
            raise DeviceNotFoundError(
                f"{self._folder} is no session folder: it has no {NAME}",
                hint="record one: edge-emo record --raw",
            )
        recording = Recording(self._folder, repair=self._repair)
        if self.kind not in recording.raw_kinds:
            raise self._no_stream(recording)
        return recording

    def _no_stream(self, recording: Recording) -> DeviceNotFoundError:
        kinds = ", ".join(recording.raw_kinds)
        if not recording.header.raw:
            return DeviceNotFoundError(
                f"{self._folder} was recorded without raw data, so it has no {self.kind}",
                hint="record with: edge-emo record --raw",
            )
        return DeviceNotFoundError(
            f"{self._folder} has no {self.kind}", hint=f"its streams: {kinds or 'none'}"
        )


class ReplayCamera(ReplayDriver):
    """The recorded camera."""

    kind: ClassVar[Kind] = "camera"


class ReplayMicrophone(ReplayDriver):
    """The recorded microphone."""

    kind: ClassVar[Kind] = "microphone"


class ReplayEeg(ReplayDriver):
    """The recorded EEG."""

    kind: ClassVar[Kind] = "eeg"


class ReplayPhysio(ReplayDriver):
    """The pulse and skin signals of a recorded session."""

    kind: ClassVar[Kind] = "physio"


class ReplayText(ReplayDriver):
    """The recorded lines of text."""

    kind: ClassVar[Kind] = "text"

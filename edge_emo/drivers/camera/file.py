"""A video file, paced by the session clock."""

from __future__ import annotations

import math
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge_emo import imaging
from edge_emo.clock import Clock
from edge_emo.drivers.camera.videocapture import (
    Image,
    camera_info,
    open_capture,
    picture,
    size_words,
    stated_rate_hz,
)
from edge_emo.drivers.pacing import wait_until_due
from edge_emo.errors import ClosedError, ConfigError, DeviceNotFoundError
from edge_emo.types import Chunk

_USUAL_HZ = 30.0


class FileSource:
    """A video file, decoded in the reader's thread.

    Args:
        path: The file.
        loop: Begin again at its end.
        clock: The session clock; file time 0 is when this is constructed.

    Raises:
        DeviceNotFoundError: No such file.
        ConfigError: It holds no video that can be read.
    """

    def __init__(self, path: Path, loop: bool, clock: Clock) -> None:
        self._start_ns = clock.now_ns()
        self._clock = clock
        self._path = path
        self._loop = loop
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._capture = _open_file(path)
        self._rate_hz = stated_rate_hz(self._capture)
        self._n_declared = self._capture.get(imaging.cv2().CAP_PROP_FRAME_COUNT)
        self.dropped = 0
        self._offset_s = 0.0
        self._last_s: float | None = None
        self._n_pass = 0
        self._shown = False
        self._seq = 0
        with ExitStack() as undo:
            undo.callback(self.close)
            self._pending = self._next()
            if self._pending is None:
                raise _unreadable(path)
            undo.pop_all()
        size = size_words(self._pending.image)
        self.info = camera_info(f"video file {path.name}, {size}", self._rate_hz, live=False)

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next frame when it is due; None after the last one."""
        with self._lock:
            if self._stop.is_set():
                raise ClosedError(f"{self._path} is not open")
            chunk = self._pending = self._pending or self._next()
        if chunk is None:
            return None
        wait_until_due(self._clock, chunk.t_ns, timeout_s, self._stop, str(self._path))
        self._pending = None
        return chunk

    def close(self) -> None:
        """Close the file."""
        self._stop.set()
        with self._lock:
            self._capture.release()

    def _next(self) -> Chunk | None:
        image = self._decode()
        if image is None:
            return None
        t_ns = self._start_ns + round((self._offset_s + (self._last_s or 0.0)) * 1e9)
        chunk = Chunk("camera", self._seq, t_ns, self._rate_hz, image)
        self._seq += 1
        return chunk

    def _decode(self) -> Image | None:
        while self._capture.grab() or self._rewound():
            self._last_s = self._time_s()
            self._n_pass += 1
            image = picture(self._capture)
            if image is not None:
                self._shown = True
                return image
            self.dropped += 1
        return None

    def _rewound(self) -> bool:
        self._note_missing()
        if not self._loop or self._last_s is None:
            return False
        if not self._shown:  # it was replaced, and would be read round and round for nothing
            raise _unreadable(self._path)
        self._shown = False
        self._capture.release()
        self._capture = _open_file(self._path)
        self._offset_s += self._last_s + self._period_s
        self._last_s = None
        return bool(self._capture.grab())

    def _note_missing(self) -> None:
        # Some containers tell only their duration; OpenCV's number is then a frame or two off.
        missing = self._n_declared - self._n_pass
        if self._n_pass and missing > max(2.0, 0.05 * self._n_declared):
            self.dropped += int(missing)
        self._n_pass = 0

    def _time_s(self) -> float:
        """Return the frame's time in the file, or one period after the last when it has none."""
        stated_s = self._capture.get(imaging.cv2().CAP_PROP_POS_MSEC) / 1e3
        earliest_s = 0.0 if self._last_s is None else self._last_s + 1e-6
        if math.isfinite(stated_s) and stated_s >= earliest_s:
            return float(stated_s)
        return 0.0 if self._last_s is None else self._last_s + self._period_s

    @property
    def _period_s(self) -> float:
        return 1.0 / (self._rate_hz or _USUAL_HZ)


def _open_file(path: Path) -> Any:
    if not path.exists():
        raise DeviceNotFoundError(
            f"there is no camera or video file {path}",
            hint="check the path, or see what is attached: edge-emo devices",
        )
    cv2 = imaging.cv2()
    capture = open_capture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise _unreadable(path)
    return capture


def _unreadable(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} holds no video that can be read: damaged, cut short, or of another kind",
        hint="check that it plays: ffplay FILE",
    )

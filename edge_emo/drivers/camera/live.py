"""A live source, drained by a thread of its own so that nobody sees an old frame."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from edge_emo import imaging
from edge_emo.clock import Clock
from edge_emo.drivers.camera.videocapture import picture, words
from edge_emo.errors import (
    ClosedError,
    DeviceLostError,
    DeviceTimeoutError,
    EdgeEmoError,
)
from edge_emo.types import Chunk, StreamInfo

_log = logging.getLogger(__name__)

_AT_ONCE_S = 0.002
_RETRY_S = 0.02
_RETRIES = 10
_GRACE_S = 1.0
_OLDEST_STAMP_NS = 1_000_000_000


class LiveSource:
    """One live source, opened and drained by a daemon thread that nobody has to wait for.

    Args:
        target: What the user wrote.
        opener: Opens it in the thread; returns the capture and its description.
        clock: The session clock.
        timeout_s: Longest wait for it to open, and between two frames.

    Raises:
        DeviceError: It cannot be opened, as the opener says.
        DeviceTimeoutError: The opener did not return in time.
    """

    def __init__(
        self,
        target: str,
        opener: Callable[[], tuple[Any, StreamInfo]],
        clock: Clock,
        timeout_s: float,
    ) -> None:
        self.dropped = 0
        self._name = words(target)
        self._opener = opener
        self._clock = clock
        self._timeout_s = timeout_s
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._opened: StreamInfo | None = None
        self._error: Exception | None = None
        self._newest: Chunk | None = None
        self._active_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="opencv-drain", daemon=True)
        self._thread.start()
        self.info = self._wait_open()

    def read(self, timeout_s: float) -> Chunk:
        """Return the newest frame that was not yet given; see ``OpenCvCamera.read``."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._newest or self._error or self._stop.is_set(), timeout_s
            )
            chunk, self._newest = self._newest, None
        if self._stop.is_set():
            raise ClosedError(f"{self._name} was closed")
        if chunk is None:
            raise self._why_nothing(timeout_s)
        return chunk

    def close(self) -> None:
        """Stop the thread; one that hangs releases the source when it comes back."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(_GRACE_S / 2)

    def _wait_open(self) -> StreamInfo:
        with self._changed:
            self._changed.wait_for(lambda: self._opened or self._error, self._timeout_s + _GRACE_S)
        if self._error:
            raise self._error
        if self._opened is None:
            self._stop.set()
            raise DeviceTimeoutError(
                f"{self._name} did not open within {self._timeout_s:g} s",
                hint="check the cable or the URL, or raise timeout_s",
            )
        return self._opened

    def _why_nothing(self, timeout_s: float) -> Exception:
        if self._error:
            return self._error
        if time.monotonic() - self._active_s > self._timeout_s + _GRACE_S:
            return self._lost("hangs")
        return DeviceTimeoutError(f"{self._name} delivered no frame within {timeout_s:g} s")

    def _lost(self, what: str) -> DeviceLostError:
        return DeviceLostError(
            f"{self._name} {what}", hint="check its power, cable or network; open it again"
        )

    def _run(self) -> None:
        try:
            capture, info = self._opener()
        except Exception as error:  # whatever it is, whoever waits for the source raises it
            self._fail(error)
            return
        try:
            self._settle(info=info)
            self._drain(capture, info)
        except Exception as error:  # such as OpenCV's own, of a frame that is no picture
            self._fail(error)
        finally:
            capture.release()

    def _fail(self, error: Exception) -> None:
        """Have whoever waits raise it; when nobody does any more, it is logged."""
        if self._stop.is_set():
            odd = None if isinstance(error, EdgeEmoError) else error
            _log.warning("%s failed after it was given up: %s", self._name, error, exc_info=odd)
        self._settle(error=error)

    def _settle(self, info: StreamInfo | None = None, error: Exception | None = None) -> None:
        with self._changed:
            self._opened = info or self._opened
            self._error = error
            self._changed.notify_all()

    def _drain(self, capture: Any, info: StreamInfo) -> None:
        seq, failed, at_once, t_ns = 0, 0, 0, -(2**63)
        while not self._stop.is_set():
            self._active_s = time.monotonic()
            grabbed = capture.grab()
            t_ns = max(t_ns, self._stamp_ns(capture)) if grabbed else t_ns
            image = picture(capture) if grabbed else None
            if image is None:
                failed += 1
                at_once = self._judge_failure(time.monotonic() - self._active_s, at_once)
                continue
            self.dropped += failed
            seq += failed
            self._publish(Chunk("camera", seq, t_ns, info.rate_hz, image))
            seq, failed, at_once = seq + 1, 0, 0

    def _judge_failure(self, took_s: float, at_once: int) -> int:
        """Tell a frame that cannot be decoded from a source that is gone.

        OpenCV answers False to both and stays "open". A bad frame takes as long as a frame takes
        to arrive; from a closed source every answer comes at once.

        Returns:
            How many failures in a row came at once.
        """
        if took_s >= 0.9 * self._timeout_s:
            raise self._lost(f"stalled for {took_s:.1f} s")
        if took_s > _AT_ONCE_S:
            return 0
        if at_once >= _RETRIES:
            raise self._lost("closed")
        self._stop.wait(_RETRY_S)
        return at_once + 1

    def _publish(self, chunk: Chunk) -> None:
        with self._changed:
            self._newest = chunk
            self._changed.notify_all()

    def _stamp_ns(self, capture: Any) -> int:
        now_ns, now_monotonic_ns = self._clock.now_ns(), time.monotonic_ns()
        if capture.getBackendName() != "V4L2":
            return now_ns
        stamp_ns = round(capture.get(imaging.cv2().CAP_PROP_POS_MSEC) * 1e6)
        age_ns = now_monotonic_ns - stamp_ns
        return now_ns - age_ns if 0 <= age_ns <= _OLDEST_STAMP_NS else now_ns

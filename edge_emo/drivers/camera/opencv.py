"""Cameras, network streams and video files: ``opencv:0``, ``opencv:clip.mp4``, ``opencv:URL``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edge_emo import imaging
from edge_emo.clock import Clock
from edge_emo.drivers.base import DeviceEntry, Driver
from edge_emo.drivers.camera.file import FileSource
from edge_emo.drivers.camera.live import LiveSource
from edge_emo.drivers.camera.v4l2 import explain, is_node, list_nodes, node_name
from edge_emo.drivers.camera.videocapture import (
    camera_info,
    fourcc,
    open_capture,
    settings,
    stated_rate_hz,
    words,
)
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.registry import Address
from edge_emo.types import Chunk, StreamInfo

_OPTIONS = ("width_px", "height_px", "rate_hz", "loop", "timeout_s")


@dataclass(frozen=True, slots=True)
class _Asked:
    width_px: int | None
    height_px: int | None
    rate_hz: float | None
    loop: bool
    timeout_s: float


class _Source(Protocol):
    info: StreamInfo
    dropped: int

    def read(self, timeout_s: float) -> Chunk | None: ...

    def close(self) -> None: ...


class OpenCvCamera(Driver):
    """A camera, a network stream or a video file, read with OpenCV.

    A live source is drained by a thread that keeps only the newest frame, stamped when it was
    captured (the kernel's stamp of a local camera, otherwise its arrival), so that a slow reader
    never sees an old one. A file is paced by the session clock: each frame comes at its own time
    in the file, and file time 0 is the start of ``open``. Every frame is a buffer of its own.

    A URL may have a query. Options of this driver are taken out of it; to give the stream a
    parameter of the same name, end the URL with ``?``: all before the last ``?`` is the URL's.

    Limits: a JPEG that was cut short is completed by FFmpeg and cannot be told from a whole one;
    a file has no width, height or rate to ask for; FFmpeg is told to keep quiet by the first
    open of a process, unless ``OPENCV_FFMPEG_LOGLEVEL`` is set.

    Args:
        target: A number or node (``0``, ``/dev/video0``), a URL (http, https, rtsp; RTSP goes
            over TCP), or the path of a video file.
        width_px: Width to ask a camera for.
        height_px: Height to ask a camera for.
        rate_hz: Frames per second to ask a camera for; for a URL the nominal rate, which MJPEG
            over HTTP does not tell.
        loop: Begin a file again at its end; frame numbers and stamps run on.
        timeout_s: Longest wait for a live source to open, and between two of its frames.
    """

    kind = "camera"

    def __init__(
        self,
        target: str,
        *,
        width_px: int | None = None,
        height_px: int | None = None,
        rate_hz: float | None = None,
        loop: bool = False,
        timeout_s: float = 2.0,
    ) -> None:
        if not target:
            raise ConfigError("opencv: names no camera", hint="write opencv:0 or opencv:clip.mp4")
        if not timeout_s > 0:
            raise ConfigError(f"timeout_s = {timeout_s} is not above 0")
        self._target = target
        self._asked = _Asked(width_px, height_px, rate_hz, loop, timeout_s)
        self._source: _Source | None = None

    @classmethod
    def adopt(cls, address: Address) -> Address:
        """Give a URL those options back that are not this driver's: they are its query."""
        if "://" not in address.rest:
            return address
        own = {key: value for key, value in address.options.items() if key in _OPTIONS}
        foreign = "&".join(f"{k}={v}" for k, v in address.options.items() if k not in _OPTIONS)
        mark = "&" if "?" in address.rest else "?"
        rest = address.rest + mark + foreign if foreign else address.rest
        return Address(address.name, rest, own)

    def open(self, clock: Clock) -> StreamInfo:
        """Open the source and read its settings back.

        Raises:
            DeviceNotFoundError: No such camera or file, or nothing answers at the URL.
            DeviceBusyError: Another program uses the camera.
            DeviceTimeoutError: It does not answer in time.
            DeviceError: This user may not use the camera.
            ConfigError: The file cannot be read, or the options do not fit the source.
        """
        self.close()
        self._source = _open_source(self._target, self._asked, clock)
        return self._source.info

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the newest frame not yet given; of a file the next one, None at its end.

        Raises:
            DeviceTimeoutError: No new frame in time.
            DeviceLostError: The source closed, stalled for ``timeout_s``, or hangs.
            ClosedError: It is not open.
        """
        source = self._source
        if source is None:
            raise ClosedError(f"{words(self._target)} is not open")
        return source.read(timeout_s)

    def close(self) -> None:
        """Release the source; one that hangs is left to its daemon thread."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    @property
    def dropped(self) -> int:
        """Frames that could not be decoded, and those that a file declares but does not hold."""
        return self._source.dropped if self._source else 0

    @classmethod
    def devices(cls) -> list[DeviceEntry]:
        """List the cameras of this machine."""
        return list_nodes()


def _open_source(target: str, asked: _Asked, clock: Clock) -> _Source:
    if "://" in target:
        _refuse(target, asked, "width_px", "height_px", "loop")
        return LiveSource(target, lambda: _open_url(target, asked), clock, asked.timeout_s)
    node = Path(f"/dev/video{target}") if target.isdecimal() else Path(target).expanduser()
    if target.isdecimal() or is_node(node) or target.startswith("/dev/"):
        _refuse(target, asked, "loop")
        return LiveSource(target, lambda: _open_node(node, asked), clock, asked.timeout_s)
    _refuse(target, asked, "width_px", "height_px", "rate_hz")
    return FileSource(node, asked.loop, clock)


def _refuse(target: str, asked: _Asked, *options: str) -> None:
    for option in options:
        if getattr(asked, option):
            raise ConfigError(
                f"opencv:{words(target)} has no {option} to choose", hint=f"leave out {option}"
            )


def _open_url(url: str, asked: _Asked) -> tuple[Any, StreamInfo]:
    cv2 = imaging.cv2()
    limit_ms = max(1, round(asked.timeout_s * 1e3))
    # Each further decoding thread would hold back one frame.
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit_ms]
    began_s = time.monotonic()
    capture = open_capture(url, cv2.CAP_FFMPEG, [*limits, cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise _no_answer(url, time.monotonic() - began_s, asked.timeout_s)
    # FFmpeg's MJPEG demultiplexer reports 25 Hz whatever the camera does.
    told = not url.startswith("http") or fourcc(capture) not in ("MJPG", "JPEG")
    rate_hz = asked.rate_hz or (stated_rate_hz(capture) if told else 0.0)
    return capture, camera_info(f"{words(url)}, {settings(capture)}", rate_hz)


def _open_node(node: Path, asked: _Asked) -> tuple[Any, StreamInfo]:
    cv2 = imaging.cv2()
    capture = open_capture(str(node), cv2.CAP_V4L2, [])
    if not capture.isOpened():
        raise explain(node)
    for prop, value in (
        (cv2.CAP_PROP_FRAME_WIDTH, asked.width_px),
        (cv2.CAP_PROP_FRAME_HEIGHT, asked.height_px),
        (cv2.CAP_PROP_FPS, asked.rate_hz),
    ):
        if value is not None:
            capture.set(prop, value)
    rate_hz = stated_rate_hz(capture)
    return capture, camera_info(f"{node_name(node)} at {node}, {settings(capture)}", rate_hz)


def _no_answer(url: str, took_s: float, timeout_s: float) -> DeviceError:
    hint = f"check that it plays: ffplay {words(url)}"
    if took_s >= 0.9 * timeout_s:
        return DeviceTimeoutError(f"{words(url)} did not answer in {timeout_s:g} s", hint=hint)
    return DeviceNotFoundError(f"no video stream answers at {words(url)}", hint=hint)

"""OpenCV's VideoCapture: opened quietly, its pictures and settings read."""

from __future__ import annotations

import os
import re
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo import imaging
from edge_emo.types import StreamInfo

Image = npt.NDArray[np.uint8]


def open_capture(target: str, backend: int, parameters: list[int]) -> Any:
    """Open a capture without OpenCV's chatter on standard error.

    Args:
        target: Node, URL or path.
        backend: OpenCV's number of it, such as ``cv2.CAP_FFMPEG``.
        parameters: Properties and values in turn.

    Returns:
        A ``cv2.VideoCapture``, which may not be open.
    """
    with _quiet:
        return imaging.cv2().VideoCapture(target, backend, parameters)


class _Quiet:
    """Silences OpenCV's log while any thread is inside; FFmpeg reads its level only once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._level = 0
        self._lent = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._level = imaging.cv2().utils.logging.setLogLevel(0)
                self._lent = not {"OPENCV_FFMPEG_LOGLEVEL", "OPENCV_FFMPEG_DEBUG"} & set(os.environ)
                if self._lent:
                    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                imaging.cv2().utils.logging.setLogLevel(self._level)
                if self._lent:
                    os.environ.pop("OPENCV_FFMPEG_LOGLEVEL", None)


_quiet = _Quiet()


def picture(capture: Any) -> Image | None:
    """Return the grabbed frame, (height, width, 3) uint8 RGB in a new buffer.

    Returns:
        None when the frame cannot be decoded.
    """
    decoded, bgr = capture.retrieve()
    if not decoded:
        return None
    cv2 = imaging.cv2()
    rgb: Image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def stated_rate_hz(capture: Any) -> float:
    """Return the stated frame rate; 0.0 when it is not plausible."""
    rate_hz = float(capture.get(imaging.cv2().CAP_PROP_FPS))
    return rate_hz if 1.0 <= rate_hz <= 240.0 else 0.0


def fourcc(capture: Any) -> str:
    """Return the four letters of the codec."""
    code = int(capture.get(imaging.cv2().CAP_PROP_FOURCC))
    return "".join(chr(code >> shift & 0x7F) for shift in (0, 8, 16, 24)).strip("\0 ")


def settings(capture: Any) -> str:
    """Return size and codec in words, as the source states them now."""
    cv2 = imaging.cv2()
    width_px = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
    height_px = capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    return f"{width_px:.0f}×{height_px:.0f} {fourcc(capture)}"


def size_words(image: Image) -> str:
    """Return width and height in words."""
    return f"{image.shape[1]}×{image.shape[0]}"


def words(target: str) -> str:
    """Return the target without a URL's password and query, which may hold a secret.

    Where a ``/`` or ``?`` comes before an ``@``, nobody knows what belongs to a password: then the
    scheme alone is told.
    """
    scheme, mark, rest = target.partition("://")
    if not mark:
        return target
    host = re.split("[/?]", rest, maxsplit=1)[0]
    if rest.rfind("@") >= len(host):
        return f"{scheme}://…"
    return f"{scheme}://{rest[host.rfind('@') + 1 :].partition('?')[0]}"


def camera_info(device: str, rate_hz: float, *, live: bool = True) -> StreamInfo:
    """Describe a video stream."""
    return StreamInfo("camera", rate_hz, (), "rgb8", device, live=live)

"""Pictures as JPEG files one after the other, and the place and time of each beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.errors import RecordingError
from edge_emo.imaging import cv2
from edge_emo.recording.files import ContentError, DurableFile, damage, part, read_error
from edge_emo.recording.formats.times import TimesWriter, read_times
from edge_emo.types import Chunk, StreamInfo

_COLUMNS = ("t_ns", "seq", "offset", "bytes")
_QUALITY = 95
_BEGIN, _END = b"\xff\xd8", b"\xff\xd9"


class MjpegWriter:
    """Writes ``<kind>.mjpeg``, which video players open, and ``<kind>.times.csv``.

    Args:
        folder: The session folder.
        info: The stream.

    Raises:
        RecordingError: A file cannot be created.
        UnavailableError: OpenCV is missing.
    """

    def __init__(self, folder: Path, info: StreamInfo) -> None:
        self._cv2 = cv2()
        self._pictures = DurableFile(folder / f"{info.kind}.mjpeg")
        self._times = TimesWriter(folder / f"{info.kind}.times.csv", _COLUMNS)
        self.files = (self._pictures, self._times.file)

    def write(self, chunk: Chunk) -> None:
        """Append one frame, as JPEG of quality 95.

        Raises:
            ContentError: The frame cannot be encoded.
            RecordingError: The disk is full.
        """
        jpeg = self._encoded(chunk)
        self._times.add(chunk.t_ns, chunk.seq, self._pictures.size_bytes, len(jpeg))
        self._pictures.append(jpeg.tobytes())

    def finish(self) -> None:
        """Do nothing: the files are complete at every moment."""

    def _encoded(self, chunk: Chunk) -> npt.NDArray[np.uint8]:
        vision = self._cv2
        try:
            bgr = vision.cvtColor(chunk.image, vision.COLOR_RGB2BGR)
            done, jpeg = vision.imencode(".jpg", bgr, [vision.IMWRITE_JPEG_QUALITY, _QUALITY])
        except vision.error as error:  # such as one without a pixel, or wider than JPEG allows
            raise ContentError(f"frame {chunk.seq} cannot be encoded: {error}") from error
        if not done:
            raise ContentError(f"frame {chunk.seq} cannot be encoded as JPEG")
        return np.asarray(jpeg)


def read_mjpeg(folder: Path, stream: str, info: StreamInfo) -> Iterator[Chunk]:
    """Yield the frames, decoded.

    Raises:
        TruncatedError: The pictures or their index are cut or missing.
        RecordingError: A picture or the index is damaged.
        UnavailableError: OpenCV is missing.
    """
    path = folder / f"{info.kind}.mjpeg"
    try:
        with path.open("rb") as file:
            index = read_times(folder / f"{info.kind}.times.csv", _COLUMNS)
            for number, (t_ns, seq, offset, size) in index:
                if offset < 0 or size < 0:
                    raise damage(folder / f"{info.kind}.times.csv", number, "a negative place")
                jpeg = part(path, file, offset, size, f"frame {seq} is cut")
                image = _decode(path, seq, jpeg)
                yield Chunk(stream, seq, t_ns, info.rate_hz, image)
    except OSError as error:
        raise read_error(path, error) from error


def _decode(path: Path, seq: int, jpeg: bytes) -> npt.NDArray[Any]:
    whole = jpeg.startswith(_BEGIN) and jpeg.endswith(_END)
    vision = cv2()
    bgr = vision.imdecode(np.frombuffer(jpeg, np.uint8), vision.IMREAD_COLOR) if whole else None
    if bgr is None:
        raise RecordingError(
            f"{path}, frame {seq}: no JPEG",
            hint="everything before the damage can be read with repair=True",
        )
    return np.asarray(vision.cvtColor(bgr, vision.COLOR_BGR2RGB))

"""Pictures: the one file that imports OpenCV.

Images are (height, width, 3) uint8 RGB or (height, width) uint8 grey unless said otherwise.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

from edge_emo.vendor import load


@cache
def cv2() -> ModuleType:
    """Return OpenCV.

    Raises:
        UnavailableError: It is not installed or its native library does not load.
    """
    return load("cv2")


def use_one_thread() -> None:
    """Keep OpenCV from spreading small pictures over all cores, in the whole process.

    For programs that own their process, as the command line does: the pictures here are small,
    worker threads cost more than they save, and waiting for them lengthens the slowest frames.

    Raises:
        UnavailableError: As :func:`cv2`.
    """
    cv2().setNumThreads(1)

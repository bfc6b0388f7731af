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

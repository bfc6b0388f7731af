"""The sample portrait of matplotlib, and where its landmarks are."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from edge_emo.demo import portrait
from edge_emo.errors import UnavailableError
from edge_emo.imaging import cv2
from tests.fakes.drawn_faces import Image

# As shares of its width and height.
PLACES = {
    "right eye": (0.430, 0.317),
    "left eye": (0.598, 0.312),
    "nose": (0.531, 0.392),
    "right mouth corner": (0.459, 0.470),
    "left mouth corner": (0.586, 0.467),
}
EYES = 0.168
"""Distance between the eyes as a share of its width."""


def need_portrait() -> Path:
    """Return its path; skip the test where it is not installed."""
    try:
        return portrait()
    except UnavailableError as error:
        pytest.skip(f"{error}: {error.hint}")


@functools.cache
def read_portrait() -> Image:
    """Return it, RGB; a test that changes it takes a copy."""
    path = need_portrait()
    image = np.asarray(cv2().cvtColor(cv2().imread(str(path)), cv2().COLOR_BGR2RGB))
    image.flags.writeable = False
    return image

"""What the tests of several packages share."""

from __future__ import annotations

import pytest

from tests.fakes.drawn_faces import Image
from tests.models.portrait import read_portrait


@pytest.fixture(scope="module")
def picture() -> Image:
    return read_portrait()

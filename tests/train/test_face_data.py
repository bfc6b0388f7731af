"""Pictures that are nearly the same are found, whatever their light."""

from __future__ import annotations

import numpy as np
import pytest

from tests.train_tools import need_torch, training

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


def test_copies_in_other_light_are_found_and_other_pictures_are_not() -> None:
    need_torch()
    with training("face_data") as tools:
        random = np.random.default_rng(1)
        known = random.integers(20, 200, (300, 48, 48))
        lit = known[7] * 0.7 + 30 + random.normal(0, 5, (48, 48))
        grey = np.full((48, 48), 90)
        shown = np.stack([lit, random.integers(20, 200, (48, 48)), grey]).astype(np.uint8)
        seen, asked = (faces(tools, images) for images in (known.astype(np.uint8), shown))
        assert tools.face_data.are_copies(asked, seen).tolist() == [True, False, False]


def faces(tools: object, images: np.ndarray) -> object:
    """Pictures without a label."""
    n = len(images)
    targets = np.full((n, 7), 1 / 7, np.float32)
    return tools.face_data.Faces(images, targets, np.full(n, -1), tuple(map(str, range(n))))  # type: ignore[attr-defined]

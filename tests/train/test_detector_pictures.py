"""Training pictures of the face detector: what is told of a face is where its pixels are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.train_tools import need_torch, training

RED = (250, 5, 5)

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


@pytest.fixture(scope="module")
def tool() -> Iterator[SimpleNamespace]:
    need_torch()
    names = ("torch", "detector_augment", "detector_data", "detector_fit", "detector_gallery")
    with training(*names) as modules:
        yield modules


def picture(tool: SimpleNamespace, box: tuple[int, int, int, int]) -> object:
    """Return a grey picture with one face: a red rectangle, all landmarks in its middle."""
    pixels = np.full((120, 160, 3), 90, np.uint8)
    left, top, right, bottom = box
    pixels[top:bottom, left:right] = RED
    boxes = np.array([box], np.float32)
    middle = np.array([(left + right) / 2, (top + bottom) / 2], np.float32)
    faces = tool.detector_data.Faces(boxes, np.tile(middle, (1, 5, 1)), boxes, ("without_mask",))
    return tool.detector_data.Picture(Path("drawn.png"), faces, pixels)


def centre_of_red(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero((image[..., 0] - image[..., 1] > 100) & where)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


def test_a_laid_piece_is_where_its_matrix_says(tool: SimpleNamespace) -> None:
    gallery = tool.detector_gallery.Gallery([picture(tool, (60, 30, 100, 70))], "cpu")
    canvas = tool.torch.zeros(1, 3, 200, 240)
    for scale in (0.2, 0.5, 1.0, 1.7):
        matrix = np.array([[[scale, 0.0, 20.0], [0.0, scale, 10.0]]])
        pieces = tool.detector_augment._pieces(
            np.array([0]), np.array([0]), matrix, np.array([[0.0, 0.0, 240.0, 200.0]])
        )
        gallery.lay(canvas, pieces)
        image = canvas[0].permute(1, 2, 0).numpy()
        found = centre_of_red(image, np.ones(image.shape[:2], bool))
        assert np.abs(found - (80 * scale + 20, 50 * scale + 10)).max() < 0.75


def test_boxes_and_landmarks_follow_their_pixels(tool: SimpleNamespace) -> None:
    scenes = tool.detector_gallery.Gallery([picture(tool, (60, 30, 100, 70))], "cpu")
    faces = tool.detector_gallery.Gallery([picture(tool, (50, 40, 110, 100))], "cpu")
    rng = np.random.default_rng(3)
    sketch = tool.detector_augment.Composer(scenes.listing, faces.listing, rng).sketch(12, 320, 256)
    examples = tool.detector_augment.Painter(scenes, faces, "cpu").paint(sketch, harm=False)
    images = examples.images.numpy()
    looked_at = 0
    for k, j in np.argwhere((examples.there & ~examples.ignored).numpy()):
        left, top, right, bottom = examples.boxes[k, j].numpy()
        inside = left >= 2 and top >= 2 and right <= 318 and bottom <= 254
        alone = int(examples.there[k].sum()) == 1
        if inside and alone:
            where = np.zeros(images.shape[1:3], bool)
            where[int(top) - 2 : int(bottom) + 3, int(left) - 2 : int(right) + 3] = True
            seen = centre_of_red(images[k], where)
            assert np.abs(seen - ((left + right) / 2, (top + bottom) / 2)).max() < 3.0
            assert np.abs(seen - examples.points[k, j, 2].numpy()).max() < 3.0
            looked_at += 1
    assert looked_at >= 3


def test_targets_name_the_cell_of_the_centre(tool: SimpleNamespace) -> None:
    torch = tool.torch
    examples = tool.detector_augment.Examples(
        torch.zeros(1, 64, 96, 3),
        torch.tensor([[[23.0, 13.0, 47.0, 41.0], [0.0, 0.0, 5.0, 5.0]]]),
        torch.full((1, 2, 5, 2), 32.0),
        torch.tensor([[True, True]]),
        torch.tensor([[False, True]]),
    )
    target = tool.detector_fit.targets(examples, 8)
    assert target.positive[0].nonzero().tolist() == [[3, 4]]  # y 27, x 35
    assert float(target.heat[0, 3, 4]) == 1.0
    assert float(target.counted[0, 0, 0]) == 0.0  # a face too small to ask for
    centre = (torch.tensor([4.5, 3.5]) + target.box[0, 3, 4, :2] * 4.0) * 8.0
    assert torch.allclose(centre, torch.tensor([35.0, 27.0]))
    size = target.box[0, 3, 4, 2:].exp() * 4.0 * 8.0
    assert torch.allclose(size, torch.tensor([24.0, 28.0]))

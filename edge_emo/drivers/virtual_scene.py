"""Pictures of the virtual camera, and frame numbers that survive compression."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_emo import imaging
from edge_emo.drivers.virtual_face import BACKGROUND, EXPRESSIONS, draw_head
from edge_emo.errors import ConfigError, DeviceNotFoundError

Image = npt.NDArray[np.uint8]
_Waves = npt.NDArray[np.float64]

SMALLEST_PX = 128
"""Least width and height of a frame: room for a number."""

_BITS = 32
_PER_ROW = 16
_BLOCK_PX = 8
_PLAIN = tuple(round(level) for level in BACKGROUND)
_LARGEST_HEAD_PX = 320
"""A larger head is drawn at this size and scaled up: drawing takes time."""
_SHOWN_S, _FADE_S = 3.0, 0.8
"""How long each expression of the drawn head lasts, and how long it takes to go."""


def draw_number(image: Image, number: int) -> None:
    """Draw ``number`` (0 … 2^32 − 1) as black and white squares into the top left corner.

    Args:
        image: (height, width, 3) uint8, at least 128 pixels wide; changed in place.
        number: What to draw.
    """
    bits = np.array([number >> bit & 1 for bit in range(_BITS)], np.uint8) * np.uint8(255)
    squares = np.kron(bits.reshape(-1, _PER_ROW), np.ones((_BLOCK_PX, _BLOCK_PX), np.uint8))
    image[: squares.shape[0], : squares.shape[1]] = squares[:, :, None]


def read_number(image: Image) -> int:
    """Return the number that :func:`draw_number` drew, also after lossy compression.

    Args:
        image: (height, width, 3) uint8, of the size that was drawn into.
    """
    middles = np.arange(_PER_ROW) * _BLOCK_PX + _BLOCK_PX // 2
    rows = middles[: _BITS // _PER_ROW]
    bits = image[rows][:, middles, 1].reshape(-1) > 127
    return sum(1 << bit for bit, is_set in enumerate(bits) if is_set)


class Scene:
    """Frames as a function of seed and time.

    Args:
        seed: Decides the background and the paths.
        size_px: Width and height of a frame.
        image: Picture to move about; a drawn head without it, whose expression changes.
        numbered: Draw each frame's number.

    Raises:
        DeviceNotFoundError: There is no such picture.
        ConfigError: It cannot be read.
    """

    def __init__(
        self, seed: int, size_px: tuple[int, int], image: Path | None, numbered: bool
    ) -> None:
        self._random = np.random.default_rng(seed)
        self._width_px, self._height_px = size_px
        self._numbered = numbered
        self._paths: list[_Waves] = [self._path() for _ in range(4)]
        self._portraits = self._heads() if image is None else [self._fitted(_read(image))]
        self._background = self._plain()

    def frame(self, number: int, t_s: float) -> Image:
        """Return frame ``number`` at ``t_s``: (height, width, 3) uint8 RGB, a new buffer."""
        image: Image = self._background.copy()
        self._draw_portrait(image, self._portrait(t_s), t_s)
        if self._numbered:
            draw_number(image, number)
        return image

    def _path(self) -> _Waves:
        """Return three waves, rows of frequency in Hz, phase, and weight; weights sum to 1."""
        frequencies_hz = self._random.uniform((0.05, 0.15, 0.3), (0.15, 0.3, 0.5))
        phases = self._random.uniform(0, 2 * np.pi, 3)
        return np.stack([frequencies_hz, phases, np.array([0.55, 0.3, 0.15])])

    def _at(self, path: int, t_s: float) -> float:
        frequencies_hz, phases, weights = self._paths[path]
        return float(weights @ np.sin(2 * np.pi * frequencies_hz * t_s + phases))

    def _plain(self) -> Image:
        plain: Image = np.full((self._height_px, self._width_px, 3), _PLAIN, np.uint8)
        return plain

    def _heads(self) -> list[Image]:
        side_px = min(_LARGEST_HEAD_PX, round(0.8 * min(self._width_px, self._height_px)))
        return [self._fitted(draw_head(side_px, expression)) for expression in EXPRESSIONS]

    def _portrait(self, t_s: float) -> Image:
        """Return the picture at a time: of several, one, or two while one turns into the next."""
        count = len(self._portraits)
        turn, since_s = divmod(t_s, _SHOWN_S)
        now, after = (self._portraits[(int(turn) + ahead) % count] for ahead in (0, 1))
        left_s = _SHOWN_S - since_s
        if count == 1 or left_s >= _FADE_S:
            return now
        share = left_s / _FADE_S
        mixed: Image = imaging.cv2().addWeighted(now, share, after, 1.0 - share, 0.0)
        return mixed

    def _fitted(self, picture: Image) -> Image:
        """Return the picture so large that it stays inside the frame wherever it moves."""
        cv2 = imaging.cv2()
        height, width = picture.shape[:2]
        factor = min(0.8 * self._height_px / height, 0.8 * self._width_px / width)
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        fitted: Image = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return fitted

    def _draw_portrait(self, image: Image, portrait: Image, t_s: float) -> None:
        """Turn by up to 6°, scale by up to 8 %, and move within the room that is left."""
        cv2 = imaging.cv2()
        height, width = portrait.shape[:2]
        scale, angle = 1.0 + 0.08 * self._at(2, t_s), 6.0 * self._at(3, t_s)
        box = self._box(width, height, scale, angle)
        room_x, room_y = self._width_px - box[0], self._height_px - box[1]
        x = room_x * (0.5 + 0.5 * self._at(0, t_s))
        y = room_y * (0.5 + 0.5 * self._at(1, t_s))
        left, top = math.floor(x), math.floor(y)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
        matrix[:, 2] += (box[0] / 2 - width / 2 + x - left, box[1] / 2 - height / 2 + y - top)
        target = image[top : top + box[1], left : left + box[0]]
        target[:] = cv2.warpAffine(portrait, matrix, box, borderValue=_PLAIN)

    def _box(self, width: int, height: int, scale: float, angle: float) -> tuple[int, int]:
        sine, cosine = abs(math.sin(math.radians(angle))), math.cos(math.radians(angle))
        return (
            min(self._width_px, math.ceil(scale * (width * cosine + height * sine)) + 1),
            min(self._height_px, math.ceil(scale * (width * sine + height * cosine)) + 1),
        )


def _read(path: Path) -> Image:
    if not path.is_file():
        raise DeviceNotFoundError(f"there is no picture {path}", hint="check image=PATH")
    cv2 = imaging.cv2()
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ConfigError(f"{path} is no picture that can be read", hint="use a JPEG or PNG file")
    rgb: Image = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return rgb

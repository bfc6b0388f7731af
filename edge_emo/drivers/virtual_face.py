"""The person before the virtual camera: a drawn head, shaded so that detectors of faces find it.

Nobody was a model for it. Places are in shares of the picture's side, colours RGB.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_emo import imaging

Image = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float32]
Colour = tuple[float, float, float]

BACKGROUND: Colour = (124.0, 132.0, 140.0)
_SKIN: Colour = (214.0, 168.0, 140.0)
_HAIR: Colour = (58.0, 42.0, 34.0)
_SHIRT: Colour = (70.0, 84.0, 110.0)
_LIPS: Colour = (164.0, 82.0, 80.0)
_DARK: Colour = (72.0, 28.0, 30.0)
_EYES = (0.395, 0.605)
_EYE_Y = 0.469
_MOUTH_Y = 0.711
_GRAIN = 4.0
"""Deviation of the noise, grey levels: a smooth face looks painted."""


class Expression(NamedTuple):
    """What a drawn face shows.

    Attributes:
        smile: Corners of the mouth, −1 (down) … +1 (up).
        open: Mouth and eyes, 0 … 1.
        frown: Brows, 0 … 1.
    """

    smile: float = 0.0
    open: float = 0.0
    frown: float = 0.0


EXPRESSIONS = (
    Expression(),
    Expression(smile=0.9),
    Expression(smile=-0.5, frown=1.0),
    Expression(open=1.0),
)


def draw_head(side_px: int, expression: Expression = EXPRESSIONS[0]) -> Image:
    """Draw a head with shoulders.

    Args:
        side_px: Side of the picture.
        expression: What the face shows.

    Returns:
        (side, side, 3) uint8 RGB, always the same for the same arguments.
    """
    canvas = _Canvas(side_px)
    _draw_body(canvas)
    _draw_skin(canvas)
    _draw_nose(canvas)
    for x in _EYES:
        _draw_eye(canvas, x, expression)
    _draw_mouth(canvas, expression)
    return canvas.finished()


class _Canvas:
    """A picture that soft shapes are blended into.

    Args:
        side_px: Its side.
    """

    def __init__(self, side_px: int) -> None:
        self._side_px = side_px
        self._image: _Floats = np.full((side_px, side_px, 3), BACKGROUND, np.float32)

    def oval(
        self, x: float, y: float, wide: float, high: float, colour: Colour, soft: float = 0.005,
        strength: float = 1.0,
    ) -> None:  # fmt: skip
        """Blend in an ellipse by its centre and half axes."""
        mask = self._mask()
        axes = max(1, round(wide * self._side_px)), max(1, round(high * self._side_px))
        imaging.cv2().ellipse(mask, self._place(x, y), axes, 0, 0, 360, 1.0, -1, _smooth())
        self._blend(mask, colour, soft, strength)

    def stroke(
        self, points: npt.ArrayLike, colour: Colour, thick: float, soft: float = 0.003,
        strength: float = 1.0,
    ) -> None:  # fmt: skip
        """Blend in a line through points, (n, 2)."""
        mask, width = self._mask(), max(1, round(thick * self._side_px))
        places = np.round(np.asarray(points) * self._side_px).astype(np.int32)
        imaging.cv2().polylines(mask, [places], False, 1.0, width, _smooth())
        self._blend(mask, colour, soft, strength)

    def area(self, points: npt.ArrayLike, colour: Colour, soft: float = 0.003) -> None:
        """Blend in a polygon, (n, 2)."""
        mask = self._mask()
        places = np.round(np.asarray(points) * self._side_px).astype(np.int32)
        imaging.cv2().fillPoly(mask, [places], 1.0, _smooth())
        self._blend(mask, colour, soft, 1.0)

    def shade(self, x: float, y: float, wide: float, high: float) -> None:
        """Darken an ellipse towards its rim, as light from the front does on a ball."""
        mask = self._mask()
        axes = round(wide * self._side_px), round(high * self._side_px)
        imaging.cv2().ellipse(mask, self._place(x, y), axes, 0, 0, 360, 1.0, -1, _smooth())
        rows, columns = np.mgrid[0 : self._side_px, 0 : self._side_px] / self._side_px
        rim = 0.3 * ((columns - x + 0.04) / wide) ** 2 + 0.15 * ((rows - y) / high) ** 2
        light = 1.06 - np.minimum(rim, 0.5).astype(np.float32)
        self._image *= (1.0 + mask * (light - 1.0))[..., np.newaxis]

    def finished(self) -> Image:
        """Return the picture with grain."""
        shape = (self._side_px, self._side_px, 1)
        grain = np.random.default_rng(1).normal(0.0, _GRAIN, shape)
        return np.asarray(np.clip(self._image + grain, 0, 255), np.uint8)

    def _mask(self) -> _Floats:
        return np.zeros((self._side_px, self._side_px), np.float32)

    def _place(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self._side_px), round(y * self._side_px)

    def _blend(self, mask: _Floats, colour: Colour, soft: float, strength: float) -> None:
        """Blend a colour in where the softened mask is set; only there is anything computed."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return
        sigma = max(0.5, soft * self._side_px)
        edge = math.ceil(3 * sigma)
        part = (
            slice(max(0, rows[0] - edge), rows[-1] + edge + 1),
            slice(max(0, columns[0] - edge), columns[-1] + edge + 1),
        )
        weight = imaging.cv2().GaussianBlur(mask[part], (0, 0), sigma)[..., np.newaxis] * strength
        self._image[part] += weight * (np.array(colour, np.float32) - self._image[part])


def _draw_body(canvas: _Canvas) -> None:
    canvas.oval(0.5, 1.09, 0.45, 0.27, _SHIRT)
    canvas.oval(0.5, 0.84, 0.125, 0.18, _darker(_SKIN, 0.72))
    canvas.oval(0.5, 0.434, 0.312, 0.383, _HAIR)


def _draw_skin(canvas: _Canvas) -> None:
    for x in (0.246, 0.754):
        canvas.oval(x, 0.523, 0.027, 0.066, _darker(_SKIN, 0.8))
    canvas.oval(0.5, 0.504, 0.25, 0.336, _SKIN)
    canvas.shade(0.5, 0.504, 0.25, 0.336)
    canvas.oval(0.5, 0.234, 0.262, 0.121, _HAIR, 0.01)
    for x in (0.352, 0.648):
        canvas.oval(x, 0.617, 0.059, 0.047, (226.0, 140.0, 124.0), 0.027, 0.35)


def _draw_nose(canvas: _Canvas) -> None:
    canvas.oval(0.535, 0.527, 0.02, 0.102, _darker(_SKIN, 0.7), 0.018, 0.6)
    canvas.oval(0.488, 0.512, 0.014, 0.09, _darker(_SKIN, 1.12), 0.014, 0.6)
    canvas.oval(0.5, 0.621, 0.059, 0.025, _darker(_SKIN, 0.62), 0.014, 0.7)
    for x in (0.473, 0.529):
        canvas.oval(x, 0.629, 0.014, 0.008, (70.0, 40.0, 34.0), 0.004, 0.9)


def _draw_eye(canvas: _Canvas, x: float, expression: Expression) -> None:
    inward = 1.0 if x < 0.5 else -1.0
    canvas.oval(x, 0.461, 0.078, 0.047, _darker(_SKIN, 0.6), 0.02, 0.8)
    canvas.oval(x, _EYE_Y, 0.049, 0.021 + 0.009 * expression.open, (236.0, 232.0, 228.0))
    canvas.oval(x, _EYE_Y, 0.021, 0.021, (62.0, 44.0, 34.0), 0.002)
    canvas.oval(x, _EYE_Y, 0.01, 0.01, (12.0, 10.0, 10.0), 0.002)
    canvas.oval(x - 0.006, _EYE_Y - 0.008, 0.004, 0.004, (250.0, 250.0, 250.0), 0.002)
    lid = np.radians(np.linspace(185, 355, 16))
    high = 0.029 + 0.01 * expression.open
    lid_places = np.stack([x + 0.055 * np.cos(lid), 0.473 + high * np.sin(lid)], axis=1)
    canvas.stroke(lid_places, (48.0, 34.0, 30.0), 0.01)
    lift = 0.02 * expression.open
    tilt = 0.02 * expression.frown * inward
    brow = [(x - 0.0625, 0.414 - tilt - lift), (x, 0.394 - lift), (x + 0.0625, 0.414 + tilt - lift)]
    canvas.stroke(brow, _HAIR, 0.018, 0.005, 0.9)


def _draw_mouth(canvas: _Canvas, expression: Expression) -> None:
    across = np.linspace(-1.0, 1.0, 25)
    line = _MOUTH_Y - 0.027 * expression.smile * (2.0 * across**2 - 1.0)
    belly = 1.0 - across**2
    x = 0.5 + 0.09 * (1.0 + 0.15 * abs(expression.smile) - 0.35 * expression.open) * across
    upper = line - (0.018 + 0.025 * expression.open) * belly
    lower = line + (0.025 + 0.055 * expression.open) * belly
    outline = np.concatenate([np.stack([x, upper], 1), np.stack([x, lower], 1)[::-1]])
    canvas.area(outline, _LIPS)
    gap = np.concatenate(
        [
            np.stack([x, line - 0.025 * expression.open * belly], 1)[2:-2],
            np.stack([x, line + 0.04 * expression.open * belly], 1)[2:-2][::-1],
        ]
    )
    canvas.area(gap, _DARK)
    canvas.stroke(np.stack([x, line], 1), _DARK, 0.008, 0.003, 0.9 - 0.9 * expression.open)
    canvas.oval(0.5, 0.775, 0.078, 0.018, _darker(_SKIN, 0.66), 0.012, 0.7)


def _darker(colour: Colour, share: float) -> Colour:
    red, green, blue = colour
    return red * share, green * share, blue * share


def _smooth() -> int:
    return int(imaging.cv2().LINE_AA)

"""Pictures for the face detector: scenes with people, and bare faces pasted at many sizes.

Boxes lie half-way between the human annotators' (chin to brow) and the teacher's (chin to
hairline), so that either convention finds them. Landmarks are the teacher's: right eye, left
eye, nose, right and left corner of the mouth, "right" being the person's own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

# Median of teacher minus human over the 2,531 matched scene faces: (dx, dy, w ratio, h ratio).
_TEACHER_SHIFT_X, _TEACHER_SHIFT_Y, _TEACHER_WIDTH, _TEACHER_HEIGHT = -0.017, -0.145, 0.955, 1.103
_MATCH = 0.3
_SPLITS = {"scenes": (0.70, 0.15), "crops": (0.82, 0.09)}
"""Shares of training and of validation; the rest is the test part."""


@dataclass(frozen=True)
class Faces:
    """The faces of one picture.

    Attributes:
        boxes: float32 (n, 4): left, top, right, bottom in px; training targets.
        points: float32 (n, 5, 2), px; NaN where unknown.
        human: float32 (n, 4): as annotated; NaN where only the teacher saw the face.
        masked: One word per face: with_mask, without_mask, mask_weared_incorrect or "".
    """

    boxes: Floats
    points: Floats
    human: Floats
    masked: tuple[str, ...]


@dataclass
class Picture:
    """One picture and what is in it; ``pixels`` are read once, RGB uint8 (h, w, 3)."""

    path: Path
    faces: Faces
    _pixels: Image | None = field(default=None, repr=False)

    @property
    def pixels(self) -> Image:
        """The picture."""
        if self._pixels is None:
            self._pixels = np.asarray(cv2.cvtColor(cv2.imread(str(self.path)), cv2.COLOR_BGR2RGB))
        return self._pixels


def load(data: Path, seed: int) -> dict[str, dict[str, list[Picture]]]:
    """Return pictures by kind (``scenes``, ``crops``) and part (``train valid test``).

    Args:
        data: Folder that holds ``detection/``.
        seed: Of the split, which is by picture.
    """
    labels = json.loads((data / "detection" / "labels.json").read_text(encoding="utf-8"))
    parts: dict[str, dict[str, list[Picture]]] = {}
    for kind, (training, validation) in _SPLITS.items():
        names = sorted(name for name in labels if name.startswith(kind))
        np.random.default_rng(seed).shuffle(names)
        pictures = [Picture(data / "detection" / name, _faces(labels[name])) for name in names]
        one, two = round(training * len(names)), round((training + validation) * len(names))
        parts[kind] = {
            "train": pictures[:one], "valid": pictures[one:two], "test": pictures[two:]
        }  # fmt: skip
    return parts


def synthetic(data: Path) -> list[Path]:
    """Return the pictures of diffusionfer, which carry no boxes."""
    return sorted((data / "diffusionfer").glob("*.jpg"))


def overlap(ours: Floats, theirs: Floats) -> Floats:
    """Return the intersection over union of each pair, (n, m)."""
    low = np.maximum(ours[:, None, :2], theirs[None, :, :2])
    high = np.minimum(ours[:, None, 2:], theirs[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0.0), axis=2)
    area = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (ours, theirs)]
    return np.asarray(both / (area[0][:, None] + area[1][None] - both), dtype=np.float32)


def _faces(label: dict[str, Any]) -> Faces:
    human = np.array([entry["box"] for entry in label["human_boxes"]], np.float32).reshape(-1, 4)
    rows = np.array(label["teacher"], np.float32).reshape(-1, 15)
    teacher = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
    match = _matched(human, teacher)
    alone = np.setdiff1d(np.arange(len(rows)), match)
    like_teacher, like_human = _as_teacher(human), _as_human(teacher)
    seen = match >= 0
    like_teacher[seen] = teacher[match[seen]]
    points = np.full((len(human), 5, 2), np.nan, np.float32)
    points[seen] = rows[match[seen], 4:14].reshape(-1, 5, 2)
    return Faces(
        boxes=np.vstack([(human + like_teacher) / 2, (teacher + like_human)[alone] / 2]),
        points=np.concatenate([points, rows[alone, 4:14].reshape(-1, 5, 2)]),
        human=np.vstack([human, np.full((len(alone), 4), np.nan, np.float32)]),
        masked=tuple(e["mask"] for e in label["human_boxes"]) + ("",) * len(alone),
    )


def _matched(human: Floats, teacher: Floats) -> npt.NDArray[np.int64]:
    """Return for each human box the teacher's face, each given once, or −1."""
    answer = np.full(len(human), -1, np.int64)
    shared = overlap(human, teacher) if len(human) and len(teacher) else np.zeros((0, 0))
    for flat in np.argsort(-shared, axis=None):
        i, j = np.unravel_index(flat, shared.shape)
        if shared[i, j] < _MATCH:
            break
        if answer[i] < 0 and j not in answer:
            answer[i] = j
    return answer


def _as_teacher(human: Floats) -> Floats:
    size = human[:, 2:] - human[:, :2]
    centre = (human[:, :2] + human[:, 2:]) / 2 + size * (_TEACHER_SHIFT_X, _TEACHER_SHIFT_Y)
    half = size * (_TEACHER_WIDTH, _TEACHER_HEIGHT) / 2
    return np.hstack([centre - half, centre + half]).astype(np.float32)


def _as_human(teacher: Floats) -> Floats:
    size = (teacher[:, 2:] - teacher[:, :2]) / (_TEACHER_WIDTH, _TEACHER_HEIGHT)
    centre = (teacher[:, :2] + teacher[:, 2:]) / 2 - size * (_TEACHER_SHIFT_X, _TEACHER_SHIFT_Y)
    return np.hstack([centre - size / 2, centre + size / 2]).astype(np.float32)


def boxes_of(points: Sequence[Floats]) -> list[Floats]:
    """Return the smallest upright box of each set of points."""
    return [np.concatenate([p.min(axis=0), p.max(axis=0)]).astype(np.float32) for p in points]

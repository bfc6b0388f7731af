"""How good a face detector is on pictures whose faces are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from detector_data import Floats, Picture

from edge_emo.features.face_detector import (
    DetectedFace,
    DetectorSettings,
    box_overlap,
    detected,
)

IOU = 0.4
LEAST_PX = 24.0
FALSE_PER_IMAGE = 0.1
FLOOR = 0.02
"""Score down to which candidates are kept, to draw recall against false alarms."""

Detect = Callable[[npt.NDArray[np.uint8]], list[DetectedFace]]


@dataclass(frozen=True)
class Truth:
    """One annotated face and the best answer to it.

    Attributes:
        side_px: Shorter side as annotated.
        masked: with_mask, without_mask, mask_weared_incorrect.
        brightness: Mean grey level of the face, 0 … 255.
        score: Of the detection that was matched; 0 when none.
        landmarks: Mean error over the teacher's inter-ocular distance; NaN when unknown.
    """

    side_px: float
    masked: str
    brightness: float
    score: float
    landmarks: float


@dataclass(frozen=True)
class Tally:
    """What a detector did on a set of pictures.

    Attributes:
        truths: Annotated faces of ``LEAST_PX`` and more.
        false: Scores of detections that match no face of any size.
        images: Number of pictures.
    """

    truths: tuple[Truth, ...]
    false: tuple[float, ...]
    images: int

    def threshold(self, false_per_image: float = FALSE_PER_IMAGE) -> float:
        """Return the least score with no more false alarms per picture than this."""
        allowed = int(false_per_image * self.images)
        ranked = sorted(self.false, reverse=True)
        return ranked[allowed] + 1e-4 if len(ranked) > allowed else FLOOR

    def recall(self, threshold: float, keep: Callable[[Truth], bool] = lambda _: True) -> float:
        """Return the share of faces found at a threshold; NaN without such faces."""
        rows = [truth.score >= threshold for truth in self.truths if keep(truth)]
        return float(np.mean(rows)) if rows else float("nan")

    def count(self, keep: Callable[[Truth], bool]) -> int:
        """Return how many faces are of a kind."""
        return sum(keep(truth) for truth in self.truths)

    def false_per_image(self, threshold: float) -> float:
        """Return the mean number of false alarms of a picture at a threshold."""
        return sum(score >= threshold for score in self.false) / max(1, self.images)

    def landmark_error(self, threshold: float) -> float:
        """Return the mean landmark error of the faces found, over the inter-ocular distance."""
        rows = [t.landmarks for t in self.truths if t.score >= threshold]
        return float(np.nanmean(rows)) if np.isfinite(rows).any() else float("nan")


def tally(detect: Detect, pictures: Sequence[Picture]) -> Tally:
    """Run a detector over pictures.

    Faces are matched to the human box; a detection on a face that is smaller than ``LEAST_PX``
    or that only the teacher saw is neither right nor a false alarm.
    """
    truths: list[Truth] = []
    false: list[float] = []
    for picture in pictures:
        _judge(detect(picture.pixels), picture, truths, false)
    return Tally(tuple(truths), tuple(false), len(pictures))


def summary(result: Tally, threshold: float) -> dict[str, float]:
    """Return the figures that the requirements name."""
    return {
        "recall": round(result.recall(threshold), 4),
        "false_per_image": round(result.false_per_image(threshold), 4),
        "landmark_error": round(result.landmark_error(threshold), 4),
    }


def breakdown(result: Tally, threshold: float) -> list[dict[str, Any]]:
    """Return recall by size, mask and brightness."""
    kinds: list[tuple[str, Callable[[Truth], bool]]] = [
        ("24 to 32 px", lambda t: t.side_px < 32),
        ("32 to 64 px", lambda t: 32 <= t.side_px < 64),
        ("64 px and more", lambda t: t.side_px >= 64),
        ("bare", lambda t: t.masked == "without_mask"),
        ("masked", lambda t: t.masked == "with_mask"),
        ("mask worn incorrectly", lambda t: t.masked == "mask_weared_incorrect"),
        ("mean grey level below 60", lambda t: t.brightness < 60),
        ("60 to 150", lambda t: 60 <= t.brightness < 150),
        ("150 and more", lambda t: t.brightness >= 150),
    ]
    return [
        {"faces": name, "n": result.count(keep), "recall": result.recall(threshold, keep)}
        for name, keep in kinds
        if result.count(keep)
    ]


def tally_at_input(result: Tally, pictures: Sequence[Picture], settings: DetectorSettings) -> float:
    """Return recall of the faces that are ``LEAST_PX`` after scaling to the input."""
    shares = []
    truths = iter(result.truths)
    for picture in pictures:
        high, wide = picture.pixels.shape[:2]
        scale = max(high / settings.height_px, wide / settings.width_px)
        for human in picture.faces.human:
            side = float((human[2:] - human[:2]).min())
            if np.isfinite(side) and side >= LEAST_PX:
                truth = next(truths)
                if side >= LEAST_PX * scale:
                    shares.append(truth.score >= settings.threshold)
    return float(np.mean(shares)) if shares else float("nan")


def _judge(
    faces: list[DetectedFace], picture: Picture, truths: list[Truth], false: list[float]
) -> None:
    known = picture.faces
    shared = np.zeros((len(faces), len(known.boxes)), np.float32)
    if len(faces) and len(known.boxes):
        boxes = detected(faces)
        against = np.where(np.isfinite(known.human), known.human, known.boxes)
        shared = box_overlap(boxes, against.astype(np.float32))
    taken = _matches(shared)
    false += [f.score for k, f in enumerate(faces) if k not in taken.values()
              and not (len(known.boxes) and shared[k].max() >= IOU)]  # fmt: skip
    for j, human in enumerate(known.human):
        side = float((human[2:] - human[:2]).min())
        if np.isfinite(side) and side >= LEAST_PX:
            face = faces[taken[j]] if j in taken else None
            truths.append(
                Truth(side, known.masked[j], _brightness(picture, human),
                      face.score if face else 0.0, _off(face, known.points[j]))
            )  # fmt: skip


def _matches(shared: Floats) -> dict[int, int]:
    """Return for each face the detection, the surest first, each used once."""
    taken: dict[int, int] = {}
    for k, row in enumerate(shared):
        free = [j for j in range(len(row)) if row[j] >= IOU and j not in taken]
        if free:
            taken[max(free, key=lambda j: row[j])] = k
    return taken


def _brightness(picture: Picture, box: Floats) -> float:
    left, top, right, bottom = (max(0, int(v)) for v in box)
    return float(picture.pixels[top:bottom, left:right].mean())


def _off(face: DetectedFace | None, points: Floats) -> float:
    if face is None or not np.isfinite(points).all():
        return float("nan")
    apart = float(np.hypot(*(points[0] - points[1])))
    if apart < 0.15 * face.width:  # a profile: the eyes' distance says nothing of the size
        return float("nan")
    return float(np.hypot(*(np.array(face.points) - points).T).mean() / apart)

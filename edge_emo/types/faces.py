"""The faces that are followed in a camera's stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from edge_emo.types.estimates import Prediction


class FaceBox(NamedTuple):
    """A box in a frame, px; may reach over its edges."""

    x: float
    y: float
    width: float
    height: float


class HeadPose(NamedTuple):
    """Direction of a head in degrees, rough; (0, 0, 0) looks into the camera, upright.

    Attributes:
        yaw: Turned towards the picture's right.
        pitch: Raised.
        roll: Tilted clockwise in the picture.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Face:
    """One face that is followed, as of the last frame that was searched.

    Attributes:
        id: Stays with the person while they are followed, also through short occlusion; from 1
            in each session, never used again in it.
        t_ns: Originating time of the frame.
        frame_px: Width and height of the frame.
        box: Where it is, from brow or hairline to chin; where it is expected when not ``seen``.
        landmarks: Places (x, y) in px by name: "right eye", "left eye", "nose", "right mouth
            corner", "left mouth corner"; right is the person's own right.
        pose: Direction of the head, from the landmarks.
        score: 0 … 1, how sure the detector was when it last saw it.
        seen: True when the last detection found it.
        counts: True for the person whose prediction is fused.
        prediction: The newest of this face, which may abstain; None when none was asked for
            (``face.estimate`` in the configuration) or made yet.
    """

    id: int
    t_ns: int
    frame_px: tuple[int, int]
    box: FaceBox
    landmarks: Mapping[str, tuple[float, float]]
    pose: HeadPose
    score: float
    seen: bool
    counts: bool
    prediction: Prediction | None = None

    @property
    def direction(self) -> tuple[float, float]:
        """Where the face's centre is in the frame: −1 left or top … +1 right or bottom."""
        width, height = self.frame_px
        x, y = self.box.x + self.box.width / 2, self.box.y + self.box.height / 2
        return 2 * x / width - 1, 2 * y / height - 1

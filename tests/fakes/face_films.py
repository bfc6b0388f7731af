"""Films of drawn faces, and a model that always answers the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.clock import ManualClock
from edge_emo.estimators.face import FaceEstimator
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.types import Chunk, Face, Prediction, StreamInfo
from tests.fakes.drawn_faces import Image, backdrop, draw_face

LOGITS = np.array([[0.0, 1.0, -1.0, 3.0, 0.5, 0.0, 2.0]], np.float32)
BARE = (-9.0, -9.0)
INFERENCE_NS = 1_500_000
BEAT_NS = 100_000_000

Place = tuple[float, float, float]
"""Centre and side of a face, px."""


class SteadyModel(LoadedModel):
    """A model that takes 1.5 ms on the session clock and always answers the same.

    Attributes:
        seen: The crops it was shown.
        covered: Log-odds of covered eyes and mouth.
    """

    backend = "steady"

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.seen: list[npt.NDArray[Any]] = []
        self.covered = BARE
        self.closed = False

    def run(self, inputs: Tensors) -> Tensors:
        self.seen.append(np.array(inputs["image"]))
        self.clock.advance(INFERENCE_NS / 1e9)
        return {
            "logits": LOGITS,
            "valence_arousal": np.array([[0.25, -0.5]], np.float32),
            "covered": np.array([self.covered], np.float32),
        }

    def close(self) -> None:
        self.closed = True


def camera(rate_hz: float = 30.0) -> StreamInfo:
    return StreamInfo("camera", rate_hz, (), "rgb8", "a camera", live=False)


def shot(beat: int, picture: Image) -> Chunk:
    """Return a frame that comes with the beat of estimates."""
    return Chunk("camera", beat, beat * BEAT_NS, 10.0, picture)


def people(*places: Place, **look: float) -> Image:
    picture = backdrop()
    for person, (x, y, side) in enumerate(places):
        if side > 0:
            draw_face(picture, x, y, side, person, **look)
    return picture


def watch(
    estimator: FaceEstimator, pictures: Iterable[Image]
) -> list[tuple[list[Prediction], tuple[Face, ...]]]:
    """Return the predictions of each frame, and the faces after it."""
    steps = []
    for beat, picture in enumerate(pictures):
        ready = estimator.features(shot(beat, picture))
        steps.append(([estimator.predict(one) for one in ready], estimator.faces))
    return steps


def reasons(estimator: FaceEstimator, pictures: Iterable[Image]) -> list[str | None]:
    """Return why each frame's first prediction abstains; "nothing" when there is none."""
    steps = watch(estimator, pictures)
    return [made[0].abstained if made else "nothing" for made, _ in steps]


CROWD: tuple[Place, ...] = ((120, 240, 70), (330, 240, 130), (560, 240, 60), (220, 80, 90))


def is_sensible(prediction: Prediction) -> bool:
    if prediction.posterior is None:
        return bool(prediction.abstained) and 0.0 <= prediction.quality <= 1.0
    return 0.0 < prediction.quality <= 1.0

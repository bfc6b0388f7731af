"""A small world for engine tests: devices that play a list, an estimator that tells what it saw."""

from __future__ import annotations

import numpy as np

from edge_emo.clock import Clock
from edge_emo.drivers.base import Driver
from edge_emo.errors import ClosedError, EdgeEmoError
from edge_emo.estimators.base import Estimator, Features
from edge_emo.types import (
    CATEGORIES,
    Chunk,
    Kind,
    Modality,
    Posterior,
    Prediction,
    StreamInfo,
    abstention,
)

SECOND = 1_000_000_000


def chunks(
    kind: Kind, rate_hz: float, size: int, seconds: float, start_s: float = 0.0
) -> list[Chunk]:
    """Chunks of ``size`` samples whose value is their number, at exact times."""
    count = round(seconds * rate_hz / size)
    return [
        Chunk(
            kind,
            n * size,
            round(start_s * SECOND + n * size * 1e9 / rate_hz),
            rate_hz,
            np.full((size, 1), n, np.float32),
        )
        for n in range(count)
    ]


class ListedDriver(Driver):
    """Plays a list of chunks, then ends; an error in the list is raised instead."""

    kind: Kind = "eeg"

    def __init__(
        self, kind: Kind, events: list[Chunk | EdgeEmoError], *, live: bool = False
    ) -> None:
        self.kind = kind  # type: ignore[misc]  # one class plays every kind
        self.events = events
        self.live = live
        self._left: list[Chunk | EdgeEmoError] | None = None

    def open(self, clock: Clock) -> StreamInfo:
        self._left = list(self.events)
        rate = next((e.rate_hz for e in self.events if isinstance(e, Chunk)), 1.0)
        return StreamInfo(self.kind, rate, ("Cz",), "uv", f"listed {self.kind}", live=self.live)

    def read(self, timeout_s: float) -> Chunk | None:
        if self._left is None:
            raise ClosedError("not open")
        if not self._left:
            return None
        event = self._left.pop(0)
        if isinstance(event, EdgeEmoError):
            raise event
        return event

    def close(self) -> None:
        self._left = None


class EchoEstimator(Estimator):
    """Gives a prediction for every chunk; negative samples make it abstain."""

    def __init__(self, kind: Kind, modality: Modality) -> None:
        self.kind = kind
        self.modality = modality
        self.model_id = f"echo-{modality}"
        self.starts = 0
        self.closed = False

    def start(self, info: StreamInfo) -> None:
        self.starts += 1

    def features(self, chunk: Chunk) -> list[Features]:
        value = float(chunk.samples[0, 0])
        reason = "negative" if value < 0 else None
        tensors = {} if reason else {"value": chunk.samples}
        return [Features(chunk.t_ns, chunk.end_ns - chunk.t_ns, 1.0, tensors, reason)]

    def predict(self, features: Features) -> Prediction:
        if features.reason:
            return abstention(self.modality, features.t_ns, features.duration_ns, features.reason)
        share = (float(features.tensors["value"][0, 0]) % 7 + 1) / 10
        rest = (1 - share) / 6
        posterior = Posterior(CATEGORIES, (share, *[rest] * 6))
        return Prediction(
            self.modality, features.t_ns, features.duration_ns, posterior,
            0.1, 0.2, None, features.quality, self.model_id, 0,
        )  # fmt: skip

    def clip(self, chunk: Chunk) -> Prediction:
        return self.predict(self.features(chunk)[0])

    def close(self) -> None:
        self.closed = True

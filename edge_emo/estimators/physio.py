"""Stress from pulse and skin conductance: long windows, a row of features, a small network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_emo.clock import Clock
from edge_emo.errors import ClosedError, ConfigError
from edge_emo.estimators.base import Features
from edge_emo.estimators.personal import PersonalEstimator
from edge_emo.features.physio import FEATURES, SHORTEST_S, body_features
from edge_emo.features.physio_quality import columns_of, examine
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.base import LoadedModel
from edge_emo.sync.window import Windower
from edge_emo.types import Chunk, StreamInfo


@dataclass(slots=True)
class _Stream:
    """What belongs to one stream as it was opened."""

    info: StreamInfo
    columns: Mapping[str, int]
    windower: Windower


class PhysioEstimator(PersonalEstimator):
    """Estimates baseline or stress from pulse, skin conductance, or both.

    A window ends every 10 s, as the package says. It is 30 s long at first and grows to 120 s,
    because variability needs time. All channels of the stream have one rate; a slower sensor is
    interpolated by its driver, and a missing one is NaN or absent. A loss of samples starts
    afresh.

    Args:
        package: Its ``features`` table holds ``window_s``, ``first_s`` and ``hop_s``.
        model: The package's model, loaded.
        clock: The session clock, for the time inside the backend.

    Raises:
        ModelMismatchError: The package reads other features than this code computes.
    """

    modality = "physio"
    kind = "physio"

    def __init__(self, package: ModelPackage, model: LoadedModel, clock: Clock) -> None:
        super().__init__(package, model, clock, FEATURES)
        self._stream: _Stream | None = None

    def start(self, info: StreamInfo) -> None:
        """Find pulse and skin among the channels; a baseline in use stays.

        Raises:
            ConfigError: Neither is among them, or the stream has no rate.
        """
        if not info.rate_hz >= 1.0:
            raise ConfigError(
                f"{info.device}: {info.rate_hz:g} Hz; body signals need at least 1 Hz"
            )
        columns = columns_of(info.channels)
        windower = self._windower(info.rate_hz, len(info.channels))
        self._stream = _Stream(info, columns, windower)

    def features(self, chunk: Chunk) -> list[Features]:
        """Take a chunk and return the features of each window that it completes.

        Raises:
            ClosedError: :meth:`start` was not called.
            ConfigError: The chunk has another rate or other channels than the stream.
        """
        windower = self._started().windower
        return [self._examined(window.data, window.t_ns) for window in windower.push(chunk)]

    def windows_of(self, chunk: Chunk) -> list[Features]:
        """Return the features of a clip's full windows; of all of it when it is shorter.

        A clip below 10 s has none that can be used.
        """
        stream = self._started()
        samples = chunk.samples
        length, hop = self._samples("window_s", stream), self._samples("hop_s", stream)
        firsts = range(0, len(samples) - length + 1, hop) if len(samples) > length else range(1)
        rate_hz = stream.info.rate_hz
        return [
            self._examined(samples[i : i + length], chunk.t_ns + round(i * 1e9 / rate_hz))
            for i in firsts
        ]

    def close(self) -> None:
        """Release the model; idempotent."""
        self._stream = None
        super().close()

    def _started(self) -> _Stream:
        if self._stream is None:
            raise ClosedError("the physio estimator has no stream", hint="call start(info) first")
        return self._stream

    def _samples(self, setting: str, stream: _Stream) -> int:
        return max(1, round(self._settings[setting] * stream.info.rate_hz))

    def _examined(self, samples: npt.NDArray[np.float32], t_ns: int) -> Features:
        stream = self._started()
        rate_hz = stream.info.rate_hz
        duration_ns = round(len(samples) * 1e9 / rate_hz)
        if duration_ns < SHORTEST_S * 1e9:
            reason = f"{duration_ns / 1e9:.2g} s of signal; body signals need {SHORTEST_S:g} s"
            return Features(t_ns, duration_ns, 0.0, {}, reason)
        body = examine(samples, rate_hz, stream.columns)
        if body.reason:
            return Features(t_ns, duration_ns, body.score, {}, body.reason, channels=body.scores)
        values, mask = body_features(body.beats, body.signals.get("eda"), rate_hz)
        tensors = {self._input: self._row(values, mask)}
        return Features(t_ns, duration_ns, body.score, tensors, channels=body.scores)

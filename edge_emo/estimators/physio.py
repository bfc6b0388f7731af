"""Stress from pulse and skin conductance: long windows, a row of features, a small network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge_emo.clock import Clock
from edge_emo.errors import ClosedError, ConfigError, ModelMismatchError
from edge_emo.estimators.base import Features
from edge_emo.estimators.personal import PersonalEstimator
from edge_emo.features.physio import FEATURES, SHORTEST_S, body_features
from edge_emo.features.physio_quality import columns_of, examine
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.base import LoadedModel
from edge_emo.types import Chunk, StreamInfo

_SETTINGS = ("window_s", "first_s", "hop_s")


@dataclass(slots=True)
class _Stream:
    """What belongs to one stream as it was opened."""

    info: StreamInfo
    columns: Mapping[str, int]
    samples: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.empty((0, 0), dtype=np.float32)
    )
    t_ns: int = 0
    fresh: int = 0
    next_seq: int | None = None


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
        self._settings = _settings(package)

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
        empty = np.empty((0, len(info.channels)), np.float32)
        self._stream = _Stream(info, columns, empty)

    def features(self, chunk: Chunk) -> list[Features]:
        """Take a chunk and return the features of each window that it completes.

        Raises:
            ClosedError: :meth:`start` was not called.
            ConfigError: The chunk has other channels than the stream.
        """
        stream = self._gathering(chunk)
        hop = self._samples("hop_s", stream)
        ready = []
        rest = chunk.samples
        while len(rest):
            part, rest = rest[: hop - stream.fresh], rest[hop - stream.fresh :]
            self._extend(stream, part)
            if stream.fresh == hop:
                stream.fresh = 0
                if len(stream.samples) >= self._samples("first_s", stream):
                    ready.append(self._examined(stream.samples, stream.t_ns))
        return ready

    def windows_of(self, chunk: Chunk) -> list[Features]:
        """Return the features of a clip's full windows; of all of it when it is shorter.

        A clip below 10 s has none that can be used.
        """
        stream = self._started()
        samples = _checked(chunk, stream.info)
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

    def _gathering(self, chunk: Chunk) -> _Stream:
        """Return the stream, ready to take a chunk; what was before a loss is forgotten."""
        stream = self._started()
        samples = _checked(chunk, stream.info)
        if chunk.seq != stream.next_seq:
            stream.samples, stream.fresh = samples[:0], 0
        held_ns = round((len(stream.samples)) * 1e9 / stream.info.rate_hz)
        stream.t_ns = chunk.t_ns - held_ns
        stream.next_seq = chunk.seq + chunk.n_samples
        return stream

    def _extend(self, stream: _Stream, part: npt.NDArray[np.float32]) -> None:
        joined = np.concatenate([stream.samples, part])
        surplus = max(0, len(joined) - self._samples("window_s", stream))
        stream.samples = joined[surplus:]
        stream.t_ns += round(surplus * 1e9 / stream.info.rate_hz)
        stream.fresh += len(part)

    def _examined(self, samples: npt.NDArray[np.float32], t_ns: int) -> Features:
        stream = self._started()
        rate_hz = stream.info.rate_hz
        duration_ns = round(len(samples) * 1e9 / rate_hz)
        if duration_ns < SHORTEST_S * 1e9:
            reason = f"{duration_ns / 1e9:.2g} s of signal; body signals need {SHORTEST_S:g} s"
            return Features(t_ns, duration_ns, 0.0, {}, reason)
        body = examine(samples, rate_hz, stream.columns)
        if body.reason:
            return Features(t_ns, duration_ns, body.score, {}, body.reason)
        values, mask = body_features(body.beats, body.signals.get("eda"), rate_hz)
        return Features(t_ns, duration_ns, body.score, {self._input: self._row(values, mask)})


def _settings(package: ModelPackage) -> Mapping[str, float]:
    missing = [key for key in _SETTINGS if key not in package.features]
    if missing:
        raise ModelMismatchError(
            f"{package.id} lacks the settings {', '.join(missing)}",
            hint="use the package and the code of one release",
        )
    return {key: float(package.features[key]) for key in _SETTINGS}


def _checked(chunk: Chunk, info: StreamInfo) -> npt.NDArray[np.float32]:
    samples = chunk.samples
    if samples.ndim != 2 or samples.shape[1] != len(info.channels):
        raise ConfigError(
            f"stream {chunk.stream!r} has samples of shape {samples.shape} for "
            f"{len(info.channels)} channels",
            hint="start the estimator again when its stream has other channels",
        )
    if chunk.rate_hz != info.rate_hz:
        raise ConfigError(
            f"stream {chunk.stream!r} has {chunk.rate_hz:g} Hz, not {info.rate_hz:g} Hz",
            hint="start the estimator again when its stream was opened at another rate",
        )
    return samples

"""Mental load from EEG: windows of some seconds, spectra by region, a small network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_emo.clock import Clock
from edge_emo.errors import ClosedError, ConfigError
from edge_emo.estimators.base import Features
from edge_emo.estimators.personal import PersonalEstimator
from edge_emo.features.eeg import (
    FEATURES,
    RATE_RANGE_HZ,
    SEGMENT_S,
    Montage,
    montage_of,
    region_features,
    spectrum,
)
from edge_emo.features.eeg_artefacts import artefact_shares
from edge_emo.features.eeg_mains import MainsFilter
from edge_emo.features.eeg_quality import ChannelQuality, judge
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.base import LoadedModel
from edge_emo.sync.window import Windower
from edge_emo.types import Chunk, StreamInfo

_UNITS = ("uv", "µv")
_LARGEST_UV = 1e9  # a kilovolt is no sample, and its filters would run out of float32
_FEWEST_CHANNELS = 2
_TOLD_SHARE = 0.2
_FEWEST_SHARE = 0.3


@dataclass(slots=True)
class _Stream:
    """What belongs to one stream as it was opened."""

    info: StreamInfo
    montage: Montage
    filter: MainsFilter
    windower: Windower
    next_seq: int | None = None


class EegEstimator(PersonalEstimator):
    """Estimates rest or load from EEG of any montage of 10-20 names, 100 to 1000 Hz.

    A window ends every second, as the package says. It is 4 s long at first and grows to 10 s.
    Its first sample is dated back by the delay at 10 Hz of the filters in use at its end: a
    high-pass, and a notch at the mains frequency that hums if one does. A loss of samples starts
    afresh.

    Args:
        package: Its ``features`` table holds ``window_s``, ``hop_s`` and ``highpass_hz``.
        model: The package's model, loaded.
        clock: The session clock, for the time inside the backend.

    Raises:
        ModelMismatchError: The package reads other features than this code computes.
    """

    modality = "eeg"
    kind = "eeg"

    def __init__(self, package: ModelPackage, model: LoadedModel, clock: Clock) -> None:
        super().__init__(package, model, clock, FEATURES, ("highpass_hz",))
        self._stream: _Stream | None = None

    def start(self, info: StreamInfo) -> None:
        """Choose the channels of known places and set up filters and windows.

        Raises:
            ConfigError: The rate is outside 100 … 1000 Hz, the unit is not µV, or no channel
                has a 10-20 name.
        """
        _check(info)
        montage = montage_of(info.channels)
        count = len(montage.columns)
        self._stream = _Stream(
            info=info,
            montage=montage,
            filter=MainsFilter(info.rate_hz, count, highpass_hz=self._settings["highpass_hz"]),
            windower=self._windower(info.rate_hz, 2 * count + 1),
        )

    def features(self, chunk: Chunk) -> list[Features]:
        """Filter a chunk and return the features of each window that it completes.

        Raises:
            ClosedError: :meth:`start` was not called.
            ConfigError: The chunk has another rate or other channels than the stream.
        """
        stream = self._started()
        pairs = _raw_and_filtered(stream, chunk)
        return [
            self._window_features(stream, window.data, window.t_ns, window.duration_ns)
            for window in stream.windower.push(pairs)
        ]

    def windows_of(self, chunk: Chunk) -> list[Features]:
        """Return the features of a clip's full windows; of all of it when it is shorter.

        A clip below 2 s has none that can be used.
        """
        stream = self._started()
        self.start(stream.info)
        stream = self._started()
        duration_ns = chunk.end_ns - chunk.t_ns
        if chunk.n_samples < math.ceil(SEGMENT_S * chunk.rate_hz):
            reason = f"the clip lasts {duration_ns / 1e9:.2g} s; EEG needs {SEGMENT_S:g} s"
            return [Features(chunk.t_ns, duration_ns, 0.0, {}, reason)]
        pairs = _raw_and_filtered(stream, chunk).samples
        length = min(len(pairs), round(self._settings["window_s"] * chunk.rate_hz))
        hop = max(1, round(self._settings["hop_s"] * chunk.rate_hz))
        length_ns = round(length * 1e9 / chunk.rate_hz)
        ready = []
        for i in range(0, len(pairs) - length + 1, hop):
            t_ns = chunk.t_ns + round(i * 1e9 / chunk.rate_hz)
            ready.append(self._window_features(stream, pairs[i : i + length], t_ns, length_ns))
        return ready

    def close(self) -> None:
        """Release the model; idempotent."""
        self._stream = None
        super().close()

    def _started(self) -> _Stream:
        if self._stream is None:
            raise ClosedError("the EEG estimator has no stream", hint="call start(info) first")
        return self._stream

    def _window_features(
        self, stream: _Stream, pairs: npt.NDArray[np.float32], t_ns: int, duration_ns: int
    ) -> Features:
        count = len(stream.montage.columns)
        filtered, delay_s = pairs[:, count:-1], float(pairs[-1, -1])
        spectra = spectrum(filtered, stream.info.rate_hz)
        quality = judge(pairs[:, :count], spectra, stream.info.rate_hz)
        channels = dict(zip(stream.montage.names, quality.scores.tolist(), strict=True))
        t_ns -= round(delay_s * 1e9)
        reason = _too_poor(quality)
        if reason:
            shares = artefact_shares(filtered, stream.info.rate_hz, stream.montage)
            reason += _told(shares)
            return Features(t_ns, duration_ns, quality.score, {}, reason, channels=channels)
        row = self._row(*region_features(spectra, stream.montage, quality.fit))
        tensors = {self._input: row}
        return Features(t_ns, duration_ns, quality.score, tensors, channels=channels)


def _check(info: StreamInfo) -> None:
    low, high = RATE_RANGE_HZ
    if not low <= info.rate_hz <= high:
        raise ConfigError(
            f"{info.device}: {info.rate_hz:g} Hz is outside {low:g} … {high:g} Hz",
            hint="set the board to a rate in this range",
        )
    if info.unit.lower() not in _UNITS:
        raise ConfigError(
            f"{info.device}: EEG in {info.unit!r}; this estimator reads µV",
            hint='let the driver scale its samples and say unit "uv"',
        )


def _raw_and_filtered(stream: _Stream, chunk: Chunk) -> Chunk:
    """Return a chunk of the montage's channels raw, the same filtered, and the filters' delay."""
    if chunk.samples.shape[1] != len(stream.info.channels):
        raise ConfigError(
            f"stream {chunk.stream!r} has {chunk.samples.shape[1]} columns for "
            f"{len(stream.info.channels)} channels",
            hint="start the estimator again when its stream has other channels",
        )
    if chunk.seq != stream.next_seq:
        stream.filter.reset()
    stream.next_seq = chunk.seq + chunk.n_samples
    raw = chunk.samples[:, stream.montage.columns]
    raw = np.where(np.abs(raw) <= _LARGEST_UV, raw, np.float32(np.nan))
    filtered, delay_s = stream.filter.process(raw)
    pairs = np.column_stack([raw, filtered, delay_s]).astype(np.float32, copy=False)
    return Chunk(chunk.stream, chunk.seq, chunk.t_ns, chunk.rate_hz, pairs)


def _told(shares: Mapping[str, float]) -> str:
    """Return the artefacts that fill a good part of a window, in words."""
    found = [f"{name} in {share:.0%}" for name, share in shares.items() if share >= _TOLD_SHARE]
    return f" ({', '.join(found)} of the window)" if found else ""


def _too_poor(quality: ChannelQuality) -> str | None:
    total = len(quality.scores)
    needed = max(min(_FEWEST_CHANNELS, total), math.ceil(_FEWEST_SHARE * total))
    return quality.reason() if np.count_nonzero(quality.fit) < needed else None

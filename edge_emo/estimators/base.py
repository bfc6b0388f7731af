"""The contract of every estimator: chunks of one stream in, predictions of one modality out.

The work is split in two so that each part can be measured: ``features`` cuts windows and
computes what the model reads; ``predict`` runs the model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_emo.errors import ConfigError
from edge_emo.estimators.baseline import VALID_S, Baseline
from edge_emo.types import Chunk, Face, Kind, Modality, Prediction, StreamInfo

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Features:
    """What a model reads of one window.

    Attributes:
        t_ns: Originating time of the window's first sample.
        duration_ns: Length of the window; 0 for a frame.
        quality: 0 … 1, judged from the signal.
        tensors: Model inputs by the names in the manifest, batch axis included.
        reason: None, or why the window cannot be estimated ("no face", "clipped"); then
            ``tensors`` is empty and the prediction abstains with this reason.
        face: Id of the face that it was read of, if of any.
        counts: False when the prediction is wanted for itself and must not be fused.
        channels: Quality of each channel, 0 … 1, where the signal has channels to tell apart.
    """

    t_ns: int
    duration_ns: int
    quality: float
    tensors: Mapping[str, npt.NDArray[Any]]
    reason: str | None = None
    face: int | None = None
    counts: bool = True
    channels: Mapping[str, float] = field(default_factory=dict)


class Estimator(ABC):
    """Estimates one modality from one stream. Used by one thread at a time.

    Attributes:
        modality: What it gives.
        kind: The kind of stream it reads.
        model_id: The package it runs.
        personal: True when a baseline was measured to help, so that one is taken unasked; see
            :meth:`rest`.
    """

    modality: Modality
    kind: Kind
    model_id: str
    personal: bool = False

    @abstractmethod
    def start(self, info: StreamInfo) -> None:
        """Prepare for a stream as its driver opened it; forgets everything before.

        Raises:
            ConfigError: The stream cannot feed this model (rate, channels).
        """

    @abstractmethod
    def features(self, chunk: Chunk) -> list[Features]:
        """Take a chunk; return the features of each window that it completes, often none."""

    @abstractmethod
    def predict(self, features: Features) -> Prediction:
        """Run the model on one window's features, or abstain with its reason."""

    @abstractmethod
    def clip(self, chunk: Chunk) -> Prediction:
        """Estimate a whole clip given as one chunk, as ``edge-emo evaluate`` does.

        A picture is a face crop, or one face is searched in it; sound and signals are cut
        into the same windows as live and their posteriors are averaged.
        """

    @property
    def faces(self) -> tuple[Face, ...]:
        """Every face that is followed; empty for modalities without faces. Any thread may ask."""
        return ()

    def require_rest(self) -> None:
        """Do nothing where the model knows a baseline.

        Raises:
            ConfigError: This model knows no baseline of a person.
        """
        if type(self).rest is Estimator.rest:
            raise self._impersonal()

    def windows_of(self, chunk: Chunk) -> list[Features]:
        """Return the features of each window of a clip, for :meth:`rest`.

        Raises:
            ConfigError: This model knows no baseline of a person.
        """
        raise self._impersonal()

    def rest(self, windows: Sequence[Features], valid_s: float = VALID_S) -> Baseline:
        """Return the baseline of windows in which the person rested.

        Raises:
            ConfigError: No window can be used, or this model knows no baseline.
        """
        raise self._impersonal()

    def adopt(self, baseline: Baseline | None) -> None:
        """Use a baseline from the next window on; None forgets the one in use.

        It survives :meth:`start`: a device that comes back is on the same person.

        Raises:
            ConfigError: It was taken for another package, or this model knows no baseline.
        """
        if baseline is not None:
            raise self._impersonal()

    def _impersonal(self) -> ConfigError:
        return ConfigError(
            f"{self.model_id} knows no baseline",
            hint="baselines exist for: face, voice, eeg, physio",
        )

    @abstractmethod
    def close(self) -> None:
        """Release the model, which does not run now; idempotent."""

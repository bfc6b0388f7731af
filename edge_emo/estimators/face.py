"""Facial expression from a camera: finds one face and estimates what it expresses."""

from __future__ import annotations

from edge_emo.clock import Clock
from edge_emo.errors import ConfigError, ModelMismatchError
from edge_emo.estimators.base import Features
from edge_emo.estimators.packaged import PackagedEstimator
from edge_emo.features.face import FaceCrop, FaceReader, settings_from
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.base import LoadedModel
from edge_emo.types import Chunk, Prediction, StreamInfo


class FaceEstimator(PackagedEstimator):
    """Estimates the expression of the largest, most central face.

    A frame that begins less than ``interval_s`` of the package's features after the last one
    taken is passed over; originating times decide, so a replay takes the same frames.

    Args:
        package: A package of modality ``face`` with one grey NCHW input.
        model: The package's model, loaded.
        clock: The session's clock; measures the time of inference.

    Raises:
        ModelError: The package's feature parameters are not for faces.
        ModelMismatchError: Its input is not one square grey picture of ``size_px``.
    """

    modality = "face"
    kind = "camera"

    def __init__(self, package: ModelPackage, model: LoadedModel, clock: Clock) -> None:
        super().__init__(package, model, clock)
        self._settings = settings_from(package.features, package.id)
        self._input = _input_name(package, self._settings.size_px)
        self._interval_ns = round(self._settings.interval_s * 1e9)
        self._reader = FaceReader(self._settings)
        self._due_ns: int | None = None

    def start(self, info: StreamInfo) -> None:
        """Prepare for a camera; forgets the face that was followed.

        Raises:
            ConfigError: The stream is no camera.
        """
        if info.kind != self.kind:
            raise ConfigError(
                f"{self.model_id} reads a camera, not the {info.kind} {info.device}",
                hint="choose a model of the stream's modality (see: edge-emo models)",
            )
        self._reader.reset()
        self._due_ns = None

    def features(self, chunk: Chunk) -> list[Features]:
        """Return the features of this frame, or nothing when it comes too soon."""
        if not self._is_due(chunk):
            return []
        return [self._features(chunk.t_ns, self._reader.read(chunk.image))]

    def clip(self, chunk: Chunk) -> Prediction:
        """Estimate one picture that is a face crop already; nothing is searched in it."""
        return self.predict(self._features(chunk.t_ns, self._reader.read_crop(chunk.image)))

    def _is_due(self, chunk: Chunk) -> bool:
        """Keep the beat of ``interval_s`` although frames come on a beat of their own.

        Half a frame too soon counts as due; else 30 frames/s at 0.1 s would jitter between
        every third and every fourth frame.
        """
        slack_ns = round(0.5e9 / chunk.rate_hz) if chunk.rate_hz > 0 else 0
        if self._due_ns is not None and chunk.t_ns < self._due_ns - slack_ns:
            return False
        late = self._due_ns is None or chunk.t_ns >= self._due_ns + self._interval_ns
        base_ns = chunk.t_ns if late or self._due_ns is None else self._due_ns
        self._due_ns = base_ns + self._interval_ns
        return True

    def _features(self, t_ns: int, crop: FaceCrop) -> Features:
        if crop.image is None:
            return Features(t_ns, 0, crop.quality, {}, crop.reason)
        return Features(t_ns, 0, crop.quality, {self._input: crop.image})


def _input_name(package: ModelPackage, size_px: int) -> str:
    wanted = (1, 1, size_px, size_px)
    if len(package.inputs) == 1 and package.inputs[0].shape == wanted:
        return package.inputs[0].name
    shapes = ", ".join(str(spec.shape) for spec in package.inputs)
    raise ModelMismatchError(
        f"{package.id} takes {shapes}; its features give one grey picture of shape {wanted}",
        hint="set size_px in [features] of its model.toml to the input's side",
    )

"""Facial expression from a camera: follows faces and estimates what the person shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_emo.clock import Clock
from edge_emo.config import Faces
from edge_emo.errors import ConfigError, ModelError, ModelMismatchError
from edge_emo.estimators.base import Features
from edge_emo.estimators.face_finder import Finder
from edge_emo.estimators.resting import RestingEstimator
from edge_emo.features.face import (
    EMPTY,
    FaceCrop,
    covering_checks,
    quality_of,
    read_face,
    read_picture,
    settings_from,
    worst_of,
)
from edge_emo.features.face_align import pose
from edge_emo.features.face_detector import LANDMARKS
from edge_emo.features.face_track import FaceTracker, Image, TrackedFace, TrackSettings
from edge_emo.manifest import ModelPackage, TensorSpec, is_covering
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.types import Chunk, Face, FaceBox, HeadPose, Prediction, StreamInfo

NO_FINDER = "no model package finds faces"


class FaceEstimator(RestingEstimator):
    """Follows every face and estimates the expression of the person who counts, or of all.

    A frame that begins less than ``interval_s`` of the package's features after the last one
    taken is passed over; originating times decide, so a replay takes the same frames.

    Args:
        package: A package of modality ``face`` with one grey NCHW input.
        model: The package's model, loaded.
        clock: The session's clock; measures the time of inference.
        finder: Finds the faces; closed with the estimator. Without one, frames of a camera
            make it abstain, and a clip is taken for a crop.
        faces: Who counts, and who is estimated.

    Raises:
        ModelError: The package's feature parameters are not for faces.
        ModelMismatchError: Its input is not one square grey picture of ``size_px``, or an
            output for coverings has no names.
        ConfigError: There is no such policy, or faces are forgotten between detections.
    """

    modality = "face"
    kind = "camera"

    def __init__(
        self,
        package: ModelPackage,
        model: LoadedModel,
        clock: Clock,
        finder: Finder | None = None,
        faces: Faces | None = None,
    ) -> None:
        super().__init__(package, model, clock)
        self._settings = settings_from(package.features, package.id)
        self._input = _input_name(package, self._settings.size_px)
        self._covering = _covering_output(package)
        self._interval_ns = round(self._settings.interval_s * 1e9)
        self._options = faces or Faces()
        self._patience_ns = round(self._options.patience_s * 1e9)
        self._finder = finder
        slack_s = self._settings.interval_s / 2
        self._tracker = None if finder is None else _tracker(finder, self._options, slack_s)
        self._due_ns: int | None = None
        self._faces: tuple[Face, ...] = ()
        self._predictions: dict[int, Prediction] = {}

    @property
    def faces(self) -> tuple[Face, ...]:
        """Every face that is followed, the oldest first, as of the last frame taken."""
        return self._faces

    def start(self, info: StreamInfo) -> None:
        """Prepare for a camera; forgets the faces that were followed.

        Raises:
            ConfigError: The stream is no camera.
        """
        if info.kind != self.kind:
            raise ConfigError(
                f"{self.model_id} reads a camera, not the {info.kind} {info.device}",
                hint="choose a model of the stream's modality (see: edge-emo models)",
            )
        self._forget()

    def features(self, chunk: Chunk) -> list[Features]:
        """Return the features of this frame, or nothing when it comes too soon.

        The person who counts comes first; others, when asked for, follow by size.
        """
        if not self._is_due(chunk):
            return []
        if self._tracker is None:
            return [Features(chunk.t_ns, 0, 0.0, {}, NO_FINDER)]
        if chunk.image.size == 0:
            return [Features(chunk.t_ns, 0, 0.0, {}, EMPTY)]
        tracks, person = self._tracker.update(chunk.image, chunk.t_ns), self._tracker.person
        self._note(tracks, person, chunk)
        return [
            *self._of_person(chunk.image, person, chunk.t_ns),
            *self._of_others(chunk.image, tracks, person, chunk.t_ns),
        ]

    def predict(self, features: Features) -> Prediction:
        """Run the model on one face, or abstain with the reason; remembers it for the face."""
        prediction = super().predict(features)
        if features.face is not None:
            self._predictions[features.face] = prediction
            self._faces = tuple(
                replace(face, prediction=prediction) if face.id == features.face else face
                for face in self._faces
            )
        return prediction

    def clip(self, chunk: Chunk) -> Prediction:
        """Estimate one picture: a face crop, or a larger picture in which a face is searched."""
        return self.predict(self.windows_of(chunk)[0])

    def windows_of(self, chunk: Chunk) -> list[Features]:
        """Return the features of the one face that :meth:`clip` estimates."""
        least_score = 0.0 if self._finder is None else self._finder.begin_score
        crop = read_picture(chunk.image, self._finder, self._settings, least_score)
        return [self._features(chunk.t_ns, crop)]

    def close(self) -> None:
        """Release the models; idempotent."""
        super().close()
        if self._finder is not None:
            self._finder.close()

    def _forget(self) -> None:
        if self._tracker is not None:
            self._tracker.reset()
        self._due_ns = None
        self._faces = ()
        self._predictions = {}

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

    def _note(
        self, tracks: Sequence[TrackedFace], person: TrackedFace | None, chunk: Chunk
    ) -> None:
        """Publish the faces of this frame, each with its newest prediction."""
        known = {track.id for track in tracks}
        self._predictions = {i: one for i, one in self._predictions.items() if i in known}
        shown = [_public(track, chunk, track is person) for track in tracks]
        self._faces = tuple(
            replace(face, prediction=self._predictions.get(face.id)) for face in shown
        )

    def _of_person(self, frame: Image, person: TrackedFace | None, t_ns: int) -> list[Features]:
        if person is None:
            return [Features(t_ns, 0, 0.0, {}, "no face")]
        if person.seen:
            crop = read_face(frame, person.face, self._settings)
            return [self._features(t_ns, crop, person.id)]
        missed_ns = t_ns - person.last_ns
        if missed_ns <= self._patience_ns:
            return []
        reason = f"face not seen for {missed_ns / 1e9:.1f} s"
        return [Features(t_ns, 0, 0.0, {}, reason, person.id)]

    def _of_others(
        self,
        frame: Image,
        tracks: Sequence[TrackedFace],
        person: TrackedFace | None,
        t_ns: int,
    ) -> list[Features]:
        if self._options.estimate != "all":
            return []
        others = [track for track in tracks if track.seen and track is not person]
        others.sort(key=lambda track: (-track.face.side, track.id))
        return [
            replace(
                self._features(t_ns, read_face(frame, track.face, self._settings), track.id),
                counts=False,
            )
            for track in others[: self._options.most - 1]
        ]

    def _features(self, t_ns: int, crop: FaceCrop, face: int | None = None) -> Features:
        tensors = {} if crop.image is None else {self._input: crop.image}
        return Features(t_ns, 0, crop.quality, tensors, crop.reason, face)

    def _reconsidered(self, features: Features, outputs: Tensors) -> Features:
        """Lower the quality of a face of which parts are covered; refuse it below the bound."""
        if self._covering is None:
            return features
        checks = covering_checks(_log_odds(self._covering, outputs, self.model_id), self._settings)
        quality = features.quality * quality_of(checks)
        reason = worst_of(checks) if quality < self._settings.min_quality else None
        return replace(features, quality=quality, reason=reason)


def _tracker(finder: Finder, options: Faces, slack_s: float) -> FaceTracker:
    """Return the tracker; a detection may come too soon by ``slack_s``, half an estimate."""
    if options.keep_s < options.detect_interval_s:
        raise ConfigError(
            f"face.keep_s = {options.keep_s} is less than face.detect_interval_s",
            hint="keep a face at least until the next detection",
        )
    settings = TrackSettings(
        detect_interval_s=max(0.0, options.detect_interval_s - slack_s),
        begin_score=finder.begin_score,
        keep_s=options.keep_s,
        policy=options.policy,
        switch_ratio=options.switch_ratio,
        switch_after_s=options.switch_after_s,
    )
    return FaceTracker(finder, settings)


def _public(track: TrackedFace, chunk: Chunk, counts: bool) -> Face:
    face, (height, width) = track.face, chunk.image.shape[:2]
    places = {name: (p.x, p.y) for name, p in zip(LANDMARKS, face.points, strict=True)}
    return Face(
        id=track.id,
        t_ns=chunk.t_ns,
        frame_px=(width, height),
        box=FaceBox(face.x, face.y, face.width, face.height),
        landmarks=places,
        pose=HeadPose(*pose(face.points)),
        score=face.score,
        seen=track.seen,
        counts=counts,
    )


def _log_odds(spec: TensorSpec, outputs: Tensors, model_id: str) -> Mapping[str, float]:
    row = np.asarray(outputs[spec.name], dtype=np.float64).reshape(-1)
    if not np.isfinite(row).all():
        raise ModelError(
            f"{model_id} gave {row.tolist()} for covered {', '.join(spec.labels)}",
            hint="check its input for NaN",
        )
    return dict(zip(spec.labels, row.tolist(), strict=True))


def _covering_output(package: ModelPackage) -> TensorSpec | None:
    for spec in package.outputs:
        if spec.name == "covered" and not is_covering(spec):
            raise ModelMismatchError(
                f"{package.id}: output covered does not say what is covered",
                hint='give it labels = ["eyes", "mouth"] in its model.toml',
            )
    return next(filter(is_covering, package.outputs), None)


def _input_name(package: ModelPackage, size_px: int) -> str:
    wanted = (1, 1, size_px, size_px)
    if len(package.inputs) == 1 and package.inputs[0].shape == wanted:
        return package.inputs[0].name
    shapes = ", ".join(str(spec.shape) for spec in package.inputs)
    raise ModelMismatchError(
        f"{package.id} takes {shapes}; its features give one grey picture of shape {wanted}",
        hint="set size_px in [features] of its model.toml to the input's side",
    )

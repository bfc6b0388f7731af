"""The detector package that finds the faces which an expression package then reads."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from edge_emo.errors import ModelMismatchError
from edge_emo.features.face_detector import (
    LANDMARKS,
    STRIDES,
    DetectedFace,
    DetectorSettings,
    Detects,
    FaceDetector,
    Image,
    detector_settings,
)
from edge_emo.features.face_landmarks import LandmarkRefiner, landmark_settings
from edge_emo.manifest import (
    ModelPackage,
    Signatures,
    check_license_policy,
    find_detector,
    find_landmarks,
)
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.choose import load_model


class Finder(Detects, Protocol):
    """Finds faces, also those that it is less sure of.

    Attributes:
        begin_score: Least score of a face that is not followed already.
    """

    begin_score: float

    def close(self) -> None:
        """Release the model; idempotent."""
        ...


class PackagedDetector:
    """Finds faces with the model of a detector package.

    Args:
        package: The package.
        model: Its model, loaded.
        landmarks: Places the landmarks of what was found; closed with the detector.

    Attributes:
        model_id: The package it runs.
        begin_score: The threshold of the file that was loaded; :meth:`detect` also gives faces
            of less, down to the share ``follow`` of it, for those that are followed already.

    Raises:
        ModelError: The package's ``[features]`` are not for a face detector.
        ModelMismatchError: Its tensors are not those of one.
    """

    def __init__(
        self, package: ModelPackage, model: LoadedModel, landmarks: PackagedLandmarks | None = None
    ) -> None:
        settings = detector_settings(package.as_run_by(model.file).features, package.id)
        _check_tensors(package, _detector_tensors(settings), "width_px and height_px")
        self.model_id = package.id
        self.begin_score = settings.threshold
        self._model = model
        self._landmarks = landmarks
        low = settings.threshold * settings.follow
        self._detector = FaceDetector(model, replace(settings, threshold=low))

    def detect(self, frame: Image) -> list[DetectedFace]:
        """Return the faces of an RGB frame, uint8 (height, width, 3), the surest first."""
        faces = self._detector.detect(frame)
        return faces if self._landmarks is None else self._landmarks.refined(frame, faces)

    def close(self) -> None:
        """Release the models; idempotent."""
        self._model.close()
        if self._landmarks is not None:
            self._landmarks.close()


class PackagedLandmarks(LandmarkRefiner):
    """Places landmarks with the model of a package.

    Args:
        package: The package.
        model: Its model, loaded.

    Raises:
        ModelError: The package's ``[features]`` are not for landmarks.
        ModelMismatchError: Its tensors are not those that landmarks need.
    """

    def __init__(self, package: ModelPackage, model: LoadedModel) -> None:
        settings = landmark_settings(package.features, package.id)
        side = settings.size_px
        wanted = {"image": (1, 1, side, side), "points": (1, 2 * len(LANDMARKS))}
        _check_tensors(package, wanted, "size_px")
        super().__init__(model, settings)
        self.model_id = package.id
        self._loaded = model

    def close(self) -> None:
        """Release the model; idempotent."""
        self._loaded.close()


def load_face_detector(
    name: str | None = None,
    *,
    backend: str | None = None,
    threads: int = 1,
    extra_dirs: Sequence[str | Path] = (),
    license_policy: str = "any",
    signatures: Signatures | None = None,
) -> PackagedDetector | None:
    """Find the detector and what places landmarks, check licences and signatures, load them.

    Args:
        name: Package id; None for the default detector.
        backend: Name of the one backend to use; None to choose.
        threads: Threads that one inference may use.
        extra_dirs: The user's own folders of packages.
        license_policy: ``any``, or ``commercial`` to refuse research-only weights.
        signatures: Which signatures are asked for; None for one of a key that ships.

    Returns:
        None when none is named and no package finds faces.

    Raises:
        ModelError: No such package, no detector, a damaged one, one that the policy refuses,
            or one that nothing runs here.
        ConfigError: No such backend or policy.
        UnavailableError: The named backend does not work here.
    """
    package = find_detector(name, "face", extra_dirs)
    if package is None:
        return None
    check_license_policy(package, license_policy)
    trusted = signatures or Signatures()
    trusted.check(package)
    with contextlib.ExitStack() as undo:
        landmarks = _load_landmarks(package, backend, threads, license_policy, trusted)
        if landmarks is not None:
            undo.callback(landmarks.close)
        model = load_model(package, backend=backend, threads=threads)
        undo.callback(model.close)
        detector = PackagedDetector(package, model, landmarks)
        undo.pop_all()
    return detector


def _load_landmarks(
    detector: ModelPackage,
    backend: str | None,
    threads: int,
    license_policy: str,
    signatures: Signatures,
) -> PackagedLandmarks | None:
    package = find_landmarks(detector)
    if package is None:
        return None
    check_license_policy(package, license_policy)
    signatures.check(package)
    return PackagedLandmarks(package, load_model(package, backend=backend, threads=threads))


def _detector_tensors(settings: DetectorSettings) -> Mapping[str, tuple[int, ...]]:
    height, width = settings.height_px, settings.width_px
    return {"image": (1, height, width, 3)} | {
        f"{kind}_{stride}": (1, height // stride, width // stride, channels)
        for stride in STRIDES
        for kind, channels in (("score", 1), ("box", 4), ("points", 10))
    }


def _check_tensors(
    package: ModelPackage, wanted: Mapping[str, tuple[int, ...]], features: str
) -> None:
    given = {spec.name: spec.shape for spec in (*package.inputs, *package.outputs)}
    for name, shape in wanted.items():
        if given.get(name) != shape:
            raise ModelMismatchError(
                f"{package.id}: tensor {name} is {given.get(name)}, not {shape} as {features} say",
                hint=f"set {features} in [features] of its model.toml to its input",
            )

"""The detector package that finds the faces which an expression package then reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from edge_emo.errors import ModelMismatchError
from edge_emo.features.face_detector import (
    STRIDES,
    DetectedFace,
    DetectorSettings,
    Detects,
    FaceDetector,
    Image,
    detector_settings,
)
from edge_emo.manifest import ModelPackage, Signatures, check_license_policy, find_detector
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

    Attributes:
        model_id: The package it runs.
        begin_score: The package's threshold; :meth:`detect` also gives faces of less, down to
            the share ``follow`` of it, for those that are followed already.

    Raises:
        ModelError: The package's ``[features]`` are not for a face detector.
        ModelMismatchError: Its tensors are not those of one.
    """

    def __init__(self, package: ModelPackage, model: LoadedModel) -> None:
        settings = detector_settings(package.features, package.id)
        _check_tensors(package, settings)
        self.model_id = package.id
        self.begin_score = settings.threshold
        self._model = model
        low = settings.threshold * settings.follow
        self._detector = FaceDetector(model, replace(settings, threshold=low))

    def detect(self, frame: Image) -> list[DetectedFace]:
        """Return the faces of an RGB frame, uint8 (height, width, 3), the surest first."""
        return self._detector.detect(frame)

    def close(self) -> None:
        """Release the model; idempotent."""
        self._model.close()


def load_face_detector(
    name: str | None = None,
    *,
    backend: str | None = None,
    threads: int = 1,
    extra_dirs: Sequence[str | Path] = (),
    license_policy: str = "any",
    signatures: Signatures | None = None,
) -> PackagedDetector | None:
    """Find the detector of faces, check licence and signature, and load it.

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
    (signatures or Signatures()).check(package)
    return PackagedDetector(package, load_model(package, backend=backend, threads=threads))


def _check_tensors(package: ModelPackage, settings: DetectorSettings) -> None:
    height, width = settings.height_px, settings.width_px
    wanted = {"image": (1, height, width, 3)} | {
        f"{kind}_{stride}": (1, height // stride, width // stride, channels)
        for stride in STRIDES
        for kind, channels in (("score", 1), ("box", 4), ("points", 10))
    }
    given = {spec.name: spec.shape for spec in (*package.inputs, *package.outputs)}
    for name, shape in wanted.items():
        if given.get(name) != shape:
            raise ModelMismatchError(
                f"{package.id}: tensor {name} is {given.get(name)}; a face detector for "
                f"{width}×{height} px has {shape}",
                hint="set width_px and height_px in [features] of its model.toml to its input",
            )

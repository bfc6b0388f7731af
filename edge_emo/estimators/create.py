"""From the name of a model package to an estimator that is ready to start."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_emo.clock import Clock
from edge_emo.config import Faces
from edge_emo.errors import ConfigError
from edge_emo.estimators.base import Estimator
from edge_emo.estimators.face_finder import Finder, load_face_detector
from edge_emo.manifest import ModelPackage, Signatures, check_license_policy, find_package
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.choose import load_model
from edge_emo.types import Modality

ESTIMATORS: Mapping[Modality, str] = {
    "face": "edge_emo.estimators.face:FaceEstimator",
    "voice": "edge_emo.estimators.voice:VoiceEstimator",
    "eeg": "edge_emo.estimators.eeg:EegEstimator",
    "text": "edge_emo.estimators.text:TextEstimator",
    "physio": "edge_emo.estimators.physio:PhysioEstimator",
}
"""The class that estimates each modality, imported when it is first used."""


def create_estimator(
    name: str,
    clock: Clock,
    backend: str | None = None,
    threads: int = 1,
    extra_dirs: Sequence[str | Path] = (),
    license_policy: str = "any",
    signatures: Signatures | None = None,
    face_detector: str | None = None,
    faces: Faces | None = None,
) -> Estimator:
    """Find a package, check licence and signature, load it and give it to its estimator.

    Args:
        name: Package id, or a modality for its default package.
        clock: The session clock; inference is timed on it.
        backend: Name of the one backend to use; None to choose.
        threads: Threads that one inference may use.
        extra_dirs: The user's own folders of packages.
        license_policy: ``any``, or ``commercial`` to refuse research-only weights.
        signatures: Which signatures are asked for; None for one of a key that ships.
        face_detector: Package id of what finds faces; None for the default detector.
        faces: How faces are followed and who is estimated.

    Raises:
        ModelError: No such package, a damaged one, one that the policy refuses, or one that
            nothing runs here.
        ConfigError: No such backend or policy, or the package is a detector.
        UnavailableError: The named backend does not work here.
    """
    package = find_package(name, extra_dirs)
    check_license_policy(package, license_policy)
    (signatures or Signatures()).check(package)
    refuse_detector(package)
    with contextlib.ExitStack() as undo:
        finder = None
        if package.modality == "face":
            finder = load_face_detector(
                face_detector,
                backend=backend,
                threads=threads,
                extra_dirs=extra_dirs,
                license_policy=license_policy,
                signatures=signatures,
            )
        if finder is not None:
            undo.callback(finder.close)
        model = load_model(package, backend=backend, threads=threads)
        undo.callback(model.close)
        estimator = build_estimator(package, model, clock, finder, faces)
        undo.pop_all()
    return estimator


def build_estimator(
    package: ModelPackage,
    model: LoadedModel,
    clock: Clock,
    finder: Finder | None = None,
    faces: Faces | None = None,
) -> Estimator:
    """Return the estimator of a package for a model that is already loaded.

    Args:
        package: The package.
        model: Its model.
        clock: The session clock.
        finder: Finds the faces, for a package of modality face.
        faces: How they are followed and who is estimated.

    Raises:
        ConfigError: The package is a detector.
        ModelError: The package's features are not what the estimator reads.
    """
    refuse_detector(package)
    module, _, attribute = ESTIMATORS[package.modality].partition(":")
    make = getattr(importlib.import_module(module), attribute)
    special = (finder, faces) if package.modality == "face" else ()
    estimator: Estimator = make(package.as_run_by(model.file), model, clock, *special)
    return estimator


def refuse_detector(package: ModelPackage) -> None:
    """Refuse a package that helps an estimator and is none.

    Raises:
        ConfigError: It is one.
    """
    if package.task != "estimate":
        raise ConfigError(
            f"{package.id} estimates nothing itself: its task is {package.task!r}",
            hint=f"name the modality ({package.modality}) or a package that estimates it",
        )

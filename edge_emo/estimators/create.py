"""From the name of a model package to an estimator that is ready to start."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_emo.clock import Clock
from edge_emo.errors import ConfigError
from edge_emo.estimators.base import Estimator
from edge_emo.manifest import ModelPackage, check_license_policy, find_package
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.choose import load_model
from edge_emo.types import Modality

ESTIMATORS: Mapping[Modality, str] = {
    "face": "edge_emo.estimators.face:FaceEstimator",
    "voice": "edge_emo.estimators.voice:VoiceEstimator",
    "eeg": "edge_emo.estimators.eeg:EegEstimator",
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
) -> Estimator:
    """Find a package, check its licence, load it and give it to its estimator.

    Args:
        name: Package id, or a modality for its default package.
        clock: The session clock; inference is timed on it.
        backend: Name of the one backend to use; None to choose.
        threads: Threads that one inference may use.
        extra_dirs: The user's own folders of packages.
        license_policy: ``any``, or ``commercial`` to refuse research-only weights.

    Raises:
        ModelError: No such package, a damaged one, one that the policy refuses, or one that
            nothing runs here.
        ConfigError: No such backend or policy; a modality that has no estimator.
        UnavailableError: The named backend does not work here.
    """
    package = find_package(name, extra_dirs)
    check_license_policy(package, license_policy)
    check_modality(package)
    model = load_model(package, backend=backend, threads=threads)
    return build_estimator(package, model, clock)


def build_estimator(package: ModelPackage, model: LoadedModel, clock: Clock) -> Estimator:
    """Return the estimator of a package for a model that is already loaded.

    Raises:
        ConfigError: Its modality has no estimator.
        ModelError: The package's features are not what the estimator reads.
    """
    check_modality(package)
    module, _, attribute = ESTIMATORS[package.modality].partition(":")
    estimator: Estimator = getattr(importlib.import_module(module), attribute)(
        package, model, clock
    )
    return estimator


def check_modality(package: ModelPackage) -> None:
    """Refuse a detector, and a package whose modality has no estimator yet.

    Raises:
        ConfigError: There is none; the hint lists those that exist.
    """
    if package.task != "estimate":
        raise ConfigError(
            f"{package.id} is a detector and estimates nothing itself",
            hint=f"name the modality ({package.modality}) or a package that estimates it",
        )
    if package.modality not in ESTIMATORS:
        raise ConfigError(
            f"{package.id} estimates {package.modality}, for which there is no estimator",
            hint=f"estimators exist for: {', '.join(ESTIMATORS)}",
        )

"""Where packages are, which one a name means, and whether its licence allows the use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_emo.errors import ConfigError, ModelError, ModelNotFoundError
from edge_emo.manifest.read import read_package
from edge_emo.manifest.values import LICENSE_POLICIES, MANIFEST, ModelPackage
from edge_emo.types import MODALITIES, Modality


def default_dirs() -> tuple[Path, ...]:
    """Return where shipped packages are: the installed ones, or a checkout's ``models/``."""
    inside = Path(__file__).resolve().parents[1]
    if (inside / "_models").is_dir():
        return (inside / "_models",)
    is_checkout = (inside.parent / "pyproject.toml").is_file()
    models = inside.parent / "models"
    return (models,) if is_checkout and models.is_dir() else ()


def list_packages(extra_dirs: Sequence[str | Path] = ()) -> list[ModelPackage]:
    """Read every package, the user's own first; the first of two with one id counts.

    Args:
        extra_dirs: The user's own folders of packages.

    Raises:
        ConfigError: One of ``extra_dirs`` is no folder.
        ModelError: A manifest is wrong.
    """
    found: dict[str, ModelPackage] = {}
    for place in _search_path(extra_dirs):
        for manifest in sorted(place.glob(f"*/{MANIFEST}")):
            found.setdefault(manifest.parent.name, read_package(manifest.parent))
    return list(found.values())


def find_package(name: str, extra_dirs: Sequence[str | Path] = ()) -> ModelPackage:
    """Return the package with this id, or the default package of this modality.

    Args:
        name: ``face-expression-small``, or ``face``.
        extra_dirs: The user's own folders of packages, searched first.

    Raises:
        ModelNotFoundError: No package has this id; no package is the modality's default.
        ModelError: Its manifest is wrong.
    """
    if name in MODALITIES:
        return _default_of(name, extra_dirs)
    for place in _search_path(extra_dirs):
        if (place / name / MANIFEST).exists():
            return read_package(place / name)
    raise _not_found(f"no model package is called {name!r}", extra_dirs)


def open_package(name: str, extra_dirs: Sequence[str | Path] = ()) -> ModelPackage:
    """Return the package in this folder, with this id, or the default one of this modality.

    Args:
        name: ``models/my-face``, ``face-expression-small``, or ``face``.
        extra_dirs: The user's own folders of packages, searched first.

    Raises:
        ModelNotFoundError: There is none.
        ModelError: Its manifest is wrong.
    """
    is_folder = (Path(name) / MANIFEST).exists()
    return read_package(name) if is_folder else find_package(name, extra_dirs)


def find_detector(
    name: str | None, modality: Modality, extra_dirs: Sequence[str | Path] = ()
) -> ModelPackage | None:
    """Return the detector of a modality: the named one, the default one, or the only one.

    Args:
        name: Package id; None for the first folder's default, or its only detector.
        modality: What it finds is read by estimators of this modality.
        extra_dirs: The user's own folders of packages, searched first.

    Returns:
        None when none is named and there is none.

    Raises:
        ModelNotFoundError: No package has this id.
        ModelError: It is no detector of this modality; or of several none is the default, or
            more than one.
    """
    if name is not None:
        return _checked_detector(find_package(name, extra_dirs), modality)
    for place in _search_path(extra_dirs):
        found = _helper("detect", "detectors", modality, place)
        if found is not None:
            return found
    return None


def find_landmarks(detector: ModelPackage) -> ModelPackage | None:
    """Return the package beside a detector that places landmarks on what it found, or None.

    Args:
        detector: Only its own folder is looked in: another maker's detector keeps its landmarks.

    Raises:
        ModelError: Of several none is the default, or more than one.
    """
    place = detector.folder.resolve().parent
    return _helper("landmarks", "landmark packages", detector.modality, place)


def _helper(task: str, plural: str, modality: Modality, place: Path) -> ModelPackage | None:
    """Return a folder's default package of a task, or its only one."""
    found = [package for package in _packages_in(place) if _does(package, task, modality)]
    marked = [package for package in found if package.default]
    if len(marked or found) > 1:
        names = ", ".join(package.id for package in marked or found)
        raise ModelError(
            f"{place} holds several {plural} for {modality}: {names}",
            hint="set default = true in one model.toml, or name the one to use",
        )
    return (marked or found)[0] if found else None


def check_license_policy(package: ModelPackage, policy: str) -> None:
    """Refuse weights that the policy does not allow.

    Args:
        package: The package about to be used.
        policy: ``any``, or ``commercial``: only weights whose corpora all allow it.

    Raises:
        ConfigError: There is no such policy.
        ModelError: The weights are not licensed for commercial use.
    """
    if policy not in LICENSE_POLICIES:
        raise ConfigError(
            f"license_policy = {policy!r} is unknown",
            hint=f"choose from: {', '.join(LICENSE_POLICIES)}",
        )
    if policy == "commercial" and not package.licence.commercial:
        raise ModelError(
            f"model package {package.id} is not licensed for commercial use: "
            f"{package.licence.weights}",
            hint="name a package that is (see: edge-emo models), or set license_policy = 'any'",
        )


_PARENT = "name the folder that holds the packages, not a package itself"


def _search_path(extra_dirs: Sequence[str | Path]) -> tuple[Path, ...]:
    own = tuple(Path(place) for place in extra_dirs)
    for place in own:
        if not place.is_dir():
            raise ConfigError(
                f"model folder {place} does not exist",
                hint=_PARENT,
            )
        if (place / MANIFEST).exists():
            raise ConfigError(f"model folder {place} is a package itself", hint=_PARENT)
    return (*own, *default_dirs())


def _packages_in(place: Path) -> list[ModelPackage]:
    return [read_package(path.parent) for path in sorted(place.glob(f"*/{MANIFEST}"))]


def _does(package: ModelPackage, task: str, modality: Modality) -> bool:
    return package.task == task and package.modality == modality


def _checked_detector(package: ModelPackage, modality: Modality) -> ModelPackage:
    if _does(package, "detect", modality):
        return package
    raise ModelError(
        f"model package {package.id} does not find what {modality} models read",
        hint='name a package with task = "detect" (see: edge-emo models)',
    )


def _default_of(modality: str, extra_dirs: Sequence[str | Path]) -> ModelPackage:
    for place in _search_path(extra_dirs):
        estimating = (pkg for pkg in _packages_in(place) if pkg.task == "estimate")
        defaults = [pkg for pkg in estimating if pkg.modality == modality and pkg.default]
        if len(defaults) > 1:
            names = ", ".join(package.id for package in defaults)
            raise ModelError(
                f"{place} holds several default packages for {modality}: {names}",
                hint="leave default = true in one model.toml",
            )
        if defaults:
            return defaults[0]
    raise _not_found(f"no model package is the default for {modality}", extra_dirs)


def _not_found(message: str, extra_dirs: Sequence[str | Path]) -> ModelNotFoundError:
    places = _search_path(extra_dirs)
    ids = [path.parent.name for place in places for path in sorted(place.glob(f"*/{MANIFEST}"))]
    have = f"choose from: {', '.join(ids)}" if ids else "no model package is installed"
    return ModelNotFoundError(message, hint=f"{have}; see: edge-emo models")

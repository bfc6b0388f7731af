"""From ``model.toml`` to a :class:`ModelPackage`, refusing whatever is not as described."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal

from edge_emo.errors import ModelError, ModelNotFoundError
from edge_emo.files import read_regular
from edge_emo.manifest.table import Table
from edge_emo.manifest.values import (
    DIMENSIONS,
    DTYPES,
    FORMATS,
    MANIFEST,
    PRECISIONS,
    REINSTALL,
    TARGETS,
    TASKS,
    Corpus,
    DetectionMetrics,
    DimensionTable,
    Licence,
    ModelFile,
    ModelPackage,
    ReferenceMetrics,
    TensorSpec,
    is_categorical,
    is_dimensional,
)
from edge_emo.types import MODALITIES, Modality
from edge_emo.vendor import toml


def read_package(folder: str | Path) -> ModelPackage:
    """Read one package's ``model.toml``; no other file is touched.

    Raises:
        ModelNotFoundError: There is no ``model.toml``, or it is no regular file.
        ModelError: It is not TOML, or a key is unknown, missing, of a wrong type or value.
    """
    manifest = Path(folder) / MANIFEST
    try:
        content = read_regular(manifest)
    except OSError as error:
        raise ModelNotFoundError(f"{manifest} cannot be read: {error.strerror}") from error
    package = _parsed(manifest, content)
    _check_consistency(package, manifest)
    return package


@lru_cache(maxsize=64)
def _parsed(manifest: Path, content: bytes) -> ModelPackage:
    """Parse a manifest, once: each modality of a session looks through all packages."""
    reader = toml()
    try:
        found = reader.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also too many digits, and too deep nesting
        raise ModelError(f"{manifest} is not TOML: {error}", hint=REINSTALL) from error
    digest = hashlib.sha256(content).hexdigest()
    return _read_manifest(Table(manifest, "", found), manifest.parent, digest)


def _read_manifest(top: Table, folder: Path, digest: str) -> ModelPackage:
    if (form := top.optional("manifest", int, FORM)) != FORM:
        raise top.fail("manifest", f"= {form}, and this edge_emo reads {FORM}", _UPDATE)
    task = top.choice("task", TASKS) if top.has("task") else "estimate"
    estimates = task == "estimate"
    rows = top.tables("metrics", required=False)
    package = ModelPackage(
        folder=folder,
        id=top.take("id", str, _is_id),
        version=top.take("version", str, bool),
        modality=_modality(top),
        default=top.optional("default", bool, False),
        summary=top.take("summary", str, bool),
        licence=_read_licence(top.table("licence")),
        files=tuple(_read_file(row) for row in top.tables("files")),
        inputs=tuple(_read_tensor(row) for row in top.tables("inputs")),
        outputs=tuple(_read_tensor(row) for row in top.tables("outputs")),
        features=top.optional("features", dict, {}),
        temperature=_temperature(top) if estimates else 1.0,
        dimensions=_read_dimensions(top.table("dimensions")) if estimates else _NO_DIMENSIONS,
        reliability=_reliability(top) if estimates else 0.0,
        metrics=tuple(_read_metrics(row) for row in rows) if estimates else (),
        task=task,
        detection=() if estimates else tuple(_read_detection(row) for row in rows),
        digest=digest,
    )
    top.done()
    return package


FORM = 1
"""The form of manifest that is read here; the key ``manifest`` may tell it."""
_UPDATE = "install a newer edge_emo, or ask for a package made for this version"
_NO_DIMENSIONS = DimensionTable("mapping")


def _temperature(top: Table) -> float:
    return _single(top, "calibration", "temperature", _is_temperature)


def _reliability(top: Table) -> float:
    return _single(top, "fusion", "reliability", _is_share)


def _is_temperature(value: float) -> bool:
    """Tell a temperature from one that leaves only 0 and 1, or the same for all."""
    return 0.01 <= value <= 100.0


def _is_id(text: str) -> bool:
    return re.fullmatch(r"[a-z0-9][a-z0-9._-]*", text) is not None


def _modality(top: Table) -> Modality:
    word = top.choice("modality", MODALITIES)
    return next(modality for modality in MODALITIES if modality == word)


def _single(top: Table, section: str, key: str, check: Callable[[float], bool]) -> float:
    table = top.table(section)
    value = table.take(key, float, check)
    table.done()
    return value


def _read_licence(table: Table) -> Licence:
    weights = table.take("weights", str, bool)
    commercial = table.take("commercial", bool)
    corpora = []
    for row in table.tables("corpora"):
        corpora.append(Corpus(row.take("name", str, bool), row.take("licence", str, bool)))
        row.done()
    table.done()
    return Licence(weights, commercial, tuple(corpora))


def _read_file(row: Table) -> ModelFile:
    file = ModelFile(
        path=row.take("path", str, _inside_folder),
        format=row.choice("format", FORMATS),
        precision=row.choice("precision", PRECISIONS),
        bytes=row.take("bytes", int, lambda size: size > 0),
        sha256=row.take("sha256", str, lambda s: re.fullmatch(r"[0-9a-f]{64}", s) is not None),
        target=row.choice("target", TARGETS) if row.has("target") else "",
        temperature=_own(row, "temperature", _is_temperature),
        threshold=_own(row, "threshold", lambda value: 0 < value < 1),
    )
    row.done()
    return file


def _own(row: Table, key: str, check: Callable[[float], bool]) -> float | None:
    """Return what was chosen for one file; None when the package's own holds."""
    if not row.has(key):
        return None
    return row.take(key, float, check)


def _inside_folder(text: str) -> bool:
    path = PurePosixPath(text)
    odd = "\\" in text or "\0" in text
    return bool(text) and not path.is_absolute() and ".." not in path.parts and not odd


def _read_tensor(row: Table) -> TensorSpec:
    shape = row.take("shape", list)
    if not shape or not all(type(size) is int and size > 0 for size in shape):
        raise row.fail("shape", f"= {shape!r} is no list of sizes")
    spec = TensorSpec(
        name=row.take("name", str, bool),
        shape=tuple(shape),
        layout=row.take("layout", str, lambda text: len(text) == len(shape)),
        dtype=row.choice("dtype", DTYPES),
        colour=row.choice("colour", ("grey", "rgb", "bgr")) if row.has("colour") else None,
        labels=row.names("labels"),
    )
    if spec.labels and len(spec.labels) != spec.shape[-1]:
        raise row.fail("labels", f"has {len(spec.labels)} names for an axis of {spec.shape[-1]}")
    row.done()
    return spec


def _read_dimensions(table: Table) -> DimensionTable:
    word = table.choice("source", _SOURCES)
    given = {name: table.table(name).values() for name in DIMENSIONS if table.has(name)}
    if word == "model" and given:
        raise table.fail("source", "= 'model' leaves no place for a table of labels")
    table.done()
    return DimensionTable(next(source for source in _SOURCES if source == word), **given)


_SOURCES: tuple[Literal["mapping", "model", "mixed"], ...] = ("mapping", "model", "mixed")


def _read_metrics(row: Table) -> ReferenceMetrics:
    metrics = ReferenceMetrics(
        split=row.take("split", str, bool),
        backend=row.take("backend", str, bool),
        n=row.take("n", int, lambda n: n >= 0),
        accuracy=row.take("accuracy", float, _is_share),
        unweighted_average_recall=row.take("unweighted_average_recall", float, _is_share),
        macro_f1=row.take("macro_f1", float, _is_share),
        expected_calibration_error=row.take("expected_calibration_error", float, _is_share),
        precision=row.optional("precision", str, ""),
    )
    row.done()
    return metrics


def _is_share(value: float) -> bool:
    return 0.0 <= value <= 1.0


def _read_detection(row: Table) -> DetectionMetrics:
    metrics = DetectionMetrics(
        split=row.take("split", str, bool),
        backend=row.take("backend", str, bool),
        precision=row.choice("precision", PRECISIONS),
        n=row.take("n", int, lambda n: n >= 0),
        recall=row.take("recall", float, _is_share),
        false_per_image=row.take("false_per_image", float, lambda value: value >= 0.0),
        landmark_error=row.take("landmark_error", float, lambda value: value >= 0.0),
    )
    row.done()
    return metrics


def _check_consistency(package: ModelPackage, manifest: Path) -> None:
    for problem in _contradictions(package):
        raise ModelError(f"{manifest}: {problem}", hint=REINSTALL)


def _contradictions(package: ModelPackage) -> list[str]:
    """Return what is wrong between keys that are each right alone."""
    problems = _file_problems(package.files)
    if package.id != package.folder.resolve().name:
        problems.append(f"id = {package.id!r} is not the folder's name")
    for key in ("inputs", "outputs"):
        names = [spec.name for spec in getattr(package, key)]
        if len(set(names)) != len(names):
            problems.append(f"{key} use one name twice")
    if package.task != "detect" and any(file.threshold is not None for file in package.files):
        problems.append("a file has a threshold, yet the package is no detector")
    if package.task != "estimate":
        problems.extend(_helper_problems(package))
    elif not any(map(is_categorical, package.outputs)):
        problems.append("outputs have no tensor with labels")
    else:
        problems.extend(_dimension_problems(package))
    return problems


def _helper_problems(package: ModelPackage) -> list[str]:
    labelled = any(spec.labels for spec in package.outputs)
    return [f"task = {package.task!r}, yet outputs have labels"] if labelled else []


def _dimension_problems(package: ModelPackage) -> list[str]:
    problems = []
    for name in DIMENSIONS:
        table = getattr(package.dimensions, name)
        if table is not None and set(table) != set(package.labels):
            odd = ", ".join(sorted(set(table) ^ set(package.labels)))
            problems.append(f"dimensions.{name} and the labels differ in: {odd}")
    return problems + _source_problems(package)


def _source_problems(package: ModelPackage) -> list[str]:
    table, own = package.dimensions, filter(is_dimensional, package.outputs)
    given = {name for spec in own for name in spec.labels}
    mapped = {name for name in DIMENSIONS if getattr(table, name) is not None}
    problems = [
        f"dimensions.{name} is a table, and an output gives it too"
        for name in DIMENSIONS
        if name in given & mapped
    ]
    if table.source != "mapping" and not given:
        problems.append(
            f"dimensions.source = {table.source!r}, but no output is labelled with dimensions"
        )
    if table.source == "mapping" and given:
        problems.append("dimensions.source = 'mapping', but an output is labelled with dimensions")
    if table.source == "mixed" and not mapped:
        problems.append("dimensions.source = 'mixed', but there is no table")
    return problems


def _file_problems(files: tuple[ModelFile, ...]) -> list[str]:
    paths = {file.path: file.format for file in files}
    problems = [] if len(paths) == len(files) else ["files name one path twice"]
    for path in (file.path for file in files if file.format == "openvino-ir"):
        weights = str(PurePosixPath(path).with_suffix(".bin"))
        if paths.get(weights) != "openvino-bin":
            problems.append(f"files list {path} without {weights} of format openvino-bin")
    return problems

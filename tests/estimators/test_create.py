from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock
from edge_emo.errors import ModelError, ModelNotFoundError
from edge_emo.estimators import create, face_finder
from edge_emo.estimators.create import ESTIMATORS, create_estimator
from edge_emo.estimators.face_finder import load_face_detector
from edge_emo.manifest import ModelPackage, TensorSpec, list_packages
from edge_emo.runtime.choose import load_model
from edge_emo.runtime.probe import probe_backend
from edge_emo.types import MODALITIES
from tests.fakes.manifests import absent_file, estimator_manifest, package_in, tensor
from tests.models.files import runnable

SHIPPED = list_packages()
ESTIMATING = [package for package in SHIPPED if package.task == "estimate"]
TEXT = estimator_manifest(
    "words",
    "text",
    default=True,
    licence={
        "weights": "research only",
        "commercial": False,
        "corpora": [{"name": "c", "licence": "research"}],
    },
    files=[absent_file("m.tflite")],
    inputs=[tensor("ids", (1, 8), "NT", "int32")],
    outputs=[tensor("logits", (1, 2), "NC", labels=("anger", "neutral"))],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package_in(tmp_path / "words", TEXT)
    return tmp_path


def test_every_modality_has_an_estimator() -> None:
    assert set(ESTIMATORS) == set(MODALITIES)


def test_the_licence_is_checked_before_anything_is_loaded(folder: Path) -> None:
    with pytest.raises(ModelError, match="not licensed for commercial use"):
        create_estimator("words", ManualClock(), extra_dirs=[folder], license_policy="commercial")


def test_an_unknown_package_is_not_found(folder: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="'nope'"):
        create_estimator("nope", ManualClock(), extra_dirs=[folder])


class Kept:
    """A model, or what finds faces, that knows how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def refuse(*_: object, **__: object) -> NoReturn:
    raise ModelError("it does not run here")


def test_what_was_loaded_is_closed_when_the_model_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finder, model = Kept(), Kept()
    monkeypatch.setattr(create, "load_face_detector", lambda *_, **__: finder)
    monkeypatch.setattr(create, "load_model", lambda *_, **__: model)
    monkeypatch.setattr(create, "build_estimator", refuse)
    with pytest.raises(ModelError, match="does not run"):
        create_estimator("face", ManualClock())
    assert (finder.closed, model.closed) == (1, 1)


def test_what_was_loaded_is_closed_when_the_detector_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    landmarks, detector = Kept(), Kept()
    models = iter([landmarks, detector])
    monkeypatch.setattr(face_finder, "load_model", lambda *_, **__: next(models))
    monkeypatch.setattr(face_finder, "PackagedDetector", refuse)
    with pytest.raises(ModelError, match="does not run"):
        load_face_detector()
    assert (landmarks.closed, detector.closed) == (1, 1)


@pytest.mark.parametrize("package", SHIPPED, ids=lambda package: package.id)
def test_every_shipped_file_is_what_its_manifest_says(package: ModelPackage) -> None:
    for file in package.files:
        assert package.verify(file).is_file()


@pytest.mark.parametrize("package", ESTIMATING, ids=lambda package: package.id)
def test_every_shipped_package_makes_its_estimator(package: ModelPackage) -> None:
    estimator = create_estimator(package.id, ManualClock())
    assert (estimator.modality, estimator.model_id) == (package.modality, package.id)
    assert package.modality in ESTIMATORS
    estimator.close()


RUNS = [
    pytest.param(package, *run, id="-".join([package.id, *run]))
    for package in SHIPPED
    for run in runnable(package)
]


@pytest.mark.parametrize(("package", "backend", "precision"), RUNS)
def test_every_file_gives_what_the_float_model_gives(
    package: ModelPackage, backend: str, precision: str
) -> None:
    if not probe_backend(backend).works:
        pytest.skip(f"needs {backend}: {probe_backend(backend).hint}")
    inputs = {spec.name: _anything(spec) for spec in package.inputs}
    source = next(f for f in package.files if f.format == "onnx" and not f.target)
    wanted = load_model(package, backend="onnx", precision=source.precision).run(inputs)
    model = load_model(package, backend=backend, precision=precision)
    assert model.file is not None
    is_rounded = any(kind in model.file.path for kind in ("int8", "float16"))
    given = model.run(inputs)
    named = [spec.name for spec in package.outputs if spec.labels]
    for name, values in wanted.items():
        if not is_rounded:
            np.testing.assert_allclose(given[name], values, rtol=1e-3, atol=1e-3, err_msg=name)
        else:
            gap = np.sqrt(((given[name] - values) ** 2).mean())
            # Of a constant, the gap is the deviation; of swapped names, about 1.4 times that.
            bound = 0.75 * values.std() if name in named else 0.35 * np.abs(values).max()
            assert gap < bound, name


def _anything(spec: TensorSpec) -> npt.NDArray[np.generic]:
    """Return noise, or where numbers of rows are read some of those that every table has."""
    rng = np.random.default_rng(0)
    if spec.dtype == "int32":
        return rng.integers(1, 1000, spec.shape, np.int32)
    return rng.normal(size=spec.shape).astype(spec.dtype)

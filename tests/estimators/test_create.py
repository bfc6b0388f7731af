from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_emo.clock import ManualClock
from edge_emo.errors import ModelError, ModelNotFoundError
from edge_emo.estimators.create import ESTIMATORS, create_estimator
from edge_emo.manifest import ModelPackage, list_packages
from edge_emo.runtime.choose import load_model
from edge_emo.runtime.probe import probe_backends
from edge_emo.types import MODALITIES

SHIPPED = list_packages()
ESTIMATING = [package for package in SHIPPED if package.task == "estimate"]
TEXT = """
id = "words"
version = "1"
modality = "text"
default = true
summary = "s"
[licence]
weights = "research only"
commercial = false
corpora = [{ name = "c", licence = "research" }]
[[files]]
path = "m.tflite"
format = "tflite"
precision = "float32"
bytes = 1
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
[[inputs]]
name = "ids"
shape = [1, 8]
layout = "NT"
dtype = "int32"
[[outputs]]
name = "logits"
shape = [1, 2]
layout = "NC"
dtype = "float32"
labels = ["anger", "neutral"]
[calibration]
temperature = 1
[dimensions]
source = "mapping"
[fusion]
reliability = 0.5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "model.toml").write_text(TEXT, encoding="utf-8")
    return tmp_path


def test_every_modality_has_an_estimator() -> None:
    assert set(ESTIMATORS) == set(MODALITIES)


def test_the_licence_is_checked_before_anything_is_loaded(folder: Path) -> None:
    with pytest.raises(ModelError, match="not licensed for commercial use"):
        create_estimator("words", ManualClock(), extra_dirs=[folder], license_policy="commercial")


def test_an_unknown_package_is_not_found(folder: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="'nope'"):
        create_estimator("nope", ManualClock(), extra_dirs=[folder])


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


@pytest.mark.parametrize("package", SHIPPED, ids=lambda package: package.id)
def test_backends_agree_on_every_shipped_package(package: ModelPackage) -> None:
    rng = np.random.default_rng(0)
    inputs = {spec.name: rng.normal(size=spec.shape).astype(spec.dtype) for spec in package.inputs}
    precision = "float32" if any(f.precision == "float32" for f in package.files) else None
    answers = {
        status.name: load_model(package, backend=status.name, precision=precision).run(inputs)
        for status in probe_backends()
        if status.works
    }
    for backend, outputs in answers.items():
        for name, values in outputs.items():
            np.testing.assert_allclose(
                values, answers["litert"][name], rtol=1e-3, atol=1e-3,
                err_msg=f"{name} of {backend} against litert",
            )  # fmt: skip

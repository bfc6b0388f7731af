"""One suite for every backend, on a model of two numbers that is checked by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_emo.errors import (
    ClosedError,
    ModelError,
    ModelIntegrityError,
    ModelMismatchError,
    UnavailableError,
)
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.runtime.base import Backend, LoadedModel
from edge_emo.runtime.choose import load_model
from edge_emo.runtime.probe import make_backend

MakePackage = Callable[..., ModelPackage]
DATA = Path(__file__).parent / "data"
CASES = (
    ("litert", "tiny.tflite"),
    ("onnx", "tiny.onnx"),
    ("openvino", "tiny.onnx"),
    ("openvino", "tiny.tflite"),
    ("tensorrt 8.6.1", "tiny.onnx"),
    ("tensorrt 10.3.0", "tiny.onnx"),
    ("tensorrt 11.0.0", "tiny.onnx"),
)
X = np.array([[2.0, 5.0]], np.float32)


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def case(request: pytest.FixtureRequest) -> tuple[Backend, str, bytes]:
    name, path = request.param
    name, _, version = name.partition(" ")
    if name == "tensorrt":
        request.getfixturevalue("jetson")(version)
    backend = make_backend(name)
    try:
        backend.probe()
    except UnavailableError as error:
        pytest.skip(f"needs {name}: {error.hint}")
    return backend, path, (DATA / path).read_bytes()


def load(backend: Backend, package: ModelPackage, threads: int = 1) -> LoadedModel:
    """Load the package's file, after its engine was built where a backend needs one."""
    backend.prepare(package, package.files[0], print)
    return backend.load(package, package.files[0], threads=threads)


def test_probe_names_a_version(case: tuple[Backend, str, bytes]) -> None:
    assert any(character.isdigit() for character in case[0].probe())


def test_outputs_have_the_manifests_names_and_the_right_values(
    case: tuple[Backend, str, bytes], make_package: MakePackage
) -> None:
    backend, path, content = case
    package = make_package({path: content})
    model = load(backend, package)
    outputs = model.run({"x": X})
    assert model.backend == backend.name
    assert list(outputs) == ["logits", "gap"]
    np.testing.assert_allclose(outputs["logits"], [[2.0, 5.0, 8.0]], rtol=1e-6)
    np.testing.assert_allclose(outputs["gap"], [[-3.0]], rtol=1e-6)
    assert outputs["logits"].dtype == np.float32


def test_a_second_run_does_not_see_the_first(
    case: tuple[Backend, str, bytes], make_package: MakePackage
) -> None:
    backend, path, content = case
    package = make_package({path: content})
    model = load(backend, package, threads=2)
    model.run({"x": X})
    np.testing.assert_allclose(model.run({"x": X * 0})["logits"], [[0.0, 0.0, 1.0]], atol=1e-7)


def test_computes_in_float32(case: tuple[Backend, str, bytes], make_package: MakePackage) -> None:
    backend, path, content = case
    package = make_package({path: content})
    fine = np.array([[1.0009765625, 0.0]], np.float32)  # 1 + 2**-10: bfloat16 rounds it to 1
    outputs = load(backend, package).run({"x": fine})
    assert float(outputs["logits"][0, 0]) == 1.0009765625


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"y": X}, "inputs are y, the manifest declares x"),
        ({}, "inputs are none"),
        ({"x": X, "y": X}, "inputs are x, y"),
        ({"x": X.T}, r"input x: expected float32 \[1, 2\], found float32 \[2, 1\]"),
        ({"x": X.astype(np.float64)}, "found float64"),
    ],
)
def test_wrong_inputs_are_refused(
    case: tuple[Backend, str, bytes],
    make_package: MakePackage,
    inputs: dict[str, np.ndarray],
    words: str,
) -> None:
    backend, path, content = case
    package = make_package({path: content})
    model = load(backend, package)
    with pytest.raises(ModelMismatchError, match=words):
        model.run(inputs)
    np.testing.assert_allclose(model.run({"x": X})["gap"], [[-3.0]])


def test_another_shape_than_declared_is_refused_at_load(
    case: tuple[Backend, str, bytes], make_package: MakePackage
) -> None:
    backend, path, content = case
    package = make_package({path: content}, labels=("a", "b", "c", "d"))
    with pytest.raises(ModelMismatchError) as caught:
        load(backend, package)
    assert "tensor logits" in caught.value.message
    assert "float32 [1, 4], found" in caught.value.message


def test_another_dtype_than_declared_is_refused_at_load(
    case: tuple[Backend, str, bytes], make_package: MakePackage
) -> None:
    backend, path, content = case
    package = make_package({path: content}, dtype="int8")
    with pytest.raises(ModelMismatchError, match=r"expected (one )?int8"):
        load(backend, package)


@pytest.mark.parametrize("kept", [0.6, 0.02])
def test_a_file_that_is_no_model_is_refused(
    case: tuple[Backend, str, bytes], make_package: MakePackage, kept: float
) -> None:
    backend, path, content = case
    package = make_package({path: content[: int(len(content) * kept)]})
    with pytest.raises(ModelError, match="tiny") as caught:
        load(backend, package)
    assert caught.value.hint


@pytest.mark.parametrize("case", [("litert", "tiny.tflite"), ("onnx", "tiny.onnx")], indirect=True)
def test_a_file_that_is_swapped_after_its_check_is_not_parsed(
    case: tuple[Backend, str, bytes], make_package: MakePackage
) -> None:
    backend, path, content = case
    package = make_package({path: content})
    package.verify(package.files[0]).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelIntegrityError, match="SHA-256"):
        backend.load(package, package.files[0])


@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_a_run_that_fails_in_the_backend_is_a_model_error(name: str) -> None:
    """OpenVINO does not look whether a row is in the table."""
    package = find_package("text")
    try:
        model = load_model(package, backend=name)
    except UnavailableError as error:
        pytest.skip(f"needs {name}: {error.hint}")
    beyond = {spec.name: np.full(spec.shape, 10**9, spec.dtype) for spec in package.inputs}
    with pytest.raises(ModelError, match=r"could not run model") as caught:
        model.run(beyond)
    assert "--backend" in caught.value.hint
    model.close()


def test_close_is_idempotent_and_ends_the_model(
    case: tuple[Backend, str, bytes], make_package: MakePackage
) -> None:
    backend, path, content = case
    package = make_package({path: content})
    model = load(backend, package)
    model.close()
    model.close()
    with pytest.raises(ClosedError):
        model.run({"x": X})

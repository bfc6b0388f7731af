from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from edge_emo.manifest import ModelPackage
from edge_emo.manifest.write import file_entry
from tests.fakes.manifests import estimator_manifest, package_in, tensor

DATA = Path(__file__).parent / "data"

FORMATS = {".tflite": "tflite", ".onnx": "onnx", ".xml": "openvino-ir", ".bin": "openvino-bin"}

MakePackage = Callable[..., ModelPackage]
Jetson = Callable[..., types.ModuleType]


@pytest.fixture
def make_package(tmp_path: Path) -> MakePackage:
    """Return a function that writes a package of the given files and reads it."""

    def make(
        files: Mapping[str, bytes],
        *,
        labels: tuple[str, ...] = ("a", "b", "c"),
        dtype: str = "float32",
        precision: str = "float32",
    ) -> ModelPackage:
        folder = tmp_path / "tiny"
        folder.mkdir(exist_ok=True)
        rows = []
        for path, content in files.items():
            (folder / path).write_bytes(content)
            rows.append(file_entry(folder / path, FORMATS[Path(path).suffix], precision))
        text = estimator_manifest(
            "tiny",
            "eeg",
            files=rows,
            inputs=[tensor("x", (1, 2), "NC")],
            outputs=[
                tensor("logits", (1, len(labels)), "NC", dtype, labels=labels),
                tensor("gap", (1, 1), "NC"),
            ],
        )
        return package_in(folder, text)

    return make


@pytest.fixture
def tiny_onnx() -> bytes:
    return (DATA / "tiny.onnx").read_bytes()


@pytest.fixture
def tiny_tflite() -> bytes:
    return (DATA / "tiny.tflite").read_bytes()


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def cudart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the model of CUDA's runtime; needs gcc."""
    library = tmp_path_factory.mktemp("cuda") / "libcudart.so"
    source = Path(__file__).parents[1] / "fakes" / "cudart.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch, cudart: Path) -> Jetson:
    """Return a function that puts a TensorRT, and CUDA's runtime, where they are looked for."""
    pytest.importorskip("onnx", reason="needs onnx: pip install onnx")
    from tests.fakes.tensorrt_api import fake_tensorrt

    def install(version: str, device: str = "orin") -> types.ModuleType:
        module = fake_tensorrt(version, device)
        monkeypatch.setitem(sys.modules, "tensorrt", module)
        monkeypatch.setenv("EDGE_EMO_CUDART", str(cudart))
        return module

    return install


@pytest.fixture(autouse=True)
def own_cache(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache folder out of the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))

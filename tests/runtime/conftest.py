from __future__ import annotations

import hashlib
import subprocess
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from edge_emo.manifest import ModelPackage, read_package

DATA = Path(__file__).parent / "data"

MANIFEST = """
id = "tiny"
version = "1.0.0"
modality = "eeg"
summary = "two numbers in, three logits out"

[licence]
weights = "Apache-2.0"
commercial = true
corpora = [{{ name = "none", licence = "Apache-2.0" }}]
{files}
[[inputs]]
name = "x"
shape = [1, 2]
layout = "NC"
dtype = "float32"

[[outputs]]
name = "logits"
shape = [1, {n_labels}]
layout = "NC"
dtype = "{dtype}"
labels = {labels}

[[outputs]]
name = "gap"
shape = [1, 1]
layout = "NC"
dtype = "float32"

[calibration]
temperature = 1.0

[dimensions]
source = "mapping"

[fusion]
reliability = 0.5
"""
FILE = """
[[files]]
path = "{path}"
format = "{format}"
precision = "{precision}"
bytes = {bytes}
sha256 = "{sha256}"
"""
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
            rows.append(
                FILE.format(
                    path=path,
                    format=FORMATS[Path(path).suffix],
                    precision=precision,
                    bytes=len(content),
                    sha256=hashlib.sha256(content).hexdigest(),
                )
            )
        text = MANIFEST.format(
            files="".join(rows), n_labels=len(labels), labels=list(labels), dtype=dtype
        )
        (folder / "model.toml").write_text(text, encoding="utf-8")
        return read_package(folder)

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

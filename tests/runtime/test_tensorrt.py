"""The Jetson backend and its builder against a model of TensorRT's API; no engine is real here."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edge_emo.errors import ModelError, ModelIntegrityError, UnavailableError
from edge_emo.manifest import ModelPackage, read_package
from edge_emo.runtime import tensorrt
from edge_emo.runtime.cache import read_kept
from edge_emo.runtime.choose import candidates, load_model
from edge_emo.runtime.cuda import Cuda
from edge_emo.runtime.tensorrt import TensorRtBackend, build_engine

Jetson = Callable[..., ModuleType]
MakePackage = Callable[..., ModelPackage]
VERSIONS = ("8.6.1", "10.3.0", "11.0.0")
X = np.array([[2.0, 5.0]], np.float32)


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    """Return the tiny model with explicit int8, as it is compiled for a Jetson."""
    pytest.importorskip("onnx", reason="needs onnx: pip install onnx")
    from edge_emo.compile import qdq
    from edge_emo.compile.graph import write_named

    rng = np.random.default_rng(0)
    samples = [[rng.uniform(-6, 6, (1, 2)).astype(np.float32)] for _ in range(32)]
    named, path = tmp_path / "named.onnx", tmp_path / "q.onnx"
    write_named(Path(__file__).parent / "data" / "tiny.onnx", named)
    qdq.write_int8(named, ["x"], samples, path)
    return path


@pytest.mark.parametrize("version", VERSIONS)
def test_int8_is_built_as_each_generation_wants_it(
    jetson: Jetson, quantized: Path, make_package: MakePackage, version: str
) -> None:
    jetson(version)
    package = make_package({"tiny.onnx": quantized.read_bytes()}, precision="int8")
    backend = TensorRtBackend()
    backend.prepare(package, package.files[0])
    model = backend.load(package, package.files[0])
    np.testing.assert_allclose(model.run({"x": X})["logits"], [[2.0, 5.0, 8.0]], atol=0.15)
    model.close()


def test_a_strongly_typed_network_takes_no_flags(jetson: Jetson, quantized: Path) -> None:
    trt = jetson("10.3.0")
    plan, timing = build_engine(trt, "q", quantized.read_bytes(), "int8", strongly_typed=True)
    assert plan.startswith(b"engine 10.3.0")
    assert timing == b"times of one build"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_earlier_builds_learnt_is_kept(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path, version: str
) -> None:
    jetson(version)
    package = make_package({"tiny.onnx": tiny_onnx})
    TensorRtBackend(tmp_path / "engines").prepare(package, package.files[0])
    (timing,) = (tmp_path / "engines").glob("*.timing")
    assert read_kept(timing) == b"times of one build"


def test_an_engine_is_built_once(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path
) -> None:
    jetson("10.3.0")
    package, said = make_package({"tiny.onnx": tiny_onnx}), []
    backend = TensorRtBackend(tmp_path)
    first = backend.prepare(package, package.files[0], said.append)
    assert backend.prepare(package, package.files[0], said.append) == first
    assert "building its engine with TensorRT 10.3.0" in said[0]
    assert said[-1] == "tiny.onnx: its engine is there"


def test_no_engine_is_built_of_a_file_that_was_altered(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, quantized: Path, tmp_path: Path
) -> None:
    """As between the check of the file and the building."""
    jetson("10.3.0")
    package = make_package({"tiny.onnx": tiny_onnx})
    (package.folder / "tiny.onnx").write_bytes(quantized.read_bytes())
    with pytest.raises(ModelIntegrityError):
        TensorRtBackend(tmp_path / "engines").prepare(package, package.files[0])
    assert not (tmp_path / "engines").exists()


def test_an_engine_of_another_user_is_not_read(
    jetson: Jetson,
    make_package: MakePackage,
    tiny_onnx: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jetson("10.3.0")
    package = make_package({"tiny.onnx": tiny_onnx})
    backend = TensorRtBackend(tmp_path / "engines", build_at_once=False)
    path = backend.prepare(package, package.files[0])
    backend.load(package, package.files[0]).close()
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    if path.stat().st_uid == 0:
        os.chown(path, 4343, -1)
    with pytest.raises(ModelError, match="no engine"):
        backend.load(package, package.files[0])


def test_an_engine_that_is_damaged_is_built_again(
    jetson: Jetson,
    make_package: MakePackage,
    tiny_onnx: bytes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    jetson("10.3.0")
    package = make_package({"tiny.onnx": tiny_onnx})
    backend = TensorRtBackend(tmp_path, build_at_once=False)
    place = backend.prepare(package, package.files[0])
    whole = place.read_bytes()
    place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match="no engine"):
        backend.load(package, package.files[0])
    assert f"{place} is damaged" in caplog.text
    assert backend.prepare(package, package.files[0]).read_bytes() == whole


def test_another_tensorrt_does_not_see_the_engine(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path
) -> None:
    jetson("10.3.0")
    package = make_package({"tiny.onnx": tiny_onnx})
    backend = TensorRtBackend(tmp_path, build_at_once=False)
    backend.prepare(package, package.files[0])
    jetson("10.7.0")
    with pytest.raises(ModelError, match="with its driver and TensorRT") as caught:
        backend.load(package, package.files[0])
    assert caught.value.hint.endswith("edge-emo compile tiny --on-device")


def test_an_engine_of_another_device_is_removed_and_named(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path
) -> None:
    jetson("10.3.0", "orin")
    package = make_package({"tiny.onnx": tiny_onnx})
    backend = TensorRtBackend(tmp_path, build_at_once=False)
    place = backend.prepare(package, package.files[0])
    jetson("10.3.0", "thor")
    with pytest.raises(ModelError, match="damaged or of another device"):
        backend.load(package, package.files[0])
    assert not place.exists()


@pytest.mark.parametrize("fact", [0, 1])
def test_the_fingerprint_depends_on_board_and_driver(
    jetson: Jetson,
    make_package: MakePackage,
    tiny_onnx: bytes,
    tmp_path: Path,
    fact: int,
) -> None:
    jetson("10.3.0")
    package = make_package({"tiny.onnx": tiny_onnx})
    files = [tmp_path / "model", tmp_path / "driver"]
    for file in files:
        file.write_text("one")
    backend = TensorRtBackend(tmp_path, board_files=files)
    before = backend.engine_path(package.files[0])
    files[fact].write_text("another")
    assert backend.engine_path(package.files[0]) != before


def test_what_the_parser_refuses_is_named(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path
) -> None:
    import onnx

    jetson("8.6.1")
    model = onnx.load_from_string(tiny_onnx)
    model.opset_import[0].version = 19
    package = make_package({"tiny.onnx": model.SerializeToString()})
    with pytest.raises(ModelError, match=r"refused by TensorRT's parser: opset 19") as caught:
        TensorRtBackend(tmp_path).prepare(package, package.files[0])
    assert "edge-emo compile ID --target jetson" in caught.value.hint
    assert not list(tmp_path.glob("*.engine"))


def test_a_full_disk_leaves_no_half_engine(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path
) -> None:
    jetson("10.3.0")
    package = make_package({"tiny.onnx": tiny_onnx})
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be written") as caught:
        TensorRtBackend(tmp_path / "file").prepare(package, package.files[0])
    assert "XDG_CACHE_HOME" in caught.value.hint


def test_without_tensorrt_the_hint_names_the_package(make_package: MakePackage) -> None:
    with pytest.raises(UnavailableError) as caught:
        TensorRtBackend().probe()
    assert "python3-libnvinfer" in caught.value.hint


def test_without_cuda_the_hint_names_the_package(jetson: Jetson) -> None:
    jetson("10.3.0")
    with pytest.raises(UnavailableError, match="CUDA's runtime cannot be loaded") as caught:
        TensorRtBackend(cuda="/no/such/libcudart.so").probe()
    assert "nvidia-jetpack" in caught.value.hint


def test_a_model_that_is_closed_gives_all_memory_back(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, cudart: Path
) -> None:
    jetson("10.3.0")
    package = make_package({"tiny.onnx": tiny_onnx})
    backend, fake = TensorRtBackend(), ctypes.CDLL(str(cudart))
    before = fake.fakeLive()
    backend.prepare(package, package.files[0])
    model = backend.load(package, package.files[0])
    assert fake.fakeLive() == before + 4  # three tensors and a stream
    model.run({"x": X})
    model.close()
    assert fake.fakeLive() == before


def test_a_call_that_cuda_refuses_is_an_error(cudart: Path) -> None:
    with pytest.raises(ModelError, match="cudaStreamSynchronize gave error 400"):
        Cuda(str(cudart)).wait(0)


def test_the_file_for_a_jetson_comes_first_where_there_is_one(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, quantized: Path
) -> None:
    jetson("10.3.0")
    package = make_package({"tiny.onnx": tiny_onnx, "trt.onnx": quantized.read_bytes()})
    manifest = package.folder / "model.toml"
    row = 'path = "trt.onnx"\n'
    manifest.write_text(manifest.read_text().replace(row, row + 'target = "jetson"\n'))
    found = candidates(read_package(package.folder), measured_ms={})
    order = [(one.backend, one.path) for one in found if one.backend in ("tensorrt", "onnx")]
    assert order == [
        ("tensorrt", "trt.onnx"),
        ("tensorrt", "tiny.onnx"),
        ("onnx", "tiny.onnx"),
        ("onnx", "trt.onnx"),
    ]


def test_another_backend_runs_until_the_engine_is_built(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes
) -> None:
    """A build begins in the background; it fails here, where the child has no TensorRT."""
    jetson("10.9.0")
    package = make_package({"tiny.onnx": tiny_onnx})
    model = load_model(package, measured_ms={})
    assert model.backend in ("litert", "onnx", "openvino")
    build = tensorrt._building[package.folder][package.files[0].sha256]
    assert build.wait(timeout=60) != 0


def test_one_engine_of_a_package_is_built_at_a_time_and_each_but_once(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, quantized: Path, tmp_path: Path
) -> None:
    """Every build fails here, as above."""
    jetson("10.9.0")
    package = make_package({"tiny.onnx": tiny_onnx, "trt.onnx": quantized.read_bytes()})
    begun = tensorrt._building.setdefault(package.folder, {})
    backend, told = TensorRtBackend(tmp_path), []
    for file in (*package.files, *package.files):
        with pytest.raises(ModelError) as caught:
            backend.load(package, file)
        told.append("being built" in caught.value.message)
        if len(told) % 2 == 0:
            assert [build.wait(timeout=60) for build in begun.values()] == [1] * len(begun)
    assert told == [True, False, False, True]
    assert [build.args[-2] for build in begun.values()] == ["tiny.onnx", "trt.onnx"]


def test_what_is_built_in_the_background_is_the_file_that_was_missing(
    jetson: Jetson, make_package: MakePackage, tiny_onnx: bytes, quantized: Path, tmp_path: Path
) -> None:
    jetson("10.3.0")
    files = {"tiny.onnx": tiny_onnx, "trt.onnx": quantized.read_bytes()}
    package = make_package(files, precision="int8")
    assert tensorrt.build(str(package.folder), "trt.onnx", str(tmp_path / "engines")) == 0
    backend = TensorRtBackend(tmp_path / "engines", build_at_once=False)
    backend.load(package, package.files[1]).close()
    with pytest.raises(ModelError, match=r"no engine of tiny\.onnx"):
        backend.load(package, package.files[0])


def test_a_build_that_is_refused_ends_in_words(
    make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    (package.folder / "tiny.onnx").write_bytes(b"x" * len(tiny_onnx))
    assert tensorrt.build(str(package.folder), "tiny.onnx", str(tmp_path)) == 1
    assert "is not the file that tiny" in capsys.readouterr().err

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_emo.errors import ModelError, ModelIntegrityError, UnavailableError
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.cache import read_kept, write_kept
from edge_emo.runtime.openvino import (
    OpenVinoBackend,
    OpenVinoGpuBackend,
    OpenVinoNpuBackend,
    keep,
)
from edge_emo.vendor import load

MakePackage = Callable[..., ModelPackage]

HANGS = (sys.executable, "-c", "import threading; threading.Event().wait()")
CRASHES = (sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
REFUSES = (sys.executable, "-c", "import sys; sys.exit('no kernel for this layer')")


@pytest.fixture(autouse=True)
def openvino() -> None:
    try:
        OpenVinoBackend().probe()
    except UnavailableError as error:
        pytest.skip(f"needs openvino: {error.hint}")


def backend(trial: tuple[str, ...], folder: Path, timeout_s: float = 60.0) -> OpenVinoBackend:
    return OpenVinoBackend(trial, timeout_s, folder)


@pytest.mark.parametrize(
    ("trial", "timeout_s", "reason"),
    [
        (HANGS, 0.2, "it did not end within 0.2 s"),
        (CRASHES, 60.0, "it was killed by SIGSEGV"),
        (REFUSES, 60.0, "no kernel for this layer"),
        (("/nonexistent/python",), 60.0, "the trial process did not start"),
    ],
)
def test_a_compilation_that_fails_in_the_child_is_an_error(
    make_package: MakePackage,
    tiny_onnx: bytes,
    tmp_path: Path,
    trial: tuple[str, ...],
    timeout_s: float,
    reason: str,
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    with pytest.raises(ModelError) as caught:
        backend(trial, tmp_path / "marks", timeout_s).load(package, package.files[0])
    assert reason in caught.value.message
    assert "--backend" in caught.value.hint
    assert not (tmp_path / "marks").exists()


def test_a_success_is_remembered_for_these_bytes_only(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes, tmp_path: Path
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx, "tiny.tflite": tiny_tflite})
    marks = tmp_path / "marks"
    OpenVinoBackend(cache_dir=marks).load(package, package.files[0])
    backend(REFUSES, marks).load(package, package.files[0])
    with pytest.raises(ModelError, match="no kernel"):
        backend(REFUSES, marks).load(package, package.files[1])


def test_a_cache_that_cannot_be_written_costs_only_the_trial(
    make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    blocked = tmp_path / "file"
    blocked.write_text("")
    model = OpenVinoBackend(cache_dir=blocked / "marks").load(package, package.files[0])
    assert model.run({"x": np.ones((1, 2), np.float32)})["gap"].item() == 0.0


def test_a_cache_that_cannot_be_looked_into_costs_only_the_trial(
    make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    model = OpenVinoBackend(cache_dir=tmp_path / ("n" * 300)).load(package, package.files[0])
    assert model.run({"x": np.ones((1, 2), np.float32)})["gap"].item() == 0.0


def test_nothing_compiled_is_read_from_a_folder_of_another_user(
    make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    cache = tmp_path / "c"
    (cache / "blobs").mkdir(parents=True)
    if (cache / "blobs").stat().st_uid == 0:
        os.chown(cache / "blobs", 4343, -1)
    package = make_package({"tiny.onnx": tiny_onnx})
    OpenVinoBackend(cache_dir=cache).load(package, package.files[0])
    assert not list((cache / "blobs").iterdir())


def blob_of(cache: Path) -> Path:
    """Return the one compiled model in a cache folder."""
    (found,) = (cache / "blobs").iterdir()
    return found


def logits(package: ModelPackage, cache: Path) -> list[list[float]]:
    model = OpenVinoBackend(cache_dir=cache).load(package, package.files[0])
    outputs = model.run({"x": np.array([[2.0, 5.0]], np.float32)})
    found: list[list[float]] = outputs["logits"].tolist()
    return found


@pytest.fixture
def other_onnx(tiny_onnx: bytes) -> bytes:
    """The tiny network with twice its weights."""
    weights = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    assert tiny_onnx.count(weights.tobytes()) == 1
    return tiny_onnx.replace(weights.tobytes(), (2 * weights).tobytes())


def test_a_compiled_model_of_another_model_is_not_taken(
    make_package: MakePackage, tiny_onnx: bytes, other_onnx: bytes, tmp_path: Path
) -> None:
    other = make_package({"tiny.onnx": other_onnx})
    assert logits(other, tmp_path / "other") == [[4.0, 10.0, 15.0]]
    package = make_package({"tiny.onnx": tiny_onnx})
    assert logits(package, tmp_path / "own") == [[2.0, 5.0, 8.0]]
    blob_of(tmp_path / "own").write_bytes(blob_of(tmp_path / "other").read_bytes())
    assert logits(package, tmp_path / "own") == [[2.0, 5.0, 8.0]]


def test_a_file_that_is_altered_while_it_is_tried_is_refused_and_not_kept(
    make_package: MakePackage, tiny_onnx: bytes, other_onnx: bytes, tmp_path: Path
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    own, other = package.folder / "tiny.onnx", tmp_path / "other.onnx"
    other.write_bytes(other_onnx)
    swap = (sys.executable, "-c", f"import shutil; shutil.copy({str(other)!r}, {str(own)!r})")
    with pytest.raises(ModelIntegrityError):
        backend(swap, tmp_path / "c").load(package, package.files[0])
    assert not (tmp_path / "c").exists()
    own.write_bytes(tiny_onnx)
    assert logits(package, tmp_path / "c") == [[2.0, 5.0, 8.0]]


def test_a_file_that_is_altered_before_it_is_compiled_is_refused_and_not_kept(
    make_package: MakePackage, tiny_onnx: bytes, other_onnx: bytes, tmp_path: Path
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    assert logits(package, tmp_path / "c") == [[2.0, 5.0, 8.0]]
    blob_of(tmp_path / "c").unlink()
    (package.folder / "tiny.onnx").write_bytes(other_onnx)
    with pytest.raises(ModelIntegrityError):
        logits(package, tmp_path / "c")
    (package.folder / "tiny.onnx").write_bytes(tiny_onnx)
    assert logits(package, tmp_path / "c") == [[2.0, 5.0, 8.0]]


def test_a_compiled_model_that_is_damaged_is_made_again(
    make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    first = logits(package, tmp_path / "c")
    blob = blob_of(tmp_path / "c")
    whole = blob.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:-16] + bytes(16), b"x" + whole[1:]):
        blob.write_bytes(damaged)
        assert logits(package, tmp_path / "c") == first
        assert f"{blob} is damaged" in caplog.text
        caplog.clear()
        assert len(blob.read_bytes()) == len(whole)
        assert logits(package, tmp_path / "c") == first
        assert not caplog.records


def test_a_compiled_model_that_others_may_write_is_not_read(
    make_package: MakePackage, tiny_onnx: bytes, other_onnx: bytes, tmp_path: Path
) -> None:
    logits(make_package({"tiny.onnx": other_onnx}), tmp_path / "other")
    package = make_package({"tiny.onnx": tiny_onnx})
    first = logits(package, tmp_path / "own")
    blob = blob_of(tmp_path / "own")
    write_kept(blob, read_kept(blob_of(tmp_path / "other")) or b"")
    assert logits(package, tmp_path / "own") != first  # as this user, anything can be put there
    blob.chmod(0o666)
    assert logits(package, tmp_path / "own") == first


def test_what_openvino_does_not_read_is_made_again(
    make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    first = logits(package, tmp_path / "c")
    write_kept(blob_of(tmp_path / "c"), b"of another driver")
    assert logits(package, tmp_path / "c") == first
    assert "is not read by OpenVINO" in caplog.text
    assert read_kept(blob_of(tmp_path / "c")) != b"of another driver"


class Inseparable:
    """A compiled model that its plug-in cannot export."""

    def export_model(self, stream: io.BytesIO) -> None:
        raise RuntimeError("Exception from export.cpp:7:\nthe plug-in exports no stateful model")


def test_what_cannot_be_exported_is_used_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path / "blobs" / "a.blob", Inseparable())
    assert not list((tmp_path / "blobs").iterdir())
    assert "a.blob is not kept: the plug-in exports no stateful model" in caplog.text


def test_reads_intermediate_representation_and_its_weights(
    make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path
) -> None:
    ov = load("openvino")
    (tmp_path / "in.onnx").write_bytes(tiny_onnx)
    ov.save_model(ov.Core().read_model(tmp_path / "in.onnx"), tmp_path / "ir.xml", False)
    files = {name: (tmp_path / name).read_bytes() for name in ("ir.xml", "ir.bin")}
    package = make_package(files)
    model = OpenVinoBackend().load(package, package.files[0])
    outputs = model.run({"x": np.array([[2.0, 5.0]], np.float32)})
    np.testing.assert_allclose(outputs["logits"], [[2.0, 5.0, 8.0]], rtol=1e-6)


def test_what_was_compiled_is_kept_for_the_next_start(
    make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    x = {"x": np.array([[2.0, 5.0]], np.float32)}
    first = OpenVinoBackend(cache_dir=tmp_path / "c").load(package, package.files[0]).run(x)
    blobs = list((tmp_path / "c" / "blobs").iterdir())
    again = OpenVinoBackend(cache_dir=tmp_path / "c").load(package, package.files[0]).run(x)
    assert blobs
    assert list((tmp_path / "c" / "blobs").iterdir()) == blobs
    np.testing.assert_array_equal(again["logits"], first["logits"])


QUIET = """
import sys
from edge_emo.runtime.openvino import OpenVinoBackend
OpenVinoBackend().probe()
found = [name for name in sys.modules if "telemetry" in name or "ovc" in name]
assert not found, found
"""


def test_openvino_is_imported_without_what_reports_to_its_maker(tmp_path: Path) -> None:
    home = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", QUIET], env=home, check=True)
    assert not list(tmp_path.iterdir())


LATE = """
from edge_emo.runtime.openvino import OpenVinoBackend
OpenVinoBackend().probe()
import openvino
assert not hasattr(openvino, "no_such_name")
assert openvino.convert_model.__module__.startswith("openvino.tools.ovc")
"""


def test_openvino_s_converter_is_there_when_it_is_asked_for() -> None:
    quiet = {**os.environ, "CI": "true"}  # OpenVINO's own switch for its reports
    subprocess.run([sys.executable, "-c", LATE], env=quiet, check=True)


@pytest.mark.parametrize("kind", [OpenVinoGpuBackend, OpenVinoNpuBackend])
def test_a_device_that_is_not_there_is_named(kind: type[OpenVinoBackend]) -> None:
    """Where there is one, the probe gives a version instead."""
    try:
        found = kind().probe()
    except UnavailableError as error:
        found = f"{error.message}: {error.hint}"
    expected = f"finds no {kind.device} here, only CPU: "
    assert expected in found or found.startswith("openvino ")
    assert not found.endswith(": ")

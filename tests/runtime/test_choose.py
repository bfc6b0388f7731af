from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_emo import registry
from edge_emo.errors import (
    ConfigError,
    ModelError,
    ModelIntegrityError,
    ModelMismatchError,
    NoBackendError,
    UnavailableError,
)
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.autotune import autotune
from edge_emo.runtime.choose import candidates, explain, load_model
from edge_emo.runtime.onnx import OnnxBackend
from edge_emo.runtime.probe import probe_backend, probe_backends

MakePackage = Callable[..., ModelPackage]
X = np.array([[2.0, 5.0]], np.float32)


def needs(name: str) -> None:
    status = probe_backend(name)
    if not status.works:
        pytest.skip(f"needs {name}: {status.hint}")


def test_prefers_litert_then_onnx(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes
) -> None:
    package = make_package({"m.onnx": tiny_onnx, "m.tflite": tiny_tflite})
    assert load_model(package).backend == "litert"
    needs("onnx")
    package = make_package({"m.onnx": tiny_onnx})
    assert load_model(package).backend == "onnx"


def test_prefers_what_was_measured_fastest_here(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes
) -> None:
    needs("onnx")
    package = make_package({"m.onnx": tiny_onnx, "m.tflite": tiny_tflite})
    measured = {("litert", "m.tflite"): 0.2, ("onnx", "m.onnx"): 0.1}
    assert load_model(package, measured_ms=measured).backend == "onnx"


def test_all_backends_agree_on_one_package(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes
) -> None:
    package = make_package({"m.onnx": tiny_onnx, "m.tflite": tiny_tflite})
    working = [status.name for status in probe_backends() if status.works]
    for name in working:
        outputs = load_model(package, backend=name).run({"x": X})
        np.testing.assert_allclose(outputs["logits"], [[2.0, 5.0, 8.0]], rtol=1e-6)
    assert "litert" in working


def test_an_unknown_backend_is_refused(make_package: MakePackage, tiny_onnx: bytes) -> None:
    with pytest.raises(ConfigError, match="'tensorflow'") as caught:
        load_model(make_package({"m.onnx": tiny_onnx}), backend="tensorflow")
    assert "litert" in caught.value.hint


def test_a_named_backend_without_a_file_does_not_fall_back(
    make_package: MakePackage, tiny_onnx: bytes
) -> None:
    with pytest.raises(NoBackendError) as caught:
        load_model(make_package({"m.onnx": tiny_onnx}), backend="litert")
    assert "litert: reads tflite; the package has onnx" in caught.value.message


def test_a_precision_nobody_has_names_every_candidate(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes
) -> None:
    package = make_package({"m.onnx": tiny_onnx, "m.tflite": tiny_tflite})
    with pytest.raises(NoBackendError) as caught:
        load_model(package, precision="int8")
    for line in (
        "litert m.tflite: is float32, asked for int8",
        "onnx m.onnx: is float32, asked for int8",
        "openvino m.onnx: is float32, asked for int8",
        "openvino m.tflite: is float32, asked for int8",
    ):
        assert line in caught.value.message


@pytest.mark.parametrize("backend", [None, "litert"])
def test_a_damaged_file_ends_the_choice(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes, backend: str | None
) -> None:
    package = make_package({"m.onnx": tiny_onnx, "m.tflite": tiny_tflite})
    path = package.folder / "m.tflite"
    path.write_bytes(tiny_tflite[:-1] + bytes([tiny_tflite[-1] ^ 1]))
    with pytest.raises(ModelIntegrityError, match="SHA-256"):
        load_model(package, backend=backend)


def test_a_model_swapped_with_its_hash_is_still_refused(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes
) -> None:
    files = {"m.onnx": tiny_onnx, "m.tflite": tiny_tflite}
    package = make_package(files, labels=("a", "b"))
    with pytest.raises(ModelMismatchError, match=r"expected float32 \[1, 2\]"):
        load_model(package)


def test_a_file_that_one_backend_cannot_load_leaves_the_others(
    make_package: MakePackage, tiny_onnx: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    needs("onnx")
    package = make_package({"m.tflite": b"no model at all", "m.onnx": tiny_onnx})
    assert load_model(package).backend == "onnx"
    assert "m.tflite cannot be loaded by LiteRT" in caplog.text
    with pytest.raises(ModelError, match="cannot be loaded by LiteRT"):
        load_model(package, backend="litert")


def test_when_nothing_loads_each_reason_is_kept(make_package: MakePackage) -> None:
    package = make_package({"m.tflite": b"no model at all"})
    with pytest.raises(NoBackendError) as caught:
        load_model(package)
    assert "cannot be loaded by LiteRT" in caught.value.message
    assert "onnx: reads onnx; the package has tflite" in caught.value.message


def test_explain_says_what_is_chosen_and_why_not_the_rest(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes
) -> None:
    package = make_package({"m.onnx": tiny_onnx, "m.tflite": tiny_tflite})
    (package.folder / "m.onnx").write_bytes(tiny_onnx[:-1])
    rows = {(row["backend"], row["file"]): row for row in explain(package)}
    assert rows["litert", "m.tflite"]["verdict"] == "chosen"
    assert rows["onnx", "m.onnx"]["verdict"] == "rejected"
    if probe_backend("onnx").works:
        assert (
            f"{len(tiny_onnx) - 1} bytes, not {len(tiny_onnx)}" in rows["onnx", "m.onnx"]["reason"]
        )


def test_candidates_of_a_backend_that_is_not_installed_carry_its_hint(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes
) -> None:
    package = make_package({"m.onnx": tiny_onnx, "m.tflite": tiny_tflite})
    for candidate in candidates(package):
        status = probe_backend(candidate.backend)
        assert candidate.accepted == status.works
        assert candidate.hint == status.hint
        if not status.works:
            with pytest.raises(UnavailableError):
                load_model(package, backend=candidate.backend)


def test_a_package_for_another_target_says_what_it_has(
    make_package: MakePackage, tiny_tflite: bytes
) -> None:
    package = make_package({"tiny.tflite": tiny_tflite})
    with pytest.raises(NoBackendError, match="reads onnx; the package has tflite"):
        load_model(package, backend="onnx")


def test_what_is_loaded_knows_its_file(make_package: MakePackage, tiny_onnx: bytes) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    assert load_model(package, backend="onnx").file == package.files[0]


@pytest.fixture
def broken_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a package whose backend does not load."""
    facts = tmp_path / "site" / "abacus-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: abacus\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[edge_emo.backends]\nabacus = abacus_lib:Backend\n")
    monkeypatch.syspath_prepend(str(facts.parent))
    registry._entry_points.cache_clear()
    yield
    registry._entry_points.cache_clear()


@pytest.mark.usefixtures("broken_plugin")
def test_a_plugin_that_does_not_load_leaves_the_others(
    make_package: MakePackage, tiny_onnx: bytes
) -> None:
    package = make_package({"tiny.onnx": tiny_onnx})
    assert load_model(package, measured_ms={}).backend in ("onnx", "openvino")
    (row,) = [one for one in candidates(package, measured_ms={}) if one.backend == "abacus"]
    assert "abacus_lib" in row.reason
    assert probe_backend("abacus").reason == row.reason
    with pytest.raises(NoBackendError, match="abacus_lib"):
        load_model(package, backend="abacus", measured_ms={})


@pytest.mark.parametrize("threads", [0, -1, 100_000])
def test_threads_that_cannot_be_are_refused(
    threads: int, make_package: MakePackage, tiny_onnx: bytes
) -> None:
    with pytest.raises(ConfigError, match=f"{threads} threads"):
        load_model(make_package({"tiny.onnx": tiny_onnx}), threads=threads)


def test_a_backend_that_cannot_be_had_just_now_leaves_the_others(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("litert")
    needs("onnx")

    def busy(*_: object, **__: object) -> None:
        raise UnavailableError("the accelerator is busy")

    monkeypatch.setattr(OnnxBackend, "load", busy)
    package = make_package({"m.onnx": tiny_onnx, "m.tflite": tiny_tflite})
    times = {("onnx", "m.onnx"): 0.1, ("litert", "m.tflite"): 0.2}
    assert load_model(package, measured_ms=times).backend == "litert"
    (row,) = [one for one in autotune(package, threads=(1,)).rows if one.backend == "onnx"]
    assert row.reason == "the accelerator is busy"
    with pytest.raises(UnavailableError, match="busy"):
        load_model(package, backend="onnx")

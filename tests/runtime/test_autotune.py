from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from edge_emo.manifest import ModelPackage
from edge_emo.runtime.autotune import autotune
from edge_emo.runtime.choose import explain, load_model
from edge_emo.runtime.measured import Record, Timing, measured_ms, read_record, write_record
from edge_emo.runtime.probe import probe_backend

MakePackage = Callable[..., ModelPackage]


def both(make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes) -> ModelPackage:
    status = probe_backend("onnx")
    if not status.works:
        pytest.skip(f"needs onnx: {status.hint}")
    return make_package({"m.onnx": tiny_onnx, "m.tflite": tiny_tflite})


def times(litert_ms: float, onnx_ms: float, threads: int = 1) -> Record:
    return Record(
        (
            Timing("litert", "m.tflite", "float32", threads, litert_ms),
            Timing("onnx", "m.onnx", "float32", threads, onnx_ms),
        )
    )


def test_measures_every_candidate_and_says_why_others_were_not(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes, tmp_path: Path
) -> None:
    record = autotune(both(make_package, tiny_onnx, tiny_tflite), threads=(1,), system=tmp_path)
    measured = {(row.backend, row.path) for row in record.rows if not row.reason}
    assert {("litert", "m.tflite"), ("onnx", "m.onnx")} <= measured
    for row in record.rows:
        assert row.reason or 0.0 < row.p50_ms <= row.p95_ms
        assert row.reason or row.load_ms > 0.0
    assert record.note == ""
    assert record.fastest() in record.rows


def test_a_damaged_file_is_no_slow_candidate(make_package: MakePackage, tiny_tflite: bytes) -> None:
    package = make_package({"m.tflite": tiny_tflite})
    (package.folder / "m.tflite").write_bytes(b"x" * len(tiny_tflite))
    record = autotune(package, threads=(1,))
    assert "m.tflite" in {row.path for row in record.rows}
    assert all(row.reason for row in record.rows)
    assert record.fastest() is None


@pytest.mark.parametrize(("litert_ms", "onnx_ms", "wanted"), [(0.2, 0.1, "onnx"),
                                                              (0.1, 0.2, "litert")])  # fmt: skip
def test_the_fastest_that_was_kept_is_loaded(
    litert_ms: float, onnx_ms: float, wanted: str, make_package: MakePackage, tiny_onnx: bytes,
    tiny_tflite: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    package = both(make_package, tiny_onnx, tiny_tflite)
    assert measured_ms(package) == {}
    assert write_record(package, times(litert_ms, onnx_ms))
    assert load_model(package).backend == wanted
    chosen = next(row for row in explain(package) if row["verdict"] == "chosen")
    assert (chosen["backend"], chosen["measured"]) == (wanted, "0.1 ms")
    assert measured_ms(package, threads=2) == {}


def test_a_record_of_other_files_or_another_version_does_not_count(
    make_package: MakePackage, tiny_onnx: bytes, tiny_tflite: bytes, tmp_path: Path
) -> None:
    package = both(make_package, tiny_onnx, tiny_tflite)
    assert write_record(package, times(0.2, 0.1), tmp_path)
    assert read_record(package, tmp_path) == times(0.2, 0.1)
    assert read_record(make_package({"m.tflite": tiny_tflite}), tmp_path) is None
    content = json.loads((tmp_path / "measured.json").read_text(encoding="utf-8"))
    content[package.id]["rows"][0]["volts"] = 5
    (tmp_path / "measured.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_record(package, tmp_path) is None


@pytest.mark.parametrize(
    ("key", "value"), [("p50_ms", "fast"), ("p50_ms", float("nan")), ("threads", 1.0), ("path", 3)]
)
def test_a_row_of_other_types_does_not_count(
    key: str, value: object, make_package: MakePackage, tiny_tflite: bytes, tmp_path: Path
) -> None:
    package = make_package({"m.tflite": tiny_tflite})
    assert write_record(package, times(0.2, 0.1), tmp_path)
    content = json.loads((tmp_path / "measured.json").read_text(encoding="utf-8"))
    content[package.id]["rows"][0][key] = value
    (tmp_path / "measured.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_record(package, tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tiny": 3}', "\udce9", "[" * 100_000])
def test_a_damaged_store_holds_nothing_and_is_replaced(
    content: str, make_package: MakePackage, tiny_tflite: bytes, tmp_path: Path
) -> None:
    package = make_package({"m.tflite": tiny_tflite})
    file = tmp_path / "measured.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert read_record(package, tmp_path) is None
    assert write_record(package, times(0.2, 0.1), tmp_path)
    assert read_record(package, tmp_path) == times(0.2, 0.1)


def test_records_that_are_written_at_once_are_all_kept(
    make_package: MakePackage, tiny_onnx: bytes, tmp_path: Path
) -> None:
    package = make_package({"m.onnx": tiny_onnx})
    packages = [replace(package, id=f"p{number}") for number in range(24)]
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda one: write_record(one, times(1.0, 2.0), tmp_path), packages))
    assert all(kept)
    assert all(read_record(one, tmp_path) == times(1.0, 2.0) for one in packages)


def test_a_folder_that_cannot_be_written_is_told(
    make_package: MakePackage, tiny_tflite: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "no_folder"
    file.write_text("a file", encoding="utf-8")
    assert not write_record(make_package({"m.tflite": tiny_tflite}), times(1, 1), file / "below")


def test_heat_is_told_where_the_system_tells_it(
    make_package: MakePackage, tiny_tflite: bytes, tmp_path: Path
) -> None:
    zone = tmp_path / "class" / "thermal" / "thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("83200\n", encoding="ascii")
    package = make_package({"m.tflite": tiny_tflite})
    assert "83 °C" in autotune(package, threads=(1,), system=tmp_path).note


def test_slowing_down_for_heat_is_told(
    make_package: MakePackage, tiny_tflite: bytes, tmp_path: Path
) -> None:
    counter = tmp_path / "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    counter.parent.mkdir(parents=True)
    counter.write_text("3\n", encoding="ascii")

    def throttle(done: int, total: int) -> None:
        counter.write_text("5\n", encoding="ascii")

    package = make_package({"m.tflite": tiny_tflite})
    record = autotune(package, threads=(1,), system=tmp_path, progress=throttle)
    assert "slowed down for heat 2 times" in record.note

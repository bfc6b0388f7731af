"""What is refused before or while a model is compiled, each with words that name it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_emo.cli.app import main
from edge_emo.compile import Data, compile_package
from edge_emo.compile.samples import Samples, read_samples, shared_inputs
from edge_emo.errors import (
    ConfigError,
    DatasetError,
    ModelError,
    ModelMismatchError,
)
from edge_emo.manifest import find_package
from edge_emo.runtime.choose import load_model
from tests.compile.networks import (
    compile_for,
    convolution,
    dense,
    linear,
    write_data,
    write_model,
)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"targets": []}, ConfigError, "there is no target named"),
        ({"targets": ["toaster"]}, ConfigError, "no target toaster"),
    ],
)
def test_a_target_must_be_known(
    tmp_path: Path,
    data: Mapping[str, Path],
    change: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    model = write_model(tmp_path / "source", dense())
    with pytest.raises(error, match=words):
        compile_for(model, tmp_path / "out", data, **change)


def test_without_calibration_data_nothing_begins(tmp_path: Path, data: Mapping[str, Path]) -> None:
    model = write_model(tmp_path / "source", dense())
    with pytest.raises(ConfigError, match="no calibration data") as caught:
        compile_package(
            str(model), ["jetson"], validation=Data(data["judged"]), calibration=None, out=tmp_path
        )
    assert "--calibration FILE" in caught.value.hint


def test_what_would_fail_at_the_end_is_refused_at_once(
    compiled: Path, tmp_path: Path, data: Mapping[str, Path]
) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"no package can be written to .*file/out"):
        compile_for(compiled / "mine", tmp_path / "file" / "out", data, progress=said.append)
    shutil.copytree(compiled / "mine", tmp_path / "mine")
    (tmp_path / "mine" / "metrics.json").write_text('{"compiled": {"candidates": [{}]}}')
    with pytest.raises(ModelError, match=r"metrics\.json cannot be read: its candidates are no"):
        compile_for(tmp_path / "mine", tmp_path / "out", data, progress=said.append)
    assert said == []


def test_what_gives_the_ranges_does_not_judge(tmp_path: Path, data: Mapping[str, Path]) -> None:
    model = write_model(tmp_path / "source", dense())
    with pytest.raises(ConfigError, match="both give the ranges and judge") as caught:
        compile_for(model, tmp_path / "out", data, seen=data["judged"])
    assert "--calibration-split" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_copy_of_what_gives_the_ranges_does_not_judge(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    model = write_model(tmp_path / "source", dense())
    seen = shutil.copy(data["judged"], tmp_path / "copy.npz")
    with pytest.raises(ConfigError, match=r"give the ranges too") as caught:
        compile_for(model, tmp_path / "out", data, seen=seen)
    assert "people" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_inputs_that_are_seen_and_judged_are_counted_by_all_their_arrays() -> None:
    def samples(*rows: tuple[int, int]) -> Samples:
        inputs = tuple(np.array(column)[:, None] for column in zip(*rows, strict=True))
        return Samples(inputs, np.arange(len(rows)), ())

    judged = samples((1, 2), (1, 3), (4, 5), (1, 2))
    assert shared_inputs(judged, samples((1, 2), (9, 9))) == 2
    assert shared_inputs(judged, samples((2, 1), (3, 1))) == 0


def test_a_split_must_be_there(tmp_path: Path, data: Mapping[str, Path]) -> None:
    package = find_package("eeg-load-small")
    with pytest.raises(DatasetError, match="has no split 'test'"):
        read_samples(package, data["judged"], split="test")
    (tmp_path / "clips.jsonl").write_text(json.dumps(CLIP) + "\n")
    model = load_model(package, backend="onnx")
    with pytest.raises(DatasetError, match="no clip has the split 'test'") as caught:
        read_samples(package, tmp_path / "clips.jsonl", model=model, split="test")
    assert caught.value.hint == "splits: train"


CLIP = {
    "clip": "mine/1",
    "corpus": "mine",
    "modality": "eeg",
    "path": "1.npz",
    "split": "train",
    "label": "rest",
    "perspective": "felt",
    "licence": "CC0-1.0",
}


def changed(path: Path, source: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    with np.load(source) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("change", "words", "hint"),
    [
        (lambda a: a.update({k: v[:31] for k, v in a.items()}), "31 inputs; .* at least 32", ""),
        (lambda a: a.update(features=a["features"][:, 8:]), r"\[128, 8\], expected \[n, 16\]", ""),
        (lambda a: a.update(features=a["features"].T), r"16 rows, others|expected \[n, 16\]", ""),
        (lambda a: a.update(features=a["features"] * np.nan), "no finite number", ""),
        (lambda a: a.update(labels=a["labels"][:5]), "labels has 5 rows, others 128", ""),
        (lambda a: a.update(valence=np.zeros(5)), "valence has 5 rows, others 128", ""),
        (lambda a: a.update(arousal=np.full(128, "high")), "arousal .* not one number", ""),
        (lambda a: a.update(labels=np.full(128, "angry")), "'angry' is no label", "rest, load"),
        (lambda a: a.update(x=a.pop("features")), "has no array 'features'", "it has labels, x"),
    ],
)  # fmt: skip
def test_wrong_data_is_named(
    tmp_path: Path,
    data: Mapping[str, Path],
    change: Callable[[dict[str, Any]], Any],
    words: str,
    hint: str,
) -> None:
    model = write_model(tmp_path / "source", dense())
    bad = changed(tmp_path / "bad.npz", data["seen"], change)
    with pytest.raises(DatasetError, match=words) as caught:
        compile_for(model, tmp_path / "out", data, seen=bad)
    assert hint in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "truth", "words"),
    [
        ("eeg-load-small", {"labels": np.array("rest")}, "labels has no rows, others 3"),
        ("eeg-load-small", {"clips": np.zeros((3, 2))}, r"clips has the shape \[3, 2\], .* \[n\]"),
        ("eeg-load-small", {"valence": np.full(3, np.inf)}, "valence holds what is not one number"),
        ("face-detector-small", {"faces": np.zeros((2, 4))}, r"faces has .* expected \[n, 5\]"),
        ("face-detector-small", {"faces": np.array([3, 0, 0, 1, 1])[None]}, "an input that is not"),
        (
            "face-detector-small",
            {"faces": np.full((1, 5), np.nan)},
            "faces holds what is no finite",
        ),
        ("face-landmarks-small", {"points": np.ones((3, 4))}, r"points has .* \[n, 11\]"),
        ("face-landmarks-small", {"points": np.zeros((3, 11))}, "distance of the eyes"),
    ],
)
def test_wrong_truths_are_named(
    tmp_path: Path, name: str, truth: dict[str, Any], words: str
) -> None:
    package = find_package(name)
    (spec,) = package.inputs
    path = tmp_path / "bad.npz"
    np.savez(path, **{spec.name: np.zeros((3, *spec.shape[1:]), spec.dtype)}, **truth)
    with pytest.raises(DatasetError, match=words):
        read_samples(package, path)


@pytest.mark.parametrize(("content", "words"), [(b"", "No data left"), (None, "it is a .npy")])
def test_what_is_no_npz_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "bad.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3)) if content is None else file.write(content)
    with pytest.raises(DatasetError, match=words):
        read_samples(find_package("eeg-load-small"), path)


def test_a_transposed_input_is_told_from_another_one(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    model = write_model(tmp_path / "source", convolution(), (1, 1, 8, 8), "NCHW")
    turned = write_data(tmp_path / "turned.npz", (1, 8, 8, 1), 64, 1)
    with pytest.raises(DatasetError, match="expected") as caught:
        compile_for(model, tmp_path / "out", data, seen=turned)
    assert caught.value.hint == "the layout is NCHW: transpose the array"


def test_what_is_no_array_file_is_refused(tmp_path: Path, data: Mapping[str, Path]) -> None:
    model = write_model(tmp_path / "source", dense())
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(DatasetError, match=r"text\.npz is no \.npz of plain arrays"):
        compile_for(model, tmp_path / "out", data, seen=tmp_path / "text.npz")


@pytest.mark.parametrize(
    ("content", "error", "words", "hint"),
    [
        (linear(("batch", 16)), ModelMismatchError, "dynamic shape", "static shapes"),
        (linear(op="Strange", domain="com.mine"), ModelError, "Strange is of domain", "own"),
        (b"no network", ModelError, "no sound ONNX file", "export it again"),
        (b"\x08", ModelError, "no sound ONNX file", "export it again"),
        (convolution(), ModelMismatchError, r"expected float32 \[1, 16\]", "model.toml"),
    ],
)
def test_a_wrong_network_is_named(
    tmp_path: Path,
    data: Mapping[str, Path],
    content: bytes,
    error: type[Exception],
    words: str,
    hint: str,
) -> None:
    model = write_model(tmp_path / "source", content)
    with pytest.raises(error, match=words) as caught:
        compile_for(model, tmp_path / "out", data)
    assert hint in caught.value.hint  # type: ignore[attr-defined]  # all are ours
    assert not (tmp_path / "out").exists()


def test_another_layout_than_declared_is_asked_about(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    model = write_model(tmp_path / "source", convolution(), (1, 8, 8, 1), "NHWC")
    with pytest.raises(ModelMismatchError) as caught:
        compile_for(model, tmp_path / "out", data)
    assert "is the layout another" in caught.value.hint


def test_a_file_without_its_manifest_is_named(tmp_path: Path, data: Mapping[str, Path]) -> None:
    model = write_model(tmp_path / "source", dense())
    model.with_name("model.toml").unlink()
    with pytest.raises(ModelError, match=r"model\.toml does not exist") as caught:
        compile_for(model, tmp_path / "out", data)
    assert "own-model.md" in caught.value.hint


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../outside"])
def test_an_id_that_is_no_name_is_named(
    tmp_path: Path, data: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    model = write_model(tmp_path / "source", dense())
    manifest = model.with_name("model.toml")
    manifest.write_text(manifest.read_text().replace('id = "mine"', f'id = "{name}"'))
    with pytest.raises(ModelError, match=r"model\.toml: id = '.*' is not allowed"):
        compile_for(model, tmp_path / "out", data)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_package_without_its_float_file_is_named(
    compiled: Path, tmp_path: Path, data: Mapping[str, Path]
) -> None:
    manifest = (compiled / "mine" / "model.toml").read_text()
    folder = tmp_path / "mine"
    folder.mkdir()
    row = 'path = "model.onnx"'
    (folder / "model.toml").write_text(manifest.replace(row, f'{row}\ntarget = "jetson"'))
    with pytest.raises(ModelError, match="no float ONNX file to compile"):
        compile_for(folder, tmp_path / "out", data)


def test_a_tampered_file_is_refused_when_it_is_compiled_again(
    compiled: Path, tmp_path: Path, data: Mapping[str, Path]
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(compiled / "mine", folder)
    (folder / "model.onnx").write_bytes(dense(seed=7))
    with pytest.raises(ModelError, match="is not the file that mine"):
        compile_for(folder, tmp_path / "out", data)


@pytest.mark.parametrize("missing", ["--manifest", "--out"])
def test_half_a_command_is_wrong_usage(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"--manifest": "a.npz", "--calibration": "b.npz", "--out": "c"}
    del words[missing]
    assert main(["compile", "eeg", *(word for pair in words.items() for word in pair)]) == 2
    assert "hint: edge-emo compile MODEL" in capsys.readouterr().err

"""Compiling for a Jetson, which needs no tool that CI has not: candidates, gates, the package."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edge_emo.cli.app import main
from edge_emo.compile import read_figures
from edge_emo.compile.correct import corrected_biases
from edge_emo.compile.graph import read_graph, replace_weights, write_named
from edge_emo.compile.sensitivity import rank_nodes
from edge_emo.errors import (
    ModelError,
    ModelIntegrityError,
)
from edge_emo.manifest import find_package, read_package, read_private_key, write_key_pair
from edge_emo.manifest.signature import Signatures
from edge_emo.manifest.write import file_entry, to_toml
from edge_emo.runtime.choose import load_model
from tests.compile.networks import (
    LABELS,
    compile_for,
    convolution,
    dense,
    dimensional,
    linear,
    model_bytes,
    write_data,
    write_model,
)


def test_the_package_holds_the_smallest_candidate_that_passed(compiled: Path) -> None:
    package = read_package(compiled / "mine")
    assert [(f.path, f.precision, f.target) for f in package.files] == [
        ("model.trt.int8.onnx", "int8", "jetson"),
        ("model.onnx", "float32", ""),
    ]
    for file in package.files:
        package.verify(file)


def test_every_candidate_keeps_its_figures_and_its_reason(compiled: Path) -> None:
    rows = {row["kind"]: row for row in read_figures(compiled / "mine")}
    assert list(rows) == ["float32", "float16", "int8", "int8-mixed"]
    kept = rows.pop("int8")
    assert "reason" not in kept
    assert kept["bytes"] < 0.5 * rows["float32"]["bytes"]
    assert abs(kept["score"] - rows["float32"]["score"]) <= 0.005
    assert 0.85 < kept["accuracy"] < 0.95  # a tenth of the labels is turned
    assert rows["float32"]["agreement"] == 1.0
    assert rows["float16"]["reason"] == "model.trt.int8.onnx is smaller"
    assert rows["int8-mixed"]["in_float"]
    assert all(row["p50_ms"] > 0 and row["peak_mb"] > 10 for row in rows.values())


def test_the_table_is_shown(compiled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", str(compiled / "mine")]) == 0
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any(re.fullmatch("jetson int8 .* kept", line) for line in shown)
    assert any(re.fullmatch("jetson float16 .* model.trt.int8.onnx is smaller", s) for s in shown)


def test_what_was_compiled_estimates_as_the_float_model_does(
    compiled: Path, data: Mapping[str, Path]
) -> None:
    package = read_package(compiled / "mine")
    models = [load_model(package, backend="onnx", precision=p) for p in ("float32", "int8")]
    with np.load(data["judged"]) as file:
        rows = file["features"][:200]
    answers = [
        [LABELS[int(np.argmax(model.run({"features": row[None]})["logits"]))] for row in rows]
        for model in models
    ]
    same = np.mean([a == b for a, b in zip(*answers, strict=True)])
    assert same >= 0.97


def test_features_and_what_gives_dimensions_stay_in_float(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    model = write_model(tmp_path / "source", dimensional(), dimensions=("valence", "arousal"))
    compile_for(model, tmp_path / "out", data)
    rows = {row["kind"]: row for row in read_figures(tmp_path / "out" / "mine")}
    assert rows["int8"]["in_float"] == ["n000_Mul", "n004_Gemm", "n005_Tanh"]
    (made,) = (tmp_path / "out" / "mine").glob("*.int8.onnx")
    weights = {w.name: w.data_type for w in onnx.load(made).graph.initializer}
    assert weights["w3"] == onnx.TensorProto.FLOAT
    assert "w2" not in weights


def test_the_ends_of_a_network_reach_to_its_products(tmp_path: Path) -> None:
    weights = {name: np.ones((16, 2), np.float32) for name in "ab"}
    (tmp_path / "net.onnx").write_bytes(
        model_bytes(
            [
                helper.make_node("Relu", ["features"], ["r"]),
                helper.make_node("MatMul", ["r", "a"], ["one"]),
                helper.make_node("MatMul", ["r", "b"], ["two"]),
                helper.make_node("Add", ["one", "two"], ["sum"]),
                helper.make_node("Neg", ["one"], ["logits"]),
                helper.make_node("Tanh", ["sum"], ["affect"]),
            ],
            weights,
            (1, 16),
            outputs={"logits": (1, 2), "affect": (1, 2)},
        )
    )
    write_named(tmp_path / "net.onnx", tmp_path / "named.onnx")
    graph = read_graph(tmp_path / "named.onnx")
    assert graph.tail("logits") == ["n001_MatMul", "n004_Neg"]
    assert graph.tail("affect") == ["n001_MatMul", "n002_MatMul", "n003_Add", "n005_Tanh"]
    assert graph.nose("features") == ["n000_Relu"]


def test_the_same_inputs_give_the_same_files(
    compiled: Path, tmp_path: Path, data: Mapping[str, Path]
) -> None:
    compile_for(write_model(tmp_path / "source", dense()), tmp_path / "out", data)
    for name in ("model.trt.int8.onnx", "model.onnx", "model.toml"):
        digests = [
            hashlib.sha256((out / "mine" / name).read_bytes()).hexdigest()
            for out in (compiled, tmp_path / "out")
        ]
        assert digests[0] == digests[1], name


def test_a_package_is_compiled_in_place_and_signed(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    source = write_model(tmp_path / "source", dense())
    public = write_key_pair(tmp_path / "key")
    out = tmp_path / "out"
    compile_for(source, out, data, key=read_private_key(tmp_path / "key"))
    (out / "mine" / "card.md").write_text("a card")
    again = compile_for(out / "mine", out, data, key=read_private_key(tmp_path / "key"))
    package = read_package(again.folder)
    assert {file.path for file in package.files} == {"model.trt.int8.onnx", "model.onnx"}
    assert (again.folder / "card.md").read_text() == "a card"
    Signatures("required", (str(public.source),)).check(package)
    assert [path.name for path in out.iterdir()] == ["mine"]


def nested(compiled: Path, folder: Path) -> Path:
    """Return a copy of the package with its files in a folder of their own."""
    shutil.copytree(compiled / "mine", folder)
    (folder / "files").mkdir()
    (folder / "model.onnx").rename(folder / "files" / "model.onnx")
    (folder / "files" / "model.tflite").write_bytes(b"of another target")
    manifest = (folder / "model.toml").read_text().replace('"model.onnx"', '"files/model.onnx"')
    row = {**file_entry(folder / "files" / "model.tflite", "tflite"), "path": "files/model.tflite"}
    (folder / "model.toml").write_text(f"{manifest}\n{to_toml({'files': [row]})}")
    return folder


def test_files_in_a_folder_of_their_own_stay_there(
    compiled: Path, tmp_path: Path, data: Mapping[str, Path]
) -> None:
    done = compile_for(nested(compiled, tmp_path / "mine"), tmp_path / "out", data)
    package = read_package(done.folder)
    paths = {file.path for file in package.files}
    assert paths == {"model.trt.int8.onnx", "files/model.onnx", "files/model.tflite"}
    for file in package.files:
        package.verify(file)


def test_a_damaged_file_of_another_target_is_named(
    compiled: Path, tmp_path: Path, data: Mapping[str, Path]
) -> None:
    folder = nested(compiled, tmp_path / "mine")
    (folder / "files" / "model.tflite").write_bytes(b"of another target, cut")
    with pytest.raises(ModelIntegrityError, match=r"model\.tflite"):
        compile_for(folder, tmp_path / "out", data)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs Linux with /dev/shm mounted")
def test_a_package_is_compiled_from_another_disk_than_that_of_temporary_files(
    compiled: Path, tmp_path: Path, data: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
    done = compile_for(compiled / "mine", tmp_path / "out", data)
    assert [one.kind for one in done.figures if one.kept] == ["int8"]


def test_convolutions_are_written_as_an_old_parser_reads_them(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    shape = (1, 1, 8, 8)
    model = write_model(tmp_path / "source", convolution(), shape, "NCHW")
    judged = _own_labels(tmp_path / "judged.npz", convolution(), shape)
    seen = write_data(tmp_path / "seen.npz", shape, 64, 3)
    done = compile_for(model, tmp_path / "out", data, seen=seen, judged=judged)
    rows = {one.kind: one for one in done.figures}
    assert rows["int8"].agreement is not None
    assert rows["int8"].agreement > 0.97
    kept = next(one for one in done.figures if one.kept)
    written = onnx.load(str(done.folder / kept.path))
    assert written.opset_import[0].version == 17
    mean = next(node for node in written.graph.node if node.op_type == "ReduceMean")
    assert [attribute.name for attribute in mean.attribute if attribute.ints] == ["axes"]


def _own_labels(path: Path, content: bytes, shape: tuple[int, ...]) -> Path:
    import onnxruntime

    session = onnxruntime.InferenceSession(content)
    rows = np.random.default_rng(4).normal(size=(300, *shape[1:])).astype(np.float32)
    chosen = [int(session.run(None, {"features": row[None]})[0].argmax()) for row in rows]
    np.savez(path, features=rows, labels=np.array(LABELS)[chosen])
    return path


def test_a_candidate_that_loses_too_much_is_rejected_with_the_loss(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    """One input ruins the range, so that int8 tells nothing of the others."""
    with np.load(data["seen"]) as file:
        features, labels = file["features"].copy(), file["labels"]
    features[1, 1:] = 1e5
    np.savez(tmp_path / "wild.npz", features=features, labels=labels)
    model = write_model(tmp_path / "source", dense())
    done = compile_for(model, tmp_path / "out", data, seen=tmp_path / "wild.npz")
    rows = {one.kind: one for one in done.figures}
    assert rows["int8"].reason.startswith("loses ")
    assert rows["float32"].kept


def test_a_target_that_is_named_twice_is_compiled_once(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    model = write_model(tmp_path / "source", dense())
    targets = ["jetson", "jetson"]
    done = compile_for(model, tmp_path / "out", data, targets=targets, kinds=["float32"])
    assert [(one.target, one.kind) for one in done.figures] == [("jetson", "float32")]


def test_an_id_may_be_that_of_a_target(tmp_path: Path, data: Mapping[str, Path]) -> None:
    model = write_model(tmp_path / "source", dense(), name="jetson")
    done = compile_for(model, tmp_path / "out", data, kinds=["float32"])
    assert done.folder == tmp_path / "out" / "jetson"


def test_an_operator_that_a_target_lacks_rejects_every_candidate(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    nodes = [
        helper.make_node("Det", ["square"], ["d"]),
        helper.make_node("Reshape", ["features", "four"], ["square"]),
        helper.make_node("Unsqueeze", ["d", "axis"], ["u"]),
        helper.make_node("Concat", ["u", "u"], ["logits"], axis=1),
    ]
    weights = {"four": np.array([1, 4, 4]), "axis": np.array([1])}
    content = model_bytes([nodes[1], nodes[0], *nodes[2:]], weights, (1, 16))
    model = write_model(tmp_path / "source", content)
    with pytest.raises(ModelError, match="no candidate of mine passed for jetson") as caught:
        compile_for(model, tmp_path / "out", data)
    assert "operator Det is not known to its parser" in caught.value.message
    assert not (tmp_path / "out").exists()


def test_a_float32_file_that_answers_otherwise_than_the_float_model_is_rejected(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    """Before opset 13 Softmax took all axes from the first on together, and does no longer."""
    nodes = [
        helper.make_node("Reshape", ["features", "halves"], ["h"]),
        helper.make_node("Softmax", ["h"], ["s"]),
        helper.make_node("Reshape", ["s", "flat"], ["f"]),
        helper.make_node("MatMul", ["f", "sums"], ["logits"]),
    ]
    sums = np.repeat(np.eye(2, dtype=np.float32), 8, axis=0)
    weights = {"halves": np.array([1, 2, 8]), "flat": np.array([1, 16]), "sums": sums}
    content = model_bytes(nodes, weights, (1, 16), opset=12)
    judged = _own_labels(tmp_path / "judged.npz", content, (1, 16))
    model = write_model(tmp_path / "source", content)
    with pytest.raises(ModelError, match="no candidate of mine passed for jetson") as caught:
        compile_for(model, tmp_path / "out", data, judged=judged, kinds=["float16"])
    lines = caught.value.message.splitlines()
    assert re.search(r"float32: loses \d\d\.\d\d points of 100\.00$", lines[1])
    assert lines[2].endswith("float16: there is no float32 file to judge it by")


def test_steps_that_do_not_end_are_cut_off(tmp_path: Path, data: Mapping[str, Path]) -> None:
    model = write_model(tmp_path / "source", dense())
    with pytest.raises(ModelError, match=r"cannot be run: did not end within 0\.05 s") as caught:
        compile_for(model, tmp_path / "out", data, timeout_s=0.05)
    assert "--timeout" in caught.value.hint
    assert not (tmp_path / "out").exists()


COMMAND = """
import sys; sys.path[:0] = {path!r}
from edge_emo.cli.app import main
sys.exit(main(["compile", {model!r}, "--target", "jetson", "--manifest", {judged!r},
               "--calibration", {seen!r}, "--out", {out!r}]))
"""


def command(tmp_path: Path, data: Mapping[str, Path]) -> list[str]:
    code = COMMAND.format(
        path=sys.path,
        model=str(write_model(tmp_path / "source", dense())),
        judged=str(data["judged"]),
        seen=str(data["seen"]),
        out=str(tmp_path / "out"),
    )
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_compilation_leaves_nothing(
    tmp_path: Path, data: Mapping[str, Path], number: signal.Signals, code: int
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    child = subprocess.Popen(
        command(tmp_path, data), stderr=subprocess.PIPE, text=True, env=environment
    )
    assert child.stderr is not None
    with child:
        said = next(line for line in child.stderr if "judging" in line)
        child.send_signal(number)
        child.stderr.read()
    assert "judging" in said
    assert child.returncode == code
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "tmp").glob("edge-emo*")) == []


INTERRUPT = """
def interrupt(event, arguments, times=[]):
    if event == "os.rename" and str(arguments[1]) == {place!r} and not times:
        times.append(1)
        raise KeyboardInterrupt
import sys; sys.addaudithook(interrupt)
"""


def test_the_former_package_stays_where_its_replacement_is_interrupted(
    tmp_path: Path, data: Mapping[str, Path], compiled: Path
) -> None:
    shutil.copytree(compiled, tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out" / "mine").iterdir()}
    python, option, code = command(tmp_path, data)
    code = INTERRUPT.format(place=str(tmp_path / "out" / "mine")) + code
    assert subprocess.run([python, option, code], check=False).returncode == 130
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "out" / "mine").iterdir()} == before


def test_a_disk_that_is_full_leaves_no_half_package(
    tmp_path: Path, data: Mapping[str, Path]
) -> None:
    """A limit on the size of files stands for the full disk: a write fails half-way."""
    model = write_model(tmp_path / "source", dense(hidden=8192))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(words: str) -> None:
        if "writing the package" in words:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))

    try:
        with pytest.raises(ModelError, match="the package cannot be written") as caught:
            compile_for(model, tmp_path / "out", data, progress=limit)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, previous)
    assert "make room" in caught.value.hint
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_line_compiles_and_tells(
    tmp_path: Path, data: Mapping[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path / "source", dense())
    words = ["compile", str(model), "--target", "jetson", "--out", str(tmp_path / "out")]
    files = ["--manifest", str(data["judged"]), "--calibration", str(data["seen"])]
    assert main([*words, *files, "--kind", "int8", "--json"]) == 0
    said = capfd.readouterr()
    found = json.loads(said.out)
    assert [row["kind"] for row in found["candidates"] if not row["reason"]] == ["int8"]
    assert "jetson int8: making model.trt.int8.onnx" in said.err
    assert find_package("mine", [tmp_path / "out"]).id == "mine"


def test_the_bias_of_an_output_takes_back_what_rounding_does_to_its_mean(tmp_path: Path) -> None:
    (tmp_path / "source.onnx").write_bytes(dense())
    graph = read_graph(tmp_path / "source.onnx")
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=(50, 1, 2)).astype(np.float32)
    found = corrected_biases(graph, [wanted], [wanted + np.float32([0.5, -0.25])])
    np.testing.assert_allclose(found["b2"], [-0.5, 0.25], atol=1e-6)
    mended = tmp_path / "mended.onnx"
    replace_weights(tmp_path / "source.onnx", mended, found)
    np.testing.assert_array_equal(read_graph(mended).weights["b2"], found["b2"])


@pytest.mark.parametrize(("beta", "wanted"), [(0.5, [-1.0, 0.5]), (0.0, None)])
def test_a_bias_of_which_a_share_is_added_is_changed_by_as_much_more(
    tmp_path: Path, beta: float, wanted: list[float] | None
) -> None:
    node = helper.make_node("Gemm", ["features", "w", "b"], ["logits"], beta=beta)
    weights = {"w": np.ones((16, 2), np.float32), "b": np.zeros(2, np.float32)}
    (tmp_path / "source.onnx").write_bytes(model_bytes([node], weights, (1, 16)))
    given = np.zeros((4, 1, 2), np.float32) + np.float32([0.5, -0.25])
    found = corrected_biases(read_graph(tmp_path / "source.onnx"), [0 * given], [given])
    assert {name: bias.tolist() for name, bias in found.items()} == (
        {"b": wanted} if wanted else {}
    )


def test_the_layer_that_is_given_a_rare_large_value_loses_most(tmp_path: Path) -> None:
    """Ranges reach a thousand times as far as all other inputs: one step holds them all."""
    (tmp_path / "source.onnx").write_bytes(dense())
    write_named(tmp_path / "source.onnx", tmp_path / "named.onnx")
    rows = np.random.default_rng(0).normal(size=(40, 1, 16)).astype(np.float32)
    seen, others = rows[:20].copy(), rows[20:]
    plain = rank_nodes(tmp_path / "named.onnx", [[row] for row in seen], [[row] for row in others])
    seen[3, 0, 0] = 1000.0
    found = rank_nodes(tmp_path / "named.onnx", [[row] for row in seen], [[row] for row in others])
    assert set(plain) == set(found) == set(read_graph(tmp_path / "named.onnx").quantizable())
    first = read_graph(tmp_path / "named.onnx").quantizable()[0]
    assert next(iter(found)) == first
    assert found[first] > 0.5 > 100 * max(plain.values())


def test_an_output_without_a_bias_of_its_own_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "source.onnx").write_bytes(linear())
    answers = [np.zeros((4, 1, 2), np.float32)]
    assert corrected_biases(read_graph(tmp_path / "source.onnx"), answers, answers) == {}

"""Compiling for Raspberry Pi and OpenVINO with the real tools, on small networks."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from edge_emo.compile import Compiled, Data, compile_package
from edge_emo.compile.child import ChildError, run_in_child
from edge_emo.compile.graph import write_named
from edge_emo.compile.openvino import shortened
from edge_emo.manifest import read_package
from edge_emo.runtime.choose import load_model
from tests.compile.networks import LABELS, convolution, model_bytes, write_model

pytestmark = [
    pytest.mark.absent_in_ci("CI has neither PyTorch nor NNCF"),
    pytest.mark.timeout(400),
]
for tool in ("torch", "litert_torch", "ai_edge_quantizer", "nncf"):
    pytest.importorskip(tool, reason=f"needs {tool}: pip install 'edge-emo[compile]'")

SHAPE = (1, 1, 8, 8)


def labelled(path: Path, n: int, seed: int) -> Path:
    """Write inputs with the float network's own labels, so that it has no errors to hide in."""
    session = onnxruntime.InferenceSession(convolution())
    rows = np.random.default_rng(seed).normal(size=(n, *SHAPE[1:])).astype(np.float32)
    logits = np.concatenate([session.run(None, {"features": row[None]})[0] for row in rows])
    sure = np.abs(logits[:, 0] - logits[:, 1]) > 0.05
    np.savez(path, features=rows[sure], labels=np.array(LABELS)[logits[sure].argmax(1)])
    return path


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    folder = tmp_path_factory.mktemp("both")
    return run(folder)


def run(folder: Path) -> Compiled:
    return compile_package(
        str(write_model(folder / "source", convolution(), SHAPE, "NCHW")),
        ["rpi", "openvino"],
        validation=Data(labelled(folder / "judged.npz", 300, 2)),
        calibration=Data(labelled(folder / "seen.npz", 150, 1)),
        out=folder / "out",
    )


def test_all_candidates_are_made_and_judged(compiled: Compiled) -> None:
    found = [(one.target, one.kind) for one in compiled.figures]
    kinds = ("float32", "float16", "int8", "int8-mixed")
    assert found == [(target, kind) for target in ("rpi", "openvino") for kind in kinds]
    assert all(one.agreement is not None and one.agreement > 0.9 for one in compiled.figures)
    floats = [one for one in compiled.figures if one.kind == "float32"]
    assert all(one.agreement == 1.0 and one.worst_output_error < 1e-5 for one in floats)


def test_each_backend_runs_its_own_file(compiled: Compiled) -> None:
    package = read_package(compiled.folder)
    x = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    wanted = load_model(package, backend="onnx").run({"features": x})["logits"]
    kept = {one.target: one.path for one in compiled.figures if one.kept}
    for backend, target in (("litert", "rpi"), ("openvino", "openvino")):
        model = load_model(package, backend=backend)
        assert model.file is not None
        assert model.file.path == kept[target]
        np.testing.assert_allclose(model.run({"features": x})["logits"], wanted, atol=0.1)


def test_the_same_inputs_give_the_same_files(compiled: Compiled, tmp_path: Path) -> None:
    again = run(tmp_path)
    first, second = ({file.path for file in read_package(folder).files}
                     for folder in (compiled.folder, again.folder))  # fmt: skip
    names = first & second  # which are kept depends on their times
    assert {"model.onnx", "model.tflite"} <= names
    for name in names:
        digests = [hashlib.sha256((folder / name).read_bytes()).hexdigest()
                   for folder in (compiled.folder, again.folder)]  # fmt: skip
        assert digests[0] == digests[1], name


def test_a_float_file_in_a_folder_of_its_own_is_read_there(
    compiled: Compiled, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(compiled.folder, folder)
    (folder / "files").mkdir()
    (folder / "model.onnx").rename(folder / "files" / "model.onnx")
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace('"model.onnx"', '"files/model.onnx"'))
    done = compile_package(
        str(folder),
        ["openvino"],
        validation=Data(labelled(tmp_path / "judged.npz", 300, 2)),
        calibration=Data(labelled(tmp_path / "seen.npz", 150, 1)),
        out=tmp_path / "out",
        kinds=["float32"],
    )
    package = read_package(done.folder)
    assert "files/model.onnx" in {file.path for file in package.files}
    for file in package.files:
        package.verify(file)


def test_a_short_description_reads_as_the_same_network(compiled: Compiled, tmp_path: Path) -> None:
    runtime = pytest.importorskip("openvino")
    source = read_package(compiled.folder).path(next(
        file for file in read_package(compiled.folder).files if file.format == "onnx"))  # fmt: skip
    runtime.save_model(runtime.convert_model(str(source)), str(tmp_path / "long.xml"))
    text = (tmp_path / "long.xml").read_text()
    short = shortened(text)
    assert len(short) < 0.75 * len(text)
    weights = (tmp_path / "long.bin").read_bytes()
    found = [described(runtime.Core().read_model(one.encode(), weights)) for one in (text, short)]
    assert found[0] == found[1]


def described(model: Any) -> list[tuple[str, ...]]:
    """Return what each output of each operation of an OpenVINO network is."""
    return [
        (op.get_type_name(), op.get_friendly_name(), str(out.partial_shape), str(out.element_type),
         *sorted(out.names))
        for op in model.get_ordered_ops() for out in op.outputs()
    ]  # fmt: skip


def quantize(path: Path, target: str, content: bytes, **more: Any) -> Mapping[str, Any]:
    """Make the int8 candidate of a network in a child process."""
    folder = path.parent
    (folder / "source.onnx").write_bytes(content)
    write_named(folder / "source.onnx", folder / "named.onnx")
    rows = np.random.default_rng(0).normal(size=(64, 1, 64)).astype(np.float32)
    np.savez(folder / "calibration.npz", a0=rows[:48], b0=rows[48:])
    return run_in_child(
        "edge_emo.compile.work:make",
        {
            "target": target,
            "kind": "int8",
            "source": str(folder / "named.onnx"),
            "path": str(path),
            "calibration": str(folder / "calibration.npz"),
            "in_float": [],
        },
        more.get("timeout_s", 60.0),
    )


def test_layers_that_stay_in_float_are_larger(tmp_path: Path) -> None:
    from edge_emo.compile import litert
    from edge_emo.compile.graph import read_graph

    (tmp_path / "source.onnx").write_bytes(convolution())
    write_named(tmp_path / "source.onnx", tmp_path / "named.onnx")
    graph = read_graph(tmp_path / "named.onnx")
    litert.convert(graph, tmp_path / "m.tflite")
    rows = np.random.default_rng(0).normal(size=(40, *SHAPE)).astype(np.float32)
    samples = [[row] for row in rows]
    source, sizes = tmp_path / "m.tflite", {}
    for name, in_float in (("int8", []), ("mixed", ["n000_Conv", "n005_Gemm"])):
        path = tmp_path / f"{name}.tflite"
        errors = litert.write_int8(source, samples[:30], samples[30:], path, in_float)
        sizes[name] = path.stat().st_size
        assert list(errors) == ["0.25", "0.5", "0.75", "1.0"]
    assert sizes["mixed"] > sizes["int8"] + 400


def test_a_converted_network_gets_other_biases_without_converting_again(tmp_path: Path) -> None:
    from edge_emo.compile import litert
    from edge_emo.compile.graph import read_graph, replace_weights

    (tmp_path / "source.onnx").write_bytes(convolution())
    write_named(tmp_path / "source.onnx", tmp_path / "named.onnx")
    places = [tmp_path / f"{name}.tflite" for name in ("plain", "again", "replaced")]
    old, new = np.float32([0.125, -0.375]), np.float32([0.25, -0.5])
    for bias, place in ((old, places[0]), (new, places[1])):
        replace_weights(tmp_path / "named.onnx", tmp_path / "other.onnx", {"b3": bias})
        litert.convert(read_graph(tmp_path / "other.onnx"), place)
    litert.replace_weights(places[0], places[2], [old], [new])
    row = [np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)]
    wanted, found, before = (litert.run(place, [row])[0][0] for place in (*places[1:], places[0]))
    np.testing.assert_array_equal(wanted, found)
    assert not np.array_equal(before, found)
    litert.replace_weights(places[0], tmp_path / "none.tflite", [np.float32([9.5])], [new[:1]])
    assert not (tmp_path / "none.tflite").exists()


def depthwise(channels: int, width: int) -> bytes:
    """Return the convolution that OpenVINO's CPU plug-in may never finish to compile in int8."""
    weights = np.random.default_rng(0).normal(0, 0.2, (channels, 1, 1, width)).astype(np.float32)
    head = np.ones((2, channels), np.float32)
    first = np.random.default_rng(1).normal(0, 1, (channels, 1, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Reshape", ["features", "picture"], ["p"]),
        helper.make_node("Conv", ["p", "w0"], ["c"]),
        helper.make_node("Conv", ["c", "w1"], ["d"], group=channels, pads=[0, width // 2] * 2),
        helper.make_node("ReduceMean", ["d", "axes"], ["m"], keepdims=0),
        helper.make_node("Gemm", ["m", "w2"], ["logits"], transB=1),
    ]
    parts = {"picture": np.array([1, 1, 1, 64]), "axes": np.array([2, 3])}
    return model_bytes(nodes, {"w0": first, "w1": weights, "w2": head, **parts}, (1, 1, 64))


def test_a_compiler_that_hangs_costs_one_candidate(tmp_path: Path) -> None:
    """On CPUs where it does not hang the file is made; either way this returns."""
    reason = ""
    try:
        quantize(tmp_path / "m.xml", "openvino", depthwise(16, 17), timeout_s=20.0)
    except ChildError as error:
        reason = error.message
    assert reason == "did not end within 20 s" or (tmp_path / "m.bin").stat().st_size > 0


def test_an_operator_without_a_conversion_is_named(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["features", "square"], ["s"]),
        helper.make_node("Det", ["s"], ["d"]),
        helper.make_node("Unsqueeze", ["d", "axis"], ["u"]),
        helper.make_node("Concat", ["u", "u"], ["logits"], axis=1),
    ]
    weights = {"square": np.array([1, 8, 8]), "axis": np.array([1])}
    content = model_bytes(nodes, weights, (1, 1, 64))
    (tmp_path / "source.onnx").write_bytes(content)
    write_named(tmp_path / "source.onnx", tmp_path / "named.onnx")
    with pytest.raises(ChildError, match="no conversion of Det"):
        run_in_child(
            "edge_emo.compile.work:make",
            {
                "target": "rpi",
                "kind": "float32",
                "source": str(tmp_path / "named.onnx"),
                "path": str(tmp_path / "m.tflite"),
                "calibration": "",
                "in_float": [],
            },
            60.0,
        )


def test_fine_tuning_brings_int8_nearer_to_the_float_outputs(tmp_path: Path) -> None:
    """One weight is far out, so that int8 keeps little of the others of its channel."""
    from edge_emo.compile import qdq
    from edge_emo.compile.graph import replace_weights
    from edge_emo.compile.tune import tune

    weights = np.random.default_rng(5).normal(0, 0.4, (32, 1, 3, 3)).astype(np.float32)
    weights[:, 0, 0, 0] *= 60
    (tmp_path / "source.onnx").write_bytes(convolution())
    write_named(tmp_path / "source.onnx", tmp_path / "plain.onnx")
    replace_weights(tmp_path / "plain.onnx", tmp_path / "float.onnx", {"w2": weights})
    rows = np.random.default_rng(0).normal(size=(160, *SHAPE)).astype(np.float32)
    seen, judged = [[row] for row in rows[:96]], [[row] for row in rows[96:]]
    losses = tune(tmp_path / "float.onnx", tmp_path / "tuned.onnx", seen[:72], seen[72:])
    assert min(losses) < 0.95 * losses[0]
    (wanted,) = qdq.run(tmp_path / "float.onnx", ["features"], judged)
    errors = []
    for name in ("float", "tuned"):
        qdq.write_int8(tmp_path / f"{name}.onnx", ["features"], seen, tmp_path / "q.onnx")
        (given,) = qdq.run(tmp_path / "q.onnx", ["features"], judged)
        errors.append(float(((given - wanted) ** 2).mean()))
    assert errors[1] < errors[0]


def test_layers_that_share_their_weights_are_trained_as_one(tmp_path: Path) -> None:
    """Else the one initializer that is written has what one of them was trained to alone."""
    import torch

    from edge_emo.compile.as_torch import as_torch
    from edge_emo.compile.graph import read_graph
    from edge_emo.compile.tune import _make_trainable

    weights = {"w": np.ones((16, 16), np.float32), "v": np.ones((16, 2), np.float32)}
    nodes = [
        helper.make_node("MatMul", ["features", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["b"]),
        helper.make_node("MatMul", ["b", "v"], ["logits"]),
    ]
    (tmp_path / "source.onnx").write_bytes(model_bytes(nodes, weights, (1, 16)))
    write_named(tmp_path / "source.onnx", tmp_path / "named.onnx")
    graph = read_graph(tmp_path / "named.onnx")
    network = as_torch(graph)
    _make_trainable(torch, network, graph, dict.fromkeys(graph.quantizable(), 1.0), {})
    assert sorted(tuple(one.shape) for one in network.parameters()) == [(16, 2), (16, 16)]

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from edge_emo.compile.work import judge
from edge_emo.manifest.write import file_entry
from tests.fakes.manifests import estimator_manifest, package_in, tensor


def test_a_dozen_inputs_keep_their_order(tmp_path: Path) -> None:
    names = [f"x{number}" for number in range(12)]
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1)) for name in names]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 12))
    node = helper.make_node("Concat", names, ["logits"], axis=1)
    graph = helper.make_graph([node], "net", shapes, [logits])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.onnx").write_bytes(model.SerializeToString())
    package_in(
        tmp_path / "mine",
        estimator_manifest(
            "mine",
            "eeg",
            files=[file_entry(tmp_path / "mine" / "model.onnx", "onnx")],
            inputs=[tensor(name, (1, 1), "NC") for name in names],
            outputs=[tensor("logits", (1, 12), "NC", labels=[f"l{n}" for n in range(12)])],
        ),
    )
    columns = {f"a{number}": np.full((2, 1), number, np.float32) for number in range(12)}
    np.savez(tmp_path / "inputs.npz", **columns)
    out = tmp_path / "outputs.npz"
    judge(str(tmp_path / "mine"), "model.onnx", "onnx", str(tmp_path / "inputs.npz"), str(out))
    with np.load(out) as file:
        np.testing.assert_array_equal(file["logits"], [range(12), range(12)])

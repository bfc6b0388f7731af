"""Write the tiny face models of the tests: ``python tests/fakes/make_face_models.py``.

The finder has the inputs and outputs of a face detector for 160×128 px. It gives a face of 96 px
where a square of that side holds warm colours (red above blue), as skin in a drawing has; the
landmarks are where a drawn face has them. The reader has the inputs and outputs of an expression
network: logits of seven labels, valence and arousal, and log-odds of covered eyes and mouth, from
the means of 36 tiles; a face whose lower tiles are dark counts as one with a covered mouth.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tests.fakes.drawn_faces import PLACES

HERE = Path(__file__).parent / "data"
WIDTH, HEIGHT, SIDE = 160, 128, 96
LEVELS = {8: (16, 20), 16: (8, 10), 32: (4, 5)}


def model(
    name: str,
    shape: list[int],
    nodes: list[NodeProto],
    constants: dict[str, np.ndarray],
    outputs: dict[str, list[int]],
) -> bytes:
    """Return a model with one input ``image``."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(v, n) for n, v in constants.items()],
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(whole)
    return bytes(whole.SerializeToString())


def finder() -> bytes:
    """Return the detector."""
    pad = (SIDE - 16) // 2
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["means"], kernel_shape=[SIDE, SIDE], strides=[16, 16],
            pads=[pad] * 4, count_include_pad=1,
        ),
        helper.make_node("Conv", ["means", "warm", "cold"], ["odds"], kernel_shape=[1, 1]),
        helper.make_node("Transpose", ["odds"], ["score_16"], perm=[0, 2, 3, 1]),
    ]  # fmt: skip
    constants = {
        "warm": np.array([0.2, 0.0, -0.2], np.float32).reshape(1, 3, 1, 1),
        "cold": np.array([-6.0], np.float32),
    }
    outputs = {}
    for stride, (rows, columns) in LEVELS.items():
        size = math.log(SIDE / (4 * stride))
        cells = {
            "score": [-9.0],
            "box": [0.0, 0.0, size, size],
            "points": (np.array(PLACES) * SIDE / (4 * stride)).ravel(),
        }
        for kind, cell in cells.items():
            name, shape = f"{kind}_{stride}", [1, rows, columns, len(cell)]
            outputs[name] = shape
            if name != "score_16":
                constants[f"{name}_cell"] = np.array(cell, np.float32).reshape(1, 1, 1, -1)
                constants[f"{name}_shape"] = np.array(shape, np.int64)
                nodes.append(helper.make_node("Expand", [f"{name}_cell", f"{name}_shape"], [name]))
    return model("finder", [1, HEIGHT, WIDTH, 3], nodes, constants, outputs)


def reader() -> bytes:
    """Return the expression network."""
    rng = np.random.default_rng(7)
    mouth = np.zeros((36, 2), np.float32)
    mouth[24:, 1] = -1.0
    constants = {
        "weights": rng.normal(0, 0.7, (36, 7)).astype(np.float32),
        "bias": np.zeros(7, np.float32),
        "slopes": rng.normal(0, 0.2, (36, 2)).astype(np.float32),
        "rest": np.zeros(2, np.float32),
        "parts": mouth,
        "bare": np.array([-6.0, -6.0], np.float32),
    }
    nodes = [
        helper.make_node("AveragePool", ["image"], ["tiles"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["tiles"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
        helper.make_node("Gemm", ["flat", "slopes", "rest"], ["raw"]),
        helper.make_node("Tanh", ["raw"], ["valence_arousal"]),
        helper.make_node("Gemm", ["flat", "parts", "bare"], ["covered"]),
    ]
    outputs = {"logits": [1, 7], "valence_arousal": [1, 2], "covered": [1, 2]}
    return model("reader", [1, 1, 48, 48], nodes, constants, outputs)


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    (HERE / "finder.onnx").write_bytes(finder())
    (HERE / "reader.onnx").write_bytes(reader())

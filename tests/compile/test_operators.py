"""Every operator that is converted for .tflite, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_emo.compile.as_torch import OPERATORS, as_torch
from edge_emo.compile.graph import read_graph
from edge_emo.errors import ModelError

pytestmark = pytest.mark.absent_in_ci("CI has no PyTorch")
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch==2.13.0")

Case = tuple[str, list[Any], dict[str, Any]]
SHAPE = (1, 4, 6, 6)
I64 = np.int64
RNG = np.random.default_rng(0)


def some(*shape: int) -> Any:
    return RNG.normal(0, 0.5, shape).astype(np.float32)


PLAIN = ("Relu", "Tanh", "Sigmoid", "Exp", "Abs", "Neg", "Erf", "Floor", "Identity", "HardSwish")
# The operator, its constants after the one input (None for "not given"), its attributes.
CASES: list[Case] = [
    *((op, [], {}) for op in PLAIN),
    *((op, [some(1, 4, 1, 1)], {}) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")),
    *((op, [np.array(0.5, np.float32)], {}) for op in ("Add", "Sub", "Mul", "Div")),
    ("Pow", [np.array(2.0, np.float32)], {}),
    ("Elu", [], {}),
    ("LeakyRelu", [], {"alpha": 0.2}),
    ("HardSigmoid", [], {}),
    ("Gelu", [], {}),
    ("Softmax", [], {"axis": 1}),
    ("Clip", [np.array(-0.3, np.float32), np.array(0.4, np.float32)], {}),
    ("Clip", [np.array(0.0, np.float32)], {}),
    ("Conv", [some(8, 4, 3, 3), some(8)], {"pads": [1, 1, 1, 1]}),
    ("Conv", [some(8, 4, 3, 3)], {"pads": [0, 0, 1, 1], "strides": [2, 2]}),
    ("Conv", [some(4, 1, 3, 3), some(4)], {"group": 4, "dilations": [2, 2]}),
    ("Conv", [some(1, 4, 1, 1), some(1)], {}),
    ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
    ("AveragePool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [0, 0, 1, 2], "count_include_pad": 1}),
    ("GlobalAveragePool", [], {}),
    ("BatchNormalization", [some(4), some(4), some(4), np.abs(some(4)) + 0.1], {}),
    ("LayerNormalization", [some(6), some(6)], {}),
    ("MatMul", [some(6, 5)], {}),
    ("ReduceMean", [np.array([2, 3], I64)], {"keepdims": 0}),
    ("ReduceSum", [np.array([1], I64)], {}),
    ("ReduceMax", [np.array([-1], I64)], {}),
    ("ReduceMin", [np.array([2, 3], I64)], {}),
    ("ReduceMean", [], {"noop_with_empty_axes": 1}),
    ("ReduceMean", [], {"keepdims": 0}),
    ("Reshape", [np.array([1, -1, 3], I64)], {}),
    ("Reshape", [np.array([0, 24, 6], I64)], {}),
    ("Flatten", [], {"axis": 1}),
    ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    ("Unsqueeze", [np.array([1, 3], I64)], {}),
    ("Unsqueeze", [np.array([-2, -1], I64)], {}),
    ("Squeeze", [np.array([0], I64)], {}),
    ("Slice", [np.array([1], I64), np.array([9], I64), np.array([2], I64)], {}),
    ("Slice", [np.array([0], I64), np.array([6], I64), np.array([3], I64), np.array([2], I64)], {}),
    ("Pad", [np.array([0, 0, 1, 0, 0, 0, 2, 1], I64), np.array(0.5, np.float32)], {}),
    ("Pad", [np.array([0, 2], I64), np.array(0.5, np.float32), np.array([1], I64)], {}),
    ("Gather", [np.array(2, I64)], {"axis": 1}),
    ("Gather", [np.array([0, 3], I64)], {"axis": -1}),
    ("Gather", [np.array([[0, 3]], I64)], {"axis": 1}),
    ("Concat", [some(1, 2, 6, 6)], {"axis": 1}),
    ("Expand", [np.array([3, 4, 6, 6], I64)], {}),
    ("Resize", [None, np.array([1, 1, 2, 2], np.float32)],
     {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    ("Resize", [None, np.array([1, 1, 2, 2], np.float32)],
     {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}),
    ("Resize", [None, None, np.array([1, 4, 12, 9], I64)], {"mode": "linear"}),
]  # fmt: skip


def write(path: Path, op: str, constants: list[Any], attributes: dict[str, Any]) -> Path:
    names = ["x", *("" if c is None else f"c{k}" for k, c in enumerate(constants))]
    node = helper.make_node(op, names, ["y"], name="one", **attributes)
    weights = [
        numpy_helper.from_array(c, f"c{k}") for k, c in enumerate(constants) if c is not None
    ]
    graph = helper.make_graph(
        [node], "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return path


def test_a_case_is_there_for_most_operators() -> None:
    """The rest are comparisons and integers, which the shipped packages are checked with."""
    compared = {"Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Not"}
    others = {"Where", "Cast", "Constant", "Gemm", "Split", "Sqrt", "Log", "Reciprocal"}
    assert OPERATORS.keys() - {op for op, _, _ in CASES} == compared | others


@pytest.mark.parametrize(("op", "constants", "attributes"), CASES)
def test_it_computes_what_onnx_says(
    tmp_path: Path, op: str, constants: list[Any], attributes: dict[str, Any]
) -> None:
    path = write(tmp_path / "one.onnx", op, constants, attributes)
    x = RNG.normal(0, 1, SHAPE).astype(np.float32)
    (wanted,) = onnxruntime.InferenceSession(str(path)).run(None, {"x": x})
    with torch.no_grad():
        given = as_torch(read_graph(path))(torch.from_numpy(x)).numpy()
    assert given.shape == wanted.shape
    np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-5)


def test_whole_numbers_are_divided_as_whole_numbers(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], name="n0", to=TensorProto.INT64),
        helper.make_node("Div", ["whole", "two"], ["half"], name="n1"),
        helper.make_node("Cast", ["half"], ["y"], name="n2", to=TensorProto.FLOAT),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in "xy"]
    two = numpy_helper.from_array(np.array(2), "two")
    graph = helper.make_graph(nodes, "three", ends[:1], ends[1:], [two])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "three.onnx")
    network = as_torch(read_graph(tmp_path / "three.onnx"))
    assert network(torch.tensor([[3.0, -3.0, 4.0, 0.0]])).tolist() == [[1.0, -1.0, 2.0, 0.0]]


@pytest.mark.parametrize(
    ("op", "constants", "attributes", "words"),
    [
        ("Elu", [], {"alpha": 0.5}, "has alpha"),
        ("Conv", [some(4, 4, 3, 3)], {"auto_pad": "SAME_UPPER"}, "has auto_pad"),
        ("MaxPool", [], {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"}, "has auto_pad"),
        ("MaxPool", [], {"kernel_shape": [2, 2], "dilations": [2, 2]}, "pools with dilations"),
        ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [0, 0, 1, 1]}, "at uneven pads"),
        ("Resize", [None, np.array([1, 2, 2, 2], np.float32)], {"mode": "linear"}, "more than"),
        ("Resize", [None, np.array([1, 1, 1.3, 1.3], np.float32)], {"mode": "linear"}, "no whole"),
        (
            "Resize",
            [None, np.array([1, 1, 3, 3], np.float32)],
            {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"},
            "resizes by nearest",
        ),
        ("Pad", [np.array([0, 0, 1, 1, 0, 0, 1, 1], I64)], {"mode": "reflect"}, "reflection"),
        ("Det", [], {}, "no conversion of Det"),
    ],
)
def test_what_is_not_known_is_named(
    tmp_path: Path, op: str, constants: list[Any], attributes: dict[str, Any], words: str
) -> None:
    path = write(tmp_path / "one.onnx", op, constants, attributes)
    with pytest.raises(ModelError, match=words):
        as_torch(read_graph(path))(torch.zeros(SHAPE))

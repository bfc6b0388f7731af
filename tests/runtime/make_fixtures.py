"""Write the tiny models of this folder's tests: ``python tests/runtime/make_fixtures.py``.

Both compute, from x of shape (1, 2): logits = x @ WEIGHTS.T + BIAS, shape (1, 3), and
gap = x @ GAP.T, shape (1, 1). The .tflite has a signature, as litert-torch writes it (args_0;
output_0, output_1), and lists the outputs of its graph the other way round.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
BIAS = np.array([0, 0, 1], np.float32)
GAP = np.array([[1, -1]], np.float32)
ZERO = np.zeros(1, np.float32)


def onnx_bytes() -> bytes:
    """Return the model as ONNX."""
    constants = {"w": WEIGHTS, "b": BIAS, "g": GAP, "z": ZERO}
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["logits"], transB=1),
            helper.make_node("Gemm", ["x", "g", "z"], ["gap"], transB=1),
        ],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3]),
            helper.make_tensor_value_info("gap", TensorProto.FLOAT, [1, 1]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def tflite_bytes() -> bytes:
    """Return the model as .tflite."""
    model = schema.ModelT()
    model.version = 3
    model.buffers = [_buffer(None), *map(_buffer, (WEIGHTS, BIAS, GAP, ZERO))]
    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor("x", [1, 2], 0),
        _tensor("w", [3, 2], 1),
        _tensor("b", [3], 2),
        _tensor("g", [1, 2], 3),
        _tensor("z", [1], 4),
        _tensor("first", [1, 3], 0),
        _tensor("second", [1, 1], 0),
    ]
    graph.inputs, graph.outputs = [0], [6, 5]
    graph.operators = [_dense([0, 1, 2], 5), _dense([0, 3, 4], 6)]
    model.subgraphs = [graph]
    model.operatorCodes = [schema.OperatorCodeT()]
    model.operatorCodes[0].builtinCode = schema.BuiltinOperator.FULLY_CONNECTED
    model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    model.operatorCodes[0].version = 1
    model.signatureDefs = [_signature({"args_0": 0}, {"output_0": 5, "output_1": 6})]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _buffer(values: Any) -> Any:
    buffer = schema.BufferT()
    buffer.data = None if values is None else np.frombuffer(values.tobytes(), np.uint8)
    return buffer


def _tensor(name: str, shape: list[int], buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name.encode(), shape, buffer
    tensor.type = schema.TensorType.FLOAT32
    return tensor


def _dense(inputs: list[int], output: int) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, inputs, [output]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    return operator


def _signature(inputs: dict[str, int], outputs: dict[str, int]) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs = [_named(name, index) for name, index in inputs.items()]
    signature.outputs = [_named(name, index) for name, index in outputs.items()]
    return signature


def _named(name: str, index: int) -> Any:
    row = schema.TensorMapT()
    row.name, row.tensorIndex = name.encode(), index
    return row


if __name__ == "__main__":
    here = Path(__file__).parent / "data"
    (here / "tiny.onnx").write_bytes(onnx_bytes())
    (here / "tiny.tflite").write_bytes(tflite_bytes())

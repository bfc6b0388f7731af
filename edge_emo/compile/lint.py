"""What TensorRT's ONNX parser takes, checked without TensorRT.

Sources: NVIDIA TensorRT documentation, "Working with quantized types" (symmetric int8, per-channel
scales on weights only, int8 constants read by IDequantizeLayer alone) and the operator list of
the parser, onnx-tensorrt ``docs/operators.md``. That a file passes does not say that an engine
was built from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.compile.graph import OPSET, QUANTIZABLE, Graph, Node, channel_axis

if TYPE_CHECKING:
    import numpy.typing as npt

DTYPES = ("float32", "float16", "int8", "int32", "int64", "bool")
_KNOWN = """
Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv
ConvTranspose Cos DequantizeLinear Div Dropout Elu Equal Erf Exp Expand Flatten Floor Gather
GatherElements Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual HardSigmoid
HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log
LogSoftmax MatMul Max MaxPool Mean Min Mul Neg Not Or Pad Pow PRelu QuantizeLinear ReduceL1
ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Resize Round Selu
Shape Sigmoid Sign Sin Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Tanh Tile
TopK Transpose Unsqueeze Where GRU LSTM RNN Reciprocal SpaceToDepth DepthToSpace
"""
OPERATORS = frozenset(_KNOWN.split())


def problems(graph: Graph) -> list[str]:
    """Return what TensorRT would not take, in words; empty when nothing was found."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    found = list(_general(graph))
    for node in graph.nodes:
        if node.op in ("QuantizeLinear", "DequantizeLinear"):
            found += _pair_problems(graph, node)
        elif node.op in QUANTIZABLE:
            found += _product_problems(graph, node, makers)
        else:
            found += _int8_problems(graph, node)
    return found


def _general(graph: Graph) -> Iterator[str]:
    if graph.opset > OPSET:
        yield f"opset {graph.opset} is above {OPSET}"
    for tensor in (*graph.inputs, *graph.outputs):
        if any(size < 1 for size in tensor.shape):
            yield f"tensor {tensor.name} has a dynamic shape"
    for name, weight in graph.weights.items():
        if weight.dtype.name not in DTYPES:
            yield f"weights {name} are {weight.dtype.name}"
    for op in sorted({node.op for node in graph.nodes} - OPERATORS):
        yield f"operator {op} is not known to its parser"


def _pair_problems(graph: Graph, node: Node) -> Iterator[str]:
    scale = graph.weights.get(node.inputs[1])
    if scale is None or not np.all(np.isfinite(scale)) or not np.all(scale > 0):
        yield f"{node.name}: its scale is no constant above 0"
    zero = graph.weights.get(node.inputs[2]) if len(node.inputs) > 2 else None
    if zero is None or zero.dtype != np.int8:
        yield f"{node.name}: its zero point is not int8"
    elif np.any(zero):
        yield f"{node.name}: is not symmetric"
    of_weights = node.op == "DequantizeLinear" and node.inputs[0] in graph.weights
    if scale is not None and scale.size > 1 and not of_weights:
        yield f"{node.name}: has a scale per channel, and is not of weights"


def _product_problems(graph: Graph, node: Node, makers: Mapping[str, Node]) -> Iterator[str]:
    data, weights = (makers.get(name) for name in node.inputs[:2])
    pairs = [one is not None and one.op == "DequantizeLinear" for one in (data, weights)]
    if pairs == [False, True]:
        yield f"{node.name}: its weights are quantized, and what it multiplies is not"
    if not all(pairs) or weights is None or weights.inputs[0] not in graph.weights:
        return
    scale, axis = graph.weights.get(weights.inputs[1]), channel_axis(node)
    given = weights.attributes.get("axis", 1)
    rank = graph.weights[weights.inputs[0]].ndim
    if scale is not None and scale.size > 1 and given % rank != axis % rank:
        yield f"{node.name}: its weights have a scale per axis {given}, not per axis {axis}"
    if len(node.inputs) > 2 and node.inputs[2] not in graph.weights:
        yield f"{node.name}: its bias is quantized"


def _int8_problems(graph: Graph, node: Node) -> Iterator[str]:
    for name in node.inputs:
        weight: npt.NDArray[Any] | None = graph.weights.get(name)
        if weight is not None and weight.dtype == np.int8:
            yield f"{node.name}: reads int8 weights that no DequantizeLinear reads"

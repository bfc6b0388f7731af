"""A float ONNX file as plain values: nodes, weights, tensors. The one place that imports onnx.

A source must have static shapes and only ONNX's own operators. Every node gets a name of its
own, ``n007_Conv``, by which all tools that follow know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.errors import ModelError, ModelMismatchError
from edge_emo.manifest import ModelPackage, TensorSpec
from edge_emo.runtime.tensors import FoundTensor, match_tensors
from edge_emo.vendor import load

if TYPE_CHECKING:
    import numpy.typing as npt

QUANTIZABLE = ("Conv", "Gemm", "MatMul")
"""Operators whose arithmetic is worth doing in int8."""
DOMAINS = ("", "ai.onnx")
_EXPORT = "export it again with static shapes, batch 1 (torch.onnx.export without dynamic_shapes)"


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    Attributes:
        name: Unique in its graph.
        op: ONNX's operator.
        inputs: Names of tensors; empty for an optional input that is not given.
        outputs: Names of tensors.
        attributes: Plain values; tensors are arrays.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Graph:
    """A network.

    Attributes:
        opset: Version of ONNX's own operators.
        nodes: In the order of execution.
        weights: Initializers by name.
        inputs: Tensors that are fed.
        outputs: Tensors that are given.
    """

    opset: int
    nodes: tuple[Node, ...]
    weights: Mapping[str, npt.NDArray[Any]]
    inputs: tuple[FoundTensor[str], ...]
    outputs: tuple[FoundTensor[str], ...]

    def quantizable(self) -> list[str]:
        """Return the names of nodes that multiply by weights of float32."""
        return [
            node.name
            for node in self.nodes
            if node.op in QUANTIZABLE
            and len(node.inputs) > 1
            and node.inputs[1] in self.weights
            and self.weights[node.inputs[1]].dtype == "float32"
        ]

    def tail(self, output: str) -> list[str]:
        """Return the names of the last products by weights before an output, and what follows."""
        makers = {name: node for node in self.nodes for name in node.outputs}
        products, wanted, found = set(self.quantizable()), [output], set[str]()
        while wanted:
            node = makers.get(wanted.pop())
            if node is not None and node.name not in found:
                found.add(node.name)
                wanted += node.inputs if node.name not in products else ()
        return [node.name for node in self.nodes if node.name in found]

    def nose(self, fed: str) -> list[str]:
        """Return the names of what lies between an input and the first products by weights."""
        products, reached, found = set(self.quantizable()), {fed}, list[str]()
        for node in self.nodes:
            if node.name not in products and not reached.isdisjoint(node.inputs):
                found.append(node.name)
                reached.update(node.outputs)
        return found


def channel_axis(node: Node) -> int:
    """Return the axis of a product's weights that counts its outputs: 0, or −1 for the last."""
    if node.op == "MatMul" or (node.op == "Gemm" and not node.attributes.get("transB")):
        return -1
    return 0


def write_named(source: Path, path: Path) -> None:
    """Copy a file with a unique name for every node and without notes of the exporter.

    Raises:
        ModelError: It is no ONNX file, or uses operators that are not ONNX's own.
    """
    onnx = load("onnx")
    model = _load(source)
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number:03d}_{node.op_type}"
    onnx.save(model, str(path))


def read_graph(path: Path) -> Graph:
    """Read a file.

    Raises:
        ModelError: It is no ONNX file, is damaged, or uses operators that are not ONNX's own.
        ModelMismatchError: A shape is dynamic.
    """
    onnx = load("onnx")
    model = _load(path)
    opset = next(entry.version for entry in model.opset_import if entry.domain in DOMAINS)
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    fed = [entry for entry in model.graph.input if entry.name not in weights]
    graph = Graph(
        opset,
        tuple(_node(onnx, node) for node in model.graph.node),
        weights,
        tuple(_tensor(onnx, entry) for entry in fed),
        tuple(_tensor(onnx, entry) for entry in model.graph.output),
    )
    for tensor in (*graph.inputs, *graph.outputs):
        if any(size < 1 for size in tensor.shape):
            raise ModelMismatchError(
                f"{path}: tensor {tensor.name} has the dynamic shape {list(tensor.shape)}",
                hint=_EXPORT,
            )
    return graph


def replace_weights(source: Path, path: Path, weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """Copy a file with other values for some of its initializers, by their names."""
    onnx = load("onnx")
    model = _load(source)
    for initializer in model.graph.initializer:
        if initializer.name in weights:
            values = np.ascontiguousarray(weights[initializer.name])
            initializer.CopyFrom(onnx.numpy_helper.from_array(values, initializer.name))
    onnx.save(model, str(path))


def with_outputs(source: Path, path: Path, names: Sequence[str]) -> None:
    """Copy a file that gives the named tensors of float32 too, after its own outputs."""
    onnx = load("onnx")
    model = _load(source)
    kind = onnx.TensorProto.FLOAT
    model.graph.output.extend(onnx.helper.make_tensor_value_info(n, kind, None) for n in names)
    onnx.save(model, str(path))


def round_node(
    source: Path, path: Path, node: Node, weights: npt.NDArray[Any], scale: float
) -> None:
    """Copy a file in which one node is given what int8 of a scale can hold, and other weights."""
    onnx = load("onnx")
    model = _load(source)
    place = next(k for k, one in enumerate(model.graph.node) if one.name == node.name)
    names = [f"{node.name}_{what}" for what in ("scale", "zero", "weights")]
    values = (np.float32(scale), np.int8(0), np.ascontiguousarray(weights))
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(v), n) for v, n in zip(values, names, strict=True)
    )
    steps = (("QuantizeLinear", node.inputs[0], "q"), ("DequantizeLinear", f"{node.name}_q", "d"))
    for number, (op, given, made) in enumerate(steps):
        step = onnx.helper.make_node(op, [given, *names[:2]], [f"{node.name}_{made}"])
        model.graph.node.insert(place + number, step)
    changed = model.graph.node[place + len(steps)]
    changed.input[0], changed.input[1] = f"{node.name}_d", names[2]
    onnx.save(model, str(path))


def save_for_tensorrt(source: Path | Any, path: Path) -> None:
    """Write a file as TensorRT's parsers from 8.6 on read it: opset 17, ONNX's own operators.

    Tables of int8 that are looked up get a DequantizeLinear, the only reader of int8 that
    TensorRT knows.

    Args:
        source: A file of opset 17 or 18, quantized or not; or such a model as onnx holds it.
        path: Replaced.

    Raises:
        ModelError: It uses what opset 17 does not have.
    """
    onnx = load("onnx")
    model = _load(source) if isinstance(source, Path) else source
    _sort(model.graph)
    weights = {one.name: one for one in model.graph.initializer}
    for node in list(model.graph.node):
        _lower(onnx, weights, node)
        if node.op_type == "Gather":
            _dequantize_table(onnx, model.graph, weights, node)
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    model.ir_version = 8
    del model.graph.value_info[:]
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        words = str(error).splitlines()[0]
        raise ModelError(f"cannot be written with opset {OPSET}: {words}") from error
    onnx.save(model, str(path))


OPSET = 17
"""The newest version of ONNX's operators that TensorRT 8.6 of JetPack 6 reads."""


def _sort(graph: Any) -> None:
    """Put the nodes into the order of execution."""
    known = {entry.name for entry in (*graph.input, *graph.initializer)}
    waiting = list(graph.node)
    del graph.node[:]
    while waiting:
        ready = [node for node in waiting if all(name in known or not name for name in node.input)]
        if not ready:
            raise ModelError("the graph goes round in a circle", hint="export it again")
        graph.node.extend(ready)
        known.update(name for node in ready for name in node.output)
        waiting = [node for node in waiting if node not in ready]


def _lower(onnx: Any, weights: Mapping[str, Any], node: Any) -> None:
    """Write the forms that came with opset 18 as opset 17 has them."""
    reduces = node.op_type.startswith("Reduce") and node.op_type != "ReduceSum"
    if reduces and len(node.input) > 1:
        axes = onnx.numpy_helper.to_array(weights[node.input[1]]).tolist()
        del node.input[1:]
        node.attribute.append(onnx.helper.make_attribute("axes", axes))
    newer = _NEWER.get("Reduce" if reduces else node.op_type, ())
    for attribute in [one for one in node.attribute if one.name in newer]:
        plain = attribute.i == 0 and attribute.s in (b"", b"stretch")
        if not plain and node.op_type != "Split":
            words = f"{node.name} has {attribute.name}, which opset {OPSET} does not know"
            raise ModelError(words, hint="export it without")
        node.attribute.remove(attribute)


_NEWER = {
    "Split": ("num_outputs",),
    "Resize": ("antialias", "keep_aspect_ratio_policy"),
    "Reduce": ("noop_with_empty_axes",),
}
"""Attributes that came with opset 18."""


def _dequantize_table(onnx: Any, graph: Any, weights: dict[str, Any], node: Any) -> None:
    table = weights.get(node.input[0])
    if table is None or table.data_type != onnx.TensorProto.INT8:
        return
    one, zero = f"{table.name}_one", f"{table.name}_zero"
    floats = f"{table.name}_float"
    if one not in weights:
        for name, value in ((one, np.float32(1.0)), (zero, np.int8(0))):
            weights[name] = onnx.numpy_helper.from_array(np.asarray(value), name)
            graph.initializer.append(weights[name])
        dequantize = onnx.helper.make_node(
            "DequantizeLinear", [table.name, one, zero], [floats], name=floats
        )
        graph.node.insert(0, dequantize)
    node.input[0] = floats


def check_source(package: ModelPackage, path: Path) -> Graph:
    """Read the float file of a package and compare it with the manifest.

    Raises:
        ModelError: It is no ONNX file, or is damaged.
        ModelMismatchError: A shape is dynamic, or a tensor is not as the manifest declares it.
    """
    graph = read_graph(path)
    _match(f"{path.name} inputs", package.inputs, graph.inputs)
    _match(f"{path.name} outputs", package.outputs, graph.outputs)
    return graph


def _match(where: str, specs: Sequence[TensorSpec], found: Sequence[FoundTensor[str]]) -> None:
    try:
        match_tensors(where, specs, found)
    except ModelMismatchError as error:
        shapes = {tuple(sorted(spec.shape)) for spec in specs}
        turned = {tuple(sorted(tensor.shape)) for tensor in found} == shapes
        hint = "is the layout another, such as NHWC for NCHW? " if turned else ""
        raise ModelMismatchError(
            error.message, hint=f"{hint}correct [[inputs]] and [[outputs]] of model.toml"
        ) from error


def _load(path: Path) -> Any:
    onnx = load("onnx")
    protobuf = load("google.protobuf.message")
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except FileNotFoundError as error:
        raise ModelError(
            f"{path} does not exist", hint="name a package, or an .onnx file beside its model.toml"
        ) from error
    except (protobuf.DecodeError, onnx.checker.ValidationError, OSError) as error:
        words = str(error).splitlines()
        raise ModelError(
            f"{path} is no sound ONNX file: {words[0] if words else 'it is empty'}",
            hint="export it again",
        ) from error
    for node in model.graph.node:
        if node.domain not in DOMAINS:
            raise ModelError(
                f"{path}: operator {node.op_type} is of domain {node.domain!r}",
                hint="export the network with ONNX's own operators only",
            )
    return _without_notes(model)


def _without_notes(model: Any) -> Any:
    """Drop the exporter's notes: they hold paths of the machine that exported."""
    graph = model.graph
    model.doc_string = ""
    del model.metadata_props[:]
    for entry in (graph, *graph.node, *graph.value_info, *model.functions, *graph.input,
                  *graph.output, *graph.initializer):  # fmt: skip
        entry.doc_string = ""
        del entry.metadata_props[:]
    return model


def _node(onnx: Any, node: Any) -> Node:
    attributes = {one.name: _attribute(onnx, one) for one in node.attribute}
    return Node(node.name, node.op_type, tuple(node.input), tuple(node.output), attributes)


def _attribute(onnx: Any, attribute: Any) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def _tensor(onnx: Any, entry: Any) -> FoundTensor[str]:
    kind = entry.type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    return FoundTensor(entry.name, shape, dtype, entry.name)

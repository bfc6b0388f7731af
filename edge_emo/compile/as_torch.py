"""An ONNX graph as a torch module: what litert-torch converts. The one place that imports torch.

Each node becomes a submodule that bears its name, so that the names of layers survive in what
is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edge_emo.compile.graph import Graph, Node
from edge_emo.errors import ModelError
from edge_emo.vendor import load

Values = list[Any]
"""Tensors of a node's inputs; NumPy arrays where they are constants, None where not given."""


def as_torch(graph: Graph) -> Any:
    """Return a module in evaluation mode that takes and gives what the graph does, in order.

    Raises:
        ModelError: An operator, or a way of using it, is not known here; it is named.
    """
    torch = load("torch")
    unknown = sorted({node.op for node in graph.nodes} - OPERATORS.keys())
    if unknown:
        raise ModelError(
            f"cannot be made a .tflite: no conversion of {', '.join(unknown)}",
            hint="express it with other operators, or compile for another target",
        )

    step = _step_type(torch, graph)
    network = _network_type(torch, graph, step)
    for made in (step, network):  # what a .tflite would otherwise repeat in every tensor's name
        made.__module__, made.__qualname__ = "net", made.__name__
    return network().eval()


def _step_type(torch: Any, graph: Graph) -> Any:
    class Step(torch.nn.Module):  # type: ignore[misc]  # a class of an optional package
        """One node; its weights are parameters of its own, small constants stay arrays."""

        def __init__(self, node: Node) -> None:
            super().__init__()
            self.node = node
            self.prepare: Callable[[Values], Values] | None = None
            self.constants: dict[int, Any] = {}
            for place, name in enumerate(node.inputs):
                if name in graph.weights:
                    self._keep(place, graph.weights[name])

        def _keep(self, place: int, value: Any) -> None:
            plain = value.size == 1 or value.dtype == np.int64 or self.node.op == "Resize"
            if plain:
                self.constants[place] = value
            else:
                self.register_buffer(f"w{place}", torch.from_numpy(value.copy()))

        def forward(self, *given: Any) -> Any:
            values: Values = list(given)
            for place in range(len(values)):
                if place in self.constants:
                    values[place] = self.constants[place]
                elif hasattr(self, f"w{place}"):
                    values[place] = getattr(self, f"w{place}")
            if self.prepare is not None:
                values = self.prepare(values)
            return OPERATORS[self.node.op](torch, self.node, values)

    return Step


def _network_type(torch: Any, graph: Graph, step: Any) -> Any:
    class Network(torch.nn.Module):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__()
            for node in graph.nodes:
                self.add_module(node.name, step(node))

        def forward(self, *given: Any) -> Any:
            known = dict(zip((tensor.name for tensor in graph.inputs), given, strict=True))
            for node in graph.nodes:
                answer = getattr(self, node.name)(*(known.get(name) for name in node.inputs))
                answers = answer if isinstance(answer, (tuple, list)) else (answer,)
                known |= dict(zip(node.outputs, answers, strict=False))
            outputs = tuple(known[tensor.name] for tensor in graph.outputs)
            return outputs if len(outputs) > 1 else outputs[0]

    return Network


def _ints(value: Any) -> list[int]:
    return [int(one) for one in np.atleast_1d(_constant(value, "a size or an axis")).tolist()]


def _constant(value: Any, what: str) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value
    raise ModelError(f"cannot be made a .tflite: {what} is computed by the network")


def _tensor(torch: Any, value: Any, like: Any) -> Any:
    """Return a constant as a tensor on its own; a tensor as it is."""
    if isinstance(value, np.ndarray):
        return torch.tensor(value.tolist(), dtype=like.dtype)
    return value


def _binary(name: str) -> Callable[..., Any]:
    def run(torch: Any, _: Node, values: Values) -> Any:
        like = next(value for value in values if not isinstance(value, np.ndarray))
        return getattr(torch, name)(*(_tensor(torch, value, like) for value in values))

    return run


def _div(torch: Any, _: Node, values: Values) -> Any:
    like = next(value for value in values if not isinstance(value, np.ndarray))
    parts = [_tensor(torch, value, like) for value in values]
    return (
        torch.div(*parts) if like.is_floating_point() else torch.div(*parts, rounding_mode="trunc")
    )


def _unary(name: str) -> Callable[..., Any]:
    return lambda torch, _, values: getattr(torch, name)(values[0])


def _conv(torch: Any, node: Node, values: Values) -> Any:
    at, (x, weight, *bias) = node.attributes, values
    _refuse_auto_pad(node)
    rank = weight.ndim - 2
    x, pads = _padded(torch, x, at.get("pads", [0] * 2 * rank), 0.0)
    run = getattr(torch.nn.functional, f"conv{rank}d")
    bias_tensor = _tensor(torch, bias[0], x) if bias else None
    if bias_tensor is not None and bias_tensor.ndim == 0:
        bias_tensor = bias_tensor.reshape(1)
    return run(
        x, weight, bias_tensor, at.get("strides", [1] * rank), pads,
        at.get("dilations", [1] * rank), at.get("group", 1),
    )  # fmt: skip


def _refuse_auto_pad(node: Node) -> None:
    if node.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise ModelError(f"cannot be made a .tflite: {node.name} has auto_pad")


def _padded(torch: Any, x: Any, pads: Sequence[int], value: float) -> tuple[Any, list[int]]:
    """Return x and the padding that is left to the operator: only what is even on both sides."""
    half = len(pads) // 2
    begin, end = list(pads[:half]), list(pads[half:])
    if begin == end:
        return x, begin
    order = [side for axis in reversed(range(half)) for side in (begin[axis], end[axis])]
    return torch.nn.functional.pad(x, order, value=value), [0] * half


def _gemm(torch: Any, node: Node, values: Values) -> Any:
    at, (a, b, *c) = node.attributes, values
    a = a.transpose(0, 1) if at.get("transA") else a
    weight = b if at.get("transB") else b.transpose(0, 1)
    bias = _tensor(torch, c[0], a) if c else None
    if at.get("alpha", 1.0) != 1.0 or at.get("beta", 1.0) != 1.0:
        raise ModelError(f"cannot be made a .tflite: {node.name} has alpha or beta")
    if bias is not None and bias.shape != (weight.shape[0],):
        return torch.nn.functional.linear(a, weight) + bias
    return torch.nn.functional.linear(a, weight, bias)


def _pool(kind: str) -> Callable[..., Any]:
    def run(torch: Any, node: Node, values: Values) -> Any:
        at = node.attributes
        rank = len(at["kernel_shape"])
        _refuse_pool(node, kind)
        lowest = -float("inf") if kind == "max" else 0.0
        x, pads = _padded(torch, values[0], at.get("pads", [0] * 2 * rank), lowest)
        counts = {} if kind == "max" else {"count_include_pad": bool(at.get("count_include_pad"))}
        pool = getattr(torch.nn.functional, f"{kind}_pool{rank}d")
        ceil = bool(at.get("ceil_mode", 0))
        strides = at.get("strides", [1] * rank)
        return pool(x, at["kernel_shape"], strides, pads, ceil_mode=ceil, **counts)

    return run


def _refuse_pool(node: Node, kind: str) -> None:
    """Refuse what torch's pooling has no word for, and would compute otherwise."""
    _refuse_auto_pad(node)
    at = node.attributes
    if any(step != 1 for step in at.get("dilations", [])):
        raise ModelError(f"cannot be made a .tflite: {node.name} pools with dilations")
    pads = at.get("pads", [])
    uneven = pads[: len(pads) // 2] != pads[len(pads) // 2 :]
    if kind == "avg" and uneven and not at.get("count_include_pad"):
        raise ModelError(f"cannot be made a .tflite: {node.name} averages at uneven pads")


def _global_pool(torch: Any, _: Node, values: Values) -> Any:
    return values[0].mean(dim=tuple(range(2, values[0].ndim)), keepdim=True)


def _reduce(name: str) -> Callable[..., Any]:
    def run(torch: Any, node: Node, values: Values) -> Any:
        x = values[0]
        given = node.attributes.get("axes")
        if given is None and len(values) > 1 and values[1] is not None:
            given = _ints(values[1])
        if not given and node.attributes.get("noop_with_empty_axes"):
            return x
        axes = tuple(given) if given is not None else tuple(range(x.ndim))
        return getattr(torch, name)(x, dim=axes, keepdim=bool(node.attributes.get("keepdims", 1)))

    return run


def _split(torch: Any, node: Node, values: Values) -> Any:
    axis = node.attributes.get("axis", 0)
    if len(values) > 1 and values[1] is not None:
        return torch.split(values[0], _ints(values[1]), dim=axis)
    count = node.attributes.get("num_outputs", len(node.outputs))
    return torch.chunk(values[0], count, dim=axis)


def _concat(torch: Any, node: Node, values: Values) -> Any:
    like = next(value for value in values if not isinstance(value, np.ndarray))
    tensors = [_tensor(torch, np.atleast_1d(v) if isinstance(v, np.ndarray) else v, like)
               for v in values]  # fmt: skip
    return torch.cat(tensors, dim=node.attributes["axis"])


def _clip(torch: Any, node: Node, values: Values) -> Any:
    low = values[1] if len(values) > 1 else None
    high = values[2] if len(values) > 2 else None
    bounds = [None if b is None else float(_constant(b, "a bound of Clip")) for b in (low, high)]
    return torch.clamp(values[0], *bounds)


_TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}


def _cast(torch: Any, node: Node, values: Values) -> Any:
    return values[0].to(getattr(torch, _TYPES[node.attributes["to"]]))


def _reshape(torch: Any, node: Node, values: Values) -> Any:
    sizes = _ints(values[1])
    shape = values[0].shape
    kept = [shape[k] if size == 0 and not node.attributes.get("allowzero") else size
            for k, size in enumerate(sizes)]  # fmt: skip
    return values[0].reshape(kept)


def _gather(torch: Any, node: Node, values: Values) -> Any:
    table, index = values
    axis = node.attributes.get("axis", 0) % table.ndim
    if isinstance(index, np.ndarray):
        if index.ndim == 0:
            return table.select(axis, int(index))
        index = torch.from_numpy(index.copy())
    picked = table.index_select(axis, index.reshape(-1))
    shape = (*table.shape[:axis], *index.shape, *table.shape[axis + 1 :])
    return picked.reshape(shape)


def _resize(torch: Any, node: Node, values: Values) -> Any:
    at, x = node.attributes, values[0]
    if len(values) > 3 and values[3] is not None:
        size = _ints(values[3])
    else:
        scales = [float(one) for one in _constant(values[2], "the scale of Resize")]
        size = [round(n * s) for n, s in zip(x.shape, scales, strict=True)]
        if any(abs(n * s - m) > 1e-3 for n, s, m in zip(x.shape, scales, size, strict=True)):
            raise ModelError(f"cannot be made a .tflite: {node.name} resizes to no whole size")
    if "axes" in at or list(x.shape[:2]) != size[:2]:
        raise ModelError(f"cannot be made a .tflite: {node.name} resizes more than pictures")
    size = size[2:]
    mode = at.get("mode", "nearest")
    where = at.get("coordinate_transformation_mode", "half_pixel")
    floors = at.get("nearest_mode", "round_prefer_floor") == "floor"
    doubles = all(m in (n, 2 * n) for n, m in zip(x.shape[2:], size, strict=True))
    if mode == "nearest" and where == "asymmetric" and (floors or doubles):
        return torch.nn.functional.interpolate(x, size=size, mode="nearest")
    if mode == "linear" and where in ("half_pixel", "pytorch_half_pixel"):
        return torch.nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
    raise ModelError(f"cannot be made a .tflite: {node.name} resizes by {mode}, {where}")


def _batch_norm(torch: Any, node: Node, values: Values) -> Any:
    x, scale, bias, mean, variance = values
    epsilon = node.attributes.get("epsilon", 1e-5)
    return torch.nn.functional.batch_norm(x, mean, variance, scale, bias, eps=epsilon)


def _layer_norm(torch: Any, node: Node, values: Values) -> Any:
    axis = node.attributes.get("axis", -1) % values[0].ndim
    bias = values[2] if len(values) > 2 else None
    epsilon = node.attributes.get("epsilon", 1e-5)
    shape = values[0].shape[axis:]
    return torch.nn.functional.layer_norm(values[0], shape, values[1], bias, epsilon)


def _axes(node: Node, values: Values) -> list[int]:
    given = node.attributes.get("axes")
    return list(given) if given is not None else _ints(values[1])


def _squeeze(torch: Any, node: Node, values: Values) -> Any:
    x = values[0]
    kept = {axis % x.ndim for axis in _axes(node, values)}
    return x.reshape([size for k, size in enumerate(x.shape) if k not in kept])


def _unsqueeze(torch: Any, node: Node, values: Values) -> Any:
    x, axes = values[0], _axes(node, values)
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _slice(torch: Any, node: Node, values: Values) -> Any:
    x = values[0]
    starts, ends = _ints(values[1]), _ints(values[2])
    axes = _ints(values[3]) if len(values) > 3 and values[3] is not None else range(len(starts))
    steps = _ints(values[4]) if len(values) > 4 else [1] * len(starts)
    index = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        index[axis] = slice(start, min(end, x.shape[axis]), step)
    return x[tuple(index)]


def _pad(torch: Any, node: Node, values: Values) -> Any:
    pads, value = _ints(values[1]), 0.0
    if len(values) > 2 and values[2] is not None:
        value = float(_constant(values[2], "the value of Pad"))
    if node.attributes.get("mode", "constant") != "constant":
        raise ModelError(f"cannot be made a .tflite: {node.name} pads by reflection")
    half, rank = len(pads) // 2, values[0].ndim
    axes = _ints(values[3]) if len(values) > 3 and values[3] is not None else list(range(rank))
    sides = {axis % rank: (pads[k], pads[k + half]) for k, axis in enumerate(axes)}
    order = [side for axis in reversed(range(rank)) for side in sides.get(axis, (0, 0))]
    return torch.nn.functional.pad(values[0], order, value=value)


def _elu(torch: Any, node: Node, values: Values) -> Any:
    # Without exp of large numbers: the converter's own way takes exp of every input, which
    # ruins the range that int8 is given.
    if node.attributes.get("alpha", 1.0) != 1.0:
        raise ModelError(f"cannot be made a .tflite: {node.name} has alpha")
    return torch.relu(values[0]) + torch.exp(-torch.relu(-values[0])) - 1


def _constant_node(_: Any, node: Node, __: Values) -> Any:
    return np.asarray(next(iter(node.attributes.values())))


def _pow(torch: Any, _: Node, values: Values) -> Any:
    return torch.pow(values[0], float(_constant(values[1], "the exponent of Pow")))


def _matmul(torch: Any, _: Node, values: Values) -> Any:
    return torch.matmul(*values)


def _expand(torch: Any, _: Node, values: Values) -> Any:
    x, sizes = values[0], _ints(values[1])
    shape = np.broadcast_shapes(tuple(x.shape), tuple(sizes))
    return x.expand(shape)


OPERATORS: Mapping[str, Callable[..., Any]] = {
    **{op: _unary(name) for op, name in (
        ("Relu", "relu"), ("Tanh", "tanh"), ("Sigmoid", "sigmoid"), ("Sqrt", "sqrt"),
        ("Exp", "exp"), ("Log", "log"), ("Abs", "abs"), ("Neg", "neg"), ("Erf", "erf"),
        ("Floor", "floor"), ("Reciprocal", "reciprocal"), ("Not", "logical_not"),
        ("Identity", "clone"),
    )},
    **{op: _binary(name) for op, name in (
        ("Add", "add"), ("Sub", "sub"), ("Mul", "mul"), ("Greater", "greater"),
        ("Less", "less"), ("Max", "maximum"), ("Min", "minimum"), ("Equal", "eq"),
        ("GreaterOrEqual", "greater_equal"), ("LessOrEqual", "less_equal"), ("And", "logical_and"),
        ("Or", "logical_or"),
    )},
    **{op: _reduce(name) for op, name in (
        ("ReduceMean", "mean"), ("ReduceSum", "sum"), ("ReduceMax", "amax"), ("ReduceMin", "amin"),
    )},
    "Div": _div, "Conv": _conv, "Gemm": _gemm, "MatMul": _matmul, "MaxPool": _pool("max"),
    "AveragePool": _pool("avg"), "GlobalAveragePool": _global_pool, "Split": _split,
    "Concat": _concat, "Clip": _clip, "Cast": _cast, "Reshape": _reshape, "Gather": _gather,
    "Resize": _resize, "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm,
    "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Slice": _slice, "Pad": _pad, "Elu": _elu,
    "Constant": _constant_node, "Pow": _pow, "Expand": _expand,
    "Flatten": lambda torch, node, v: v[0].reshape(
        int(np.prod(v[0].shape[: node.attributes.get("axis", 1)])), -1),
    "Transpose": lambda torch, node, v: v[0].permute(node.attributes["perm"]),
    "Softmax": lambda torch, node, v: torch.softmax(v[0], dim=node.attributes.get("axis", -1)),
    "LeakyRelu": lambda torch, node, v: torch.nn.functional.leaky_relu(
        v[0], node.attributes.get("alpha", 0.01)),
    "HardSigmoid": lambda torch, node, v: torch.clamp(
        v[0] * node.attributes.get("alpha", 0.2) + node.attributes.get("beta", 0.5), 0, 1),
    "HardSwish": lambda torch, node, v: torch.nn.functional.hardswish(v[0]),
    "Gelu": lambda torch, node, v: torch.nn.functional.gelu(
        v[0], approximate=node.attributes.get("approximate", "none")),
    "Where": lambda torch, _, v: torch.where(*v),
}  # fmt: skip

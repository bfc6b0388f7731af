"""Which layers stay in float32: the ends that int8 does not suit, and those that lose most in it.

Each layer is rounded alone, and its effect on the outputs taken.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.compile import qdq
from edge_emo.compile.correct import error_of
from edge_emo.compile.graph import Graph, Node, channel_axis, read_graph, round_node, with_outputs
from edge_emo.manifest import ModelPackage, is_dimensional
from edge_emo.runtime.tensors import match_tensors

if TYPE_CHECKING:
    import numpy.typing as npt

Sample = Sequence["npt.NDArray[Any]"]
INPUTS = 24
"""Calibration inputs that each layer is looked at with."""


def rank_nodes(
    source: Path, calibration: Sequence[Sample], held_out: Sequence[Sample]
) -> dict[str, float]:
    """Return the error that each layer alone brings, the worst first.

    A layer's weights and what it is given are rounded as symmetric int8 rounds them.

    Args:
        source: Float32 ONNX, its nodes named.
        calibration: Inputs that ranges are taken from.
        held_out: Others, that the outputs are compared on.

    Returns:
        By node: the mean square error of the outputs, relative to their variance.
    """
    graph = read_graph(source)
    names = [tensor.name for tensor in graph.inputs]
    own = [tensor.name for tensor in graph.outputs]
    chosen = set(graph.quantizable())
    nodes = [node for node in graph.nodes if node.name in chosen]
    judged = held_out[:INPUTS]
    wanted = qdq.run(source, names, judged)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.onnx"
        greatest = _greatest(source, path, (names, own), nodes, calibration[:INPUTS])
        for node in nodes:
            weights = _rounded(graph.weights[node.inputs[1]], channel_axis(node))
            round_node(source, path, node, weights, greatest[node.inputs[0]] / 127.0)
            found[node.name] = error_of(wanted, qdq.run(path, names, judged))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _greatest(
    source: Path,
    path: Path,
    ends: tuple[Sequence[str], Sequence[str]],
    nodes: Sequence[Node],
    seen: Sequence[Sample],
) -> dict[str, float]:
    """Return the greatest magnitude of what each node is given, by the tensor's name.

    Args:
        source: The network.
        path: Written.
        ends: Names of its inputs, and of its outputs.
        nodes: Of the network.
        seen: Inputs.
    """
    names, own = ends
    given = dict.fromkeys(node.inputs[0] for node in nodes)
    inner = [name for name in given if name not in (*names, *own)]
    with_outputs(source, path, inner)
    arrays = dict(zip((*own, *inner), qdq.run(path, names, seen), strict=True))
    arrays |= {name: np.stack([sample[k] for sample in seen]) for k, name in enumerate(names)}
    return {name: max(1e-6, float(np.abs(arrays[name]).max())) for name in given}


def _rounded(weight: npt.NDArray[Any], axis: int) -> npt.NDArray[np.float32]:
    """Return weights with the values that symmetric int8 has, per channel."""
    others = tuple(k for k in range(weight.ndim) if k != axis % weight.ndim)
    scale = np.maximum(np.abs(weight).max(axis=others, keepdims=True), 1e-8) / 127.0
    return np.asarray(np.round(weight / scale) * scale, np.float32)


def worst(errors: Mapping[str, float]) -> list[str]:
    """Return the fewest nodes that bring half of all error; at most a quarter of the nodes."""
    chosen: list[str] = []
    total = sum(errors.values())
    for node, _ in sorted(errors.items(), key=lambda item: -item[1])[: max(1, len(errors) // 4)]:
        if sum(errors[name] for name in chosen) >= total / 2:
            break
        chosen.append(node)
    return chosen


def ends(package: ModelPackage, graph: Graph) -> tuple[str, ...]:
    """Return the nodes of outputs and inputs whose columns have scales of their own.

    One scale for a whole tensor is that of its widest column: of dimensions, dominance moves least
    and would lose most; features would, before the network brings them to one scale.

    Args:
        package: Tells which outputs are dimensions, and which inputs are features.
        graph: Its float network.
    """
    fed = match_tensors("inputs", package.inputs, graph.inputs)
    given = match_tensors("outputs", package.outputs, graph.outputs)
    features = [one for one in package.inputs if (one.layout, one.dtype) == ("NC", "float32")]
    nodes = [graph.nose(fed[one.name]) for one in features]
    nodes += [graph.tail(given[one.name]) for one in filter(is_dimensional, package.outputs)]
    return tuple(dict.fromkeys(name for names in nodes for name in names))

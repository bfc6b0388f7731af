"""Bias correction: what rounding does to the mean of an output is taken back by its bias.

Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction",
section 4.2, here from real inputs and for the outputs alone: a class that int8 gives a little less
on average would otherwise lose exactly its rare, close decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.compile.graph import Graph

if TYPE_CHECKING:
    import numpy.typing as npt


def corrected_biases(
    graph: Graph, wanted: Sequence[Any], given: Sequence[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Return biases that bring the mean of each output back, by the names of their weights.

    Args:
        graph: The float network.
        wanted: Its outputs, each stacked over the inputs.
        given: The quantized network's.

    Returns:
        Nothing of outputs that no Gemm with a bias of their own makes.
    """
    makers = {name: node for node in graph.nodes for name in node.outputs}
    found = {}
    for tensor, ours, theirs in zip(graph.outputs, wanted, given, strict=True):
        node = makers.get(tensor.name)
        if node is None or node.op != "Gemm":
            continue
        bias, share = _own_bias(graph, node.inputs), node.attributes.get("beta", 1.0)
        if bias is not None and share:
            shift = (ours - theirs).reshape(-1, ours.shape[-1]).mean(axis=0) / share
            found[bias] = (graph.weights[bias] + shift).astype(np.float32)
    return found


def _own_bias(graph: Graph, inputs: Sequence[str]) -> str | None:
    if len(inputs) < 3 or inputs[2] not in graph.weights:
        return None
    readers = sum(node.inputs.count(inputs[2]) for node in graph.nodes)
    return inputs[2] if readers == 1 else None


def stacked(answers: Sequence[Sequence[npt.NDArray[Any]]]) -> list[npt.NDArray[Any]]:
    """Return each output stacked over the inputs, from the outputs of each input."""
    return [np.stack(column) for column in zip(*answers, strict=True)]


def error_of(wanted: Sequence[npt.NDArray[Any]], given: Sequence[npt.NDArray[Any]]) -> float:
    """Return the mean square error of stacked outputs, each relative to its own variance."""
    total = 0.0
    for reference, answer in zip(wanted, given, strict=True):
        if not np.isfinite(answer).all():
            return float("inf")
        total += float(((reference - answer) ** 2).mean() / (reference.var() + 1e-12))
    return total

"""Which layers lose most in int8: each is quantized alone, and its effect on the outputs taken."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_emo.compile import qdq
from edge_emo.compile.correct import error_of
from edge_emo.compile.graph import read_graph

if TYPE_CHECKING:
    import numpy.typing as npt

Sample = Sequence["npt.NDArray[Any]"]
INPUTS = 24
"""Calibration inputs that each layer is looked at with."""


def rank_nodes(
    source: Path, calibration: Sequence[Sample], held_out: Sequence[Sample]
) -> dict[str, float]:
    """Return the error that each layer alone brings, the worst first.

    Args:
        source: Float32 ONNX, its nodes named.
        calibration: Inputs that ranges are taken from.
        held_out: Others, that the outputs are compared on.

    Returns:
        By node: the mean square error of the outputs, relative to their variance.
    """
    graph = read_graph(source)
    names = [tensor.name for tensor in graph.inputs]
    seen, judged = calibration[:INPUTS], held_out[:INPUTS]
    wanted = qdq.run(source, names, judged)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.onnx"
        for node in graph.quantizable():
            qdq.write_int8(source, names, seen, path, only=[node])
            found[node] = error_of(wanted, qdq.run(path, names, judged))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def worst(errors: Mapping[str, float]) -> list[str]:
    """Return the fewest nodes that bring half of all error; at most a quarter of the nodes."""
    chosen: list[str] = []
    total = sum(errors.values())
    for node, _ in sorted(errors.items(), key=lambda item: -item[1])[: max(1, len(errors) // 4)]:
        if sum(errors[name] for name in chosen) >= total / 2:
            break
        chosen.append(node)
    return chosen

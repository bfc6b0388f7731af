"""Fine-tuning for int8: the weights are trained to give the float outputs although all is rounded.

No labels are needed: the float network is the teacher, on the calibration inputs. Weights and the
inputs of each layer pass through the rounding of symmetric int8 in the forward direction, and
gradients pass it by (Bengio et al. 2013, straight-through; Jacob et al. 2018, sections 2 and 3).
What comes out is a float network again, which each target then quantizes as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.compile.as_torch import as_torch
from edge_emo.compile.graph import Graph, channel_axis, read_graph, replace_weights
from edge_emo.vendor import load

if TYPE_CHECKING:
    import numpy.typing as npt

Sample = Sequence["npt.NDArray[Any]"]
EPOCHS, BATCH, RATE = 4, 8, 3e-4
"""Passes over the inputs, inputs per step, and Adam's first rate, which falls to nothing."""


def tune(source: Path, path: Path, samples: Sequence[Sample]) -> list[float]:
    """Write the network with weights that bear int8.

    Args:
        source: Float32 ONNX, its nodes named.
        path: Replaced.
        samples: Calibration inputs.

    Returns:
        The mean loss of each epoch: squared error of the outputs over their variance.

    Raises:
        ModelError: An operator cannot be converted to PyTorch.
    """
    torch = load("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    graph = read_graph(source)
    rows = [[torch.from_numpy(np.array(array)) for array in sample] for sample in samples]
    teacher, pupil = as_torch(graph), as_torch(graph)
    ranges: dict[str, float] = {}
    _watch(teacher, graph, ranges)
    with torch.no_grad():
        wanted = [_tuple(teacher(*row)) for row in rows]
    _make_trainable(torch, pupil, graph, ranges)
    losses = _fit(torch, pupil, rows, wanted)
    replace_weights(source, path, _weights(pupil, graph))
    return losses


def _watch(network: Any, graph: Graph, ranges: dict[str, float]) -> None:
    """Keep the greatest magnitude that each layer is given."""

    def watcher(name: str) -> Any:
        def see(values: list[Any]) -> list[Any]:
            ranges[name] = max(ranges.get(name, 1e-6), float(values[0].abs().max()))
            return values

        return see

    for name in graph.quantizable():
        getattr(network, name).prepare = watcher(name)


def _make_trainable(torch: Any, network: Any, graph: Graph, ranges: Mapping[str, float]) -> None:
    for node in graph.nodes:
        if node.name not in ranges:
            continue
        step = getattr(network, node.name)
        for place in [name for name in ("w1", "w2") if hasattr(step, name)]:
            value = getattr(step, place).clone()
            delattr(step, place)
            step.register_parameter(place, torch.nn.Parameter(value))
        step.prepare = _rounding(torch, ranges[node.name] / 127.0, channel_axis(node))


def _rounding(torch: Any, scale: float, axis: int) -> Any:
    def rounded(values: list[Any]) -> list[Any]:
        weight = values[1]
        channel = axis % weight.ndim
        others = [k for k in range(weight.ndim) if k != channel]
        scales = weight.detach().abs().amax(dim=others).clamp_min(1e-8) / 127.0
        zeros = torch.zeros(len(scales), dtype=torch.int32)
        weight = torch.fake_quantize_per_channel_affine(weight, scales, zeros, channel, -127, 127)
        given = torch.fake_quantize_per_tensor_affine(values[0], scale, 0, -128, 127)
        return [given, weight, *values[2:]]

    return rounded


def _fit(torch: Any, network: Any, rows: Sequence[Any], wanted: Sequence[Any]) -> list[float]:
    spreads = [torch.stack(column).var() + 1e-12 for column in zip(*wanted, strict=True)]
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    steps = EPOCHS * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(EPOCHS):
        order, total = rng.permutation(len(rows)), 0.0
        for start in range(0, len(order), BATCH):
            optimizer.zero_grad()
            for k in order[start : start + BATCH]:
                answers = _tuple(network(*rows[k]))
                errors = zip(answers, wanted[k], spreads, strict=True)
                loss = sum(((a - w) ** 2).mean() / spread for a, w, spread in errors)
                (loss / BATCH).backward()
                total += float(loss)
            optimizer.step()
            schedule.step()
        losses.append(total / len(rows))
    return losses


def _weights(network: Any, graph: Graph) -> dict[str, npt.NDArray[Any]]:
    found = {}
    for node in graph.nodes:
        step = getattr(network, node.name)
        for place, _ in step.named_parameters():
            found[node.inputs[int(place[1:])]] = getattr(step, place).detach().numpy()
    return found


def _tuple(answer: Any) -> tuple[Any, ...]:
    return answer if isinstance(answer, tuple) else (answer,)

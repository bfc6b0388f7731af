"""Fine-tuning for int8: the weights are trained to give the float outputs although all is rounded.

No labels are needed: the float network is the teacher, on the calibration inputs. Weights and the
inputs of each layer pass through the rounding of symmetric int8 in the forward direction, and
gradients pass it by (Bengio et al. 2013, straight-through; Jacob et al. 2018, sections 2 and 3).
What comes out is a float network again, which each target then quantizes as any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.compile.as_torch import as_torch
from edge_emo.compile.graph import Graph, Node, channel_axis, read_graph, replace_weights
from edge_emo.vendor import load

if TYPE_CHECKING:
    import numpy.typing as npt

Sample = Sequence["npt.NDArray[Any]"]
EPOCHS, BATCH, RATE = 6, 8, 3e-5
"""Passes over the inputs, inputs per step, and Adam's first rate, which falls to nothing.

The rate is a share of each weight tensor's standard deviation: over all steps a weight moves by a
part of one step of int8. Ten times as much made a network for faces worse on other pictures.
"""


def tune(
    source: Path, path: Path, samples: Sequence[Sample], held_out: Sequence[Sample]
) -> list[float]:
    """Write the network with the weights of the pass that bears int8 best.

    Args:
        source: Float32 ONNX, its nodes named.
        path: Replaced.
        samples: Calibration inputs.
        held_out: Others, that the passes are judged on.

    Returns:
        The loss on inputs held out, before and after each pass: the squared error of the outputs
        over their variance.

    Raises:
        ModelError: An operator cannot be converted to PyTorch.
    """
    torch = load("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    graph = read_graph(source)
    rows, others = (
        [[torch.from_numpy(np.array(array)) for array in sample] for sample in part]
        for part in (samples, held_out)
    )
    teacher, pupil = as_torch(graph), as_torch(graph)
    ranges: dict[str, float] = {}
    fresh: dict[str, Any] = {}
    _watch(teacher, graph, ranges)
    with torch.no_grad():
        wanted = [_tuple(teacher(*row)) for row in rows]
        right = [_tuple(teacher(*row)) for row in others]
    _make_trainable(torch, pupil, graph, ranges, fresh)
    loss = _loss_of(torch, wanted)
    losses, best = [], {}
    for _ in _passes(torch, pupil, rows, wanted, loss, fresh):
        with torch.no_grad():
            rest = [float(loss(pupil(*o), r)) for o, r in zip(others, right, strict=True)]
        losses.append(float(np.mean(rest)))
        if losses[-1] <= min(losses):
            best = {name: value.copy() for name, value in _weights(pupil, graph).items()}
    replace_weights(source, path, best)
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


def _make_trainable(
    torch: Any, network: Any, graph: Graph, ranges: Mapping[str, float], fresh: dict[str, Any]
) -> None:
    """Make weights parameters, rounded as int8 rounds them: once until ``fresh`` is emptied.

    Nodes that read one initializer train it together.
    """
    shared: dict[str, Any] = {}
    for node in graph.nodes:
        if node.name not in ranges:
            continue
        step = getattr(network, node.name)
        for place in [name for name in ("w1", "w2") if hasattr(step, name)]:
            value = getattr(step, place).clone()
            delattr(step, place)
            own = shared.setdefault(node.inputs[int(place[1:])], torch.nn.Parameter(value))
            step.register_parameter(place, own)
        step.prepare = _rounding(torch, node, ranges[node.name] / 127.0, fresh)


def _rounding(torch: Any, node: Node, scale: float, fresh: dict[str, Any]) -> Any:
    def rounded(values: list[Any]) -> list[Any]:
        if node.name not in fresh:
            fresh[node.name] = _rounded_weight(torch, values[1], channel_axis(node))
        given = torch.fake_quantize_per_tensor_affine(values[0], scale, 0, -128, 127)
        return [given, fresh[node.name], *values[2:]]

    return rounded


def _rounded_weight(torch: Any, weight: Any, axis: int) -> Any:
    channel = axis % weight.ndim
    others = [k for k in range(weight.ndim) if k != channel]
    scales = weight.detach().abs().amax(dim=others).clamp_min(1e-8) / 127.0
    zeros = torch.zeros(len(scales), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scales, zeros, channel, -127, 127)


def _loss_of(torch: Any, wanted: Sequence[Any]) -> Any:
    """Return the function that compares an answer with the teacher's."""
    spreads = [torch.stack(column).var() + 1e-12 for column in zip(*wanted, strict=True)]

    def loss(answer: Any, right: Sequence[Any]) -> Any:
        errors = zip(_tuple(answer), right, spreads, strict=True)
        return sum(((a - w) ** 2).mean() / spread for a, w, spread in errors)

    return loss


def _passes(
    torch: Any,
    network: Any,
    rows: Sequence[Any],
    wanted: Sequence[Any],
    loss: Any,
    fresh: dict[str, Any],
) -> Iterator[None]:
    """Train; stop before the first pass and after each."""
    groups = [{"params": [p], "lr": RATE * float(p.std())} for p in network.parameters()
              if p.numel() > 1]  # fmt: skip
    optimizer = torch.optim.Adam(groups)
    steps = EPOCHS * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rng = np.random.default_rng(0)
    yield
    for _ in range(EPOCHS):
        order = rng.permutation(len(rows))
        for start in range(0, len(order), BATCH):
            optimizer.zero_grad()
            fresh.clear()
            chosen = order[start : start + BATCH]
            sum(loss(network(*rows[k]), wanted[k]) / BATCH for k in chosen).backward()
            optimizer.step()
            schedule.step()
        fresh.clear()
        yield


def _weights(network: Any, graph: Graph) -> dict[str, npt.NDArray[Any]]:
    found = {}
    for node in graph.nodes:
        step = getattr(network, node.name)
        for place, _ in step.named_parameters():
            found[node.inputs[int(place[1:])]] = getattr(step, place).detach().numpy()
    return found


def _tuple(answer: Any) -> tuple[Any, ...]:
    return answer if isinstance(answer, tuple) else (answer,)

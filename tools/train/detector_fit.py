"""Fitting the face detector: targets, loss, schedule, averaged weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import detector_net
import numpy as np
import torch
from detector_augment import Composer, Example
from detector_data import Floats
from torch.nn import functional

_UNIT = 4.0
"""Boxes and landmarks are given in units of so many strides."""
_SIZES_PX = {8: (0.0, 40.0), 16: (28.0, 100.0), 32: (72.0, 1e9)}
"""Sides of the faces that each stride answers for."""
_SPREAD = 0.10
"""Standard deviation of the target around a centre, as a share of the face's side."""
_POSITIVE = 0.55
"""Cells whose target is above this count as a face for the score."""
_NEAR = 0.02
"""Cells whose target is above this, to a quarter of the face around its centre, learn box and
landmarks: with the centre alone, each face taught about one cell, and slowly."""
_FOCUS = 4.0
_LOG_STEPS = 100


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    Attributes:
        steps: Number of batches.
        width: Of the pictures, px.
        height: Of the pictures, px.
        batch: Pictures of one batch.
        rates: Learning rate at its beginning and end; half a cosine between.
        fresh: Begin from the averaged weights with a new optimiser.
        weights: Of the loss of score, box and landmarks.
    """

    steps: int
    width: int
    height: int
    batch: int
    rates: tuple[float, float]
    fresh: bool
    weights: tuple[float, float, float]


@dataclass(frozen=True)
class Options:
    """How to train."""

    seed: int = 1
    decay: float = 1e-4
    average: float = 0.998
    phases: tuple[Phase, ...] = (
        Phase(1100, 192, 160, 24, (3e-3, 2.1e-3), False, (1.0, 2.0, 3.0)),
        Phase(600, 192, 160, 24, (2.1e-3, 1.1e-3), False, (1.0, 2.0, 3.0)),
        Phase(3000, 192, 160, 24, (2.5e-3, 8e-4), True, (1.0, 2.0, 10.0)),
        Phase(900, 320, 256, 16, (8e-4, 1e-5), False, (1.0, 2.0, 10.0)),
    )


@dataclass(frozen=True)
class Targets:
    """Targets of one level for a batch: (n, rows, columns[, channels])."""

    heat: torch.Tensor
    counted: torch.Tensor
    positive: torch.Tensor
    near: torch.Tensor
    box: torch.Tensor
    points: torch.Tensor


def fit(
    composers: Callable[[int, torch.nn.Module], Composer],
    options: Options,
    judge: Callable[[torch.nn.Module], dict[str, Any]],
    begun: tuple[int, Mapping[str, torch.Tensor]] | None = None,
) -> tuple[torch.nn.Module, list[dict[str, Any]]]:
    """Train.

    Args:
        composers: Gives what makes the examples of a phase, from its number and the network
            with averaged weights as it then is.
        options: Seed and phases.
        judge: Called with that network at the end of a phase; gives figures for the log.
        begun: Number of the phase to begin with, and averaged weights from before it.

    Returns:
        The network with averaged weights, and the log.
    """
    torch.manual_seed(options.seed)
    net = detector_net.Detector()
    first, state = begun or (0, net.state_dict())
    net.load_state_dict(state)
    mean = copy.deepcopy(net).eval()
    optimiser = _optimiser(net, options)
    log: list[dict[str, Any]] = []
    for number, phase in list(enumerate(options.phases))[first:]:
        if phase.fresh:
            net.load_state_dict(mean.state_dict())
            optimiser = _optimiser(net, options)
        log += _run(phase, composers(number, mean), (net, mean), optimiser, options.average)
        log[-1] |= judge(mean)
        print(log[-1], flush=True)
    return mean, log


def _run(
    phase: Phase,
    composer: Composer,
    nets: tuple[torch.nn.Module, torch.nn.Module],
    optimiser: torch.optim.Optimizer,
    average: float,
) -> list[dict[str, Any]]:
    net, mean = nets
    sums, log, began = np.zeros(3), [], time.monotonic()
    for k in range(phase.steps):
        _set_rate(optimiser, phase, k)
        batch = [composer.example(phase.width, phase.height) for _ in range(phase.batch)]
        sums += _step(net, optimiser, batch, phase.weights)
        _follow(mean, net, min(average, (k + 1) / (k + 10)))
        if (k + 1) % _LOG_STEPS == 0 or k + 1 == phase.steps:
            means = [round(float(v), 4) for v in sums / (k % _LOG_STEPS + 1)]
            minutes = round((time.monotonic() - began) / 60, 1)
            log.append({"step": k + 1, "minutes": minutes, "loss": means})
            print(log[-1], flush=True)
            sums[:] = 0
    return log


def _optimiser(net: torch.nn.Module, options: Options) -> torch.optim.Optimizer:
    return torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=options.decay)


def targets(examples: Sequence[Example], stride: int) -> Targets:
    """Return what the maps of one stride should say."""
    height, width = examples[0].image.shape[:2]
    rows, columns = height // stride, width // stride
    count = len(examples)
    heat = np.zeros((count, rows, columns), np.float32)
    counted = np.ones_like(heat)
    box = np.zeros((count, rows, columns, 4), np.float32)
    points = np.full((count, rows, columns, 10), np.nan, np.float32)
    x = (np.arange(columns, dtype=np.float32) + 0.5)[None] * stride
    y = (np.arange(rows, dtype=np.float32) + 0.5)[:, None] * stride
    for k, example in enumerate(examples):
        for b, p, ignored in zip(example.boxes, example.points, example.ignored, strict=True):
            side = math.sqrt(float(np.prod(b[2:] - b[:2])))
            if ignored:
                counted[k][(x >= b[0]) & (x <= b[2]) & (y >= b[1]) & (y <= b[3])] = 0.0
            elif _SIZES_PX[stride][0] <= side < _SIZES_PX[stride][1]:
                _draw((heat[k], box[k], points[k]), (x, y), b, p, stride)
    positive = heat > _POSITIVE
    counted[positive] = 1.0
    arrays = (heat, counted, positive, heat > _NEAR, box, points)
    return Targets(*(torch.from_numpy(a) for a in arrays))


def loss(outputs: Sequence[torch.Tensor], wanted: Sequence[Targets]) -> dict[str, torch.Tensor]:
    """Return the three parts of the loss over all levels.

    Score: binary cross-entropy with soft targets, weighed by the fourth power of the distance
    to them for cells without a face (after CenterNet's focal loss, Zhou et al. 2019).
    Box: one minus the generalised intersection over union (Rezatofighi et al. 2019).
    Landmarks: L1 in units of the face's side.
    """
    parts: dict[str, list[torch.Tensor]] = {"score": [], "box": [], "points": []}
    found, shaped, known = 0, 0, 0
    for k, target in enumerate(wanted):
        score, box, points = outputs[3 * k : 3 * k + 3]
        chance = torch.sigmoid(score[..., 0])
        away = (target.heat - chance).abs()
        error = functional.binary_cross_entropy_with_logits(
            score[..., 0], target.heat, reduction="none"
        )
        weight = torch.where(target.positive, away.pow(1.5) * 2, away.pow(2) * (1 - target.heat))
        parts["score"].append((error * weight.detach() * target.counted).sum())
        found += int(target.positive.sum())
        mask = target.near
        shaped += int(mask.sum())
        if mask.any():
            here, there = box[mask], target.box[mask]
            parts["box"].append(_box_loss(here, there))
            seen = torch.isfinite(target.points[mask][:, 0])
            known += int(seen.sum())
            side = there[seen, 2:].exp().prod(dim=1).sqrt()[:, None]
            off = (points[mask][seen] - target.points[mask][seen]).abs() / side
            parts["points"].append(off.mean(dim=1).sum())
    counts = {"score": max(found, 1), "box": max(shaped, 1), "points": max(known, 1)}
    zero = outputs[0].sum() * 0.0
    return {key: sum(values, zero) / counts[key] for key, values in parts.items()}


def _draw(maps: tuple[Floats, ...], at: tuple[Floats, ...], b: Floats, p: Floats, s: int) -> None:
    heat, box, points = maps
    centre, size = (b[:2] + b[2:]) / 2, b[2:] - b[:2]
    spread = np.maximum(_SPREAD * size, 0.42 * s)
    bump = np.exp(-(((at[0] - centre[0]) / spread[0]) ** 2) / 2
                  - (((at[1] - centre[1]) / spread[1]) ** 2) / 2)  # fmt: skip
    row, column = (int(np.clip(centre[i] // s, 0, heat.shape[1 - i] - 1)) for i in (1, 0))
    bump[row, column] = 1.0
    better = bump > heat
    heat[better] = bump[better]
    rows, columns = np.nonzero(better & (bump > _NEAR))
    cell = (np.stack([columns, rows], axis=1) + 0.5).astype(np.float32)
    unit = np.float32(_UNIT * s)
    box[rows, columns, :2] = (centre / s - cell) / _UNIT
    box[rows, columns, 2:] = np.log(size / unit)
    points[rows, columns] = ((p[None] / s - cell[:, None]) / _UNIT).reshape(len(rows), 10)


def _box_loss(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Return the sum of 1 − generalised IoU, and a little of plain L1 for a start."""
    size, wanted = ours[:, 2:].clamp(-4, 4).exp(), theirs[:, 2:].exp()
    low, high = ours[:, :2] - size / 2, ours[:, :2] + size / 2
    low2, high2 = theirs[:, :2] - wanted / 2, theirs[:, :2] + wanted / 2
    both = (torch.minimum(high, high2) - torch.maximum(low, low2)).clamp(min=0).prod(dim=1)
    either = size.prod(dim=1) + wanted.prod(dim=1) - both
    hull = (torch.maximum(high, high2) - torch.minimum(low, low2)).prod(dim=1)
    generalised = both / either - (hull - either) / hull
    return (1 - generalised).sum() + 0.2 * (ours - theirs).abs().sum()


def _step(
    net: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    examples: Sequence[Example],
    weights: Sequence[float],
) -> Floats:
    net.train()
    # uint8 less a float is float32
    images = torch.from_numpy(np.stack([e.image for e in examples])) - detector_net.CENTRE
    outputs = net(images)
    wanted = [targets(examples, stride) for stride in detector_net.STRIDES]
    parts = loss(outputs, wanted)
    optimiser.zero_grad()
    sum(w * part for w, part in zip(weights, parts.values(), strict=True)).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
    optimiser.step()
    return np.array([float(value.detach()) for value in parts.values()], np.float32)


def _follow(mean: torch.nn.Module, net: torch.nn.Module, keep: float) -> None:
    with torch.no_grad():
        for ours, theirs in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
            if ours.dtype.is_floating_point:
                ours.lerp_(theirs, 1 - keep)
            else:
                ours.copy_(theirs)


def _set_rate(optimiser: torch.optim.Optimizer, phase: Phase, step: int) -> None:
    """Rise over the first steps of a new optimiser, fall along half a cosine."""
    high, low = phase.rates
    rate = low + (high - low) * (1 + math.cos(math.pi * step / phase.steps)) / 2
    for group in optimiser.param_groups:
        group["lr"] = rate * (min(1.0, (step + 1) / 50) if phase.fresh else 1.0)

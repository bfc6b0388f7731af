"""Fitting the face detector: targets, loss, schedule, averaged weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import detector_net
import numpy as np
import torch
from detector_augment import Composer, Example
from detector_data import Floats
from plan import Plan
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

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


@dataclass(frozen=True)
class Options:
    """How to train.

    Attributes:
        steps: Batches; 0 lets ``seconds`` decide, after the first ones were timed.
        seconds: Wall-clock budget when ``steps`` is 0.
        labelled_at: Share of the run after which the synthetic faces, which the network then
            labels itself, are pasted too.
        calm_at: Share of the run after which mostly whole scenes are shown, and harmed less; 1
            leaves that out, which validation preferred.
        width: Of the pictures, px.
        height: Of the pictures, px.
        batch: Pictures of one batch.
        rate: Highest learning rate; rises over 2 % of the steps, then falls along a cosine.
        decay: Of the weights.
        average: Weight of the past in the running average of the weights.
        weights: Of the loss of score, box and landmarks.
        workers: Processes that make pictures; 0 makes them between the steps. The pictures
            depend on the number.
        seed: Of everything that is drawn.
        device: ``cpu`` or ``cuda``.
    """

    steps: int = 0
    seconds: float = 600.0
    labelled_at: float = 0.25
    calm_at: float = 1.0
    width: int = detector_net.WIDTH_PX
    height: int = detector_net.HEIGHT_PX
    batch: int = 48
    rate: float = 3e-3
    decay: float = 1e-4
    average: float = 0.999
    weights: tuple[float, float, float] = (1.0, 2.0, 10.0)
    workers: int = 0
    seed: int = 1
    device: str = "cpu"


class Targets(NamedTuple):
    """Targets of one level for a batch: (n, rows, columns[, channels])."""

    heat: torch.Tensor
    counted: torch.Tensor
    positive: torch.Tensor
    near: torch.Tensor
    box: torch.Tensor
    points: torch.Tensor


def fit(
    composers: Callable[[int, torch.nn.Module], Compose],
    options: Options,
    judge: Callable[[torch.nn.Module], dict[str, Any]],
    start: Mapping[str, torch.Tensor] | None = None,
) -> tuple[torch.nn.Module, Options, list[dict[str, Any]]]:
    """Train.

    Args:
        composers: Gives what makes the examples of the first (0), second (1) or last (2) part
            of the run, from the network with averaged weights as it then is.
        options: Of the run.
        judge: Called with that network now and then; gives figures for the log.
        start: Weights of a former run, to go on from with the last part.

    Returns:
        The network with averaged weights, the options with the steps that were made, the log.
    """
    torch.manual_seed(options.seed)
    net = detector_net.Detector().to(options.device)
    if start is not None:
        net.load_state_dict(start)
    mean = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=options.decay)
    plan = Plan(options.steps, options.seconds)
    log: list[dict[str, Any]] = []
    ends = (options.labelled_at, options.calm_at, 1.0)
    for part, until in list(enumerate(ends))[2 if start is not None else 0 :]:
        if plan.share() >= until:
            continue
        batches = iter(_batches(composers(part, mean), options, part))
        sums: list[torch.Tensor] = []
        while plan.share() < until:
            rate = options.rate * plan.factor(0.02)
            for group in optimiser.param_groups:
                group["lr"] = rate
            sums.append(_step(net, optimiser, next(batches), options))
            _follow(mean, net, min(options.average, (plan.step + 1) / (plan.step + 10)))
            if plan.advance():
                means = [round(float(value), 4) for value in torch.stack(sums).mean(0)]
                log.append({"step": plan.step, "loss": means} | judge(mean))
                print(f"{plan.elapsed_s():.0f} s {log[-1]}", flush=True)
                sums.clear()
    return mean, replace(options, steps=plan.step), log


Compose = Callable[[int], Composer]
"""Gives the composer of one process, from its number."""


class Batches(IterableDataset):  # type: ignore[type-arg]
    """An endless stream of batches: pictures uint8 (n, height, width, 3) and their targets.

    Args:
        compose: Called once in each process.
        options: Of the run.
    """

    def __init__(self, compose: Compose, options: Options) -> None:
        super().__init__()
        self._compose = compose
        self._options = options

    def __iter__(self) -> Iterator[tuple[torch.Tensor, list[Targets]]]:
        """Make batches for ever."""
        worker = get_worker_info()
        composer = self._compose(worker.id if worker else 0)
        width, height = self._options.width, self._options.height
        while True:
            examples = [composer.example(width, height) for _ in range(self._options.batch)]
            images = torch.from_numpy(np.stack([example.image for example in examples]))
            yield images, [targets(examples, stride) for stride in detector_net.STRIDES]


def _batches(compose: Compose, options: Options, part: int) -> DataLoader[Any]:
    return DataLoader(
        Batches(compose, options), batch_size=None, num_workers=options.workers,
        multiprocessing_context="fork" if options.workers else None,
        pin_memory=options.device == "cuda",
    )  # fmt: skip


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
    counts: dict[str, list[torch.Tensor]] = {"score": [], "box": [], "points": []}
    for k, target in enumerate(wanted):
        score, box, points = outputs[3 * k : 3 * k + 3]
        chance = torch.sigmoid(score[..., 0])
        away = (target.heat - chance).abs()
        error = functional.binary_cross_entropy_with_logits(
            score[..., 0], target.heat, reduction="none"
        )
        weight = torch.where(target.positive, away.pow(1.5) * 2, away.pow(2) * (1 - target.heat))
        parts["score"].append((error * weight.detach() * target.counted).sum())
        counts["score"].append(target.positive.sum())
        here, there = box[target.near], target.box[target.near]
        parts["box"].append(_box_loss(here, there))
        counts["box"].append(target.near.sum())
        wished = target.points[target.near]
        seen = torch.isfinite(wished[:, :1])
        side = there[:, 2:].exp().prod(dim=1).sqrt()[:, None]
        off = (points[target.near] - wished.nan_to_num(0.0)).abs() / side
        parts["points"].append((off.mean(dim=1, keepdim=True) * seen).sum())
        counts["points"].append(seen.sum())
    return {
        key: torch.stack(values).sum() / torch.stack(counts[key]).sum().clamp(min=1)
        for key, values in parts.items()
    }


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
    net: torch.nn.Module, optimiser: torch.optim.Optimizer,
    batch: tuple[torch.Tensor, list[Targets]], options: Options,
) -> torch.Tensor:  # fmt: skip
    net.train()
    images, wanted = batch
    device = options.device
    # uint8 less a float is float32
    outputs = net(images.to(device, non_blocking=True) - detector_net.CENTRE)
    parts = loss(outputs, [Targets(*(t.to(device, non_blocking=True) for t in w)) for w in wanted])
    optimiser.zero_grad()
    sum(w * part for w, part in zip(options.weights, parts.values(), strict=True)).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
    optimiser.step()
    return torch.stack([value.detach() for value in parts.values()])


@torch.no_grad()
def _follow(mean: torch.nn.Module, net: torch.nn.Module, keep: float) -> None:
    ours, theirs = mean.state_dict().values(), net.state_dict().values()
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.dtype.is_floating_point]
    torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1.0 - keep)

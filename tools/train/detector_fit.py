"""Fitting the face detector: targets, loss, schedule, averaged weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import detector_net
import graphed
import torch
from detector_augment import Examples, Painter, Sketches
from plan import Plan
from torch.nn import functional
from torch.utils.data import DataLoader

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
        steps: Batches; 0 lets ``seconds`` decide.
        seconds: Wall-clock budget when ``steps`` is 0.
        labelled_at: Share of the run after which the synthetic faces, which the network then
            labels itself, are pasted too.
        width: Of the pictures, px.
        height: Of the pictures, px.
        batch: Pictures of one batch.
        rate: Highest learning rate; rises over 2 % of the steps, then falls along a cosine.
        decay: Of the weights.
        average: Weight of the past in the running average of the weights.
        weights: Of the loss of score, box and landmarks.
        workers: Processes that draw what is to be seen; 0 draws between the steps. What is
            drawn depends on the number.
        seed: Of everything that is drawn.
        device: ``cpu`` or ``cuda``.
    """

    steps: int = 0
    seconds: float = 600.0
    labelled_at: float = 0.25
    width: int = detector_net.WIDTH_PX
    height: int = detector_net.HEIGHT_PX
    batch: int = 128
    rate: float = 4e-3
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
    sources: Callable[[int, torch.nn.Module], Source],
    options: Options,
    judge: Callable[[torch.nn.Module], dict[str, Any]],
    start: Mapping[str, torch.Tensor] | None = None,
) -> tuple[torch.nn.Module, Options, list[dict[str, Any]]]:
    """Train.

    Args:
        sources: Gives what draws and what paints the examples of the first (0) or second (1)
            part of the run, from the network with averaged weights as it then is.
        options: Of the run.
        judge: Called with that network now and then; gives figures for the log.
        start: Weights of a former run, to go on from with the second part.

    Returns:
        The network with averaged weights, the options with the steps that were made, the log.
    """
    torch.manual_seed(options.seed)
    learner = Learner(options, start)
    plan = Plan(options.steps, options.seconds)
    log: list[dict[str, Any]] = []
    ends = (options.labelled_at if start is None else 0.0, 1.0)
    for part, until in enumerate(ends):
        if plan.share() >= until:
            continue
        sketches, painter = sources(part, learner.mean)
        drawn = iter(_drawn(sketches, options))
        sums: list[torch.Tensor] = []
        while plan.share() < until:
            examples = painter.paint(next(drawn))
            sums.append(learner.step(examples, options.rate * plan.factor(0.02)))
            learner.follow(min(options.average, (plan.step + 1) / (plan.step + 10)))
            if plan.advance():
                means = [round(float(value), 4) for value in torch.stack(sums).mean(0)]
                log.append({"step": plan.step, "loss": means} | judge(learner.mean))
                print(f"{plan.elapsed_s():.0f} s {log[-1]}", flush=True)
                sums.clear()
    return learner.mean, replace(options, steps=plan.step), log


Source = tuple[Sketches, Painter]


def _drawn(sketches: Sketches, options: Options) -> DataLoader[Any]:
    context = "fork" if options.workers else None
    return DataLoader(
        sketches, batch_size=None, num_workers=options.workers, multiprocessing_context=context
    )


class Learner:
    """A network in training, and the running average of its weights.

    Args:
        options: Of the run.
        start: Weights to begin with.
    """

    def __init__(self, options: Options, start: Mapping[str, torch.Tensor] | None) -> None:
        net = detector_net.Detector().to(options.device)
        if start is not None:
            net.load_state_dict(start)
        self._net, self._options = net.train(), options
        self.mean = copy.deepcopy(net).eval()
        self._rate = torch.tensor(1e-3, device=options.device)
        self._optimiser = torch.optim.AdamW(
            net.parameters(), lr=self._rate, weight_decay=options.decay,
            capturable=options.device == "cuda", fused=True,
        )  # fmt: skip
        self._images = torch.empty(0)
        self._wanted: list[Targets] = []
        self._graphed = graphed.Graphed(self._learn, options.device)

    def step(self, examples: Examples, rate: float) -> torch.Tensor:
        """Learn from a batch; return the three losses."""
        wanted = [targets(examples, stride) for stride in detector_net.STRIDES]
        if self._wanted:
            self._images.copy_(examples.images)
            for ours, theirs in zip(self._wanted, wanted, strict=True):
                for tensor, value in zip(ours, theirs, strict=True):
                    tensor.copy_(value)
        else:
            self._images, self._wanted = examples.images, wanted
        self._rate.fill_(rate)
        return self._graphed().clone()

    def _learn(self) -> torch.Tensor:
        self._optimiser.zero_grad()
        parts = loss(self._net(self._images - detector_net.CENTRE), self._wanted)
        weighed = zip(self._options.weights, parts.values(), strict=True)
        torch.stack([weight * part for weight, part in weighed]).sum().backward()
        torch.nn.utils.clip_grad_norm_(self._net.parameters(), 10.0)
        self._optimiser.step()
        return torch.stack([value.detach() for value in parts.values()])

    @torch.no_grad()
    def follow(self, keep: float) -> None:
        """Move the average towards the network."""
        ours, theirs = self.mean.state_dict().values(), self._net.state_dict().values()
        pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.dtype.is_floating_point]
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1.0 - keep)


def targets(examples: Examples, stride: int) -> Targets:
    """Return what the maps of one stride should say."""
    height, width = examples.images.shape[1:3]
    device = examples.boxes.device
    x = (torch.arange(width // stride, device=device) + 0.5).view(1, 1, 1, -1) * stride
    y = (torch.arange(height // stride, device=device) + 0.5).view(1, 1, -1, 1) * stride
    left, top, right, bottom = examples.boxes[..., None, None].unbind(2)
    size = examples.boxes[..., 2:] - examples.boxes[..., :2]
    side = size.prod(2).clamp(min=1e-6).sqrt()
    low, high = _SIZES_PX[stride]
    asked = examples.there & ~examples.ignored & (side >= low) & (side < high)
    bump = _bump((x, y), examples.boxes, stride) * asked[..., None, None]
    heat, first = bump.max(dim=1)
    inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    passed = (inside & (examples.there & examples.ignored)[..., None, None]).any(1)
    positive = heat > _POSITIVE
    counted = (~passed | positive).float()
    rows = torch.arange(len(heat), device=device).view(-1, 1, 1)
    box, size, points = (values[rows, first] for values in
                         (examples.boxes, size.clamp(min=1e-3), examples.points))  # fmt: skip
    cell = torch.stack(torch.broadcast_tensors(x[:, 0], y[:, 0]), dim=-1) / stride
    centre = ((box[..., :2] + box[..., 2:]) / (2 * stride) - cell) / _UNIT
    wanted = torch.cat([centre, (size / (_UNIT * stride)).log()], dim=-1)
    places = (points / stride - cell.unsqueeze(-2)) / _UNIT
    return Targets(heat, counted, positive, heat > _NEAR, wanted, places.flatten(-2))


def _bump(at: tuple[torch.Tensor, torch.Tensor], boxes: torch.Tensor, stride: int) -> torch.Tensor:
    """Return a bell around the centre of each face, 1 in its cell: (n, m, rows, columns)."""
    centre = ((boxes[..., :2] + boxes[..., 2:]) / 2)[..., None, None]
    size = (boxes[..., 2:] - boxes[..., :2])[..., None, None]
    spread = (_SPREAD * size).clamp(min=0.42 * stride)
    off = [at[k] - centre[:, :, k] for k in range(2)]
    away = sum(((off[k] / spread[:, :, k]) ** 2 for k in range(2)), torch.zeros(()).to(boxes))
    here = (off[0].abs() <= stride / 2) & (off[1].abs() <= stride / 2)
    return torch.where(here, torch.ones_like(away), (-away / 2).exp())


def loss(outputs: Sequence[torch.Tensor], wanted: Sequence[Targets]) -> dict[str, torch.Tensor]:
    """Return the three parts of the loss over all levels.

    Score: binary cross-entropy with soft targets, weighed by the square of the distance
    to them for cells without a face (after CenterNet's focal loss, Zhou et al. 2019).
    Box: one minus the generalised intersection over union (Rezatofighi et al. 2019).
    Landmarks: L1 in units of the face's side.
    """
    rows = [_level(*outputs[3 * k : 3 * k + 3], target) for k, target in enumerate(wanted)]
    sums = torch.stack([torch.stack(row) for row in rows]).sum(0)
    names = ("score", "box", "points")
    return {name: sums[k] / sums[k + 3].clamp(min=1) for k, name in enumerate(names)}


def _level(
    score: torch.Tensor, box: torch.Tensor, points: torch.Tensor, target: Targets
) -> list[torch.Tensor]:
    """Return the sums of the three losses, then what each is to be divided by."""
    odds = score[..., 0].float()
    away = (target.heat - torch.sigmoid(odds)).abs().detach()
    error = functional.binary_cross_entropy_with_logits(odds, target.heat, reduction="none")
    weight = torch.where(target.positive, away.pow(1.5) * 2, away.pow(2) * (1 - target.heat))
    boxes = (_box_loss(box.float(), target.box) * target.near).sum()
    seen = target.near & torch.isfinite(target.points[..., 0])
    side = target.box[..., 2:].exp().prod(dim=-1, keepdim=True).sqrt()
    off = (points.float() - target.points.nan_to_num(0.0)).abs() / side
    return [
        (error * weight * target.counted).sum(), boxes, (off.mean(-1) * seen).sum(),
        target.positive.sum(), target.near.sum(), seen.sum(),
    ]  # fmt: skip


def _box_loss(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Return 1 − generalised IoU of each pair, and a little of plain L1 for a start."""
    size, wanted = ours[..., 2:].clamp(-4, 4).exp(), theirs[..., 2:].exp()
    low, high = ours[..., :2] - size / 2, ours[..., :2] + size / 2
    low2, high2 = theirs[..., :2] - wanted / 2, theirs[..., :2] + wanted / 2
    both = (torch.minimum(high, high2) - torch.maximum(low, low2)).clamp(min=0).prod(dim=-1)
    either = size.prod(dim=-1) + wanted.prod(dim=-1) - both
    hull = (torch.maximum(high, high2) - torch.minimum(low, low2)).prod(dim=-1)
    generalised = both / either - (hull - either) / hull
    return (1 - generalised) + 0.2 * (ours - theirs).abs().sum(dim=-1)

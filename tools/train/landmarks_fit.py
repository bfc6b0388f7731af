"""Fitting the landmark network: pieces of pictures, crops drawn from them, loss, schedule.

The labels are those of a stronger detector: on a masked face it guesses where mouth and nose
are, and so does the network.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import detector_data
import face_augment
import numpy as np
import torch
from plan import Plan
from torch import nn

from edge_emo.features.face_align import FER_TEMPLATE, align, similarity
from edge_emo.features.face_detector import DetectedFace, Point

INPUT_PX = 48
UNIT_PX = 4.0
"""The network gives landmarks less the template's, in so many px of its input."""
_PATCH_PX = 96
"""Side of the pieces that crops are drawn from: the template's crop, and as much around."""
_MIRROR = [1, 0, 2, 4, 3]
_LEAST_PX = 20.0
_TEMPLATE = np.array(FER_TEMPLATE, np.float32)
_MASKED = 0.5
"""Weight of a face of which it is not known that it wears no mask."""


@dataclass(frozen=True)
class Options:
    """How to train.

    Attributes:
        steps: Batches; 0 lets ``seconds`` decide.
        seconds: Wall-clock budget when ``steps`` is 0.
        batch: Crops of one batch.
        rate: Highest learning rate; rises over 3 % of the steps, then falls along a cosine.
        decay: Of the weights.
        average: Weight of the past in the running average of the weights.
        strength: Of poor light, blur, few pixels, noise and JPEG; 1 is that of the face networks.
        seed: Of everything that is drawn.
    """

    steps: int = 0
    seconds: float = 900.0
    batch: int = 128
    rate: float = 2e-3
    decay: float = 1e-3
    average: float = 0.999
    strength: float = 0.8
    seed: int = 3


@dataclass(frozen=True)
class Pieces:
    """Faces with some room around them.

    Attributes:
        images: uint8 (n, 1, 96, 96), upright, grey.
        points: float32 (n, 5, 2), px of the piece.
        weights: float32 (n,), of the loss.
    """

    images: torch.Tensor
    points: torch.Tensor
    weights: torch.Tensor


class LandmarkNet(nn.Module):
    """Standardised crop (n, 1, 48, 48) → landmarks (n, 10), see ``UNIT_PX``."""

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 64)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.body = nn.Sequential(
            _conv(1, a, 2), _conv(a, b, 2), _conv(b, b), _conv(b, c, 2), _conv(c, d), nn.Flatten()
        )
        self.points = nn.Linear(d * (INPUT_PX // 8) ** 2, 2 * len(FER_TEMPLATE))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return x and y of each landmark."""
        return self.points(self.body(image))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def pieces(pictures: Sequence[detector_data.Picture], bare: bool) -> Pieces:
    """Cut every face with landmarks out of pictures, with room around."""
    template = tuple(Point(0.25 + x / 2, 0.25 + y / 2) for x, y in FER_TEMPLATE)
    images, points, weights = [], [], []
    for picture in pictures:
        known = picture.faces
        grey = picture.pixels.mean(axis=2).round().astype(np.uint8)
        for box, places, mask in zip(known.boxes, known.points, known.masked, strict=True):
            if np.isfinite(places).all() and float((box[2:] - box[:2]).min()) >= _LEAST_PX:
                matrix = similarity(places, np.array(template) * _PATCH_PX)
                face = DetectedFace(0, 0, 0, 0, 1.0, tuple(Point(*map(float, p)) for p in places))
                images.append(align(grey, face, _PATCH_PX, template).image)
                points.append(places @ matrix[:, :2].T + matrix[:, 2])
                weights.append(1.0 if bare or mask == "without_mask" else _MASKED)
    return Pieces(
        torch.from_numpy(np.stack(images)).unsqueeze(1),
        torch.from_numpy(np.stack(points).astype(np.float32)),
        torch.tensor(weights),
    )


def draw(
    rows: Pieces, count: int, rng: torch.Generator, strength: float = 0.8
) -> tuple[torch.Tensor, ...]:
    """Return crops as a detector's landmarks would frame them, landmarks, weights.

    Returns:
        Standardised crops (n, 1, 48, 48), landmarks (n, 5, 2) in px of the crop, weights (n,).
    """
    index = torch.randint(len(rows.images), (count,), generator=rng)
    theta = _framing(count, rng)
    grid = nn.functional.affine_grid(theta, [count, 1, INPUT_PX, INPUT_PX], align_corners=False)
    images = rows.images[index].float()

    crops = nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    seen = face_augment.standardise(face_augment.degrade(crops, rng, strength))
    return seen, _moved(rows.points[index], theta), rows.weights[index]


def _framing(count: int, rng: torch.Generator) -> torch.Tensor:
    """Return (n, 2, 3): from places of the crop to places of the piece, each −1 … 1."""
    turn, scale = torch.randn(2, count, generator=rng) * torch.tensor([[0.14], [0.13]])
    dx, dy = torch.randn(2, count, generator=rng) * 0.08
    side = torch.where(torch.rand(count, generator=rng) < 0.5, -1.0, 1.0)
    cos, sin = (0.5 * scale.exp() * f for f in (turn.cos(), turn.sin()))
    return torch.stack([cos * side, -sin, dx, sin * side, cos, dy], 1).view(count, 2, 3)


def _moved(points: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
    """Return landmarks in px of the crop; a mirrored crop changes their sides."""
    there = points / (_PATCH_PX / 2) - 1.0 - theta[:, None, :, 2]
    here = torch.linalg.solve(theta[:, :, :2], there.transpose(1, 2)).transpose(1, 2)
    mirrored = torch.linalg.det(theta[:, :, :2]) < 0
    here = torch.where(mirrored[:, None, None], here[:, _MIRROR], here)
    return (here + 1.0) * (INPUT_PX / 2)


def fit(
    rows: Pieces,
    valid: Pieces,
    options: Options,
    start: Mapping[str, torch.Tensor] | None = None,
) -> tuple[LandmarkNet, Options, list[dict[str, Any]]]:
    """Train; return the network with averaged weights, the options, the log.

    Args:
        rows: To learn from.
        valid: For the log.
        options: Of the run.
        start: Weights of a former run to go on from.
    """
    torch.manual_seed(options.seed)
    rng = torch.Generator().manual_seed(options.seed)
    net = LandmarkNet().to(memory_format=torch.channels_last)
    if start is not None:
        net.load_state_dict(start)
    mean = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=options.decay)
    plan = Plan(options.steps, options.seconds)
    log: list[dict[str, Any]] = []
    while plan.share() < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = options.rate * plan.factor(0.03)
        with torch.autocast("cpu", torch.bfloat16):
            loss = _loss(net.train(), *draw(rows, options.batch, rng, options.strength))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        _follow(mean, net, min(options.average, (plan.step + 1) / (plan.step + 10)))
        if plan.advance():
            log.append(
                {"step": plan.step, "loss": round(float(loss.detach()), 4)} | judge(mean, valid)
            )
            print(f"{plan.elapsed_s():.0f} s {log[-1]}", flush=True)
    return mean, replace(options, steps=plan.step), log


def _loss(
    net: nn.Module, crops: torch.Tensor, points: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Return the mean distance over that of the eyes, which is at least 0.2 of the crop."""
    away = (places(net(crops)) - points).norm(dim=2).mean(dim=1)
    apart = (points[:, 0] - points[:, 1]).norm(dim=1).clamp(min=0.2 * INPUT_PX)
    return (away / apart * weights).sum() / weights.sum()


def places(answer: torch.Tensor) -> torch.Tensor:
    """Return landmarks (n, 5, 2) in px of the crop from what the network gives."""
    template = torch.from_numpy(_TEMPLATE * INPUT_PX)
    return template + answer.float().view(-1, len(FER_TEMPLATE), 2) * UNIT_PX


@torch.no_grad()
def judge(net: nn.Module, valid: Pieces) -> dict[str, float]:
    """Return the mean error over the eyes' distance on crops framed as in training."""
    crops, points, weights = draw(valid, 768, torch.Generator().manual_seed(0), 0.3)
    away = (places(net.eval()(crops)) - points).norm(dim=2).mean(dim=1)
    error = away / (points[:, 0] - points[:, 1]).norm(dim=1)
    plain = (torch.from_numpy(_TEMPLATE * INPUT_PX) - points).norm(dim=2).mean(dim=1)
    bare = weights == 1.0
    before = plain / (points[:, 0] - points[:, 1]).norm(dim=1)
    rows = {"bare": error[bare], "masked": error[~bare], "template": before}
    return {name: round(float(values.median()), 4) for name, values in rows.items()}


@torch.no_grad()
def _follow(mean: nn.Module, net: nn.Module, keep: float) -> None:
    ours, theirs = mean.state_dict().values(), net.state_dict().values()
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.dtype.is_floating_point]
    torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1.0 - keep)


def joined(first: Pieces, second: Pieces) -> Pieces:
    """Return the faces of both."""
    names = Pieces.__dataclass_fields__
    return Pieces(*(torch.cat([getattr(first, n), getattr(second, n)]) for n in names))

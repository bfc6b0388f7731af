"""Fitting a face network on FER+: one run is one seed, one thread, one set of options."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass

import face_net
import numpy as np
import torch
from calibrate import figures
from face_data import Faces, augment
from torch import nn

from edge_emo.features.face import standardise


@dataclass(frozen=True)
class Options:
    """What a run depends on, besides the data.

    Attributes:
        net: Name in :mod:`face_net`.
        epochs: Passes over the training part.
        small_share: Share of the epochs that run at 36 px before those at full size.
        batch: Pictures a step.
        peak_rate: Highest learning rate of the one-cycle schedule.
        balance: Rows are drawn with probability ~ (frequency of their category) ** -balance.
        seed: Of everything that is drawn.
    """

    net: str = "small"
    epochs: int = 12
    small_share: float = 0.66
    batch: int = 64
    peak_rate: float = 0.1
    balance: float = 0.25
    seed: int = 7


def fit(train: Faces, valid: Faces, options: Options) -> tuple[nn.Module, list[dict[str, float]]]:
    """Train; return the averaged network of the last step and one line of figures an epoch."""
    torch.manual_seed(options.seed)
    rng = torch.Generator().manual_seed(options.seed)
    net = face_net.build(options.net).to(memory_format=torch.channels_last)
    average = copy.deepcopy(net)
    steps = options.epochs * (len(train.images) // options.batch)
    optimiser = torch.optim.SGD(groups(net), lr=0.1, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.peak_rate, total_steps=steps, pct_start=0.2
    )
    log = []
    for epoch in range(options.epochs):
        began = time.monotonic()
        size_px = 36 if epoch < options.epochs * options.small_share else face_net.INPUT_PX
        net.train()
        losses = []
        for images, targets in batches(train, options.batch, options.balance, size_px, rng):
            optimiser.zero_grad(set_to_none=True)
            loss = -(targets * net(images).log_softmax(1)).sum(1).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimiser.step()
            schedule.step()
            blend(average, net, 0.995)
            losses.append(float(loss.detach()))
        row = {"epoch": epoch + 1, "size_px": size_px, "loss": round(float(np.mean(losses)), 4)}
        row |= figures(logits(average, valid), valid.labels)
        log.append(row)
        print(f"{row} {time.monotonic() - began:.0f} s", flush=True)
    return average.eval(), log


@torch.no_grad()
def logits(net: nn.Module, faces: Faces, batch: int = 256) -> np.ndarray:
    """Return float32 (n, classes) of unvaried pictures, as the device reads them."""
    net.eval()
    parts = [
        net(torch.from_numpy(standardise(faces.images[i : i + batch])).unsqueeze(1)).numpy()
        for i in range(0, len(faces.images), batch)
    ]
    return np.concatenate(parts)


def batches(
    faces: Faces,
    size: int,
    balance: float,
    size_px: int,
    rng: torch.Generator,
    strength: float = 1.0,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the varied, standardised pictures and targets of one epoch, ``size`` at a time."""
    frequency = faces.targets.mean(axis=0)
    weights = torch.from_numpy(faces.targets @ frequency**-balance)
    drawn = torch.multinomial(weights, len(weights), replacement=True, generator=rng)
    if balance == 0:
        drawn = torch.randperm(len(weights), generator=rng)
    for i in range(0, len(drawn) - size + 1, size):
        index = drawn[i : i + size].numpy()
        images = torch.from_numpy(faces.images[index]).unsqueeze(1).float()
        varied = augment(images, size_px, rng, strength).numpy()
        ready = torch.from_numpy(standardise(varied)).to(memory_format=torch.channels_last)
        yield ready, torch.from_numpy(faces.targets[index])


def groups(net: nn.Module) -> list[dict[str, object]]:
    """Decay the weights, not the norms and biases."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    free = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": 5e-4}, {"params": free, "weight_decay": 0.0}]


@torch.no_grad()
def blend(average: nn.Module, net: nn.Module, keep: float) -> None:
    """Move the running average of weights and norm statistics towards the network."""
    for kept, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1.0 - keep)
        else:
            kept.copy_(new)

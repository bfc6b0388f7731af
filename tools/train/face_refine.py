"""A second run on trained weights: a constant rate, then a straight way down to none.

The steady part can be as long as there is time for; the way down ends every run.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import face_net
import numpy as np
import torch
from calibrate import figures
from face_data import Faces
from face_fit import batches, blend, groups, logits
from torch import nn

Log = list[dict[str, float]]
_WARM_EPOCHS = 0.5


@dataclass(frozen=True)
class Options:
    """What a second run depends on, besides the data and the weights it starts from.

    Attributes:
        net: Name in :mod:`face_net`; blocks that the weights lack start as the identity.
        steady: Epochs at the constant rate, at ``steady_px``.
        falling: Epochs on the way down, at full size.
        steady_px: Side of the pictures of the steady part.
        batch: Pictures a step.
        rate: The constant learning rate.
        balance: As in :class:`face_fit.Options`.
        steady_strength: Of the augmentation in the steady part.
        falling_strength: The same on the way down.
        seed: Of everything that is drawn, and of the cut between training and validation.
    """

    net: str = "deeper"
    steady: int = 4
    falling: int = 7
    steady_px: int = 40
    batch: int = 64
    rate: float = 0.05
    balance: float = 0.35
    steady_strength: float = 0.75
    falling_strength: float = 0.5
    seed: int = 7


def refine(
    start: dict[str, torch.Tensor],
    train: Faces,
    valid: Faces,
    options: Options,
    keep: Callable[[nn.Module, Log], None],
) -> None:
    """Train on.

    Args:
        start: Weights of a former run.
        train: Training part.
        valid: Validation part, for the log only.
        options: Of the run.
        keep: Given the averaged network and one line of figures an epoch, after each epoch.
    """
    torch.manual_seed(options.seed)
    rng = torch.Generator().manual_seed(options.seed + 1)
    net = grown(options.net, start).to(memory_format=torch.channels_last)
    average = copy.deepcopy(net)
    optimiser = torch.optim.SGD(groups(net), lr=options.rate, momentum=0.9, nesterov=True)
    log: Log = []
    for epoch in range(options.steady + options.falling):
        began = time.monotonic()
        size_px, strength = _kind(options, epoch)
        drawn = batches(train, options.batch, options.balance, size_px, rng, strength)
        rate = partial(_rate, options, epoch, len(train.images) // options.batch)
        loss = _pass(net, average, optimiser, drawn, rate)
        row = {"epoch": epoch + 1, "size_px": size_px, "loss": round(loss, 4)}
        log.append(row | figures(logits(average, valid), valid.labels))
        print(f"{log[-1]} {time.monotonic() - began:.0f} s", flush=True)
        keep(average, log)


def grown(name: str, state: dict[str, torch.Tensor]) -> nn.Module:
    """Return a network with these weights; blocks beyond them change nothing yet.

    Raises:
        ValueError: The network lacks a weight of ``state``.
    """
    net = face_net.build(name)
    missing, unknown = net.load_state_dict(state, strict=False)
    if unknown:
        raise ValueError(f"{name} has no {', '.join(unknown)}")
    for key in missing:
        if key.endswith(".norm.weight"):
            nn.init.zeros_(net.get_parameter(key))
    return net


def _kind(options: Options, epoch: int) -> tuple[int, float]:
    if epoch < options.steady:
        return options.steady_px, options.steady_strength
    return face_net.INPUT_PX, options.falling_strength


def _rate(options: Options, epoch: int, steps: int, step: int) -> float:
    done = epoch + step / steps
    left = (options.steady + options.falling - done) / options.falling
    return options.rate * min(1.0, (done + 0.02) / _WARM_EPOCHS, left)


def _pass(
    net: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    drawn: Iterator[tuple[torch.Tensor, torch.Tensor]],
    rate: Callable[[int], float],
) -> float:
    """Train on one epoch's batches; return the mean loss."""
    net.train()
    losses = []
    for step, (images, targets) in enumerate(drawn):
        for group in optimiser.param_groups:
            group["lr"] = rate(step)
        optimiser.zero_grad(set_to_none=True)
        loss = -(targets * net(images).log_softmax(1)).sum(1).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        blend(average, net, 0.997)
        losses.append(float(loss.detach()))
    return float(np.mean(losses))

"""Fitting the face networks: teachers on the labels, then one small network on both.

The small network sees the picture as a poor camera would give it, and learns the mean answer of
the teachers to the same crop before it was made worse (Hinton et al. 2015), mixed with the
labels. A run is a seed, a number of steps and one set of options. With a budget in seconds
instead of steps, learning rate and end follow the clock; how many steps that was is kept with the
weights, and a run of so many steps comes near it.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import face_augment
import face_net
import graphed
import numpy as np
import torch
import torch.nn.functional as F
from calibrate import figures
from face_data import Faces
from face_pool import Parts, Pool, Rows, pool
from pad import PAD
from plan import Plan
from torch import nn

from edge_emo.evaluation.metrics import concordance
from edge_emo.features.face import standardise
from edge_emo.types import CATEGORIES


@dataclass(frozen=True)
class Options:
    """What a run depends on, besides the data.

    Attributes:
        net: Name in :mod:`face_net`.
        steps: Batches; 0 lets ``seconds`` decide.
        seconds: Wall-clock budget when ``steps`` is 0.
        batch: Pictures a step.
        rate: Highest learning rate; rises over 5 % of the steps, then falls along a cosine.
        decay: Of the weights.
        balance: Rows are drawn with probability ~ (frequency of their category) ** -balance.
        strength: Of the augmentation.
        covered: Share of the pictures whose mouth or eyes are covered.
        mixed: Share of the batches that are mixed with another one (Zhang et al. 2018).
        average: Weight of the past in the running average of the weights.
        taught: Share of the teachers in the target where a label is known.
        heads: Weights of the losses of the vote and of the published label.
        seed: Of everything that is drawn.
        device: ``cpu`` or ``cuda``.
    """

    net: str
    steps: int = 0
    seconds: float = 60.0
    batch: int = 256
    rate: float = 0.1
    decay: float = 5e-4
    balance: float = 0.3
    strength: float = 1.0
    covered: float = 0.12
    mixed: float = 0.0
    average: float = 0.998
    taught: float = 0.6
    heads: tuple[float, float] = (1.0, 0.5)
    seed: int = 7
    device: str = "cpu"


Log = list[dict[str, Any]]


def fit(
    parts: Parts,
    options: Options,
    teachers: Sequence[nn.Module] = (),
    start: Mapping[str, torch.Tensor] | None = None,
) -> tuple[face_net.FaceNet, Options, Log]:
    """Train one network.

    Args:
        parts: Rows to train on, and those for the log.
        options: Of the run.
        teachers: On the same device; none for a teacher.
        start: Weights of a former run to go on from.

    Returns:
        The network with averaged weights, the options with the number of steps that were made,
        and lines of validation figures.
    """
    torch.manual_seed(options.seed)
    learner = Learner(parts.train, options, teachers, start)
    chance = np.random.default_rng(options.seed)
    plan = Plan(options.steps, options.seconds)
    log: Log = []
    losses: list[torch.Tensor] = []
    while plan.share() < 1.0:
        mixed = not teachers and chance.random() < options.mixed
        share = float(chance.beta(0.4, 0.4)) if mixed else 1.0
        losses.append(learner.step(options.rate * plan.factor(0.05), share))
        learner.follow(min(options.average, (plan.step + 1) / (plan.step + 10)))
        if plan.advance():
            row = {"step": plan.step, "loss": round(float(torch.stack(losses).mean()), 4)}
            log.append(row | judge(learner.mean, parts))
            print(f"{options.net} {plan.elapsed_s():.0f} s {log[-1]}", flush=True)
            losses.clear()
    return learner.mean, replace(options, steps=plan.step), log


class Learner:
    """A network in training, and the running average of its weights.

    Args:
        train: Rows by source.
        options: Of the run.
        teachers: On the same device.
        start: Weights to begin with.
    """

    def __init__(
        self, train: Mapping[str, Rows], options: Options, teachers: Sequence[nn.Module],
        start: Mapping[str, torch.Tensor] | None,
    ) -> None:  # fmt: skip
        device = options.device
        self._rows = pool(train, options.balance, device)
        self._options, self._teachers = options, teachers
        self._rng = torch.Generator(device).manual_seed(options.seed)
        net = face_net.build(options.net).to(device, memory_format=torch.channels_last)
        if start is not None:
            net.load_state_dict(start)
        self._net = net.train()
        self.mean = copy.deepcopy(net).eval()
        self._rate, self._share = (torch.tensor(value, device=device) for value in (0.1, 1.0))
        self._optimiser = torch.optim.SGD(
            _groups(net, options.decay), lr=self._rate, momentum=0.9, nesterov=True, fused=True
        )
        self._graphed = graphed.Graphed(self._learn, device, [self._rng])

    def step(self, rate: float, share: float) -> torch.Tensor:
        """Learn from a batch; return its loss.

        Args:
            rate: Of learning.
            share: Of each picture where it is mixed with another one; 1 leaves it alone.
        """
        self._rate.fill_(rate)
        self._share.fill_(share)
        return self._graphed().clone()

    def _learn(self) -> torch.Tensor:
        self._optimiser.zero_grad()
        batch = _draw(self._rows, self._options, self._rng)
        with torch.autocast(self._options.device, torch.bfloat16):
            loss = _loss(self._net, self._teachers, batch, self._options, self._share)
        loss.backward()
        nn.utils.clip_grad_norm_(self._net.parameters(), 2.0)
        self._optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def follow(self, keep: float) -> None:
        """Move the average of weights and norm statistics towards the network."""
        ours, theirs = self.mean.state_dict().values(), self._net.state_dict().values()
        pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.dtype.is_floating_point]
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1.0 - keep)


@dataclass(frozen=True)
class _Batch:
    """Pictures as the network and as the teachers see them, and what is known of each."""

    seen: torch.Tensor
    clean: torch.Tensor
    votes: torch.Tensor
    published: torch.Tensor
    affect: torch.Tensor
    covered: torch.Tensor


def _draw(rows: Pool, options: Options, rng: torch.Generator) -> _Batch:
    at = torch.rand(options.batch, generator=rng, device=rng.device, dtype=torch.float64)
    index = torch.searchsorted(rows.chances, at).clamp(max=len(rows.images) - 1)
    images = rows.images[index].float()
    hidden, told = face_augment.cover(images, rng, options.covered)
    covered = torch.stack([told[:, 0], torch.maximum(told[:, 1], rows.mouth[index])], 1)
    both = torch.cat([images, hidden], dim=1)  # in the same place for both views
    clean, moved = face_augment.place(both, rng, options.strength, face_net.INPUT_PX).split(1, 1)
    seen = face_augment.degrade(moved, rng, options.strength)
    return _Batch(
        face_augment.standardise(seen),
        face_augment.standardise(clean),
        rows.votes[index],
        rows.published[index],
        rows.affect[index],
        covered,
    )


def _loss(
    net: nn.Module, teachers: Sequence[nn.Module], batch: _Batch, options: Options,
    share: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Return the loss; where pictures are mixed in pairs, only the two label heads learn."""
    seen = share * batch.seen + (1.0 - share) * batch.seen.flip(0)
    answer = net(seen.to(memory_format=torch.channels_last))
    voted, published = _targets(teachers, batch, options)
    alone = (share == 1.0).float()
    parts = (
        options.heads[0] * _mixed(answer.voted, voted, share),
        options.heads[1] * _mixed(answer.published, published, share),
        0.5 * alone * _affect_loss(answer.affect, batch.affect, voted),
        0.15 * alone * _covered_loss(answer.covered, batch.covered),
    )
    return sum(parts[1:], parts[0])


def _targets(
    teachers: Sequence[nn.Module], batch: _Batch, options: Options
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the targets of both label heads; NaN where unknown."""
    voted, published = batch.votes, _one_hot(batch.published)
    if not teachers:
        return voted, published
    theirs = _taught(teachers, batch.clean)
    masked = (batch.covered[:, 1] == 1) & batch.published.lt(0) & batch.affect[:, 0].isnan()
    blended = (_blended(voted, theirs[0], options.taught),
               _blended(published, theirs[1], options.taught))  # fmt: skip
    first, second = (torch.where(masked[:, None], torch.nan, rows) for rows in blended)
    return first, second


def _mixed(logits: torch.Tensor, targets: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return the loss of pictures mixed in pairs (Zhang et al. 2018)."""
    first, second = _cross_entropy(logits, targets), _cross_entropy(logits, targets.flip(0))
    return share * first + (1.0 - share) * second


@torch.no_grad()
def _taught(teachers: Sequence[nn.Module], clean: torch.Tensor) -> tuple[torch.Tensor, ...]:
    answers = [teacher(clean) for teacher in teachers]
    return tuple(
        torch.stack([getattr(answer, name).float().softmax(1) for answer in answers]).mean(0)
        for name in ("voted", "published")
    )


def _one_hot(labels: torch.Tensor, smooth: float = 0.1) -> torch.Tensor:
    """Return smoothed targets; NaN where the label is −1."""
    count = len(CATEGORIES)
    target = F.one_hot(labels.clamp(min=0), count).float() * (1 - smooth) + smooth / count
    return torch.where(labels.unsqueeze(1) >= 0, target, torch.nan)


def _blended(labels: torch.Tensor, theirs: torch.Tensor, taught: float) -> torch.Tensor:
    return torch.where(labels.isnan(), theirs, (1.0 - taught) * labels + taught * theirs)


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean over the rows whose target is known."""
    known = ~targets[:, :1].isnan()
    losses = -(targets.nan_to_num(0.0) * logits.float().log_softmax(1)).sum(1, keepdim=True)
    return (losses * known).sum() / known.sum().clamp(min=1)


def _affect_loss(
    ours: torch.Tensor, known: torch.Tensor, voted: torch.Tensor
) -> torch.Tensor:  # fmt: skip
    """Return the loss of valence and arousal: as rated, else mapped from the categories."""
    mapped = voted @ _affect_of_categories(ours.device)
    target = torch.where(known.isnan(), mapped, known)
    weight = torch.where(known.isnan(), 0.3, 3.0) * ~target.isnan()
    losses = F.smooth_l1_loss(ours.float(), target.nan_to_num(0.0), reduction="none", beta=0.1)
    return (losses * weight).mean()


@functools.cache
def _affect_of_categories(device: torch.device) -> torch.Tensor:
    return torch.tensor([PAD[name][:2] for name in CATEGORIES], device=device)


def _covered_loss(ours: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    known = ~told.isnan()
    losses = F.binary_cross_entropy_with_logits(
        ours.float(), told.nan_to_num(0.0), reduction="none"
    )
    return (losses * known).sum() / known.sum().clamp(min=1) * 2.0


def judge(net: nn.Module, parts: Parts) -> dict[str, Any]:
    """Return the figures of the validation parts."""
    voted = answers(net, parts.valid.images)
    published = answers(net, parts.valid_published.images)
    synthetic = answers(net, parts.valid_synthetic.images)
    row = dict(figures(voted["voted"], parts.valid.labels))
    plain = figures(published["published"], parts.valid_published.labels)
    row["published_accuracy"] = plain["accuracy"]
    return row | affect_figures(synthetic["affect"], parts.valid_synthetic)


def affect_figures(ours: np.ndarray, rows: Rows) -> dict[str, float]:
    """Return concordance of valence and arousal with the ratings."""
    return {
        f"{name}_ccc": round(concordance(rows.affect[:, k], ours[:, k]), 4)
        for k, name in enumerate(("valence", "arousal"))
    }


@torch.no_grad()
def answers(net: nn.Module, images: np.ndarray, batch: int = 512) -> Mapping[str, np.ndarray]:
    """Return what a network says of unvaried pictures, as the device reads them."""
    device = next(net.parameters()).device
    net.eval()
    parts = [
        net(torch.from_numpy(standardise(images[i : i + batch])).unsqueeze(1).to(device))
        for i in range(0, len(images), batch)
    ]
    names = face_net.Answer._fields
    return {name: torch.cat([getattr(p, name) for p in parts]).cpu().numpy() for name in names}


def logits(net: nn.Module, faces: Faces, head: str = "voted") -> np.ndarray:
    """Return float32 (n, 7) of one head."""
    return answers(net, faces.images)[head]


def _groups(net: nn.Module, decay: float) -> list[dict[str, object]]:
    """Decay the weights, not the norms and biases."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    free = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": decay}, {"params": free, "weight_decay": 0.0}]

"""One voice run: what it is told of a window, its loss, its step, and the averages it keeps."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import graphed
import muon
import torch
import torch.nn.functional as F
from voice_corpora import BY_NAME, SPEECH, Sound, held_out
from voice_mel import LENGTH, SPEC, normalised
from voice_net import FORMS, VoiceNet
from voice_start import Stem, start_of

from edge_emo.types import CATEGORIES

PEAK, DECAY, EMA = 3e-3, 0.02, 0.998
KERNELS = 10.0
"""Rate of the convolutions' kernels, which Muon moves, over that of all else."""
ABSENT = 2.0  # subtracted from the logits of categories that the clip's corpus lacks
TAUGHT = 0.5
"""Share of a category's loss that comes from the teacher, where there is one."""
Outputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Truth:
    """Targets of windows; −1 and NaN where unknown; ``absent`` marks what the corpus lacks."""

    category: torch.Tensor
    affect: torch.Tensor
    kind: torch.Tensor
    absent: torch.Tensor

    def at(self, rows: torch.Tensor) -> Truth:
        """Return those of some rows."""
        return Truth(self.category[rows], self.affect[rows], self.kind[rows], self.absent[rows])

    def take(self, other: Truth) -> None:
        """Overwrite these with as many others."""
        for field in dataclasses.fields(self):
            getattr(self, field.name).copy_(getattr(other, field.name))


def truth_of(sounds: list[Sound], device: torch.device) -> Truth:
    """Return the targets of all clips."""
    has = {c: {s.category for s in sounds if s.corpus == c} for c in BY_NAME}
    absent = [[i not in has[s.corpus] for i in range(len(CATEGORIES))] for s in sounds]
    return Truth(
        torch.tensor([s.category for s in sounds], device=device),
        torch.tensor([[s.arousal, s.valence] for s in sounds], device=device),
        torch.tensor([s.kind for s in sounds], device=device),
        torch.tensor(absent, device=device).float(),
    )


def losses(outputs: Outputs, truth: Truth, told: torch.Tensor | None = None) -> torch.Tensor:
    """Return the loss of each window, shape (n,).

    Args:
        outputs: Of the network.
        truth: Of the windows.
        told: A teacher's posteriors of the categories (n, 7); speech without a category learns
            from them alone.
    """
    emotion, affect, kind = outputs
    category = _category_loss(emotion, truth)
    if told is not None:
        speech = (truth.kind == SPEECH).float()
        theirs = F.kl_div(F.log_softmax(emotion, 1), told, reduction="none").sum(1) * speech
        category = (1 - TAUGHT) * category + TAUGHT * theirs
    heard = ~truth.affect.isnan()
    distance = F.smooth_l1_loss(affect, truth.affect.nan_to_num(), reduction="none", beta=0.3)
    which = F.cross_entropy(kind, truth.kind.clamp_min(0), reduction="none", label_smoothing=0.02)
    return category + 0.5 * (distance * heard).sum(1) + 0.4 * which * (truth.kind >= 0)


def _category_loss(emotion: torch.Tensor, truth: Truth) -> torch.Tensor:
    logits = emotion - ABSENT * truth.absent
    loss = F.cross_entropy(
        logits, truth.category.clamp_min(0), reduction="none", label_smoothing=0.1
    )
    return loss * (truth.category >= 0).float()


def masked(x: torch.Tensor) -> torch.Tensor:
    """Blank stretches of time and of frequency (SpecAugment, Park et al. 2019)."""
    n, _, length, bands = x.shape
    keep = torch.ones(n, 1, length, bands, dtype=torch.bool, device=x.device)
    for size, widest, dim in ((length, 32, 2), (bands, 9, 3)) * 2:
        start = torch.rand(n, 1, 1, 1, device=x.device) * size
        width = torch.rand(n, 1, 1, 1, device=x.device) * widest
        shape = (1, 1, size, 1) if dim == 2 else (1, 1, 1, size)
        place = torch.arange(size, device=x.device).reshape(shape)
        keep &= (place < start) | (place >= start + width)
    return x * keep


def stretch(x: torch.Tensor, frames: int) -> torch.Tensor:
    """Return a stretch of each window, from a place of its own, normalised again.

    Args:
        x: Windows, shape (n, 1, length, bands).
        frames: Of the stretch; where it is the whole length, the windows are returned.
    """
    if frames == x.shape[2]:
        return x
    first = (torch.rand(len(x), device=x.device) * (x.shape[2] - frames + 1)).long()
    places = first[:, None] + torch.arange(frames, device=x.device)
    parts = x[:, 0].gather(1, places[:, :, None].expand(-1, -1, x.shape[3]))
    return normalised(parts)[:, None]


def mixed(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mix half of the windows with others (Zhang et al. 2018); return partners and own share."""
    n = len(x)
    other = torch.rand(n, device=x.device).argsort()
    share = 1 - 0.5 * torch.rand(n, device=x.device).square()
    share = torch.where(torch.rand(n, device=x.device) < 0.5, share, torch.ones_like(share))
    weight = share[:, None, None, None]
    return weight * x + (1 - weight) * x[other], other, share


class Followed:
    """A network in training, and the running average of its weights and statistics."""

    def __init__(self, net: VoiceNet, device: torch.device) -> None:
        self.net = copy.deepcopy(net).to(device, memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.net).eval()
        pairs = zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True)
        floats = [(mine, now) for mine, now in pairs if mine.is_floating_point()]
        self._mine, self._now = [mine for mine, _ in floats], [now for _, now in floats]

    @torch.no_grad()
    def follow(self, keep: float) -> None:
        """Move the average towards the network."""
        torch._foreach_lerp_(self._mine, self._now, 1 - keep)


class Run:
    """One network: which clips it may see, and how it learns from windows of them.

    On a GPU the step is recorded once and replayed, since a network this small waits for
    launches else.

    Args:
        name: Of the run; tells who is held out.
        sounds: All clips.
        device: Of the network.
        batch: Windows in a step.
        teacher: Width of a network that learns beside it, on the same windows; its average tells
            what the categories of a window are (Tarvainen and Valpola 2017). 0 is none.
        half: Computes the networks in bfloat16.
        stems: Goes on from one of these; without any, from chance.
        met: Corpora of which a stem may have met some whom this run holds out; they do not count
            as held out then.
        form: Of a network that begins from chance.
    """

    def __init__(
        self, name: str, sounds: list[Sound], device: torch.device, batch: int, teacher: int = 0,
        half: bool = False, stems: Sequence[Stem] = (), met: Sequence[str] = (),
        form: str = FORMS[0],
    ) -> None:  # fmt: skip
        self.name, self.batch, self._half = name, batch, half
        hidden = held_out(name, sounds)
        self.held_out = sorted({f"{s.corpus}/{s.speaker}" for s in sounds if s.name in hidden})
        self.allowed = torch.tensor([s.name not in hidden for s in sounds], device=device)
        self.steps, self.clips, self.frames = 0, int(self.allowed.sum()), LENGTH
        torch.manual_seed(int(sum(map(ord, name))))
        stem, net = (
            start_of(name, self.held_out, stems, met) if stems else (None, VoiceNet.begun(form))
        )
        self.stem = f"{stem.name}, {stem.steps} steps" if stem else ""
        self.folds = stem.folds if stem else {}
        if stem:
            self.held_out = [who for who in self.held_out if who in stem.held_out]
        self._student = Followed(net, device)
        self._teacher = Followed(VoiceNet(teacher), device) if teacher else None
        self._rate = torch.tensor(PEAK, device=device)
        self._kernel_rate = self._rate * KERNELS
        self._weights = [p for one in self._followed() for p in one.net.parameters()]
        self._optimizers = self._make_optimizers(gpu=device.type == "cuda")
        self._windows = torch.zeros(batch, 1, LENGTH, SPEC.bands, device=device)
        self._truth = truth_of(sounds[:1], device).at(torch.zeros(batch, dtype=int, device=device))
        self._graphed = graphed.Graphed(self._learn, device.type)

    @property
    def average(self) -> VoiceNet:
        """The network whose weights are the running average."""
        return self._student.average

    def step(self, windows: torch.Tensor, truth: Truth, rate: float) -> torch.Tensor:
        """Take one step on a batch of normalised windows (batch, 1, LENGTH, bands)."""
        self._windows.copy_(windows)
        self._truth.take(truth)
        self._rate.fill_(rate)
        self._kernel_rate.fill_(rate * KERNELS)
        loss = self._graphed().clone()
        self.steps += 1
        for one in self._followed():
            one.follow(min(EMA, (1 + self.steps) / (10 + self.steps)))
        return loss

    def _followed(self) -> list[Followed]:
        return [self._student, self._teacher] if self._teacher else [self._student]

    def _make_optimizers(self, gpu: bool) -> list[torch.optim.Optimizer]:
        kernels = [p for one in self._followed() for p in one.net.kernels()]
        moved = {id(p) for p in kernels}
        others = [p for p in self._weights if id(p) not in moved]
        adam = torch.optim.AdamW(others, self._rate, weight_decay=DECAY, fused=True, capturable=gpu)
        return [muon.Muon(kernels, self._kernel_rate, DECAY), adam]

    def _learn(self) -> torch.Tensor:
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        x, other, share = mixed(masked(stretch(self._windows, self.frames)))
        x = x.to(memory_format=torch.channels_last)
        told = self._told(x)
        loss = self._loss(self._outputs(self._student.net, x), other, share, told)
        total = loss
        if self._teacher is not None:
            total = loss + self._loss(self._outputs(self._teacher.net, x), other, share, None)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, 5.0)
        for optimizer in self._optimizers:
            optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def _told(self, x: torch.Tensor) -> torch.Tensor | None:
        """Return the teacher's posteriors of mixed windows."""
        if self._teacher is None:
            return None
        return torch.softmax(self._outputs(self._teacher.average, x)[0], 1)

    def _loss(
        self, outputs: Outputs, other: torch.Tensor, share: torch.Tensor, told: torch.Tensor | None
    ) -> torch.Tensor:
        own = losses(outputs, self._truth, told)
        return (share * own + (1 - share) * losses(outputs, self._truth.at(other), told)).mean()

    def _outputs(self, net: VoiceNet, x: torch.Tensor) -> Outputs:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._half):
            emotion, affect, kind = net(x)
        return emotion.float(), affect.float(), kind.float()

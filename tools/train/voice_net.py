"""The voice network: convolutions over a window, and an expert on its functionals beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from edge_emo.features.voice_functionals import SIZE
from edge_emo.types import CATEGORIES

CHANNELS = (24, 48, 64, 112, 144)
"""Of the layers of convolutions, the last a multiple of the heads of attention."""
ELDER_CHANNELS = (24, 48, 96, 128, 160)
"""The same of the elder form, which the packages' first network has."""
FORMS = ("later", "elder")
LAYERS = ("body.0", "body.2", "body.4", "body.7", "body.10")
"""Which convolution first has each of these numbers of channels."""
EXPERT = 0.2
"""Share of the logits that is the functionals': a little less than folds asked for, 0.3 or 0.4."""
_HEADS = 4
"""Of attention over time."""


def _conv(inputs: int, outputs: int, kernel: tuple[int, int], **more: object) -> torch.nn.Module:
    conv = torch.nn.Conv2d(inputs, outputs, kernel, bias=False, **more)
    return torch.nn.Sequential(conv, torch.nn.BatchNorm2d(outputs))


class _Residual(torch.nn.Module):
    def __init__(self, channels: int, kernel: tuple[int, int], dropout: float) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.conv = _conv(channels, channels, kernel, padding=padding)
        self.drop = torch.nn.Dropout2d(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.drop(self.conv(x)))


class VoiceNet(torch.nn.Module):
    """Reads normalised log-mel windows (n, 1, 298, 64).

    Beside them it sees what each band does around its mean over the window, which knows less of
    speaker and microphone. Of each channel it keeps the mean that attention weighs, the mean
    distance from it, and the greatest value.

    Gives logits of the seven categories (n, 7), arousal and valence −1 … 1 (n, 2), and logits of
    speech, vocal burst and other sound (n, 3).

    Args:
        width: Multiplies all channels.
        dropout: Of what the heads read.
        channels: Of the layers.
        elder: The form that was trained before: it sees no band around its mean, is finer in time
            at first, and keeps no distance.
    """

    def __init__(
        self,
        width: int = 1,
        dropout: float = 0.3,
        channels: Sequence[int] = CHANNELS,
        elder: bool = False,
    ) -> None:
        super().__init__()
        a, b, c, d, e = (width * count for count in channels)
        self._elder = elder
        first = (1, a, (5, 5), (2, 2), (2, 2)) if elder else (2, a, (7, 5), (4, 2), (3, 2))
        self.body = torch.nn.Sequential(
            _conv(*first[:3], stride=first[3], padding=first[4]),
            torch.nn.ReLU(),
            _conv(a, b, (3, 3), stride=(2, 2), padding=1),
            torch.nn.ReLU(),
            _conv(b, c, (3, 3), stride=(2 if elder else 1, 2), padding=1),
            torch.nn.ReLU(),
            _Residual(c, (3, 3), 0.1),
            _conv(c, d, (3, 3), stride=(2, 2), padding=1),
            torch.nn.ReLU(),
            _Residual(d, (3, 3), 0.1),
            _conv(d, e, (1, 4)),
            torch.nn.ReLU(),
            _Residual(e, (5, 1), 0.1),
        )
        self._each = e // _HEADS
        self.score = torch.nn.Conv2d(e, _HEADS, 1)
        self.drop = torch.nn.Dropout(dropout)
        read = e * (2 if elder else 3)
        self.emotion = torch.nn.Linear(read, len(CATEGORIES))
        self.affect = torch.nn.Linear(read, 2)
        self.kind = torch.nn.Linear(read, 3)

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor]) -> VoiceNet:
        """Return a network with given weights, as wide as they are and of their form."""
        channels = [len(state[f"{name}.0.weight"]) for name in LAYERS]
        net = cls(channels=channels, elder=state["body.0.0.weight"].shape[1] == 1)
        net.load_state_dict({name: value.float() for name, value in state.items()})
        return net

    @classmethod
    def begun(cls, form: str) -> VoiceNet:
        """Return an untrained network of one of ``FORMS``."""
        return cls(channels=ELDER_CHANNELS, elder=True) if form == "elder" else cls()

    def forward(self, logmel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the logits of the categories, arousal and valence, the logits of the kinds."""
        y = self.body(self.seen(logmel))
        weights = self._shared(torch.softmax(self.score(y), dim=2))
        mean = (y * weights).sum(dim=2, keepdim=True)
        most = y.amax(dim=2, keepdim=True)
        far = [] if self._elder else [((y - mean).abs() * weights).sum(dim=2, keepdim=True)]
        pooled = self.drop(torch.cat([mean, *far, most], dim=1).flatten(1))
        return self.emotion(pooled), torch.tanh(self.affect(pooled)), self.kind(pooled)

    def seen(self, logmel: torch.Tensor) -> torch.Tensor:
        """Return what the first layer reads of windows."""
        if self._elder:
            return logmel
        return torch.cat([logmel, logmel - logmel.mean(dim=2, keepdim=True)], dim=1)

    def kernels(self) -> list[torch.Tensor]:
        """Return the kernels of the convolutions that mix channels; Muon moves them."""
        convs = (part for part in self.body.modules() if isinstance(part, torch.nn.Conv2d))
        return [conv.weight for conv in convs if conv.in_channels > 2]

    def _shared(self, weights: torch.Tensor) -> torch.Tensor:
        """Give each head of attention its share of the channels."""
        parts = weights.split(1, dim=1)
        return torch.cat([part.expand(-1, self._each, -1, -1) for part in parts], dim=1)


class FunctionalNet(torch.nn.Module):
    """Reads functionals (n, SIZE) and gives logits of the seven categories (n, 7).

    It brings them to mean 0 and deviation 1 itself, by ``mean`` and ``scale``, which are not
    trained.

    Args:
        hidden: Units between; beside two networks of convolutions, 48 keep the int8 file under
            1.0 MB, and beside one 128 do.
    """

    def __init__(self, hidden: int = 128) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(SIZE))
        self.register_buffer("scale", torch.ones(SIZE))
        self.layers = torch.nn.Sequential(
            torch.nn.Dropout(0.3),
            torch.nn.Linear(SIZE, hidden),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.5),
        )
        self.emotion = torch.nn.Linear(hidden, len(CATEGORIES))

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor]) -> FunctionalNet:
        """Return a network with given weights, as wide as they are."""
        net = cls(hidden=state["emotion.weight"].shape[1])
        net.load_state_dict({name: value.float() for name, value in state.items()})
        return net

    def forward(self, functionals: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        standard = ((functionals - self.mean) * self.scale).clamp(-4.0, 4.0)
        return self.emotion(self.layers(standard))


class Joined(torch.nn.Module):
    """All: the logits of the categories are a weighted mean, the rest is the convolutions'.

    Args:
        convolutions: Networks, each trained by itself, that count alike.
        expert: Trained on functionals, or none.
        labels: The categories that are given.

    Attributes:
        reads: Inputs: the window, and the functionals of it where there is an expert.
    """

    def __init__(
        self,
        convolutions: Sequence[VoiceNet],
        expert: FunctionalNet | None,
        labels: Sequence[str],
    ) -> None:
        super().__init__()
        self.convolutions, self.expert = torch.nn.ModuleList(convolutions), expert
        self.reads = 1 if expert is None else 2
        rest = 1.0 if expert is None else 1.0 - EXPERT
        for net in convolutions:
            self._trim(net, rest / len(convolutions), labels)
        if expert is not None:
            self._trim(expert, EXPERT, labels)

    @staticmethod
    @torch.no_grad()
    def _trim(net: VoiceNet | FunctionalNet, share: float, labels: Sequence[str]) -> None:
        """Keep the rows of some categories, and multiply them with the share of this network."""
        rows = [CATEGORIES.index(label) for label in labels]
        kept = torch.nn.Linear(net.emotion.in_features, len(rows))
        kept.weight.copy_(net.emotion.weight[rows] * share)
        kept.bias.copy_(net.emotion.bias[rows] * share)
        net.emotion = kept

    def forward(
        self, logmel: torch.Tensor, *functionals: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the logits of the categories, arousal and valence, the logits of the kinds."""
        emotion, affect, kind = zip(*(net(logmel) for net in self.convolutions), strict=True)
        beside = [] if self.expert is None else [self.expert(*functionals)]
        return sum([*emotion[1:], *beside], emotion[0]), _mean(affect), _mean(kind)


class Alone(torch.nn.Module):
    """One part of a joined network in the form of the whole, its logits at their full size.

    Args:
        net: The whole.
        part: Number of a network of convolutions, or None for the expert.
    """

    def __init__(self, net: Joined, part: int | None) -> None:
        super().__init__()
        self._net, self._part, self.reads = net, part, net.reads
        rest = 1.0 if net.expert is None else 1.0 - EXPERT
        self._share = EXPERT if part is None else rest / len(net.convolutions)

    def forward(
        self, logmel: torch.Tensor, *functionals: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the logits of the categories, arousal and valence, the logits of the kinds."""
        emotion, affect, kind = self._net.convolutions[self._part or 0](logmel)
        if self._part is None:
            emotion = self._net.expert(*functionals)
        return emotion / self._share, affect, kind


def _mean(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return sum(parts[1:], parts[0]) / len(parts)

"""The stream of varied training windows that runs share: clips, how often each comes, windows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import voice_sound
from voice_augment import Augment, Bank, bank, other_sounds
from voice_corpora import BY_NAME, OTHER, Sound, read_sound, test_noise

COMMERCIAL_WEIGHT = {"emodb": 0.74, "emogator": 0.16, "noise": 0.10}
BABBLE = ("tess",)  # in no test: nobody who is held out speaks behind
MADE = 240
"""Sounds that no voice makes and that no corpus holds."""


class Stream:
    """Draws clips of corpora and makes windows of them.

    Args:
        cache: What ``voice_sound.gather`` wrote.
        commercial: Whether of corpora that allow commercial use only.
        device: Of the windows.
        seed: Of all variation.
        plain: Share of the windows that are as the device cuts them.

    Attributes:
        sounds: The clips, in the order that numbers them.
    """

    def __init__(
        self, cache: Path, commercial: bool, device: torch.device, seed: int = 1, plain: float = 0.0
    ) -> None:
        sound, names, lengths = voice_sound.load(cache)
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        found = [read_sound(name) for name in names]
        clips = {s.name: sound[bounds[i] : bounds[i + 1]] for i, s in enumerate(found) if s}
        self.sounds, chosen = _chosen([s for s in found if s], clips, commercial)
        self._weights = draw_weights(self.sounds, commercial).to(device)
        banks = _banks(self.sounds, chosen, device)
        self._augment, self._cut = (Augment(*banks, seed, amount) for amount in (1.0, 0.0))
        self._plain = plain

    @property
    def names(self) -> list[str]:
        """The names of the clips."""
        return [sound.name for sound in self.sounds]

    def draw(self, count: int) -> torch.Tensor:
        """Return numbers of clips, by their weights, shape (count,)."""
        return torch.multinomial(self._weights, count, replacement=True)

    @torch.no_grad()
    def make(self, rows: torch.Tensor) -> torch.Tensor:
        """Return windows of clips, given by number, shape (n, 1, LENGTH, bands)."""
        count = round(self._plain * len(rows))
        parts = zip((self._cut, self._augment), (rows[:count], rows[count:]), strict=True)
        return torch.cat([make(part) for make, part in parts if len(part)])

    @torch.no_grad()
    def again(self, windows: torch.Tensor) -> torch.Tensor:
        """Return windows varied once more."""
        return self._augment.again(windows.float())


def sounds_of(names: Iterable[str]) -> list[Sound]:
    """Return the clips of a stream by their names, those that are made included."""
    nan = float("nan")
    return [
        read_sound(name) or Sound(name, "noise", "made", "made", -1, nan, nan, OTHER)
        for name in names
    ]


def _chosen(
    sounds: list[Sound], clips: dict[str, np.ndarray], commercial: bool
) -> tuple[list[Sound], list[np.ndarray]]:
    """Leave out other licences and test noise; add sounds that are made."""
    hidden = test_noise(sounds)
    only = COMMERCIAL_WEIGHT if commercial else BY_NAME
    kept = [s for s in sounds if s.name not in hidden and s.corpus in only]
    made = other_sounds(MADE, 1)
    extra = sounds_of(f"made/{i}" for i in range(len(made)))
    return kept + extra, [clips[s.name] for s in kept] + made


def _banks(
    sounds: list[Sound], clips: list[np.ndarray], device: torch.device
) -> tuple[Bank, Bank, Bank | None]:
    """Return all clips, noise, and the voices that may speak behind."""

    def some(names: tuple[str, ...]) -> Bank | None:
        chosen = [c for s, c in zip(sounds, clips, strict=True) if s.corpus in names]
        return bank(chosen, device) if chosen else None

    noise = some(("noise",))
    if noise is None:
        raise SystemExit("no noise to train with")
    return bank(clips, device), noise, some(BABBLE)


def draw_weights(sounds: list[Sound], commercial: bool) -> torch.Tensor:
    """Return the chance of each clip: corpora by their weight, labels within one alike."""
    weight = COMMERCIAL_WEIGHT if commercial else {n: c.weight for n, c in BY_NAME.items()}
    cells: dict[tuple[str, str], int] = {}
    for s in sounds:
        cells[_cell(s)] = cells.get(_cell(s), 0) + 1
    labels = {c: sum(1 for corpus, _ in cells if corpus == c) for c in weight}
    chances = [weight[s.corpus] / labels[s.corpus] / cells[_cell(s)] for s in sounds]
    return torch.tensor(chances)


def _cell(sound: Sound) -> tuple[str, str]:
    return sound.corpus, sound.label

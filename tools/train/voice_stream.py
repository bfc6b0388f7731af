"""The stream of varied training windows that runs share: clips, how often each comes, windows."""

from __future__ import annotations

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

    Attributes:
        sounds: The clips, in the order that numbers them.
    """

    def __init__(self, cache: Path, commercial: bool, device: torch.device, seed: int = 1) -> None:
        sound, names, lengths = voice_sound.load(cache)
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        found = [read_sound(name) for name in names]
        clips = {s.name: sound[bounds[i] : bounds[i + 1]] for i, s in enumerate(found) if s}
        self.sounds, chosen = _chosen([s for s in found if s], clips, commercial)
        self._weights = draw_weights(self.sounds, commercial).to(device)
        self._augment = _augment(self.sounds, chosen, device, seed)

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
        return self._augment(rows)

    @torch.no_grad()
    def again(self, windows: torch.Tensor) -> torch.Tensor:
        """Return windows varied once more."""
        return self._augment.again(windows.float())


def _chosen(
    sounds: list[Sound], clips: dict[str, np.ndarray], commercial: bool
) -> tuple[list[Sound], list[np.ndarray]]:
    """Leave out other licences and test noise; add sounds that are made."""
    hidden = test_noise(sounds)
    only = COMMERCIAL_WEIGHT if commercial else BY_NAME
    kept = [s for s in sounds if s.name not in hidden and s.corpus in only]
    made, nan = other_sounds(MADE, 1), float("nan")
    extra = [
        Sound(f"made/{i}", "noise", "made", "made", -1, nan, nan, OTHER) for i in range(len(made))
    ]
    return kept + extra, [clips[s.name] for s in kept] + made


def _augment(
    sounds: list[Sound], clips: list[np.ndarray], device: torch.device, seed: int
) -> Augment:
    def some(names: tuple[str, ...]) -> Bank | None:
        chosen = [c for s, c in zip(sounds, clips, strict=True) if s.corpus in names]
        return bank(chosen, device) if chosen else None

    everything, noise = bank(clips, device), some(("noise",))
    if noise is None:
        raise SystemExit("no noise to train with")
    return Augment(everything, noise, some(BABBLE), seed)


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

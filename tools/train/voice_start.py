"""Weights that a run goes on from: those of a run that held out everybody whom it holds out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from voice_net import VoiceNet


@dataclass(frozen=True)
class Stem:
    """A trained run: name, steps, the ``corpus/speaker`` that it never met, and weights."""

    name: str
    steps: int
    held_out: frozenset[str]
    state: dict[str, torch.Tensor]


def read_stems(files: Sequence[Path]) -> list[Stem]:
    """Read the runs in files that ``voice_fit.py`` wrote."""
    return [
        Stem(name, run["steps"], frozenset(run["held_out"]), _floats(run["state"]))
        for file in files
        for name, run in torch.load(file, weights_only=True)["runs"].items()
    ]


def _floats(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.float() for key, value in state.items()}


def start_of(run: str, held_out: Collection[str], stems: Sequence[Stem]) -> tuple[Stem, VoiceNet]:
    """Return the stem that a run may go on from, which met the most people, and its network.

    Raises:
        SystemExit: Each stem met somebody whom the run holds out.
    """
    fit = [stem for stem in stems if stem.held_out >= set(held_out)]
    if not fit:
        raise SystemExit(f"{run}: every stem has met somebody whom this run holds out")
    stem = min(fit, key=lambda found: (len(found.held_out), found.name))
    return stem, VoiceNet.of(stem.state)

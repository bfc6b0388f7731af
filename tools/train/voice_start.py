"""Weights that a run goes on from: those of a run that held out everybody whom it holds out."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from voice_net import VoiceNet


@dataclass(frozen=True)
class Stem:
    """A trained run: name, steps, the ``corpus/speaker`` that it never met, and weights.

    ``folds`` is what its file says of folds of its own that are gone, and of their training.
    """

    name: str
    steps: int
    held_out: frozenset[str]
    state: dict[str, torch.Tensor]
    folds: Mapping[str, Any] = field(default_factory=dict)


def read_stems(files: Sequence[Path]) -> list[Stem]:
    """Read the runs in files that ``voice_fit.py`` wrote."""
    return [stem for file in files for stem in _stems(torch.load(file, weights_only=True))]


def folds_of(words: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the words beside weights tell of folds that are gone; nothing of others."""
    told: Mapping[str, Any] = words.get("before", words)
    return {key: told[key] for key in ("device", "noise", "folds")} if "folds" in told else {}


def _stems(content: Mapping[str, Any]) -> list[Stem]:
    folds = folds_of(json.loads(content["words"]))
    return [
        Stem(name, run["steps"], frozenset(run["held_out"]), _floats(run["state"]), folds)
        for name, run in content["runs"].items()
    ]


def _floats(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.float() for key, value in state.items()}


def start_of(
    run: str, held_out: Collection[str], stems: Sequence[Stem], met: Collection[str] = ()
) -> tuple[Stem, VoiceNet]:
    """Return the stem that a run may go on from, which met the most people, and its network.

    Args:
        run: Its name.
        held_out: The ``corpus/speaker`` that it holds out.
        stems: To choose from.
        met: Corpora of which a stem may have met some of these all the same.

    Raises:
        SystemExit: Each stem met somebody whom the run holds out.
    """
    needed = {who for who in held_out if who.partition("/")[0] not in met}
    fit = [stem for stem in stems if stem.held_out >= needed]
    if not fit:
        raise SystemExit(f"{run}: every stem has met somebody whom this run holds out")
    stem = min(fit, key=lambda found: (len(found.held_out), found.name))
    return stem, VoiceNet.of(stem.state)

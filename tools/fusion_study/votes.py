"""CREMA-D votes: the same clips heard only, seen only, and with both senses."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
_LETTERS = "ADFHNS"
_INTENDED = {"ANG": 0, "DIS": 1, "FEA": 2, "HAP": 3, "NEU": 4, "SAD": 5}
_SENSES = {"1": "voice", "2": "face", "3": "both"}
PRIOR = 0.5
"""Added to every count before it becomes a share."""
RATERS = 3
"""How many a look at a clip draws."""


@dataclass(frozen=True)
class Votes:
    """Counts of votes, shape (n_clips, 6) each, and whose clips they are.

    Attributes:
        voice: Votes of those who heard only.
        face: Of those who saw only.
        both: Of those who heard and saw.
        intended: Number of the emotion that the actor was asked to show.
        actor: Actor of each clip.
    """

    voice: Floats
    face: Floats
    both: Floats
    intended: npt.NDArray[np.int64]
    actor: npt.NDArray[np.str_]

    def take(self, which: npt.NDArray[np.generic]) -> Votes:
        """Return the clips that ``which`` chooses."""
        return Votes(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def read_votes(folder: Path) -> Votes:
    """Read ``tabulatedVotes.csv`` below ``folder``; clips that lack a sense are left out."""
    clips: dict[str, dict[str, list[float]]] = {}
    with next(folder.rglob("tabulatedVotes.csv")).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            sense = _SENSES[row[""][0]]
            clips.setdefault(row["fileName"], {})[sense] = [float(row[c]) for c in _LETTERS]
    names = sorted(name for name, senses in clips.items() if len(senses) == len(_SENSES))
    counts = (np.array([clips[name][sense] for name in names]) for sense in _SENSES.values())
    intended = np.array([_INTENDED[name.split("_")[2]] for name in names])
    return Votes(*counts, intended, np.array([name[:4] for name in names]))


def smoothed(counts: Floats) -> Floats:
    """Return shares of votes, each count raised by :data:`PRIOR`."""
    raised = counts + PRIOR
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def some_raters(counts: Floats, random: np.random.Generator) -> Floats:
    """Return the smoothed votes of :data:`RATERS` raters of a clip, of all where there are fewer.

    Args:
        counts: Votes of one clip, shape (6,).
        random: Draws them.
    """
    n = min(RATERS, int(counts.sum()))
    return smoothed(random.multivariate_hypergeometric(counts.astype(np.int64), n).astype(float))


def folds(votes: Votes, count: int = 5, seed: int = 0) -> list[Flags]:
    """Return the test clips of each fold; nobody is in two."""
    actors = np.random.default_rng(seed).permutation(np.unique(votes.actor))
    return [np.isin(votes.actor, actors[number::count]) for number in range(count)]


def split_raters(counts: Floats, seed: int = 0) -> tuple[Floats, Floats]:
    """Split the raters of each clip at random into two halves (the second larger when odd)."""
    random = np.random.default_rng(seed)
    total = counts.sum(axis=1).astype(np.int64)
    half = random.multivariate_hypergeometric
    first = np.array([
        half(row.astype(np.int64), n // 2) for row, n in zip(counts, total, strict=True)
    ])  # fmt: skip
    return first.astype(np.float64), counts - first


def above_chance(counts: Floats, intended: npt.NDArray[np.int64]) -> float:
    """Return the raters' recall of the intended emotion above chance, 0 … 1."""
    hit = counts.argmax(axis=1) == intended
    recall = float(np.mean([hit[intended == c].mean() for c in np.unique(intended)]))
    chance = 1.0 / len(LABELS)
    return round((recall - chance) / (1.0 - chance), 3)

"""Learned fusion parameters, and how they carry over to votes that they were not learned on.

``heads.json`` was fitted by ``tools/bench_fusion.py`` on CREMA-D, whose raters judged the same
clips heard only, seen only, and with both senses (Cao et al., IEEE Transactions on Affective
Computing 2014). It knows two modalities and six categories. The rules here extend it:

- A category that the raters were not offered (surprise) behaves as the average of the others.
- A modality that they did not have (text) counts as the average of the two, by its reliability.
- A vote as reliable as the raters' own counts as theirs; half as reliable, half as much.
- Votes overlap: with k equal votes each exponent is divided by 1 + overlap · (k − 1), the design
  effect of correlated answers (Kish, "Survey Sampling", 1965). One vote alone is not discounted,
  and a strong vote hardly for a weak one, which has little to repeat.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.fusion.base import Vote
from edge_emo.types import CATEGORIES, MODALITIES, Modality

Floats = npt.NDArray[np.float64]
Names = tuple[str, ...]

HEADS_PATH = Path(__file__).with_name("heads.json")
FLOOR = 1e-4
"""Least probability that a vote may give, so that no single model can veto a label."""


class Strength:
    """How a head weighs each modality.

    Args:
        reference: Recall above chance of the raters, by modality: the reliability of a vote
            that counts as one of theirs.
        overlap: How much the evidence of a modality repeats that of the others, 0 or more.
    """

    def __init__(
        self, reference: Mapping[Modality, float], overlap: Mapping[Modality, float]
    ) -> None:
        self._reference = {name: of_mean(reference, name) for name in MODALITIES}
        self._overlap = {name: of_mean(overlap, name) for name in MODALITIES}

    def exponents(self, votes: Sequence[Vote], weights: Sequence[float]) -> list[float]:
        """Return the exponent of each vote: relative weight, less its overlap with the others.

        Args:
            votes: At least one.
            weights: One per vote, above 0: reliability, quality and, as the method has it,
                staleness.
        """
        modalities = [vote.prediction.modality for vote in votes]
        relative = [
            weight / self._reference[modality]
            for weight, modality in zip(weights, modalities, strict=True)
        ]
        if len(relative) == 1:
            return relative
        return [
            value / (1.0 + self._overlap[modality] * _others(relative, value))
            for value, modality in zip(relative, modalities, strict=True)
        ]


def _others(relative: Sequence[float], value: float) -> float:
    """Count the other votes; a lighter one as its share to the fourth, a heavier one as one."""
    return sum([1.0 if other >= value else (other / value) ** 4 for other in relative]) - 1.0


def of_mean(values: Mapping[Modality, float], modality: Modality) -> float:
    """Return the value of ``modality``, or the mean of all for one that was not learned."""
    found = values.get(modality)
    return sum(values.values()) / len(values) if found is None else found


@cache
def read_heads(path: Path = HEADS_PATH) -> Mapping[str, Any]:
    """Return the parameters by method, as ``tools/bench_fusion.py`` wrote them."""
    heads: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return heads


def strength(heads: Mapping[str, Any], method: str) -> Strength:
    """Return how the head of ``method`` weighs modalities."""
    return Strength(heads["reference"], heads[method]["overlap"])


def read_head(
    method: str, heads: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any], Names, Strength]:
    """Return parameters of ``method``, the labels they are for, and how it weighs modalities.

    Args:
        method: Name of the head.
        heads: Parameters by method; None for the packaged ones.
    """
    heads = heads or read_heads()
    return heads[method], tuple(heads["labels"]), strength(heads, method)


def widened_row(labels: Sequence[str], row: Sequence[float]) -> Floats:
    """Return values by category, shape (7,); one that was not learned gets the mean."""
    return np.array([
        row[labels.index(name)] if name in labels else sum(row) / len(row) for name in CATEGORIES
    ])  # fmt: skip


def widened_square(labels: Sequence[str], rows: Sequence[Sequence[float]]) -> Floats:
    """Return a square over all categories, shape (7, 7).

    The diagonal of a category that was not learned is the mean diagonal, its other entries the
    mean of the other entries, so that it gains from the others what it loses to them.
    """
    known = np.asarray(rows, dtype=np.float64)
    own = float(np.trace(known)) / len(known)
    other = float(known.sum() - np.trace(known)) / (known.size - len(known))
    square = np.full((len(CATEGORIES), len(CATEGORIES)), other)
    np.fill_diagonal(square, own)
    at = [CATEGORIES.index(name) for name in labels]
    square[np.ix_(at, at)] = known
    return square


def shares(votes: Sequence[Vote], names: Names) -> Floats:
    """Return what each vote says of each name, shape (n_votes, n_names), rows summing to 1.

    A name that a vote does not have gets that vote's geometric mean: neither helped nor harmed.
    """
    return np.array(rows(votes, names))


def rows(votes: Sequence[Vote], names: Names) -> list[Sequence[float]]:
    """Return the rows of :func:`shares`."""
    return [_row(vote, names) for vote in votes]


def _row(vote: Vote, names: Names) -> Sequence[float]:
    posterior = vote.prediction.posterior
    assert posterior is not None
    if posterior.names == names:
        return posterior.probabilities
    known = [p if p > FLOOR else FLOOR for p in posterior.probabilities]
    mean = math.exp(sum([math.log(p) for p in known]) / len(known))
    row = [mean if place is None else known[place] for place in _places(posterior.names, names)]
    total = sum(row)
    return [value / total for value in row]


@cache
def _places(given: Names, wanted: Names) -> tuple[int | None, ...]:
    return tuple(given.index(name) if name in given else None for name in wanted)


def is_categorical(names: Names) -> bool:
    """Tell whether every name is one of the seven categories, so that a head applies."""
    return names == CATEGORIES or set(names).issubset(CATEGORIES)
